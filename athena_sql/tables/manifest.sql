-- One row a task, written before anything is rendered; every random number of the run is frozen here.
-- Generated from pipeline/schema.py: python -m athena_sql.ddl
-- A run is seen once its partitions are registered (ADD PARTITION); no projection.
CREATE EXTERNAL TABLE darkhalo.manifest (
  `task_id` string COMMENT 'hash of experiment, host and parameters: the key of a row',
  `experiment_id` string COMMENT '<tier>_stamp<n>_bandsgrz_grid<grid>',
  `brickname` string COMMENT 'the survey\'s brick that owns the host',
  `host_id` string COMMENT '<release>-<brickid>-<objid> of the host galaxy in the survey\'s catalogue',
  `ra` double COMMENT 'right ascension of the host [deg]',
  `dec` double COMMENT 'declination of the host [deg]',
  `region_id` bigint COMMENT 'HEALPix pixel (nside 64, nested) of the brick\'s centre',
  `lens_model` string COMMENT 'SIE or CONTROL',
  `is_control` boolean COMMENT 'true where nothing is injected',
  `task_seed64` bigint COMMENT 'key of the task\'s counter-based random numbers (Philox)',
  `theta_e_arcsec` double COMMENT 'Einstein radius: the tangential critical curve of the SIE encloses pi theta_E^2 [arcsec]',
  `lens_e` double COMMENT 'ellipticity (1 - q)/(1 + q) of the mass',
  `lens_phi_rad` double COMMENT 'position angle of the mass\'s major axis, counter-clockwise from +x [rad]',
  `shear` double COMMENT 'external shear gamma',
  `shear_phi_rad` double COMMENT 'angle phi of gamma_1 = gamma cos 2 phi, gamma_2 = gamma sin 2 phi [rad]',
  `src_dmag` double COMMENT 'unlensed source magnitude minus host magnitude, in r [mag]',
  `src_reff_arcsec` double COMMENT 'half-light radius of the source, on the circularised radius [arcsec]',
  `src_n_sersic` double COMMENT 'Sersic index of the source',
  `src_e` double COMMENT 'ellipticity (1 - q)/(1 + q) of the source',
  `src_phi_rad` double COMMENT 'position angle of the source\'s major axis [rad]',
  `src_x_arcsec` double COMMENT 'unlensed source position, +x from the host [arcsec]',
  `src_y_arcsec` double COMMENT 'unlensed source position, +y from the host [arcsec]',
  `src_flux_g_nmgy` double COMMENT 'unlensed total source flux in g [nmgy]',
  `src_flux_r_nmgy` double COMMENT 'unlensed total source flux in r [nmgy]',
  `src_flux_z_nmgy` double COMMENT 'unlensed total source flux in z [nmgy]',
  `host_mag_r` double COMMENT 'AB magnitude of the host in r, as observed [mag]',
  `host_flux_g_nmgy` double COMMENT 'the catalogue\'s flux of the host in g, as observed [nmgy]',
  `host_flux_r_nmgy` double COMMENT 'the catalogue\'s flux of the host in r, as observed [nmgy]',
  `host_flux_z_nmgy` double COMMENT 'the catalogue\'s flux of the host in z, as observed [nmgy]',
  `psfdepth_g` double COMMENT 'the catalogue\'s inverse variance of a point source in g [1/nmgy^2]',
  `psfdepth_r` double COMMENT 'the catalogue\'s inverse variance of a point source in r [1/nmgy^2]',
  `psfdepth_z` double COMMENT 'the catalogue\'s inverse variance of a point source in z [1/nmgy^2]'
)
PARTITIONED BY (tier string, run_id string, region_split string)
STORED AS PARQUET
LOCATION 's3://YOUR-BUCKET/runs/'
