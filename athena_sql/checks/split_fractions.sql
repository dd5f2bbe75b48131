-- name: split_fractions
-- asks: Does each split hold the share of the rows that the tier states?
-- statistic: the largest difference between a split's share of the planned rows and the tier's, over its bound
-- bound: 1. A split's own bound: 0 rows where the tier takes as many hosts of each split; 3 blocks of the sky
--   where blocks are dealt to the split that lacks most; where each block is dealt by its hash, Bernstein's
--   inequality t = M L / 3 + sqrt((M L / 3)^2 + 2 V L), V = p (1 - p) sum w^2, M = max w, w the blocks' shares of
--   the rows, L = ln(6e6): at most one false alarm in a million runs, however few the blocks
-- needs: so many blocks that every bound is below 0.2: the earlier pipeline's 26/39/35 is then found for 70/15/15
-- stops: splits inverted or swapped, shares of another tier, blocks lost from one split, splits dealt by row
-- on failure: compare rows_by_split in plan.json with [splits] shares of the tier
WITH rows_split AS (
  SELECT region_split, cast(floor(region_id / ${regions_a_block}) AS bigint) AS block
  FROM ${database}.manifest
  WHERE tier = ${tier} AND run_id = ${run_id}
),
row_count AS (
  SELECT count(*) AS n, count_if(region_split IS NULL OR region_split = 'all') AS n_unsplit FROM rows_split
),
blocks AS (
  SELECT block, 1e0 * count(*) / max(c.n) AS w
  FROM rows_split
  CROSS JOIN row_count AS c
  GROUP BY block
),
weights AS (
  SELECT count(*) AS n_blocks, sum(power(w, 2e0)) AS sum_squared, max(w) AS most FROM blocks
),
stated AS (
  SELECT region_split, p FROM (VALUES ${split_shares}) AS v (region_split, p)
),
found AS (
  SELECT region_split, count(*) AS n FROM rows_split GROUP BY region_split
),
compared AS (
  SELECT
    coalesce(s.region_split, f.region_split) AS region_split,
    coalesce(s.p, 0e0) AS p,
    coalesce(1e0 * f.n / c.n, 0e0) AS share,
    CASE ${split_deal}
      WHEN 'exact' THEN 1e-9
      WHEN 'balanced' THEN 3e0 * w.most
      ELSE w.most * ln(6e6) / 3e0 + sqrt(
        power(w.most * ln(6e6) / 3e0, 2e0) + 2e0 * coalesce(s.p, 0e0) * (1e0 - coalesce(s.p, 0e0)) * w.sum_squared * ln(6e6)
      )
    END AS t
  FROM stated AS s
  FULL OUTER JOIN found AS f ON s.region_split = f.region_split
  CROSS JOIN row_count AS c
  CROSS JOIN weights AS w
),
facts AS (
  SELECT
    coalesce(max(abs(share - p) / t), 0e0) AS off,
    coalesce(max(t), 1e0) AS widest,
    count(*) AS n_splits
  FROM compared
),
worst AS (
  SELECT
    min(c.region_split) AS region_split, min(c.share) AS share, min(c.p) AS p, min(c.t) AS t
  FROM compared AS c
  CROSS JOIN facts AS f
  WHERE abs(c.share - c.p) / c.t = f.off
)
SELECT
  CASE
    WHEN r.n = 0 OR r.n_unsplit = r.n THEN 'NOT_EXERCISED'
    WHEN f.off > 1e0 THEN 'FAIL'
    WHEN f.widest > 0.2e0 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  f.off AS statistic,
  1e0 AS bound,
  w.n_blocks AS n,
  format(
    'split %s, furthest from its share, holds %.2f %% of %d rows where the tier states %.2f ', coalesce(x.region_split, '(none)'),
    1e2 * coalesce(x.share, 0e0), r.n, 1e2 * coalesce(x.p, 0e0)
  ) || format('+- %.2f %%, over %d blocks of the sky.', 1e2 * coalesce(x.t, 0e0), w.n_blocks) AS message
FROM facts AS f
CROSS JOIN row_count AS r
CROSS JOIN weights AS w
CROSS JOIN worst AS x
