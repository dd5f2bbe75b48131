-- name: ranges
-- asks: Does every value lie in its physical range, and do controls hold no truth and no light?
-- statistic: cells outside their range, plus parameters or added light that are set in controls
-- bound: 0
-- needs: one row; the ranges are the schema's; in good injections fluxes have to be above 0
-- stops: fluxes of 0 where NaN was replaced, radians that are degrees, a magnification below 1, fractions
--   above 1, a PSF of 0 arcsec, controls that carry the parameters of a lens
-- on failure: the message counts by column; compare a row with its manifest row, mend, run again
WITH counted AS (
  SELECT
    count(*) AS n,
    ${ranges_counts}
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id}
),
summed AS (
  SELECT
    n,
    ${ranges_total} AS n_bad,
    ${ranges_found} AS found
  FROM counted
)
SELECT
  CASE WHEN n > 0 AND n_bad = 0 THEN 'PASS' ELSE 'FAIL' END AS status,
  cast(n_bad AS double) AS statistic,
  0e0 AS bound,
  n,
  format('%d cells of %d rows are out of range: %s', n_bad, n,
    CASE WHEN n_bad = 0 THEN 'none.' ELSE found || 'by column.' END) AS message
FROM summed
