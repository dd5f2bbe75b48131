-- name: magnification
-- asks: Is every magnification one that a lens can have?
-- statistic: good injections with a magnification below 1 or none; where there are none, but some are too
--   high, the largest magnification over its ceiling
-- bound: 0 rows; the ceiling is 1 + 2.5 c(n) theta_E / r_eff with c(n) = exp(0.28 + 0.29 n)
-- needs: 192 good injections (the known bug puts 3.6 % of them below 1: missed once in 1,000 times)
-- stops: sources sampled at pixel centres, a proxy evaluated at one radius, flux renormalised by a wrong sum
-- on failure: render a row of the message's kind again with an independent renderer; never clip the column
--
-- Below: total magnification exceeds 1/(1 - gamma^2), for every SIE with shear.
-- Above: a source's magnification is the mean of the point magnification mu over its light. That mean is
-- largest if mu falls outwards from the source's centre; over a disc of radius R it is then at most
-- 1 + 4 K theta_E / R: K = 1 for the SIS (mu = 2 theta_E / beta), K <= 1.13 for e <= 0.6 and shear <= 0.1
-- (inverse ray shooting, 3.6e7 rays a lens). A Sersic profile is a sum of discs: at most
-- 1 + 2 K theta_E c(n) / r_eff, c(n) = r_eff <1/r> = b_n^n Gamma(n) / Gamma(2 n), which exp(0.28 + 0.29 n)
-- meets within 6 % for 0.3 <= n <= 8. K = 1.25 leaves room for both.
WITH injections AS (
  SELECT
    task_id,
    magnification,
    1e0 + 2.5e0 * exp(0.28e0 + 0.29e0 * src_n_sersic) * theta_e_arcsec / src_reff_arcsec AS ceiling
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id} AND NOT is_control AND cutout_ok AND metrics_ok
),
facts AS (
  SELECT
    count(*) AS n,
    count_if(magnification IS NULL OR NOT magnification >= 1e0) AS n_low,
    count_if(NOT magnification <= ceiling OR ceiling IS NULL) AS n_high,
    min(magnification) AS lowest,
    max(magnification) AS highest,
    max(magnification / ceiling) AS of_ceiling,
    min(CASE WHEN NOT coalesce(magnification BETWEEN 1e0 AND ceiling, false) THEN task_id END) AS first_task
  FROM injections
)
SELECT
  CASE
    WHEN n = 0 OR n_low > 0 OR n_high > 0 THEN 'FAIL'
    WHEN n < 192 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  CASE WHEN n_low = 0 AND n_high > 0 THEN of_ceiling ELSE cast(n_low AS double) END AS statistic,
  CASE WHEN n_low = 0 AND n_high > 0 THEN 1e0 ELSE 0e0 END AS bound,
  n,
  format(
    '%d of %d good injections below 1 or without a value, %d above their ceiling; from %.3f to %.2f, ',
    n_low, n, n_high, coalesce(lowest, 0e0), coalesce(highest, 0e0)
  ) || format('at most %.2f of the ceiling%s.', coalesce(of_ceiling, 0e0),
    CASE WHEN first_task IS NOT NULL THEN '; the first is task ' || first_task ELSE '' END) AS message
FROM facts
