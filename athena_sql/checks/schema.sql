-- name: schema
-- asks: Are the tables the ones that the code means, column by column, and is there anything in them?
-- statistic: columns of manifest, metrics, stamps, closure and sky that are missing, extra or of another type
-- bound: 0, and manifest, metrics and stamps have rows of this run
-- needs: nothing
-- stops: a catalogue older than the code; a column that was renamed, dropped or written as another type;
--   an empty table, over which every other count of bad rows would be 0
-- on failure: deploy the tables and the task image from the same commit, then run the tier again
WITH expected AS (
  SELECT table_name, column_name, data_type
  FROM (VALUES
    ${schema_columns}
  ) AS v (table_name, column_name, data_type)
),
found AS (
  SELECT table_name, column_name, data_type
  FROM information_schema.columns
  WHERE table_schema = '${database}' AND table_name IN ('manifest', 'metrics', 'stamps', 'closure', 'sky')
),
compared AS (
  SELECT
    coalesce(e.table_name, f.table_name) || '.' || coalesce(e.column_name, f.column_name) AS name,
    CASE
      WHEN f.column_name IS NULL THEN 'missing'
      WHEN e.column_name IS NULL THEN 'extra'
      WHEN e.data_type <> f.data_type THEN 'mistyped'
      ELSE 'right'
    END AS finding
  FROM expected AS e
  FULL OUTER JOIN found AS f ON e.table_name = f.table_name AND e.column_name = f.column_name
),
column_counts AS (
  SELECT
    count_if(finding = 'right') AS n_right,
    count_if(finding <> 'right') AS n_wrong,
    min(CASE WHEN finding <> 'right' THEN name || ' ' || finding END) AS first_wrong
  FROM compared
),
manifest_rows AS (
  SELECT count(*) AS n FROM ${database}.manifest WHERE tier = ${tier} AND run_id = ${run_id}
),
metrics_rows AS (
  SELECT count(*) AS n FROM ${database}.metrics WHERE tier = ${tier} AND run_id = ${run_id}
),
stamps_rows AS (
  SELECT count(*) AS n FROM ${database}.stamps WHERE tier = ${tier} AND run_id = ${run_id}
)
SELECT
  CASE WHEN c.n_wrong = 0 AND a.n > 0 AND b.n > 0 AND s.n > 0 THEN 'PASS' ELSE 'FAIL' END AS status,
  cast(c.n_wrong AS double) AS statistic,
  0e0 AS bound,
  b.n AS n,
  format(
    '%d columns as declared, %d not (%s); rows: %d manifest, %d metrics, %d stamps.',
    c.n_right, c.n_wrong, coalesce(c.first_wrong, 'none'), a.n, b.n, s.n
  ) AS message
FROM column_counts AS c
CROSS JOIN manifest_rows AS a
CROSS JOIN metrics_rows AS b
CROSS JOIN stamps_rows AS s
