-- One row a task that has pixels, wide. Images are little-endian float32 of shape (3, n_pix, n_pix), bands g, r, z, nanomaggies, row 0 at the bottom (south).
-- Generated from pipeline/schema.py: python -m athena_sql.ddl
-- A run is seen once its partitions are registered (ADD PARTITION); no projection.
CREATE EXTERNAL TABLE darkhalo.stamps (
  `task_id` string COMMENT 'key, as in metrics',
  `brickname` string COMMENT 'the survey\'s brick that owns the host',
  `host_id` string COMMENT 'the host galaxy',
  `is_control` boolean COMMENT 'true where nothing is injected',
  `n_pix` int COMMENT 'side of the stamp [px]',
  `image` binary COMMENT 'the stamp, with the arcs added unless is_control [nmgy]',
  `raw_image` binary COMMENT 'the same cutout untouched (dictionary-encoded: stored once a host) [nmgy]',
  `image_hash` string COMMENT 'blake2b-64 of image, hexadecimal',
  `raw_hash` string COMMENT 'blake2b-64 of raw_image: equal to image_hash in controls, only there'
)
PARTITIONED BY (tier string, run_id string, region_split string)
STORED AS PARQUET
LOCATION 's3://YOUR-BUCKET/runs/'
