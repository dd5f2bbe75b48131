-- name: sky_closure
-- asks: Do raw stamps show what the survey's catalogue says is there: as much light, in its place, on an even sky of the
--   catalogue's depth?
-- statistic: the largest of these over their limits, by band: ln of the light over the prediction's, its offset in
--   arcsec, the sky left in the middle and its change from edge to edge, and the pixel noise, in units of the
--   noise; each as mean of the run and of each brick, and as number of hosts that lie far off. Or the number of hosts
--   that are not in the catalogue, whose catalogue cannot be read, or whose raw stamp is not the one compared
-- bound: 1; the limits stand in pipeline/sky_limits.py, and 5 errors of a mean are allowed beside them. No host
-- needs: 30 hosts
-- stops: stamps of another place, brick or band, blank or of noise alone, noise added twice, a pedestal or a gradient,
--   another flux unit, hosts a tenth of a pixel off: in the run, in one brick, in few hosts
-- on failure: look at the brick that is named: overlay its tractor positions on its image
WITH compared AS (
  SELECT *
  FROM ${database}.sky
  WHERE tier = ${tier} AND run_id = ${run_id}
),
long AS (
  SELECT a.brickname AS brickname, a.host_id AS host_id, v.quantity AS quantity,
    CASE v.quantity ${quantity_values} END AS y
  FROM compared AS a
  CROSS JOIN (VALUES ${quantity_names}) AS v (quantity)
),
${outside},
stored AS (
  SELECT host_id, min(raw_hash) AS first_hash, max(raw_hash) AS last_hash
  FROM ${database}.stamps
  WHERE tier = ${tier} AND run_id = ${run_id}
  GROUP BY host_id
),
facts AS (
  SELECT
    count(*) AS n_rows,
    count_if(a.sky_reason IN ('no_host', 'not_in_catalogue', 'catalogue_unreadable')) AS n_unknown,
    count_if(a.sky_reason IS NOT NULL) AS n_not_compared,
    count_if(NOT coalesce(a.raw_hash = b.first_hash AND a.raw_hash = b.last_hash, false)) AS n_changed,
    count_if(is_nan(${sky_numbers})) AS n_nan
  FROM compared AS a
  LEFT JOIN stored AS b ON a.host_id = b.host_id
)
SELECT
  CASE
    WHEN n_unknown + n_changed + n_nan > 0 THEN 'FAIL'
    WHEN n = 0 THEN 'NOT_EXERCISED'
    WHEN NOT score <= 1e0 THEN 'FAIL'
    WHEN n < 30 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  CASE WHEN n_unknown + n_changed + n_nan > 0 THEN cast(n_unknown + n_changed + n_nan AS double) ELSE score END AS statistic,
  CASE WHEN n_unknown + n_changed + n_nan > 0 THEN 0e0 ELSE 1e0 END AS bound,
  n,
  format('of %d hosts in %d bricks, %s: %.2f of what is allowed; ', n, n_bricks, told, score)
    || format('%d of %d not compared, %d of them not in the catalogue or it cannot be read; ', n_not_compared, n_rows, n_unknown)
    || format('%d with another raw stamp than the stored one, %d with NaN.', n_changed, n_nan) AS message
FROM subject
CROSS JOIN outside
CROSS JOIN facts
