-- name: stamp_hashes
-- asks: Are the stamps those of their hosts, each read from the sky once and each injection different?
-- statistic: hosts with two raw cutouts, raw cutouts that two hosts share, injected images that occur twice
-- bound: 0
-- needs: one stamp
-- stops: workers that read the same fragment, a cutout taken at another host's place, a buffer used twice, one
--   arc written to every row
-- on failure: join stamps on raw_hash (or image_hash) and compare the task_ids that share it
WITH stamped AS (
  SELECT host_id, is_control, image_hash, raw_hash
  FROM ${database}.stamps
  WHERE tier = ${tier} AND run_id = ${run_id}
),
hosts AS (
  SELECT host_id, count(DISTINCT raw_hash) AS n_raw FROM stamped GROUP BY host_id
),
raw AS (
  SELECT raw_hash, count(DISTINCT host_id) AS n_hosts FROM stamped GROUP BY raw_hash
),
images AS (
  SELECT image_hash, count(*) AS n_rows FROM stamped WHERE NOT is_control GROUP BY image_hash
),
stamp_count AS (
  SELECT count(*) AS n FROM stamped
),
host_counts AS (
  SELECT count(*) AS n, count_if(n_raw > 1) AS n_bad FROM hosts
),
raw_counts AS (
  SELECT count_if(n_hosts > 1) AS n_bad FROM raw
),
image_counts AS (
  SELECT coalesce(sum(n_rows - 1), 0) AS n_bad FROM images
),
facts AS (
  SELECT
    s.n AS n, h.n AS n_hosts, h.n_bad AS hosts_bad, r.n_bad AS raw_bad, i.n_bad AS images_bad,
    h.n_bad + r.n_bad + i.n_bad AS n_bad
  FROM stamp_count AS s
  CROSS JOIN host_counts AS h
  CROSS JOIN raw_counts AS r
  CROSS JOIN image_counts AS i
)
SELECT
  CASE WHEN n_bad > 0 THEN 'FAIL' WHEN n = 0 THEN 'NOT_EXERCISED' ELSE 'PASS' END AS status,
  cast(n_bad AS double) AS statistic,
  0e0 AS bound,
  n,
  format(
    '%d stamps of %d hosts: %d hosts with two raw cutouts, %d cutouts shared by hosts, %d images repeated.',
    n, n_hosts, hosts_bad, raw_bad, images_bad
  ) AS message
FROM facts
