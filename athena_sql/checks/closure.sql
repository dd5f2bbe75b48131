-- name: closure
-- asks: Does an independent renderer find the same arcs in the stamps, from the manifest and the PSF alone?
-- statistic: sampled rows that are bad: in some band the flux is off by more than 0.2 %, the difference's norm by
--   more than 1 %, the second moment by more than 0.5 % or the centroid by more than 0.005 arcsec; or the
--   magnification by more than 0.2 %, or the recorded light of the core by 1e-5 of its pixels'; or light with Poisson noise has 0.5 % of its variance left when the noise that the manifest fixes
--   is taken away; or the row could not be compared (BOUNDS of pipeline/closure_rates.py). Where there are any:
--   stamps whose pixels are not those that were hashed or not finite, rows with NaN, tasks with two rows, rows of no good injection
-- bound: the most bad rows that a clean run has, but for one run in a million; of the second kind 0
-- needs: as many rows as make it miss a defect of a twentieth of the rows less than once in 1,000 runs
--   (pipeline/closure_rates.py computes both; the sample has one row after the other from other bricks, cells
--   and hosts), or every injection of the run, if a twentieth of them is too many; rows convolved with a user's
--   image of the PSF are not sampled, and alone are NOT_EXERCISED
-- stops: every wrong number, unit, sign, angle, profile, PSF, frame or band between the manifest and the stored
--   pixels: pixel-centre sampling, flux renormalised, dropped shear, PA + 90 degrees, degrees as radians, theta_E
--   in pixels, zero points, FWHM as sigma, x and y swapped, half a pixel, double injection, swapped bands;
--   noise of the light that is missing, doubled or of another gain than the recorded one; pixels changed after
--   they were hashed, in controls too; a closure table of another run. Of stamps, it sees those of the parts that
--   the sample lies in
-- on failure: the message says which quantity is off; render one of the rows with both renderers, and believe
--   neither until they agree
WITH measured AS (
  SELECT task_id, max(CASE WHEN NOT is_control AND cutout_ok AND metrics_ok THEN 1 ELSE 0 END) AS injected
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id}
  GROUP BY task_id
),
rows_sampled AS (
  SELECT
    c.task_id,
    coalesce(closure_reason, '') AS reason,
    coalesce(closure_reason, '') IN ('hash_mismatch', 'not_finite') AS damaged,
    NOT is_finite(${closure_numbers}) AS not_a_number,
    coalesce(m.injected, 0) = 0 AS alien,
    NOT coalesce(${closure_flux_fine}, false) AS bad_flux,
    NOT coalesce(${closure_l2_fine}, false) AS bad_l2,
    NOT coalesce(${closure_moment_fine}, false) AS bad_moment,
    NOT coalesce(${closure_centroid_fine}, false) AS bad_centroid,
    NOT coalesce(${closure_magnification_fine}, false) AS bad_magnification,
    NOT coalesce(${closure_core_fine}, false) AS bad_core,
    NOT coalesce(${closure_noise_fine}, true) AS bad_noise,
    greatest(${closure_l2_columns}) AS worst_l2,
    brickname
  FROM ${database}.closure AS c
  LEFT JOIN measured AS m ON c.task_id = m.task_id
  WHERE tier = ${tier} AND run_id = ${run_id}
),
facts AS (
  SELECT
    count(*) AS n,
    count(DISTINCT brickname) AS n_bricks,
    count_if(bad_flux OR bad_l2 OR bad_moment OR bad_centroid OR bad_magnification OR bad_core OR bad_noise) AS n_bad,
    count_if(bad_flux) AS n_flux,
    count_if(bad_l2) AS n_l2,
    count_if(bad_moment) AS n_moment,
    count_if(bad_centroid) AS n_centroid,
    count_if(bad_magnification) AS n_magnification,
    count_if(bad_core) AS n_core,
    count_if(bad_noise) AS n_noise,
    count_if(reason <> '') AS n_reason,
    count_if(damaged OR not_a_number) AS n_damaged,
    count(*) - count(DISTINCT task_id) AS n_doubled,
    count_if(alien AND NOT damaged) AS n_alien,
    max(reason) AS reason,
    max(worst_l2) AS worst_l2
  FROM rows_sampled
),
subject AS (
  SELECT count_if(NOT is_control AND cutout_ok AND coalesce(psf_kind, '') <> 'image') AS n
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id}
),
numbers AS (
  SELECT k FROM UNNEST(sequence(1, 60)) AS t (k)
),
-- P(k or more bad rows of n at the rate p) = beta_cdf(k, n - k + 1, p)
limits AS (
  SELECT min(numbers.k) AS k
  FROM numbers
  CROSS JOIN facts
  WHERE numbers.k <= facts.n
    AND beta_cdf(1e0 * numbers.k, 1e0 * facts.n - numbers.k + 1e0, ${closure_null_rate}) < ${closure_false_alarm}
),
judged AS (
  SELECT
    facts.*,
    subject.n AS n_subject,
    coalesce(limits.k, 1 + facts.n) AS k,
    CASE WHEN limits.k IS NULL THEN 1e0
      WHEN facts.n >= subject.n AND limits.k - 1e0 < ${closure_weakest} * facts.n THEN 0e0
      ELSE 1e0 - beta_cdf(1e0 * limits.k, 1e0 * facts.n - limits.k + 1e0, ${closure_weakest}) END AS miss
  FROM facts
  CROSS JOIN subject
  CROSS JOIN limits
)
SELECT
  CASE
    WHEN n = 0 AND n_subject = 0 THEN 'NOT_EXERCISED'
    WHEN n_damaged + n_doubled + n_alien > 0 THEN 'FAIL'
    WHEN n = 0 OR n_bad >= k OR (n > 0 AND n_bad = n) THEN 'FAIL'
    WHEN miss >= ${closure_miss} THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  CASE WHEN n_damaged + n_doubled + n_alien > 0 THEN cast(n_damaged + n_doubled + n_alien AS double)
    ELSE cast(n_bad AS double) END AS statistic,
  CASE WHEN n_damaged + n_doubled + n_alien > 0 THEN 0e0 ELSE 1e0 * k - 1e0 END AS bound,
  n,
  format(
    '%d of %d rows of %d bricks rendered again are off (flux %d, shape %d, second moment %d, centroid %d, ',
    n_bad, n, n_bricks, n_flux, n_l2, n_moment, n_centroid
  ) || format(
    'magnification %d, core %d, noise %d; %d not comparable%s); the largest difference is %.4f of its arc',
    n_magnification, n_core, n_noise, n_reason, CASE WHEN n_reason > 0 THEN ': ' || reason ELSE '' END,
    coalesce(worst_l2, 0e0)
  ) || format(
    '; %d stamps or their rows have changed or not finite values, %d rows are doubled, %d are of no good injection.',
    n_damaged, n_doubled, n_alien
  ) AS message
FROM judged
