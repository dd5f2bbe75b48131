-- A sample of the hosts, the raw stamp of each against what the survey's catalogue says should be on it: the host and its neighbours, by the survey's PSF.
-- Generated from pipeline/schema.py: python -m athena_sql.ddl
-- A run is seen once its partitions are registered (ADD PARTITION); no projection.
CREATE EXTERNAL TABLE darkhalo.sky (
  `host_id` string COMMENT 'key, as in metrics',
  `brickname` string COMMENT 'the survey\'s brick that owns the host',
  `raw_hash` string COMMENT 'of the raw stamp that was compared, as in stamps',
  `sky_reason` string COMMENT 'why nothing was compared: no_host (not in the host catalogue), no_depth (no psfdepth in it), no_shape (nor in the host catalogue alone), not_in_catalogue, catalogue_unreadable',
  `sky_neighbours` int COMMENT 'catalogued sources on the stamp beside the host; NULL where the sky has no source catalogue',
  `sky_orientation` double COMMENT '1 if the stamp lies as its prediction, -1 if it is turned or mirrored; NULL where its neighbours do not tell',
  `sky_light_g` double COMMENT 'ln of the light in g over the prediction\'s',
  `sky_light_r` double COMMENT 'ln of the light in r over the prediction\'s',
  `sky_light_z` double COMMENT 'ln of the light in z over the prediction\'s',
  `sky_x_g_arcsec` double COMMENT 'by how much the light lies off in g, +x [arcsec]',
  `sky_x_r_arcsec` double COMMENT 'by how much the light lies off in r, +x [arcsec]',
  `sky_x_z_arcsec` double COMMENT 'by how much the light lies off in z, +x [arcsec]',
  `sky_y_g_arcsec` double COMMENT 'by how much the light lies off in g, +y [arcsec]',
  `sky_y_r_arcsec` double COMMENT 'by how much the light lies off in r, +y [arcsec]',
  `sky_y_z_arcsec` double COMMENT 'by how much the light lies off in z, +y [arcsec]',
  `sky_left_g` double COMMENT 'sky beside the predicted light in g, in the noise that the catalogue\'s depth tells',
  `sky_left_r` double COMMENT 'sky beside the predicted light in r, in the noise that the catalogue\'s depth tells',
  `sky_left_z` double COMMENT 'sky beside the predicted light in z, in the noise that the catalogue\'s depth tells',
  `sky_slope_g` double COMMENT 'change of that from edge to edge',
  `sky_slope_r` double COMMENT 'change of that from edge to edge',
  `sky_slope_z` double COMMENT 'change of that from edge to edge',
  `sky_scatter_g` double COMMENT 'noise of the pixels beside the predicted light in g over the one that the catalogue\'s depth tells',
  `sky_scatter_r` double COMMENT 'noise of the pixels beside the predicted light in r over the one that the catalogue\'s depth tells',
  `sky_scatter_z` double COMMENT 'noise of the pixels beside the predicted light in z over the one that the catalogue\'s depth tells',
  `sky_position_arcsec` double COMMENT 'distance of the recorded position from the catalogue\'s [arcsec]',
  `sky_depth_g` double COMMENT 'ln of the recorded psfdepth over the catalogue\'s, in g',
  `sky_depth_r` double COMMENT 'ln of the recorded psfdepth over the catalogue\'s, in r',
  `sky_depth_z` double COMMENT 'ln of the recorded psfdepth over the catalogue\'s, in z',
  `sky_psf_g` double COMMENT 'ln of the recorded psfsize over the catalogue\'s, in g',
  `sky_psf_r` double COMMENT 'ln of the recorded psfsize over the catalogue\'s, in r',
  `sky_psf_z` double COMMENT 'ln of the recorded psfsize over the catalogue\'s, in z'
)
PARTITIONED BY (tier string, run_id string, region_split string)
STORED AS PARQUET
LOCATION 's3://YOUR-BUCKET/runs/'
