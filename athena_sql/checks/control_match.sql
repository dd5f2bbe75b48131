-- name: control_match
-- asks: Are controls like injections in everything but the arcs, and can the core's brightness alone tell them?
-- statistic: the largest two-sample Kolmogorov-Smirnov statistic sqrt(n m / (n + m)) (D - 0.02) between the hosts of
--   controls (those without an injection, where there are any) and of injections, over magnitude, psfsize and depth; WARN where the area under the ROC curve of the
--   light in the central 10 x 10 pixels exceeds 0.9
-- bound: 2.8; and 0.9 of the area
-- needs: 100 hosts with a control, 100 with an injection; with no controls NOT_EXERCISED
-- stops: controls of brighter, nearer or better-seen galaxies; a network that learns the core instead of the arcs
-- on failure: match the controls' hosts again (4a); for the core, fainter sources or controls with added core light
WITH good AS (
  SELECT m.host_id AS host_id, m.is_control AS is_control, p.host_mag_r AS mag, m.psfsize_r AS seeing,
    m.psfdepth_r AS depth, m.core_flux_r_nmgy AS core
  FROM ${database}.metrics AS m
  JOIN ${database}.manifest AS p ON m.task_id = p.task_id
  WHERE m.tier = ${tier} AND m.run_id = ${run_id} AND p.tier = ${tier} AND p.run_id = ${run_id} AND m.cutout_ok
),
-- A paired control is of the same host as an injection, and would halve every difference: hosts of controls alone
-- are compared where there are any.
by_host AS (
  SELECT host_id, is_control, avg(mag) AS mag, avg(seeing) AS seeing, avg(depth) AS depth,
    count(*) OVER (PARTITION BY host_id) > 1 AS is_paired
  FROM good
  GROUP BY host_id, is_control
),
unpaired AS (
  SELECT count_if(is_control AND NOT is_paired) AS n FROM by_host
),
hosts AS (
  SELECT host_id, is_control, mag, seeing, depth
  FROM by_host
  CROSS JOIN unpaired
  WHERE NOT is_control OR NOT is_paired OR unpaired.n = 0
),
long AS (
  SELECT v.quantity AS quantity, h.is_control AS is_control,
    CASE v.quantity WHEN 'magnitude' THEN h.mag WHEN 'psfsize' THEN h.seeing ELSE h.depth END AS x
  FROM hosts AS h
  CROSS JOIN (VALUES ('magnitude'), ('psfsize'), ('depth')) AS v (quantity)
),
tied AS (
  SELECT quantity, x, count_if(is_control) AS n_control, count_if(NOT is_control) AS n_injected
  FROM long
  WHERE x IS NOT NULL
  GROUP BY quantity, x
),
cumulated AS (
  SELECT
    quantity,
    sum(n_control) OVER (PARTITION BY quantity ORDER BY x) AS c,
    sum(n_injected) OVER (PARTITION BY quantity ORDER BY x) AS i,
    sum(n_control) OVER (PARTITION BY quantity) AS n_c,
    sum(n_injected) OVER (PARTITION BY quantity) AS n_i
  FROM tied
),
distances AS (
  SELECT
    quantity,
    greatest(max(abs(1e0 * c / nullif(n_c, 0) - 1e0 * i / nullif(n_i, 0))) - 2e-2, 0e0)
      * sqrt(1e0 * max(n_c) * max(n_i) / nullif(max(n_c) + max(n_i), 0)) AS k
  FROM cumulated
  GROUP BY quantity
),
worst AS (
  SELECT coalesce(max(k), 0e0) AS k, min(CASE WHEN k > nearly THEN quantity END) AS quantity
  FROM distances CROSS JOIN (SELECT (1e0 - 1e-9) * max(k) AS nearly FROM distances) AS most
),
counts AS (
  SELECT count_if(is_control) AS n_control, count_if(NOT is_control) AS n_injected FROM hosts
),
-- Mann-Whitney: the area is the mean rank of the injections, ties shared.
cores AS (
  SELECT core, count(*) AS n, count_if(NOT is_control) AS n_injected FROM good WHERE core IS NOT NULL GROUP BY core
),
ranked AS (
  SELECT n_injected, n, sum(n) OVER (ORDER BY core) - (n - 1e0) / 2e0 AS mid_rank FROM cores
),
area AS (
  SELECT
    (sum(n_injected * mid_rank) - sum(n_injected) * (sum(n_injected) + 1e0) / 2e0)
      / nullif(1e0 * sum(n_injected) * (sum(n) - sum(n_injected)), 0e0) AS auc
  FROM ranked
)
SELECT
  CASE
    WHEN n_control = 0 OR n_injected = 0 THEN 'NOT_EXERCISED'
    WHEN k > 2.8e0 THEN 'FAIL'
    WHEN n_control < 100 OR n_injected < 100 THEN 'INCONCLUSIVE'
    WHEN coalesce(auc, 1e0) > 0.9e0 THEN 'WARN'
    ELSE 'PASS'
  END AS status,
  CASE WHEN n_control = 0 OR n_injected = 0 THEN cast(NULL AS double)
    WHEN k <= 2.8e0 AND coalesce(auc, 1e0) > 0.9e0 THEN auc ELSE k END AS statistic,
  CASE WHEN k <= 2.8e0 AND coalesce(auc, 1e0) > 0.9e0 THEN 0.9e0 ELSE 2.8e0 END AS bound,
  n_control AS n,
  format('%d hosts with controls, %d with injections', n_control, n_injected) || CASE
    WHEN n_control = 0 OR n_injected = 0 THEN ': nothing to compare.'
    ELSE format(
      ': they differ most in %s, by %.2f; the core''s light alone tells them apart with an area of %.3f.',
      CASE WHEN k > 0e0 THEN quantity ELSE '(nothing)' END, k, coalesce(auc, 0.5e0)
    )
  END AS message
FROM worst
CROSS JOIN counts
CROSS JOIN area
