-- name: host_pixels
-- asks: Are the pixels the host's own: its light in the middle of the frame, its noise that of the invvar?
-- statistic: mean offset of the hosts' centroids from their catalogue positions, arcsec; or the mean over hosts of
--   the raw stamps' pixel noise over the one that invvar tells, in the worst band
-- bound: 0.08 arcsec (a pixel is 0.262); noise between 0.5 and 2
-- needs: 30 hosts
-- stops: a world coordinate system off by a pixel or half a pixel, x and y swapped, stamps cut elsewhere, invvar
--   of another band, invvar taken as sigma, resampled or doubled noise
-- on failure: overlay a catalogue position on a brick; compare the scatter of a blank patch with invvar^-1/2
WITH hosts AS (
  SELECT
    host_id,
    avg(host_x_arcsec) AS x,
    avg(host_y_arcsec) AS y,
    avg(sky_noise_g) AS noise_g,
    avg(sky_noise_r) AS noise_r,
    avg(sky_noise_z) AS noise_z
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id} AND cutout_ok
  GROUP BY host_id
),
facts AS (
  SELECT
    count(*) AS n,
    count(x) AS n_centred,
    sqrt(power(avg(x), 2e0) + power(avg(y), 2e0)) AS offset_arcsec,
    avg(x) AS x,
    avg(y) AS y,
    greatest(avg(noise_g), avg(noise_r), avg(noise_z)) AS noisiest,
    least(avg(noise_g), avg(noise_r), avg(noise_z)) AS quietest
  FROM hosts
)
SELECT
  CASE
    WHEN n = 0 THEN 'NOT_EXERCISED'
    WHEN n < 30 OR n_centred < 30 THEN 'INCONCLUSIVE'
    WHEN NOT coalesce(offset_arcsec <= 0.08e0, false) THEN 'FAIL'
    WHEN NOT coalesce(noisiest <= 2e0 AND quietest >= 0.5e0, false) THEN 'FAIL'
    ELSE 'PASS'
  END AS status,
  CASE WHEN NOT coalesce(offset_arcsec <= 0.08e0, false) THEN offset_arcsec
    WHEN quietest < 0.5e0 THEN quietest ELSE noisiest END AS statistic,
  CASE WHEN NOT coalesce(offset_arcsec <= 0.08e0, false) THEN 0.08e0
    WHEN quietest < 0.5e0 THEN 0.5e0 ELSE 2e0 END AS bound,
  n,
  format(
    '%d hosts lie at (%.3f, %.3f) arcsec from their positions in the mean; ',
    n, coalesce(x, 0e0), coalesce(y, 0e0)
  ) || format(
    'pixel noise is %.2f to %.2f times that of invvar, by band.', coalesce(quietest, 0e0), coalesce(noisiest, 0e0)
  ) AS message
FROM facts
