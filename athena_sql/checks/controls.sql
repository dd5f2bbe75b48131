-- name: controls
-- asks: Are controls, and only they, the untouched cutout, and are there as many as planned?
-- statistic: by how much the share of controls among the planned rows is off the tier's, over its bound, where
--   that is more than 1; or controls whose stamp differs from the raw cutout, injections whose stamp does not, rows whose
--   label differs from the manifest's, and the difference to the planned number of controls
-- bound: 0; of the share, where the tier has controls, 0.01 of the rows (all hosts of a brick are dealt to whole
--   controls), as a ratio 1
-- needs: 688 controls with a stamp (1 % of altered controls would be missed once in 1,000 times); with none
--   planned the answer is NOT_EXERCISED, never PASS; with fewer INCONCLUSIVE
-- stops: a control path that was never run, controls that were resampled or re-encoded, injections that
--   added nothing, swapped labels, a share of controls that the tier does not state
-- on failure: compare image_hash and raw_hash of one row by its task_id, then the code that wrote it
WITH planned AS (
  SELECT task_id, is_control
  FROM ${database}.manifest
  WHERE tier = ${tier} AND run_id = ${run_id}
),
measured AS (
  SELECT task_id, is_control
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id}
),
stamped AS (
  SELECT task_id, is_control, image_hash, raw_hash
  FROM ${database}.stamps
  WHERE tier = ${tier} AND run_id = ${run_id}
),
plan_counts AS (
  SELECT
    count_if(is_control) AS n_controls,
    coalesce(1e0 * count_if(is_control) / nullif(count(*), 0), 0e0) AS share,
    count(*) AS n
  FROM planned
),
row_counts AS (
  SELECT count_if(is_control) AS n_controls FROM measured
),
stamp_counts AS (
  SELECT
    count_if(p.is_control) AS n_controls,
    count_if(p.is_control AND s.image_hash IS DISTINCT FROM s.raw_hash) AS n_altered,
    count_if(NOT p.is_control AND s.image_hash IS NOT DISTINCT FROM s.raw_hash) AS n_unchanged,
    count_if(s.is_control IS DISTINCT FROM p.is_control) AS n_mislabelled
  FROM planned AS p
  JOIN stamped AS s ON p.task_id = s.task_id
),
facts AS (
  SELECT
    plan_counts.n_controls AS n_planned,
    plan_counts.share AS share,
    CASE WHEN plan_counts.n > 0 AND ${control_fraction} > 0e0
      THEN abs(plan_counts.share - ${control_fraction}) / 1e-2 ELSE 0e0 END AS off,
    row_counts.n_controls AS n_rows,
    stamp_counts.n_controls AS n_stamps,
    stamp_counts.n_altered AS n_altered,
    stamp_counts.n_unchanged AS n_unchanged,
    stamp_counts.n_mislabelled AS n_mislabelled,
    stamp_counts.n_altered + stamp_counts.n_unchanged + stamp_counts.n_mislabelled
      + abs(plan_counts.n_controls - row_counts.n_controls) AS n_bad
  FROM plan_counts
  CROSS JOIN row_counts
  CROSS JOIN stamp_counts
)
SELECT
  CASE
    WHEN n_bad > 0 OR off > 1e0 THEN 'FAIL'
    WHEN n_planned = 0 THEN 'NOT_EXERCISED'
    WHEN n_stamps < 688 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  CASE
    WHEN n_bad = 0 AND off > 1e0 THEN off
    WHEN n_bad = 0 AND n_planned = 0 THEN cast(NULL AS double)
    ELSE cast(n_bad AS double)
  END AS statistic,
  CASE WHEN n_bad = 0 AND off > 1e0 THEN 1e0 ELSE 0e0 END AS bound,
  n_stamps AS n,
  format(
    '%d controls planned (%.2f %% of the rows, %.2f stated), %d rows, %d stamps: %d differ from the raw cutout, ',
    n_planned, 1e2 * share, 1e2 * ${control_fraction}, n_rows, n_stamps, n_altered
  ) || format('%d injections do not, %d labels differ from the manifest%s',
    n_unchanged, n_mislabelled,
    CASE WHEN n_planned = 0 THEN '; the control path was not run.' ELSE '.' END) AS message
FROM facts
