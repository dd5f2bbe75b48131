-- name: host_record
-- asks: Is what the tables say of a host what the survey's catalogue says: its place, its depth, the size of its PSF?
-- statistic: the largest of these over their limits: the distance of the recorded position from the catalogue's in
--   arcsec, and by band ln of the recorded psfdepth and psfsize over the catalogue's; as mean of the run and of each
--   brick, and as number of hosts that lie far off
-- bound: 1; the limits stand in pipeline/sky_limits.py, and 5 errors of a mean are allowed beside them
-- needs: 30 hosts; of psfsize, the column in the host catalogue (DR9 and later)
-- stops: one psfsize a brick or for most hosts, sizes 2 % too wide, bands swapped, another brick's map: recorded so,
--   and convolved with, so that closure agrees; positions or depths of other hosts
-- on failure: read the psfsize map at the position of a host of the brick that is named
WITH long AS (
  SELECT a.brickname AS brickname, a.host_id AS host_id, v.quantity AS quantity,
    CASE v.quantity ${quantity_values} END AS y
  FROM ${database}.sky AS a
  CROSS JOIN (VALUES ${quantity_names}) AS v (quantity)
  WHERE a.tier = ${tier} AND a.run_id = ${run_id}
),
${outside}
SELECT
  CASE
    WHEN n = 0 THEN 'NOT_EXERCISED'
    WHEN NOT score <= 1e0 THEN 'FAIL'
    WHEN n < 30 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  score AS statistic,
  1e0 AS bound,
  n,
  format('of %d hosts in %d bricks, %s: %.2f of what is allowed.', n, n_bricks, told, score) AS message
FROM subject
CROSS JOIN outside
