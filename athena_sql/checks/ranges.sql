-- name: ranges
-- asks: Does every value lie in its physical range, and do controls hold no truth and no light?
-- statistic: cells outside their range, parameters or added light that are set in controls, and shares of bad
--   pixels below that of a bit which makes a pixel bad
-- bound: 0
-- needs: one row; the ranges are the schema's; in good injections fluxes have to be above 0
-- stops: fluxes of 0 where NaN was replaced, radians that are degrees, a magnification below 1, fractions
--   above 1, a PSF of 0 arcsec, controls that carry the parameters of a lens, masks that
--   were read and not applied
-- on failure: the message counts by column and names a row; compare a row with its manifest row, mend, run again
WITH flagged AS (
  SELECT
    task_id,
    brickname,
    ${ranges_flags}
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id}
),
totalled AS (
  SELECT flagged.*, ${ranges_total} AS bad FROM flagged
),
counted AS (
  SELECT
    count(*) AS n,
    coalesce(sum(bad), 0) AS n_bad,
    min(CASE WHEN bad > 0 THEN task_id END) AS first_task,
    count(DISTINCT CASE WHEN bad > 0 THEN brickname END) AS n_bricks,
    min(CASE WHEN bad > 0 THEN brickname END) AS first_brick,
    ${ranges_sums}
  FROM totalled
),
summed AS (
  SELECT
    n, n_bad, n_bricks, first_task, first_brick,
    ${ranges_found} AS found
  FROM counted
)
SELECT
  CASE WHEN n > 0 AND n_bad = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
  cast(n_bad AS double) AS statistic,
  0e0 AS bound,
  n,
  format('%d cells of %d rows are out of range: %s', n_bad, n,
    CASE WHEN n_bad = 0 THEN 'none.' ELSE found || format('in %d bricks, first %s; first task %s.', n_bricks, first_brick, first_task) END) AS message
FROM summed
