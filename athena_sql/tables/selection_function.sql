-- Completeness in cells of lens, source and observing conditions, with Wilson 95 % intervals.
-- Generated from pipeline/schema.py: python -m athena_sql.ddl
-- A run is seen once its partitions are registered (ADD PARTITION); no projection.
CREATE EXTERNAL TABLE darkhalo.selection_function (
  `cut` string COMMENT 'which sample: all rows or clean rows',
  `theta_e_arcsec` double COMMENT 'Einstein radius of the cell [arcsec]',
  `src_dmag` double COMMENT 'source magnitude minus host magnitude of the cell [mag]',
  `src_reff_arcsec` double COMMENT 'source half-light radius of the cell [arcsec]',
  `resolution_low` double COMMENT 'lower edge of the bin in theta_E / psfsize_r',
  `psfsize_low` double COMMENT 'lower edge of the bin in psfsize_r [arcsec]',
  `depth_low` double COMMENT 'lower edge of the bin in 5 sigma point-source depth in r [mag]',
  `n` bigint COMMENT 'injections in the cell',
  `n_hosts` bigint COMMENT 'hosts behind them',
  `n_recovered` bigint COMMENT 'of these, recovered: arc_snr >= 5 and theta_E/psfsize_r >= 0.8',
  `n_detected` bigint COMMENT 'of these, detected: arc_snr >= 5 alone, whatever the resolution',
  `completeness` double COMMENT 'n_recovered / n',
  `wilson_low` double COMMENT 'lower end of the 95 % interval',
  `wilson_high` double COMMENT 'upper end of the 95 % interval',
  `detected_fraction` double COMMENT 'n_detected / n: what was measured where the resolution threshold sets completeness to 0',
  `detected_low` double COMMENT 'lower end of its 95 % interval',
  `detected_high` double COMMENT 'upper end of its 95 % interval'
)
PARTITIONED BY (tier string, run_id string, region_split string)
STORED AS PARQUET
LOCATION 's3://YOUR-BUCKET/runs/'
