-- name: closure_snr
-- asks: Is the arcs' signal-to-noise ratio that of the independent renderer's arc on the survey's depth?
-- statistic: the larger of |mean ln(arc_snr / expected)| and |mean ln(arc_peak_snr / expected)|, means over the
--   hosts of the closure sample, a row held within a factor of 10; or, where that is fine, the part of the rows
--   beyond a factor of 1.5, over 0.2 and times ln 1.5; or rows without noise of the light in which arc_snr is not
--   arc_snr_sky
-- bound: ln 1.5; 0 rows
-- needs: 30 hosts of the sample with a catalogue depth and at most 20 % of bad pixels
-- stops: an SNR, or its peak, of half, twice, a tenth or ten times its value in all rows; twice in a third of them.
--   Not a factor of less than 1.5 in all rows
-- on failure: compute sqrt(sum s^2 invvar) of one row from its stamp and the brick's invvar, and compare that
--   with psfdepth_r
--
-- Why ln 1.5: expected is what the catalogue's psfdepth and psfsize give, on an even sky without masks. A fifth of
-- the pixels masked at random takes ln 1.12; a PSF of another shape with the same noise-equivalent area, or depth
-- that varies in the stamp, a few per cent; a row that a mask hides counts as a factor of 10, no more. A factor of
-- 2 is ln 1.5 + 0.29, which is more than all of these.
WITH rendered AS (
  SELECT
    m.host_id,
    least(greatest(c.closure_arc_snr, -1e0 * ln(1e1)), ln(1e1)) AS off,
    least(greatest(c.closure_arc_peak_snr, -1e0 * ln(1e1)), ln(1e1)) AS off_peak
  FROM ${database}.closure AS c
  INNER JOIN ${database}.metrics AS m
    ON c.task_id = m.task_id AND c.tier = m.tier AND c.run_id = m.run_id
  WHERE m.tier = ${tier} AND m.run_id = ${run_id} AND m.bad_pixel_frac <= 0.2e0
),
hosts AS (
  SELECT
    host_id,
    avg(off) AS off,
    avg(off_peak) AS off_peak
  FROM rendered
  WHERE off IS NOT NULL AND off_peak IS NOT NULL
  GROUP BY host_id
),
means AS (
  SELECT
    count(*) AS n_hosts,
    coalesce(avg(off), 0e0) AS off,
    coalesce(avg(off_peak), 0e0) AS off_peak
  FROM hosts
),
shares AS (
  SELECT
    count(off) AS n,
    coalesce(1e0 * count_if(NOT abs(off) <= ln(1.5e0)) / nullif(count(off), 0), 0e0) AS beyond
  FROM rendered
),
unequal AS (
  SELECT count_if(arc_snr IS DISTINCT FROM arc_snr_sky) AS n_unequal
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id} AND NOT is_control AND cutout_ok AND metrics_ok AND gain_r IS NULL
),
judged AS (
  SELECT
    m.n_hosts,
    m.off,
    m.off_peak,
    s.n,
    s.beyond,
    u.n_unequal,
    greatest(abs(m.off), abs(m.off_peak), s.beyond / 0.2e0 * ln(1.5e0)) AS worst
  FROM means AS m
  CROSS JOIN shares AS s
  CROSS JOIN unequal AS u
)
SELECT
  CASE
    WHEN n_unequal > 0 THEN 'FAIL'
    WHEN n = 0 THEN 'NOT_EXERCISED'
    WHEN n_hosts < 30 THEN 'INCONCLUSIVE'
    WHEN NOT worst <= ln(1.5e0) THEN 'FAIL'
    ELSE 'PASS'
  END AS status,
  CASE WHEN n_unequal > 0 THEN cast(n_unequal AS double) ELSE worst END AS statistic,
  CASE WHEN n_unequal > 0 THEN 0e0 ELSE ln(1.5e0) END AS bound,
  n,
  format(
    'arc_snr is %.3f and arc_peak_snr %.3f of the rendered arcs'' (geometric means, %d hosts); %.1f %% of the rows ',
    exp(off), exp(off_peak), n_hosts, 1e2 * beyond
  ) || format(
    'are beyond a factor of 1.5; %d rows without noise of the light have an arc_snr that is not arc_snr_sky.',
    n_unequal
  ) AS message
FROM judged
