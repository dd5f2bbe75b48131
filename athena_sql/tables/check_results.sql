-- One row a check of the gate.
-- Generated from pipeline/schema.py: python -m athena_sql.ddl
-- A run is seen once its partitions are registered (ADD PARTITION); no projection.
CREATE EXTERNAL TABLE darkhalo.check_results (
  `name` string COMMENT 'the check: a file of athena_sql/checks',
  `status` string COMMENT 'PASS, FAIL, WARN, INCONCLUSIVE or NOT_EXERCISED',
  `critical` boolean COMMENT 'the tier demands PASS of this check',
  `statistic` double COMMENT 'what was measured',
  `bound` double COMMENT 'what it is held against',
  `n` bigint COMMENT 'the units behind the statistic',
  `message` string COMMENT 'the finding in a sentence',
  `sql_sha256` string COMMENT 'SHA-256 of the SQL that the engine answered, hexadecimal; NULL where it did not',
  `code_version` string COMMENT 'hash of the sources that made and judged the run'
)
PARTITIONED BY (tier string, run_id string, region_split string)
STORED AS PARQUET
LOCATION 's3://YOUR-BUCKET/runs/'
