-- name: light_noise
-- asks: Has the added light the Poisson noise of its own electrons, of the survey's gain, and does the SNR know it?
-- statistic: the largest of the following, each over its bound: in units of the noise, the r fluxes' mean
--   (5 errors of the mean + 0.05) and mean square minus 1 (5 errors + 0.05); by band, ln of the recorded gain over
--   that of the catalogue's depth, sky B and PSF, mean over the hosts (ln 1.5); ln of the SNR lost to the noise
--   over the one that the closure's reference loses, mean over its rows (0.4); rows with noise in a band but not
--   in another, or no less SNR than without (0)
-- bound: 1
-- needs: 688 good injections with noise (a variance off by half is missed less than once in 1,000 times); a
--   catalogue depth in each band, and rendered rows with an SNR lost
-- stops: noise that is missing, doubled, of another gain, of one number for all rows; invvar as sigma or as
--   variance in the gain; weights that do not hold the noise; a band left clean
-- on failure: the message says which; compare a stamp's image minus raw_image with its reference, in electrons
WITH injections AS (
  SELECT
    host_id,
    gain_r,
    injected_flux_r_nmgy AS flux,
    src_flux_r_nmgy * magnification * flux_in_stamp AS expected,
    -- An arc that no good pixel sees has no SNR to lose.
    coalesce(arc_snr < arc_snr_sky OR (arc_snr = 0e0 AND arc_snr_sky = 0e0), false) AS less_snr,
    gain_g,
    gain_z,
    ln(nullif(gain_g, 0e0) / nullif(${gain_of_depth_g} * psfdepth_g * psfsize_g * psfsize_g, 0e0)) AS off_g,
    ln(nullif(gain_r, 0e0) / nullif(${gain_of_depth_r} * psfdepth_r * psfsize_r * psfsize_r, 0e0)) AS off_r,
    ln(nullif(gain_z, 0e0) / nullif(${gain_of_depth_z} * psfdepth_z * psfsize_z * psfsize_z, 0e0)) AS off_z
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id} AND NOT is_control AND cutout_ok AND metrics_ok
),
rows_judged AS (
  SELECT
    gain_g IS NOT NULL OR gain_r IS NOT NULL OR gain_z IS NOT NULL AS noisy,
    coalesce(gain_g > 0e0 AND gain_r > 0e0 AND gain_z > 0e0 AND less_snr, false) AS whole,
    (flux - expected) / sqrt(nullif(expected / nullif(gain_r, 0e0), 0e0)) AS z
  FROM injections
),
facts AS (
  SELECT
    count(*) AS n_all,
    count_if(noisy) AS n,
    count_if(noisy AND NOT whole) AS n_partly,
    coalesce(avg(z), 0e0) AS mean_z,
    coalesce(avg(z * z), 0e0) AS mean_z2
  FROM rows_judged
),
hosts AS (
  SELECT host_id, min(off_g) AS off_g, min(off_r) AS off_r, min(off_z) AS off_z
  FROM injections
  GROUP BY host_id
),
gains AS (
  SELECT
    least(count(off_g), count(off_r), count(off_z)) AS n_gain,
    greatest(
      coalesce(abs(avg(off_g)), 0e0), coalesce(abs(avg(off_r)), 0e0), coalesce(abs(avg(off_z)), 0e0)
    ) AS off_gain
  FROM hosts
),
losses AS (
  SELECT
    count(closure_snr_loss) AS n_loss,
    coalesce(avg(closure_snr_loss), 0e0) AS loss
  FROM ${database}.closure
  WHERE tier = ${tier} AND run_id = ${run_id}
),
judged AS (
  SELECT
    facts.*,
    gains.n_gain,
    gains.off_gain,
    losses.n_loss,
    losses.loss,
    abs(mean_z) / (5e0 / sqrt(greatest(n, 1)) + 0.05e0) AS at_mean,
    abs(mean_z2 - 1e0) / (5e0 * sqrt(2e0 / greatest(n, 1)) + 0.05e0) AS at_variance,
    off_gain / ln(1.5e0) AS at_gain,
    abs(loss) / 0.4e0 AS at_loss
  FROM facts
  CROSS JOIN gains
  CROSS JOIN losses
)
SELECT
  CASE
    WHEN n = 0 THEN 'NOT_EXERCISED'
    WHEN n < n_all OR n_partly > 0 OR NOT greatest(at_mean, at_variance, at_gain, at_loss) <= 1e0 THEN 'FAIL'
    WHEN n < 688 OR least(n_gain, n_loss) = 0 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  CASE
    WHEN n = 0 THEN cast(NULL AS double)
    WHEN n < n_all OR n_partly > 0 THEN 1e0 + n_all - n + n_partly
    ELSE greatest(at_mean, at_variance, at_gain, at_loss)
  END AS statistic,
  1e0 AS bound,
  n,
  CASE WHEN n = 0 THEN format('none of %d good injections has noise of its own light.', n_all) ELSE format(
    '%d of %d good injections have noise, %d not in every band and in the SNR; r fluxes are off by %.3f noises ',
    n, n_all, n_partly, mean_z
  ) || format(
    'in the mean, with %.3f of their variance; the gain is the catalogue''s within a factor of %.2f; the SNR ',
    mean_z2, exp(off_gain)
  ) || format('lost is %.2f of what %d rendered rows lose.', 1e0 + loss, n_loss)
    || CASE WHEN n_gain = 0 THEN ' Not judged: the gain, no host has a depth in some band.' ELSE '' END
    || CASE WHEN n_loss = 0 THEN ' Not judged: the SNR lost, no rendered row has it.' ELSE '' END
  END AS message
FROM judged
