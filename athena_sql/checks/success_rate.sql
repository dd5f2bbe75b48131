-- name: success_rate
-- asks: Is every planned row there exactly once, as planned, and did nearly all of them succeed?
-- statistic: fraction of planned rows without cutout_ok and metrics_ok; where that is allowed, of bricks that failed,
--   if it is too many; with broken keys, their number
-- bound: 0.01 of the rows; 0.001 of the bricks, so none of fewer than 1,000; 0 broken keys (missing, doubled, unplanned or changed rows; stamps without row)
-- needs: a manifest; the units behind the rate are bricks, so the message gives the 95 % upper limit on the
--   rate of failed bricks (more than half of their rows failed): 0 of 20 still allows 13.9 %
-- stops: a missing brick, a partial write, a doubled part, tasks that read the same fragment, rows whose
--   parameters are not the manifest's, a hundredth of the rows quarantined, a brick of which nothing is left
-- on failure: read quarantine_reason by brick in metrics; resume the run for missing parts; never edit rows
WITH planned AS (
  SELECT ${manifest_columns}
  FROM ${database}.manifest
  WHERE tier = ${tier} AND run_id = ${run_id}
),
measured AS (
  SELECT ${manifest_columns}, cutout_ok, metrics_ok
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id}
),
stamped AS (
  SELECT task_id FROM ${database}.stamps WHERE tier = ${tier} AND run_id = ${run_id}
),
joined AS (
  SELECT
    p.task_id AS planned_id,
    m.task_id AS measured_id,
    p.brickname AS brickname,
    coalesce(m.cutout_ok AND m.metrics_ok, false) AS is_good,
    p.task_id IS NOT NULL AND m.task_id IS NOT NULL AND (
      ${disagreement}
    ) AS is_changed
  FROM planned AS p
  FULL OUTER JOIN measured AS m ON p.task_id = m.task_id
),
pairs AS (
  SELECT
    count_if(planned_id IS NOT NULL AND NOT is_good) AS n_failed,
    count_if(measured_id IS NULL) AS n_missing,
    count_if(planned_id IS NULL) AS n_unplanned,
    count_if(is_changed) AS n_changed,
    min(CASE WHEN measured_id IS NULL OR planned_id IS NULL OR is_changed
      THEN coalesce(planned_id, measured_id) END) AS first_off
  FROM joined
),
by_brick AS (
  SELECT brickname, count(*) AS n, count_if(NOT is_good) AS n_failed
  FROM joined
  WHERE planned_id IS NOT NULL
  GROUP BY brickname
),
bricks AS (
  SELECT
    count(*) AS n, count_if(2 * n_failed > n) AS n_failed,
    min(CASE WHEN 2 * n_failed > n THEN brickname END) AS first_failed
  FROM by_brick
),
plan_counts AS (
  SELECT count(*) AS n, count(*) - count(DISTINCT task_id) AS n_doubled FROM planned
),
row_counts AS (
  SELECT count(*) AS n, count(*) - count(DISTINCT task_id) AS n_doubled FROM measured
),
stamp_counts AS (
  SELECT
    count_if(s.task_id IS NULL AND m.cutout_ok) AS n_stampless,
    count_if(s.task_id IS NOT NULL AND NOT coalesce(m.cutout_ok, false)) AS n_stray
  FROM measured AS m
  FULL OUTER JOIN stamped AS s ON m.task_id = s.task_id
),
stamp_copies AS (
  SELECT count(*) - count(DISTINCT task_id) AS n_doubled FROM stamped
),
facts AS (
  SELECT
    plan_counts.n AS n,
    abs(plan_counts.n - ${expected_rows}) + plan_counts.n_doubled + row_counts.n_doubled
      + pairs.n_missing + pairs.n_unplanned + pairs.n_changed
      + stamp_counts.n_stampless + stamp_counts.n_stray + stamp_copies.n_doubled AS n_broken,
    1e0 * pairs.n_failed / nullif(plan_counts.n, 0) AS failed,
    row_counts.n AS n_rows,
    row_counts.n_doubled + plan_counts.n_doubled + stamp_copies.n_doubled AS n_doubled,
    pairs.n_missing AS n_missing,
    pairs.n_unplanned AS n_unplanned,
    pairs.n_changed AS n_changed,
    stamp_counts.n_stampless + stamp_counts.n_stray AS n_stamps_off,
    bricks.n AS n_bricks,
    bricks.n_failed AS n_bricks_failed,
    bricks.first_failed AS first_failed,
    pairs.first_off AS first_off,
    CASE
      WHEN bricks.n_failed >= bricks.n THEN 1e0
      ELSE inverse_beta_cdf(bricks.n_failed + 1e0, 1e0 * (bricks.n - bricks.n_failed), 0.95e0)
    END AS brick_limit
  FROM plan_counts
  CROSS JOIN row_counts
  CROSS JOIN pairs
  CROSS JOIN bricks
  CROSS JOIN stamp_counts
  CROSS JOIN stamp_copies
)
SELECT
  CASE WHEN n > 0 AND n_broken = 0 AND failed <= 0.01e0 AND n_bricks_failed <= 1e-3 * n_bricks THEN 'PASS'
    ELSE 'FAIL' END AS status,
  CASE
    WHEN n_broken > 0 THEN cast(n_broken AS double)
    WHEN failed <= 0.01e0 AND n_bricks_failed > 1e-3 * n_bricks THEN 1e0 * n_bricks_failed / n_bricks
    ELSE failed
  END AS statistic,
  CASE
    WHEN n_broken > 0 THEN 0e0
    WHEN failed <= 0.01e0 AND n_bricks_failed > 1e-3 * n_bricks THEN 1e-3
    ELSE 0.01e0
  END AS bound,
  n,
  format(
    '%d rows of %d planned (%d expected): %d missing, %d unplanned, %d doubled, %d unlike the manifest, ',
    n_rows, n, ${expected_rows}, n_missing, n_unplanned, n_doubled, n_changed
  ) || format(
    '%d stamps missing or stray; %.3f %% failed; %d of %d bricks failed, at most %.1f %% of bricks at 95 %%',
    n_stamps_off, 1e2 * coalesce(failed, 1e0), n_bricks_failed, n_bricks, 1e2 * brick_limit
  ) || CASE WHEN first_failed IS NOT NULL THEN '; the first is brick ' || first_failed ELSE '' END
    || CASE WHEN first_off IS NOT NULL THEN '; the first row off is task ' || first_off ELSE '' END || '.' AS message
FROM facts
