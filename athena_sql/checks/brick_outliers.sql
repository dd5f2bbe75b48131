-- name: brick_outliers
-- asks: Does any brick behave unlike the others of its kind?
-- statistic: the largest deviation of a brick's mean over its hosts from the median of the bricks of its kind (release:
--   north and south have their own telescopes), over its bound, in: light gained (flux over unlensed flux), SNR at
--   given flux and depth, position of the host in its stamp (to 0.3"), ln of the noise of the sky over invvar's by band
-- bound: 1; a brick's own bound is 6 errors and at least ln 1.25, of positions 0.1"; the error is that of a mean of its
--   hosts, or the robust scatter of the bricks about their kinds' medians if that is more. A brick of a kind with fewer
--   than 4 is held against the nearest other kind, at least ln 1.75 (the telescopes' noise differs by 1.6)
-- needs: 6 bricks of 8 hosts or more
-- stops: a brick with another unit, PSF, invvar, noise, astrometry or calibration, of which means over the run show
--   nothing; less than half of the bricks of a kind
-- on failure: look at the brick named; leave it out if the survey's files are at fault
WITH hosts AS (
  SELECT
    brickname,
    host_id,
    min(substr(host_id, 1, 4)) AS kind,
    avg(ln(total_injected_flux / src_flux_r_nmgy)) AS gain,
    avg(CASE WHEN NOT (psfdepth_r <= 0e0 OR arc_snr <= 0e0)
      THEN ln(arc_snr / (total_injected_flux * sqrt(psfdepth_r))) END) AS snr,
    -- a neighbour of the host may draw its centroid an arcsec away: one such host is no outlying brick; 0 times
    -- the mean keeps NaN, which a limit would make a number
    0e0 * avg(host_x_arcsec) + least(greatest(avg(host_x_arcsec), -3e-1), 3e-1) AS x,
    0e0 * avg(host_y_arcsec) + least(greatest(avg(host_y_arcsec), -3e-1), 3e-1) AS y,
    avg(ln(CASE WHEN NOT sky_noise_g <= 0e0 THEN sky_noise_g END)) AS noise_g,
    avg(ln(CASE WHEN NOT sky_noise_r <= 0e0 THEN sky_noise_r END)) AS noise_r,
    avg(ln(CASE WHEN NOT sky_noise_z <= 0e0 THEN sky_noise_z END)) AS noise_z
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id} AND NOT is_control AND cutout_ok AND metrics_ok
    AND total_injected_flux > 0e0 AND src_flux_r_nmgy > 0e0
  GROUP BY brickname, host_id
),
long AS (
  SELECT h.brickname AS brickname, h.kind AS kind, v.quantity AS quantity,
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
  SELECT quantity, brickname, min(kind) AS kind, count(y) AS n, avg(y) AS mean_y, var_samp(y) AS var_y
  FROM long
  WHERE y IS NOT NULL
  GROUP BY quantity, brickname
  HAVING count(y) >= 8
),
ranked AS (
  SELECT
    quantity, kind, mean_y,
    row_number() OVER (PARTITION BY quantity, kind ORDER BY mean_y) AS i,
    count(*) OVER (PARTITION BY quantity, kind) AS n
  FROM bricks
),
kinds AS (
  SELECT quantity, kind, max(n) AS n, avg(mean_y) AS middle
  FROM ranked
  WHERE abs(2 * i - n - 1) <= 1
  GROUP BY quantity, kind
),
residuals AS (
  SELECT
    b.quantity AS quantity, abs(b.mean_y - k.middle) AS off,
    row_number() OVER (PARTITION BY b.quantity ORDER BY abs(b.mean_y - k.middle)) AS i,
    count(*) OVER (PARTITION BY b.quantity) AS n
  FROM bricks AS b
  JOIN kinds AS k ON b.quantity = k.quantity AND b.kind = k.kind
  WHERE k.n >= 2
),
scatter AS (
  SELECT quantity, 1.4826e0 * avg(off) AS sd
  FROM residuals
  WHERE abs(2 * i - n - 1) <= 1
  GROUP BY quantity
),
pooled AS (
  SELECT quantity, count(*) AS n_bricks, sqrt(sum((n - 1) * var_y) / sum(n - 1)) AS sd
  FROM bricks
  GROUP BY quantity
),
compared AS (
  SELECT
    b.quantity AS quantity, b.brickname AS brickname, max(p.n_bricks) AS n_bricks,
    min(abs(b.mean_y - k.middle)) AS off,
    max(greatest(p.sd / sqrt(b.n), coalesce(s.sd, 0e0))) AS error,
    max(CASE WHEN b.quantity IN ('host x', 'host y') THEN 1e-1 WHEN k.kind = b.kind THEN ln(1.25e0) ELSE ln(1.75e0) END)
      AS least
  FROM bricks AS b
  JOIN kinds AS own ON b.quantity = own.quantity AND b.kind = own.kind
  JOIN kinds AS k ON b.quantity = k.quantity AND (k.kind = b.kind) = (own.n >= 4)
  JOIN pooled AS p ON b.quantity = p.quantity
  LEFT JOIN scatter AS s ON b.quantity = s.quantity
  GROUP BY b.quantity, b.brickname
),
scored AS (
  SELECT
    quantity, brickname, n_bricks,
    -- max() passes over NaN
    CASE WHEN off >= 0e0 AND error >= 0e0 THEN off / greatest(6e0 * error, least) ELSE 1e9 END AS z
  FROM compared
),
facts AS (
  SELECT
    coalesce(max(z), 0e0) AS z, max_by(brickname, z) AS brickname, max_by(quantity, z) AS quantity,
    coalesce(max(n_bricks), 0) AS n_bricks,
    count(DISTINCT CASE WHEN z > 1e0 THEN brickname END) AS n_beyond
  FROM scored
),
subject AS (
  SELECT count(*) AS n_hosts FROM hosts
)
SELECT
  CASE
    WHEN n_hosts = 0 THEN 'NOT_EXERCISED'
    WHEN n_bricks < 6 THEN 'INCONCLUSIVE'
    WHEN z > 1e0 THEN 'FAIL'
    ELSE 'PASS'
  END AS status,
  z AS statistic,
  1e0 AS bound,
  n_hosts AS n,
  CASE
    WHEN quantity IS NULL THEN format('no brick of the %d hosts can be compared with others.', n_hosts)
    ELSE format(
      '%d of %d bricks with 8 hosts or more lie beyond their bound; furthest is %s: %.2f of it, in %s.',
      n_beyond, n_bricks, brickname, z, quantity
    )
  END AS message
FROM facts
CROSS JOIN subject
