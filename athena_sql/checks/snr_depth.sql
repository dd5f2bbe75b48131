-- name: snr_depth
-- asks: Do the arcs' signal-to-noise ratios fit their flux and the depth of the survey?
-- statistic: fraction of good injections whose arc_snr is more than the catalogue's depth gives a point source of
--   that flux, times 2, or less than a thirtieth of it; or rows with a peak SNR above the total
-- bound: 0.05 of the rows; 0 rows
-- needs: 1,000 good injections of 30 hosts
-- stops: invvar taken as sigma or as variance, SNR of the raw image, depth in magnitudes. Not an SNR off by 2 or
--   down by 10 in every row, which the width of the arcs could explain: closure_snr does that
-- on failure: compute sqrt(sum s^2 invvar) of one row from its stamps and the brick's invvar
WITH injections AS (
  SELECT
    host_id,
    arc_snr,
    arc_peak_snr,
    CASE WHEN psfdepth_r > 0e0 AND total_injected_flux > 0e0
      THEN arc_snr / (total_injected_flux * sqrt(psfdepth_r)) END AS ratio
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id} AND NOT is_control AND cutout_ok AND metrics_ok
    AND bad_pixel_frac <= 0.2e0
),
facts AS (
  SELECT
    count(*) AS n,
    count(ratio) AS n_deep,
    count(DISTINCT host_id) AS n_hosts,
    count_if(NOT coalesce(arc_peak_snr <= arc_snr * 1.000001e0, false)) AS n_peak,
    1e0 * count_if(NOT ratio BETWEEN 1e0 / 3e1 AND 2e0) / nullif(count(ratio), 0) AS off,
    exp(avg(ln(CASE WHEN ratio > 0e0 THEN ratio END))) AS typical
  FROM injections
)
SELECT
  CASE
    WHEN n_peak > 0 OR off > 0.05e0 THEN 'FAIL'
    WHEN n_deep = 0 THEN 'NOT_EXERCISED'
    WHEN n_deep < 1000 OR n_hosts < 30 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  CASE WHEN n_peak > 0 THEN cast(n_peak AS double) ELSE coalesce(off, 0e0) END AS statistic,
  CASE WHEN n_peak > 0 THEN 0e0 ELSE 0.05e0 END AS bound,
  n,
  format(
    'arc_snr is %.3f of a point source''s of that flux (geometric mean, %d rows); %.2f %% lie outside 1/30 to 2; ',
    coalesce(typical, 0e0), n_deep, 1e2 * coalesce(off, 0e0)
  ) || format('%d rows have a peak above the total.', n_peak) AS message
FROM facts
