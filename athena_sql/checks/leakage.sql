-- name: leakage
-- asks: Is everything that a network could recognise in one split only?
-- statistic: hosts, bricks, sky regions, positions within 1 arcsec and raw stamps that stand in two splits
-- bound: 0
-- needs: rows in at least two splits; where no row says its split, NOT_EXERCISED
-- stops: splits by row, regions dealt twice, a host catalogue with a galaxy under two ids, one stamp read twice
-- on failure: look at the regions that the message counts; splits are by HEALPix region, never by row
WITH rows_split AS (
  SELECT host_id, brickname, region_id, ra, dec, region_split
  FROM ${database}.manifest
  WHERE tier = ${tier} AND run_id = ${run_id}
),
hosts AS (
  SELECT
    host_id,
    min(region_split) AS region_split,
    min(ra) AS ra,
    min(dec) AS dec,
    min(region_split) <> max(region_split) AS is_leak
  FROM rows_split
  GROUP BY host_id
),
bricks AS (
  SELECT brickname, min(region_split) <> max(region_split) AS is_leak FROM rows_split GROUP BY brickname
),
regions AS (
  SELECT region_id, min(region_split) <> max(region_split) AS is_leak FROM rows_split GROUP BY region_id
),
raw_stamps AS (
  SELECT raw_hash, min(region_split) <> max(region_split) AS is_leak
  FROM ${database}.stamps
  WHERE tier = ${tier} AND run_id = ${run_id}
  GROUP BY raw_hash
),
-- Strips of 1 arcsec in declination: a neighbour within 1 arcsec is in the same strip or the next.
strips AS (
  SELECT host_id, region_split, ra, dec, cast(floor(dec * 3.6e3) AS bigint) AS strip FROM hosts
),
reaching AS (
  SELECT s.host_id AS host_id, s.region_split AS region_split, s.ra AS ra, s.dec AS dec, s.strip + t.step AS strip
  FROM strips AS s
  CROSS JOIN UNNEST(sequence(-1, 1)) AS t (step)
),
pairs AS (
  SELECT
    a.host_id AS host_id, a.region_split AS split_a, b.region_split AS split_b,
    power((a.dec - b.dec) * 3.6e3, 2e0)
      + power(least(abs(a.ra - b.ra), 3.6e2 - abs(a.ra - b.ra)) * cos(radians(a.dec)) * 3.6e3, 2e0) AS squared
  FROM reaching AS a
  JOIN strips AS b ON b.strip = a.strip
),
nearby AS (
  SELECT host_id FROM pairs WHERE split_a < split_b AND squared <= 1e0
),
host_counts AS (
  SELECT
    count(*) AS n, count_if(is_leak) AS n_leak, count(DISTINCT region_split) AS n_splits,
    min(CASE WHEN is_leak THEN host_id END) AS first_leak
  FROM hosts
),
brick_counts AS (
  SELECT count(*) AS n, count_if(is_leak) AS n_leak, min(CASE WHEN is_leak THEN brickname END) AS first_leak
  FROM bricks
),
region_counts AS (
  SELECT count(*) AS n, count_if(is_leak) AS n_leak FROM regions
),
raw_counts AS (
  SELECT count_if(is_leak) AS n_leak FROM raw_stamps
),
near_counts AS (
  SELECT count(DISTINCT host_id) AS n_leak, min(host_id) AS first_leak FROM nearby
),
facts AS (
  SELECT
    h.n AS n_hosts, h.n_leak AS hosts_leak, h.n_splits AS n_splits, b.n AS n_bricks, b.n_leak AS bricks_leak,
    r.n AS n_regions, r.n_leak AS regions_leak, s.n_leak AS stamps_leak, p.n_leak AS near_leak,
    h.n_leak + b.n_leak + r.n_leak + s.n_leak + p.n_leak AS n_leak,
    coalesce(h.first_leak, p.first_leak) AS first_host, b.first_leak AS first_brick
  FROM host_counts AS h
  CROSS JOIN brick_counts AS b
  CROSS JOIN region_counts AS r
  CROSS JOIN raw_counts AS s
  CROSS JOIN near_counts AS p
)
SELECT
  CASE
    WHEN n_leak > 0 THEN 'FAIL'
    WHEN n_hosts = 0 OR n_splits = 0 THEN 'NOT_EXERCISED'
    WHEN n_splits < 2 THEN 'FAIL'
    ELSE 'PASS'
  END AS status,
  cast(n_leak AS double) AS statistic,
  0e0 AS bound,
  n_hosts AS n,
  format(
    'of %d hosts, %d bricks and %d regions in %d splits: %d hosts, %d bricks, %d regions, ',
    n_hosts, n_bricks, n_regions, n_splits, hosts_leak, bricks_leak, regions_leak
  ) || format(
    '%d positions within 1 arcsec and %d raw stamps stand in two splits', near_leak, stamps_leak
  ) || CASE WHEN first_host IS NOT NULL THEN '; the first host is ' || first_host ELSE '' END
    || CASE WHEN first_brick IS NOT NULL THEN '; the first brick is ' || first_brick ELSE '' END || '.' AS message
FROM facts
