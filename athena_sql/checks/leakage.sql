-- name: leakage
-- asks: Is everything that a network could recognise in one split only?
-- statistic: hosts, bricks, sky regions, positions within the tier's guard and raw stamps that stand in two splits; rows
--   whose split is none of those that the tier states, and such splits without a row
-- bound: 0
-- needs: rows in every split that the tier states (so few blocks of the sky that chance may leave one out:
--   INCONCLUSIVE, below 40 where blocks are dealt by hash, else 3); where all rows are of `all`, NOT_EXERCISED
-- stops: splits by row, splits that are NULL or misspelt, a split that is missing, regions dealt
--   twice, a host catalogue with a galaxy under two ids, hosts nearer than the guard in two splits, one stamp read twice
-- on failure: look at the regions that the message counts; splits are by HEALPix region, never by row
WITH rows_split AS (
  SELECT host_id, brickname, region_id, ra, dec, region_split
  FROM ${database}.manifest
  WHERE tier = ${tier} AND run_id = ${run_id}
),
stated AS (
  SELECT region_split FROM (VALUES ${split_shares}) AS v (region_split, p) WHERE p > 0e0
),
everywhere AS (
  SELECT region_split FROM rows_split
  UNION ALL
  SELECT region_split FROM ${database}.metrics WHERE tier = ${tier} AND run_id = ${run_id}
  UNION ALL
  SELECT region_split FROM ${database}.stamps WHERE tier = ${tier} AND run_id = ${run_id}
),
unknown AS (
  SELECT count_if(s.region_split IS NULL) AS n
  FROM everywhere AS e
  LEFT JOIN stated AS s ON e.region_split = s.region_split
),
missing AS (
  SELECT count(*) AS n
  FROM stated
  WHERE region_split NOT IN (SELECT region_split FROM rows_split WHERE region_split IS NOT NULL)
),
blocks AS (
  SELECT
    count(DISTINCT floor(region_id / ${regions_a_block})) AS n,
    count_if(region_split IS DISTINCT FROM 'all') AS n_split
  FROM rows_split
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
-- Strips as wide as the guard in declination: a neighbour within it is in the same strip or the next.
strips AS (
  SELECT host_id, region_split, ra, dec, cast(floor(dec * 3.6e3 / ${guard_arcsec}) AS bigint) AS strip FROM hosts
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
  SELECT host_id FROM pairs WHERE split_a < split_b AND squared <= power(${guard_arcsec}, 2e0)
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
    h.n_leak + b.n_leak + r.n_leak + s.n_leak + p.n_leak + u.n AS n_leak,
    u.n AS n_unknown, m.n AS n_missing, k.n AS n_blocks, k.n_split AS n_split,
    coalesce(h.first_leak, p.first_leak) AS first_host, b.first_leak AS first_brick
  FROM host_counts AS h
  CROSS JOIN brick_counts AS b
  CROSS JOIN region_counts AS r
  CROSS JOIN raw_counts AS s
  CROSS JOIN near_counts AS p
  CROSS JOIN unknown AS u
  CROSS JOIN missing AS m
  CROSS JOIN blocks AS k
)
SELECT
  CASE
    WHEN n_split = 0 THEN 'NOT_EXERCISED'
    WHEN n_leak > 0 THEN 'FAIL'
    WHEN n_missing > 0 AND n_blocks < CASE ${split_deal} WHEN 'hash' THEN 40 ELSE 3 END THEN 'INCONCLUSIVE'
    WHEN n_missing > 0 THEN 'FAIL'
    ELSE 'PASS'
  END AS status,
  cast(n_leak + n_missing AS double) AS statistic,
  0e0 AS bound,
  n_hosts AS n,
  format(
    'of %d hosts, %d bricks and %d regions in %d splits: %d hosts, %d bricks, %d regions, ',
    n_hosts, n_bricks, n_regions, n_splits, hosts_leak, bricks_leak, regions_leak
  ) || format(
    '%d hosts nearer to one of another split than the guard of %.0f arcsec and %d raw stamps in two splits; %d rows have no split that is stated, ',
    near_leak, ${guard_arcsec}, stamps_leak, n_unknown
  ) || format('%d stated splits have no row', n_missing) || CASE WHEN first_host IS NOT NULL THEN '; the first host is ' || first_host ELSE '' END
    || CASE WHEN first_brick IS NOT NULL THEN '; the first brick is ' || first_brick ELSE '' END || '.' AS message
FROM facts
