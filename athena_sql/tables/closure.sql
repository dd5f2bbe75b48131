-- A sample of the injections, each rendered again by an independent renderer from the manifest and the recorded PSF, against injected minus raw of its stamp.
-- Generated from pipeline/schema.py: python -m athena_sql.ddl
-- A run is seen once its partitions are registered (ADD PARTITION); no projection.
CREATE EXTERNAL TABLE darkhalo.closure (
  `task_id` string COMMENT 'key, as in metrics',
  `brickname` string COMMENT 'the survey\'s brick that owns the host',
  `host_id` string COMMENT 'the host galaxy',
  `stratum` string COMMENT 'the cell of the parameters that the row was drawn from; not sampled: of a row that is here for its pixels alone',
  `closure_reason` string COMMENT 'why nothing was compared: no_stamp, hash_mismatch (the pixels are not those that 4c hashed), not_finite, not_renderable; the second and third of any stamp, controls too, in the parts that hold the sample',
  `closure_flux_g` double COMMENT 'flux added to the stamp in g over the reference\'s, minus 1',
  `closure_flux_r` double COMMENT 'flux added to the stamp in r over the reference\'s, minus 1',
  `closure_flux_z` double COMMENT 'flux added to the stamp in z over the reference\'s, minus 1',
  `closure_l2_g` double COMMENT 'norm of the difference over the norm of the reference, in g',
  `closure_l2_r` double COMMENT 'norm of the difference over the norm of the reference, in r',
  `closure_l2_z` double COMMENT 'norm of the difference over the norm of the reference, in z',
  `closure_moment_g` double COMMENT 'second moment of the added light in g over the reference\'s, minus 1',
  `closure_moment_r` double COMMENT 'second moment of the added light in r over the reference\'s, minus 1',
  `closure_moment_z` double COMMENT 'second moment of the added light in z over the reference\'s, minus 1',
  `closure_centroid_g_arcsec` double COMMENT 'distance of the added light\'s centroid from the reference\'s, in g [arcsec]',
  `closure_centroid_r_arcsec` double COMMENT 'distance of the added light\'s centroid from the reference\'s, in r [arcsec]',
  `closure_centroid_z_arcsec` double COMMENT 'distance of the added light\'s centroid from the reference\'s, in z [arcsec]',
  `closure_core` double COMMENT 'recorded light in the middle (core_flux_r, host_core_flux) less that of the stored pixels, over the sum of their absolute values; the worst',
  `closure_magnification` double COMMENT 'recorded magnification over the reference\'s, minus 1',
  `closure_noise_g` double COMMENT 'square of what the light\'s noise does not explain over the noise\'s variance, in g; NULL without noise of the light',
  `closure_noise_r` double COMMENT 'square of what the light\'s noise does not explain over the noise\'s variance, in r; NULL without noise of the light',
  `closure_noise_z` double COMMENT 'square of what the light\'s noise does not explain over the noise\'s variance, in z; NULL without noise of the light',
  `closure_snr_loss` double COMMENT 'ln(arc_snr_sky / arc_snr) over that of the reference on an even sky, minus 1; NULL without noise of the light',
  `closure_arc_snr` double COMMENT 'ln of arc_snr over that of the reference on an even sky of the catalogue\'s depth, without masks; NULL where either is 0 or unknown',
  `closure_arc_peak_snr` double COMMENT 'the same of arc_peak_snr'
)
PARTITIONED BY (tier string, run_id string, region_split string)
STORED AS PARQUET
LOCATION 's3://YOUR-BUCKET/runs/'
