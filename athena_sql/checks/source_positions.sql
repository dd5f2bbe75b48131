-- name: source_positions
-- asks: Are angles isotropic and sources spread as the prior says?
-- statistic: the largest Kolmogorov-Smirnov distance (sqrt(n) + 0.12 + 0.11 / sqrt(n)) D from uniform, of the
--   source's, the shear's and the lens's angle over pi and the source's direction over 2 pi; the lens's of one row
--   a host, for it may follow the host's light; the others are drawn anew for every row
-- bound: 2.8 (four tests of one false alarm in 3 million each)
-- needs: 100 hosts: D of 0.27 is then found in their lenses, of 0.04 in the rest
-- stops: degrees taken as radians, angles over half their range, one random number used twice, x and y swapped
--   in the draw of one of them, sources on one side
-- on failure: plot a histogram of the angle named, over manifest
WITH first_rows AS (
  SELECT host_id, min(task_id) AS task_id
  FROM ${database}.manifest
  WHERE tier = ${tier} AND run_id = ${run_id} AND NOT is_control
  GROUP BY host_id
),
angles AS (
  SELECT
    v.angle AS angle,
    CASE v.angle
      WHEN 'lens_phi_rad' THEN m.lens_phi_rad / pi()
      WHEN 'shear_phi_rad' THEN m.shear_phi_rad / pi()
      WHEN 'src_phi_rad' THEN m.src_phi_rad / pi()
      ELSE atan2(m.src_y_arcsec, m.src_x_arcsec) / (2e0 * pi()) + 0.5e0
    END AS u
  FROM ${database}.manifest AS m
  LEFT JOIN first_rows AS f ON m.task_id = f.task_id
  CROSS JOIN (
    VALUES ('lens_phi_rad'), ('shear_phi_rad'), ('src_phi_rad'), ('direction of the source')
  ) AS v (angle)
  WHERE m.tier = ${tier} AND m.run_id = ${run_id} AND NOT m.is_control
    AND (v.angle <> 'lens_phi_rad' OR f.task_id IS NOT NULL)
),
ranked AS (
  SELECT
    angle,
    CASE WHEN u BETWEEN -1e9 AND 1e9 THEN u ELSE 1e9 END AS u,  -- max() passes over NaN
    cast(row_number() OVER (PARTITION BY angle ORDER BY u) AS double) AS i,
    cast(count(*) OVER (PARTITION BY angle) AS double) AS n
  FROM angles
  WHERE u IS NOT NULL
),
distances AS (
  SELECT
    angle,
    max(n) AS n,
    (sqrt(max(n)) + 0.12e0 + 0.11e0 / sqrt(max(n))) * max(greatest(i / n - u, u - (i - 1e0) / n)) AS k
  FROM ranked
  GROUP BY angle
),
facts AS (
  SELECT coalesce(max(k), 0e0) AS k, max_by(angle, k) AS angle, cast(coalesce(min(n), 0e0) AS bigint) AS n
  FROM distances
)
SELECT
  CASE
    WHEN n = 0 THEN 'NOT_EXERCISED'
    WHEN k > 2.8e0 THEN 'FAIL'
    WHEN n < 100 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  k AS statistic,
  2.8e0 AS bound,
  n,
  format(
    'of four angles in %d hosts the one least like uniform is %s: (sqrt(n) + ...) D = %.2f.',
    n, coalesce(angle, '(none)'), k
  ) AS message
FROM facts
