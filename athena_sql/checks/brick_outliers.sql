-- name: brick_outliers
-- asks: Does any brick behave unlike the others?
-- statistic: the largest deviation of a brick from the rest in: light gained (flux over unlensed flux), SNR at
--   given flux and depth, position of the host in its stamp (to 0.3"), ln of the noise of the sky over invvar's by band; in
--   errors of a mean of its hosts
-- bound: inverse_normal_cdf(1 - 1e-6 / (14 B)) for B bricks, seven quantities and two sides, of a t of the
--   bricks: one false alarm in a million runs of normal values
-- needs: 6 bricks of 8 hosts or more
-- stops: one brick with another unit, PSF, invvar, noise, astrometry or calibration, of which means over the run show nothing
-- on failure: look at the brick named; leave it out if the survey's files are at fault
WITH hosts AS (
  SELECT
    brickname,
    host_id,
    avg(ln(total_injected_flux / src_flux_r_nmgy)) AS gain,
    avg(CASE WHEN psfdepth_r > 0e0 AND arc_snr > 0e0
      THEN ln(arc_snr / (total_injected_flux * sqrt(psfdepth_r))) END) AS snr,
    -- a neighbour of the host may draw its centroid an arcsec away: one such host is no outlying brick
    least(greatest(avg(host_x_arcsec), -3e-1), 3e-1) AS x,
    least(greatest(avg(host_y_arcsec), -3e-1), 3e-1) AS y,
    avg(ln(CASE WHEN sky_noise_g > 0e0 THEN sky_noise_g END)) AS noise_g,
    avg(ln(CASE WHEN sky_noise_r > 0e0 THEN sky_noise_r END)) AS noise_r,
    avg(ln(CASE WHEN sky_noise_z > 0e0 THEN sky_noise_z END)) AS noise_z
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id} AND NOT is_control AND cutout_ok AND metrics_ok
    AND total_injected_flux > 0e0 AND src_flux_r_nmgy > 0e0
  GROUP BY brickname, host_id
),
long AS (
  SELECT h.brickname AS brickname, v.quantity AS quantity,
    CASE v.quantity
      WHEN 'light gained' THEN h.gain
      WHEN 'SNR at given flux and depth' THEN h.snr
      WHEN 'host x' THEN h.x
      WHEN 'host y' THEN h.y
      WHEN 'noise in g' THEN h.noise_g
      WHEN 'noise in r' THEN h.noise_r
      ELSE h.noise_z
    END AS y
  FROM hosts AS h
  CROSS JOIN (
    VALUES ('light gained'), ('SNR at given flux and depth'), ('host x'), ('host y'),
      ('noise in g'), ('noise in r'), ('noise in z')
  ) AS v (quantity)
),
bricks AS (
  SELECT quantity, brickname, count(y) AS n, avg(y) AS mean_y, var_samp(y) AS var_y
  FROM long
  WHERE y IS NOT NULL
  GROUP BY quantity, brickname
  HAVING count(y) >= 8
),
pooled AS (
  SELECT
    quantity,
    count(*) AS n_bricks,
    sum(n) AS n,
    avg(mean_y) AS mean_y,
    sqrt(sum((n - 1) * var_y) / sum(n - 1)) AS sd,
    coalesce(stddev_samp(mean_y), 0e0) AS sd_bricks
  FROM bricks
  GROUP BY quantity
),
-- Bricks differ a little for good reasons (seeing, crowding): the error holds the scatter of the other bricks,
-- and at least 1e-4, below which a difference of logarithms says nothing.
scored AS (
  SELECT
    b.quantity AS quantity,
    b.brickname AS brickname,
    p.n_bricks AS n_bricks,
    p.n AS n,
    abs(b.mean_y - (p.n_bricks * p.mean_y - b.mean_y) / (p.n_bricks - 1e0)) / sqrt(
      1e-8 + power(p.sd, 2e0) / b.n + greatest(
        ((p.n_bricks - 1e0) * power(p.sd_bricks, 2e0)
          - p.n_bricks / (p.n_bricks - 1e0) * power(b.mean_y - p.mean_y, 2e0)) / (p.n_bricks - 2e0),
        0e0
      )
    ) AS z
  FROM bricks AS b
  JOIN pooled AS p ON b.quantity = p.quantity
  WHERE p.n_bricks >= 4
),
facts AS (
  SELECT
    coalesce(max(z), 0e0) AS z, max_by(brickname, z) AS brickname, max_by(quantity, z) AS quantity,
    coalesce(max(n_bricks), 0) AS n_bricks, coalesce(max(n), 0) AS n
  FROM scored
),
judged AS (
  SELECT
    facts.*,
    -- the scatter of few bricks is itself uncertain: Fisher's expansion of Student's t at that quantile
    q + (power(q, 3e0) + q) / (4e0 * greatest(n_bricks - 2e0, 1e0)) AS bound
  FROM facts
  CROSS JOIN (
    SELECT inverse_normal_cdf(0e0, 1e0, 1e0 - 1e-6 / (1.4e1 * greatest(max(n_bricks), 1))) AS q FROM facts
  ) AS quantile
),
subject AS (
  SELECT count(*) AS n_hosts FROM hosts
)
SELECT
  CASE
    WHEN n_hosts = 0 THEN 'NOT_EXERCISED'
    WHEN n_bricks < 6 THEN 'INCONCLUSIVE'
    WHEN z > bound THEN 'FAIL'
    ELSE 'PASS'
  END AS status,
  z AS statistic,
  bound,
  n_hosts AS n,
  format(
    'of %d bricks with 8 hosts or more, %s is furthest from the others: %.2f errors in %s.',
    n_bricks, coalesce(brickname, '(none)'), z, coalesce(quantity, '(nothing)')
  ) AS message
FROM judged
CROSS JOIN subject
