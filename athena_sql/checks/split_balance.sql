-- name: split_balance
-- asks: Does every split hold the same mix of lenses and sources?
-- statistic: the largest difference between a split's mean of a parameter and that of the other splits, over its
--   error clustered by host; infinite (1e9) where a parameter differs and does not vary between hosts
-- bound: 5.5 (of 15 comparisons one false alarm in 1.7 million runs)
-- needs: 60 hosts, 20 in every split
-- stops: a split confounded with theta_E or brightness, a grid that was cut off in one split, rows lost by kind
-- on failure: print the cross-table of split and the parameter named; mend the planner
WITH long AS (
  SELECT
    m.region_split AS region_split, m.host_id AS host_id, v.parameter AS parameter,
    CASE v.parameter
      WHEN 'theta_e_arcsec' THEN m.theta_e_arcsec
      WHEN 'src_dmag' THEN m.src_dmag
      WHEN 'src_reff_arcsec' THEN m.src_reff_arcsec
      WHEN 'src_e' THEN m.src_e
      ELSE m.shear
    END AS x
  FROM ${database}.metrics AS m
  CROSS JOIN (
    VALUES ('theta_e_arcsec'), ('src_dmag'), ('src_reff_arcsec'), ('src_e'), ('shear')
  ) AS v (parameter)
  WHERE m.tier = ${tier} AND m.run_id = ${run_id} AND NOT m.is_control
),
hosts AS (
  SELECT parameter, region_split, host_id, avg(x) AS x FROM long GROUP BY parameter, region_split, host_id
),
splits AS (
  SELECT
    parameter, region_split, count(*) AS n, avg(x) AS mean_x, coalesce(var_samp(x), 0e0) / count(*) AS var_mean
  FROM hosts
  GROUP BY parameter, region_split
),
compared AS (
  SELECT
    a.parameter AS parameter,
    a.region_split AS region_split,
    abs(a.mean_x - b.mean_x) AS difference,
    sqrt(a.var_mean + b.var_mean) AS se,
    greatest(abs(a.mean_x), abs(b.mean_x)) AS size,
    least(a.n, b.n) AS n_least
  FROM splits AS a
  JOIN splits AS b ON a.parameter = b.parameter
  WHERE a.region_split < b.region_split
),
scored AS (
  SELECT
    parameter, region_split, n_least,
    CASE
      WHEN difference <= 1e-9 * size THEN 0e0
      WHEN se > 1e-9 * size OR difference IS NULL THEN difference / se
      ELSE 1e9  -- NaN, too: max() passes over it
    END AS z
  FROM compared
),
facts AS (
  SELECT
    coalesce(max(z), 0e0) AS z, max_by(parameter, z) AS parameter, coalesce(min(n_least), 0) AS n_least,
    count(*) AS n_compared
  FROM scored
),
host_count AS (
  SELECT count(DISTINCT host_id) AS n, count(DISTINCT region_split) AS n_splits FROM hosts
)
SELECT
  CASE
    WHEN n = 0 OR n_splits = 0 THEN 'NOT_EXERCISED'
    WHEN n_splits < 2 THEN 'FAIL'
    WHEN z > 5.5e0 AND n_least >= 3 THEN 'FAIL'
    WHEN n < 60 OR n_least < 20 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  z AS statistic,
  5.5e0 AS bound,
  n,
  format(
    'of %d comparisons between %d splits (%d hosts, at least %d a split) the largest is %.2f errors, in %s.',
    n_compared, n_splits, n, n_least, z, CASE WHEN z > 0e0 THEN parameter ELSE '(none)' END
  ) AS message
FROM facts
CROSS JOIN host_count
