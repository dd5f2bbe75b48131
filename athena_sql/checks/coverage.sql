-- name: coverage
-- asks: Is every split's part of the parameter space filled, and do good rows cover it alike?
-- statistic: the smallest share of good rows in a cell of theta_E and src_dmag (each cut at its mean) by split,
--   over that cell's planned rows; or cells of a split without a planned row
-- bound: at least 0.9 of each cell; 0 empty cells of a split of 40 planned rows or more: chance empties one of fewer
-- needs: 20 planned rows in every cell
-- stops: failures that prefer large, faint or bright systems; a parameter that never varies with another; a
--   split that lost a corner of the grid
-- on failure: count quarantine_reason by theta_e_arcsec and src_dmag
WITH planned AS (
  SELECT task_id, region_split, theta_e_arcsec, src_dmag
  FROM ${database}.manifest
  WHERE tier = ${tier} AND run_id = ${run_id} AND NOT is_control
),
good AS (
  SELECT DISTINCT task_id
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id} AND cutout_ok AND metrics_ok
),
centre AS (
  SELECT avg(theta_e_arcsec) AS theta_e, avg(src_dmag) AS dmag, NOT min(theta_e_arcsec) >= max(theta_e_arcsec) AS theta_varies,
    NOT min(src_dmag) >= max(src_dmag) AS dmag_varies
  FROM planned
),
cells AS (
  SELECT
    p.region_split AS region_split,
    p.theta_e_arcsec > c.theta_e AS is_large,
    p.src_dmag > c.dmag AS is_faint,
    count(*) AS n,
    count_if(g.task_id IS NOT NULL) AS n_good
  FROM planned AS p
  CROSS JOIN centre AS c
  LEFT JOIN good AS g ON p.task_id = g.task_id
  GROUP BY p.region_split, p.theta_e_arcsec > c.theta_e, p.src_dmag > c.dmag
),
by_split AS (
  SELECT region_split, count(*) AS n_cells, sum(n) AS n FROM cells GROUP BY region_split
),
facts AS (
  SELECT
    coalesce(sum(n), 0) AS n,
    count(*) AS n_cells,
    count(DISTINCT region_split) AS n_splits,
    coalesce(min(n), 0) AS n_least,
    coalesce(min(1e0 * n_good / n), 0e0) AS least
  FROM cells
),
expected AS (
  SELECT (CASE WHEN coalesce(theta_varies, false) THEN 2 ELSE 1 END)
    * (CASE WHEN coalesce(dmag_varies, false) THEN 2 ELSE 1 END) AS cells
  FROM centre
),
empty AS (
  SELECT
    coalesce(sum(e.cells - s.n_cells), 0) AS n_empty,
    coalesce(sum(CASE WHEN s.n >= 40 THEN e.cells - s.n_cells END), 0) AS n_lost
  FROM by_split AS s
  CROSS JOIN expected AS e
),
judged AS (
  SELECT facts.*, empty.n_empty, empty.n_lost
  FROM facts
  CROSS JOIN empty
)
SELECT
  CASE
    WHEN n = 0 THEN 'NOT_EXERCISED'
    WHEN n_lost > 0 THEN 'FAIL'
    WHEN least < 0.9e0 THEN 'FAIL'
    WHEN n_empty > 0 OR n_least < 20 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  CASE WHEN n_lost > 0 THEN cast(n_lost AS double) ELSE least END AS statistic,
  CASE WHEN n_lost > 0 THEN 0e0 ELSE 0.9e0 END AS bound,
  n,
  format(
    '%d planned injections in %d cells of theta_E, src_dmag and split, %d cells empty; at least %d rows a cell, ',
    n, n_cells, n_empty, n_least
  ) || format('of which at least %.1f %% are good.', 1e2 * least) AS message
FROM judged
