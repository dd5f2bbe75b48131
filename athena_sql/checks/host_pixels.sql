-- name: host_pixels
-- asks: Are the pixels the host's own: its light, of the catalogue's flux, in the middle of the frame, on a sky that
--   was subtracted, with the noise of the invvar?
-- statistic: the largest of these over their limits: ln of the flux in the core over the catalogue's, the level of the
--   sky and the pixel noise in units of invvar's, by band, and the centroid's offset in arcsec; each as mean of the run
--   and of each brick, and as number of hosts that lie far off
-- bound: 1; the limits stand in pipeline/sky_limits.py, and 5 errors of a mean are allowed beside them
-- needs: 30 hosts
-- stops: a world coordinate system off by a tenth of a pixel, x and y swapped with a shift, stamps cut elsewhere, of
--   another brick, blank or of noise alone, in one band or 1 % of the hosts; invvar of another band, invvar taken as
--   sigma; noise that is doubled, a pedestal, another unit, in the run or in one brick
-- on failure: look at the brick that is named; overlay a catalogue position on it; compare the scatter of a blank patch
--   with invvar^-1/2
WITH hosts AS (
  SELECT
    host_id,
    max(brickname) AS brickname,
    avg(host_x_arcsec) AS x,
    avg(host_y_arcsec) AS y,
    ${per_host}
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id} AND cutout_ok
  GROUP BY host_id
),
long AS (
  SELECT h.brickname AS brickname, h.host_id AS host_id, v.quantity AS quantity,
    CASE v.quantity WHEN 'host x' THEN h.x WHEN 'host y' THEN h.y ${host_quantities} END AS y
  FROM hosts AS h
  CROSS JOIN (VALUES ${quantity_names}) AS v (quantity)
),
${outside}
SELECT
  CASE
    WHEN n = 0 THEN 'NOT_EXERCISED'
    WHEN n < 30 THEN 'INCONCLUSIVE'
    WHEN score > 1e0 THEN 'FAIL'
    ELSE 'PASS'
  END AS status,
  score AS statistic,
  1e0 AS bound,
  n,
  format('of %d hosts in %d bricks, %s: %.2f of what is allowed.', n, n_bricks, told, score) AS message
FROM subject
CROSS JOIN outside
