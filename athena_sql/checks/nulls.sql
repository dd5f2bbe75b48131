-- name: nulls
-- asks: Is every value there that its column promises, and is every number finite?
-- statistic: cells that are NULL, empty or not finite where the schema forbids it
-- bound: 0
-- needs: one row; the rule of each column is generated from the schema: parameters are NULL in controls,
--   measurements in quarantined rows, and all of them are required in good injections
-- stops: a column that was never filled, NaN that would reach the training loss, a quarantine without reason
-- on failure: the message counts by column; look at one of its rows, mend the writer, run again
WITH counted AS (
  SELECT
    count(*) AS n,
    ${nulls_counts}
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id}
),
summed AS (
  SELECT
    n,
    ${nulls_total} AS n_bad,
    ${nulls_found} AS found
  FROM counted
)
SELECT
  CASE WHEN n > 0 AND n_bad = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
  cast(n_bad AS double) AS statistic,
  0e0 AS bound,
  n,
  format('%d of %d rows'' cells are NULL or not finite where they must not be: %s', n_bad, n,
    CASE WHEN n_bad = 0 THEN 'none.' ELSE found || 'by column.' END) AS message
FROM summed
