-- name: flux_identity
-- asks: Is the light in each stamp what its own row says: unlensed flux x magnification x part inside the stamp?
-- statistic: good injections whose r flux is off by more than 1 %, or whose colour g - r or r - z is not the
--   source's within 5 % (the PSF's wings differ by band); both plus 7 standard deviations of the light's own
--   noise where it has any (1 / sqrt(flux x gain), which is light_noise's to judge)
-- bound: 0
-- needs: 342 good injections (2 % of clipped stamps would be missed once in 1,000 times). With noise a row has to be
--   off by more than 1 % + 7 / sqrt(electrons): 3 % of 1e5 electrons, 8 % of 1e4, 23 % of 1e3, and below 50 it is
--   off by no more than its light
-- stops: stamps clipped at their edge, swapped bands, one band scaled, light added twice, flux lost in storage; with
--   noise only as far as that bound lets it, and a fault of all rows alike is light_noise's and closure's to find
-- on failure: subtract raw_image from image of one of the rows and look at it band by band
WITH injections AS (
  SELECT
    coalesce(7e0 / sqrt(gain_r * nullif(src_flux_r_nmgy * magnification * flux_in_stamp, 0e0)), 0e0) AS noise,
    coalesce(7e0 * sqrt(1e0 / (gain_g * nullif(injected_flux_g_nmgy, 0e0))
      + 1e0 / (gain_r * nullif(injected_flux_r_nmgy, 0e0))), 0e0) AS noise_gr,
    coalesce(7e0 * sqrt(1e0 / (gain_z * nullif(injected_flux_z_nmgy, 0e0))
      + 1e0 / (gain_r * nullif(injected_flux_r_nmgy, 0e0))), 0e0) AS noise_rz,
    abs(injected_flux_r_nmgy / nullif(src_flux_r_nmgy * magnification * flux_in_stamp, 0e0) - 1e0) AS off,
    abs(injected_flux_r_nmgy / nullif(total_injected_flux, 0e0) - 1e0) AS off_total,
    abs(injected_flux_g_nmgy / nullif(injected_flux_r_nmgy, 0e0) * src_flux_r_nmgy
      / nullif(src_flux_g_nmgy, 0e0) - 1e0) AS off_gr,
    abs(injected_flux_z_nmgy / nullif(injected_flux_r_nmgy, 0e0) * src_flux_r_nmgy
      / nullif(src_flux_z_nmgy, 0e0) - 1e0) AS off_rz
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id} AND NOT is_control AND cutout_ok AND metrics_ok
),
compared AS (
  SELECT
    off,
    greatest(off_gr, off_rz) AS off_colour,
    coalesce(off <= 0.01e0 + noise AND off_total <= 1e-6, false) AS flux_fine,
    coalesce(off_gr <= 0.05e0 + noise_gr AND off_rz <= 0.05e0 + noise_rz, false) AS colour_fine
  FROM injections
),
facts AS (
  SELECT
    count(*) AS n,
    count_if(NOT flux_fine) AS n_flux,
    count_if(NOT colour_fine) AS n_colour,
    count_if(NOT (flux_fine AND colour_fine)) AS n_bad,
    coalesce(max(off), 0e0) AS worst,
    coalesce(max(off_colour), 0e0) AS worst_colour
  FROM compared
)
SELECT
  CASE
    WHEN n_bad > 0 THEN 'FAIL'
    WHEN n = 0 THEN 'NOT_EXERCISED'
    WHEN n < 342 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  cast(n_bad AS double) AS statistic,
  0e0 AS bound,
  n,
  format(
    '%d of %d good injections: %d with another flux (off by at most %.5f), %d with another colour (%.5f).',
    n_bad, n, n_flux, worst, n_colour, worst_colour
  ) AS message
FROM facts
