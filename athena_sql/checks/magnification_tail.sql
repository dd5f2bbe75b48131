-- name: magnification_tail
-- asks: Are large magnifications as rare as lensing makes them?
-- statistic: P(mu > 6) / P(mu > 3) over good injections of small sources behind round lenses: half-light radius
--   0.05 to 0.25 theta_E, ellipticity up to 0.15, shear up to 0.05; or, where 1,000 such sources lie within
--   0.6 theta_E, those above 3 for each of them, if that is below 0.05
-- bound: 0.19 to 0.31, each moved outwards by 4.9 binomial errors (one false alarm in a million runs); 0.05, where
--   lensing gives more than 1
-- needs: 400 such injections above 3, and sources out to 0.7 theta_E or more, where a lens still magnifies 3 times
--   (with less, or with no such injection, NOT_EXERCISED)
-- stops: source positions uniform in radius instead of area (0.5), magnifications of a proxy or a single point
--   or with a ceiling,
--   factors on the column that closure's sample may not meet
-- on failure: plot the magnification's distribution over that of an SIS, P(> mu) = (2 / mu)^2
--
-- A point source uniform in the disc of theta_E behind an SIS has P(mu > x) = (2 / x)^2: the ratio is 1/4, and it
-- is the tail mu^-2 that every caustic of fold type has. Extended sources cut the tail off where the caustic is
-- smaller than they are, so the ratio is taken below that: inverse ray shooting (2.5e7 rays a lens, sources of
-- n = 0.6 to 4 in the range above) gives 0.20 to 0.30. With larger ellipticity the astroid caustic widens and no
-- power law is left between 3 and the cut-off. Positions are drawn for each row anew, so rows are the units.
WITH injections AS (
  SELECT
    magnification,
    sqrt(power(src_x_arcsec, 2e0) + power(src_y_arcsec, 2e0)) / theta_e_arcsec AS beta
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id} AND NOT is_control AND cutout_ok AND metrics_ok
    AND theta_e_arcsec > 0e0 AND src_reff_arcsec / theta_e_arcsec BETWEEN 0.05e0 AND 0.25e0
    AND lens_e <= 0.15e0 AND shear <= 0.05e0
),
counts AS (
  SELECT
    count_if(magnification > 3e0) AS n,
    count_if(magnification > 6e0) AS n_high,
    count_if(beta < 0.6e0) AS n_near,
    coalesce(max(beta), 0e0) AS reach
  FROM injections
),
facts AS (
  SELECT
    n, n_high, n_near, reach,
    -- An SIS magnifies a point there 3.3 times and more.
    n_near >= 1000 AND 1e0 * n < 0.05e0 * n_near AS no_tail,
    coalesce(1e0 * n_high / nullif(n, 0), 0e0) AS ratio,
    0.31e0 + 4.9e0 * sqrt(0.31e0 * 0.69e0 / greatest(n, 1)) AS high,
    greatest(0.19e0 - 4.9e0 * sqrt(0.19e0 * 0.81e0 / greatest(n, 1)), 0e0) AS low
  FROM counts
)
SELECT
  CASE
    WHEN no_tail THEN 'FAIL'
    WHEN n = 0 OR NOT reach >= 0.7e0 THEN 'NOT_EXERCISED'
    WHEN ratio > high OR ratio < low THEN 'FAIL'
    WHEN n < 400 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  CASE WHEN no_tail THEN 1e0 * n / n_near ELSE ratio END AS statistic,
  CASE WHEN no_tail THEN 0.05e0 WHEN ratio < low THEN low ELSE high END AS bound,
  n,
  format(
    'of %d small sources magnified over 3 times behind round lenses %d are over 6 times: %.3f, where lensing ', n, n_high, ratio
  ) || format('gives 0.20 to 0.30 and chance %.3f to %.3f; %d small sources lie within 0.6 theta_E.', low, high, n_near) AS message
FROM facts
