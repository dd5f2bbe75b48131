-- What lies outside its limits, of `long` (brickname, host_id, quantity, y): in the mean of the run, in that of a
-- brick (both clustered, with 5 errors beside the limits), or in more hosts than a clean run has, but for two runs in
-- a million. The limits are those of pipeline/sky_limits.py. Scores above 1 are outside.
limits AS (
  SELECT *
  FROM (VALUES
    ${limits}
  ) AS t (quantity, run_low, run_high, brick_low, brick_high, host_low, host_high, clean_rate)
),
clipped AS (
  SELECT
    a.brickname,
    a.host_id,
    a.quantity,
    CASE WHEN a.y BETWEEN b.host_low AND b.host_high THEN a.y WHEN a.y < b.host_low THEN b.host_low ELSE b.host_high END AS y,
    CASE WHEN a.y BETWEEN b.host_low AND b.host_high THEN 0 ELSE 1 END AS beyond
  FROM long AS a
  JOIN limits AS b ON a.quantity = b.quantity
  WHERE a.y IS NOT NULL
),
brick_means AS (
  SELECT quantity, brickname, count(*) AS n, avg(y) AS mean_y, var_samp(y) AS var_y
  FROM clipped
  GROUP BY quantity, brickname
),
pooled AS (
  SELECT
    quantity,
    coalesce(sqrt(sum((n - 1) * var_y) / nullif(sum(n - 1), 0)), 0e0) AS sd,
    coalesce(stddev_samp(mean_y), 0e0) / sqrt(count(*)) AS error_of_bricks
  FROM brick_means
  GROUP BY quantity
),
run_means AS (
  SELECT quantity, count(*) AS n, avg(y) AS mean_y, sum(beyond) AS n_beyond
  FROM clipped
  GROUP BY quantity
),
scores AS (
  SELECT
    abs(a.mean_y - (l.run_low + l.run_high) / 2e0)
      / ((l.run_high - l.run_low) / 2e0 + 5e0 * greatest(p.error_of_bricks, p.sd / sqrt(a.n))) AS score,
    format('%s is %.4f in the mean, of %.4f to %.4f', a.quantity, a.mean_y, l.run_low, l.run_high) AS told
  FROM run_means AS a
  JOIN limits AS l ON a.quantity = l.quantity
  JOIN pooled AS p ON a.quantity = p.quantity
  UNION ALL
  SELECT
    abs(a.mean_y - (l.brick_low + l.brick_high) / 2e0)
      / ((l.brick_high - l.brick_low) / 2e0 + 5e0 * p.sd / sqrt(a.n)),
    format('%s is %.4f', a.quantity, a.mean_y)
      || format(' in brick %s, of %.4f to %.4f', a.brickname, l.brick_low, l.brick_high)
  FROM brick_means AS a
  JOIN limits AS l ON a.quantity = l.quantity
  JOIN pooled AS p ON a.quantity = p.quantity
  UNION ALL
  SELECT
    a.n_beyond / (3e0 + a.n * l.clean_rate + 5e0 * sqrt(a.n * l.clean_rate)),
    format('%s of %d of %d hosts', a.quantity, a.n_beyond, a.n)
      || format(' lies outside %.4f to %.4f', l.host_low, l.host_high)
  FROM run_means AS a
  JOIN limits AS l ON a.quantity = l.quantity
),
-- The first by its words where several are alike: engines differ in which one max_by finds.
most AS (
  SELECT coalesce(max(score), 0e0) AS score FROM scores
),
outside AS (
  SELECT
    max(m.score) AS score,
    coalesce(min(CASE WHEN s.score >= (1e0 - 1e-9) * m.score THEN s.told END), 'nothing') AS told
  FROM most AS m
  LEFT JOIN scores AS s ON true
),
subject AS (
  SELECT count(DISTINCT host_id) AS n, count(DISTINCT brickname) AS n_bricks FROM clipped
)
