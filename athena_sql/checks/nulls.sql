-- name: nulls
-- asks: Is every value there that its column promises, and is every number finite?
-- statistic: cells that are NULL, empty or not finite where the schema forbids it
-- bound: 0
-- needs: one row; the rule of each column is generated from the schema: parameters are NULL in controls,
--   measurements in quarantined rows, and all of them are required in good injections
-- stops: a column that was never filled, NaN that would reach the training loss, a quarantine without reason
-- on failure: the message counts by column and names a row; look at it, mend the writer, run again
WITH flagged AS (
  SELECT
    task_id,
    brickname,
    ${nulls_flags}
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id}
),
totalled AS (
  SELECT flagged.*, ${nulls_total} AS bad FROM flagged
),
counted AS (
  SELECT
    count(*) AS n,
    coalesce(sum(bad), 0) AS n_bad,
    min(CASE WHEN bad > 0 THEN task_id END) AS first_task,
    count(DISTINCT CASE WHEN bad > 0 THEN brickname END) AS n_bricks,
    min(CASE WHEN bad > 0 THEN brickname END) AS first_brick,
    ${nulls_sums}
  FROM totalled
),
summed AS (
  SELECT
    n, n_bad, n_bricks, first_task, first_brick,
    ${nulls_found} AS found
  FROM counted
)
SELECT
  CASE WHEN n > 0 AND n_bad = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
  cast(n_bad AS double) AS statistic,
  0e0 AS bound,
  n,
  format('%d of %d rows'' cells are NULL or not finite where they must not be: %s', n_bad, n,
    CASE WHEN n_bad = 0 THEN 'none.' ELSE found || format('in %d bricks, first %s; first task %s.', n_bricks, first_brick, first_task) END) AS message
FROM summed
