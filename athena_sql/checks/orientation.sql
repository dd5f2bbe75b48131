-- name: orientation
-- asks: Do stamps lie as the sky does: north up, east left, neither turned nor mirrored?
-- statistic: the largest of these over their limits: where a stamp lies between its prediction by the catalogue (1) and
--   the prediction turned or mirrored (-1), the least of the seven ways; as mean of the run and of each brick, and
--   as number of hosts that lie far off
-- bound: 1; the limits stand in pipeline/sky_limits.py, and 5 errors of a mean are allowed beside them
-- needs: 30 hosts with neighbours that tell, and a sky with tractor files
-- stops: a cutout transposed, flipped or turned, in the run or in some bricks; neighbours of another stamp around the host
-- on failure: look at the brick that is named: overlay its tractor positions on its image; compare CD1_1 and CD2_2
WITH long AS (
  SELECT brickname, host_id, 'orientation' AS quantity, sky_orientation AS y
  FROM ${database}.sky
  WHERE tier = ${tier} AND run_id = ${run_id}
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
  format('of %d hosts whose neighbours tell, in %d bricks, %s: %.2f of what is allowed.', n, n_bricks, told, score)
    AS message
FROM subject
CROSS JOIN outside
