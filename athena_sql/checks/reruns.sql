-- name: reruns
-- asks: Does the same task give the same bytes again?
-- statistic: stamps that an earlier run of the same code, settings and hosts has from the same raw cutout with
--   another image, or that only one of the two runs has although the other did not quarantine the row
-- bound: 0; WARN where a raw cutout itself differs, or where one run quarantined what the other has: the survey's
--   file may have been replaced or mended since
-- needs: 3 stamps in both runs, and an earlier run of the whole tier that was published with GO: with none
--   NOT_EXERCISED
-- stops: random numbers that depend on order, workers or the clock; races; results of another machine
-- on failure: run the chunk of one of these tasks twice on one machine; if that agrees, compare the machines
WITH ours AS (
  SELECT task_id, image_hash, raw_hash
  FROM ${database}.stamps
  WHERE tier = ${tier} AND run_id = ${run_id}
),
earlier AS (
  SELECT task_id, image_hash, raw_hash
  FROM ${database}.stamps
  WHERE tier = ${tier} AND run_id = ${earlier_run}
),
-- No run has both a stamp and a quarantined row of a task (success_rate), so it is the other run's row.
quarantined AS (
  SELECT DISTINCT task_id
  FROM ${database}.metrics
  WHERE tier = ${tier} AND (run_id = ${run_id} OR run_id = ${earlier_run}) AND NOT cutout_ok
),
facts AS (
  SELECT
    count_if(o.task_id IS NOT NULL AND t.task_id IS NOT NULL) AS n,
    count_if((o.task_id IS NULL OR t.task_id IS NULL) AND q.task_id IS NULL) AS n_single,
    count_if((o.task_id IS NULL OR t.task_id IS NULL) AND q.task_id IS NOT NULL) AS n_quarantined,
    count_if(o.raw_hash <> t.raw_hash) AS n_raw,
    count_if(o.raw_hash = t.raw_hash AND o.image_hash <> t.image_hash) AS n_image,
    count_if(t.task_id IS NOT NULL) AS n_earlier,
    min(CASE WHEN o.raw_hash = t.raw_hash AND o.image_hash <> t.image_hash THEN o.task_id END) AS task_id
  FROM ours AS o
  FULL OUTER JOIN earlier AS t ON o.task_id = t.task_id
  LEFT JOIN quarantined AS q ON q.task_id = coalesce(o.task_id, t.task_id)
)
SELECT
  CASE
    WHEN n_earlier = 0 THEN 'NOT_EXERCISED'
    WHEN n_image + n_single > 0 THEN 'FAIL'
    WHEN n_raw + n_quarantined > 0 THEN 'WARN'
    WHEN n < 3 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  CASE WHEN n_earlier > 0 THEN cast(n_image + n_single AS double) END AS statistic,
  0e0 AS bound,
  n,
  CASE WHEN n_earlier = 0 THEN 'no earlier run of this code, these settings and hosts to compare with.'
    ELSE format(
      '%d stamps of run %s again: %d differ (%s), %d are in one of the runs only, ',
      n, ${earlier_run}, n_image, coalesce(task_id, 'none'), n_single
    ) || format('%d more were quarantined in one, %d were cut from other pixels.', n_quarantined, n_raw) END AS message
FROM facts
