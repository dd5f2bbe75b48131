-- name: psf_provenance
-- asks: Did the PSF of every stamp come from the survey's psfsize map, in every brick and band?
-- statistic: fraction of the hosts of the worst brick (of those with 8 hosts or more) without a value of the
--   map in some band; or the first of the other bounds that is broken
-- bound: 0.25 of a brick's hosts; 0.01 of all hosts; 0 stamps with psfsize 0 or NULL, or of another profile than the
--   tier's; psf_fwhm_used/psfsize
--   within 2 % of the profile's own ratio; psfsize not the same everywhere
-- needs: 30 hosts, 8 in some brick. At the allowed 1 % a brick of 18 hosts exceeds 25 % once in 1e6
-- stops: PSF sizes of 0 (98 % of them were in one brick: nobody looked per brick), a default PSF, FWHM =
--   psfsize, another profile or beta than the tier's, FWHM taken as sigma, arcsec as pixels, another band's PSF: all as recorded; what was really
--   convolved with is for closure to say
-- on failure: look at the brick in the message: is its psfsize map there, and covered? Leave such bricks out
--
-- psfsize = 2.3548/(2 sqrt(pi)) sqrt(NEA). With a Moffat's NEA = pi a^2 (2 beta - 1)/(beta - 1)^2 and
-- FWHM = 2 a sqrt(2^(1/beta) - 1), FWHM/psfsize is what the column expected_ratio holds; 1 for a Gaussian.
-- A user's PSF image counts as the survey's own, and has no ratio. Sizes given by --psf are constant by right, and
-- WARN: nothing of the survey's stands behind them.
WITH stamps_asked AS (
  SELECT
    brickname,
    host_id,
    cutout_ok,
    psfsize_g,
    psfsize_r,
    psfsize_z,
    NOT cutout_ok OR coalesce(psf_source_g, 'none') NOT IN ('map', 'image', 'given') AS no_map_g,
    NOT cutout_ok OR coalesce(psf_source_r, 'none') NOT IN ('map', 'image', 'given') AS no_map_r,
    NOT cutout_ok OR coalesce(psf_source_z, 'none') NOT IN ('map', 'image', 'given') AS no_map_z,
    psf_fwhm_used_g / psfsize_g AS ratio_g,
    psf_fwhm_used_r / psfsize_r AS ratio_r,
    psf_fwhm_used_z / psfsize_z AS ratio_z,
    NOT coalesce(${psf_promised}, false) AS other_profile,
    coalesce(psf_source_g = 'given' OR psf_source_r = 'given' OR psf_source_z = 'given', false) AS is_given,
    CASE
      WHEN psf_kind = 'gaussian' THEN 1e0
      WHEN psf_kind = 'moffat' THEN
        4e0 * sqrt(power(2e0, 1e0 / psf_beta) - 1e0) * (psf_beta - 1e0)
        / (2.3548e0 * sqrt(2e0 * psf_beta - 1e0))
    END AS expected_ratio
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id} AND (cutout_ok OR quarantine_reason = 'no_psf')
),
by_host AS (
  SELECT
    brickname,
    host_id,
    bool_or(no_map_g) AS no_map_g,
    bool_or(no_map_r) AS no_map_r,
    bool_or(no_map_z) AS no_map_z
  FROM stamps_asked
  GROUP BY brickname, host_id
),
by_brick AS (
  SELECT
    brickname,
    count(*) AS n_hosts,
    count_if(no_map_g) AS n_g,
    count_if(no_map_r) AS n_r,
    count_if(no_map_z) AS n_z,
    1e0 * greatest(count_if(no_map_g), count_if(no_map_r), count_if(no_map_z)) / count(*) AS without_map
  FROM by_host
  GROUP BY brickname
),
worst_of AS (
  SELECT max(without_map) AS without_map FROM by_brick WHERE n_hosts >= 8
),
bricks AS (
  SELECT
    count(*) AS n_bricks,
    coalesce(sum(b.n_hosts), 0) AS n_hosts,
    coalesce(max(b.n_hosts), 0) AS most_hosts,
    1e0 * greatest(sum(b.n_g), sum(b.n_r), sum(b.n_z)) / nullif(sum(b.n_hosts), 0) AS without_map,
    coalesce(max(w.without_map), 0e0) AS worst,
    -- the first by name where several are alike: engines differ in which one max_by finds
    min(CASE WHEN b.n_hosts >= 8 AND b.without_map = w.without_map THEN b.brickname END) AS worst_brick
  FROM by_brick AS b
  CROSS JOIN worst_of AS w
),
rows_off AS (
  SELECT
    count_if(cutout_ok) AS n_rows,
    count_if(
      cutout_ok AND NOT coalesce(psfsize_g > 0e0 AND psfsize_r > 0e0 AND psfsize_z > 0e0, false)
    ) AS n_zero,
    count_if(cutout_ok AND other_profile) AS n_unknown,
    count(DISTINCT CASE WHEN is_given THEN host_id END) AS n_given,
    coalesce(max(greatest(
      abs(coalesce(ratio_g / expected_ratio, 1e0) - 1e0),
      abs(coalesce(ratio_r / expected_ratio, 1e0) - 1e0),
      abs(coalesce(ratio_z / expected_ratio, 1e0) - 1e0)
    )), 0e0) AS ratio_off,
    coalesce(
      min(CASE WHEN NOT is_given THEN psfsize_g END) = max(CASE WHEN NOT is_given THEN psfsize_g END)
      OR min(CASE WHEN NOT is_given THEN psfsize_r END) = max(CASE WHEN NOT is_given THEN psfsize_r END)
      OR min(CASE WHEN NOT is_given THEN psfsize_z END) = max(CASE WHEN NOT is_given THEN psfsize_z END),
      false
    ) AS is_constant
  FROM stamps_asked
)
SELECT
  CASE
    WHEN n_rows = 0 OR n_zero > 0 OR n_unknown > 0 OR NOT ratio_off <= 0.02e0 THEN 'FAIL'
    WHEN without_map > 0.01e0 OR worst > 0.25e0 THEN 'FAIL'
    WHEN is_constant AND n_hosts >= 30 AND most_hosts >= 8 THEN 'FAIL'
    WHEN n_given > 0 THEN 'WARN'
    WHEN n_hosts < 30 OR most_hosts < 8 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  CASE
    WHEN n_zero > 0 THEN cast(n_zero AS double)
    WHEN n_unknown > 0 THEN cast(n_unknown AS double)
    WHEN NOT ratio_off <= 0.02e0 THEN ratio_off
    WHEN worst <= 0.25e0 AND without_map > 0.01e0 THEN without_map
    ELSE worst
  END AS statistic,
  CASE
    WHEN n_zero > 0 OR n_unknown > 0 THEN 0e0
    WHEN NOT ratio_off <= 0.02e0 THEN 0.02e0
    WHEN worst <= 0.25e0 AND without_map > 0.01e0 THEN 0.01e0
    ELSE 0.25e0
  END AS bound,
  n_hosts AS n,
  format(
    '%d hosts in %d bricks: %.2f %% without a psfsize map value in their worst band, %.1f %% in brick %s; ',
    n_hosts, n_bricks, 1e2 * coalesce(without_map, 0e0), 1e2 * worst, coalesce(worst_brick, '(none)')
  ) || format(
    '%d stamps with psfsize 0 or NULL, %d with another profile than the tier''s, FWHM/psfsize off by at most %.2f %%%s',
    n_zero, n_unknown, 1e2 * ratio_off,
    CASE WHEN is_constant THEN '; psfsize is the same everywhere' ELSE '' END
  ) || CASE WHEN n_given > 0 THEN format('; of %d hosts it was given by hand.', n_given) ELSE '.' END AS message
FROM bricks
CROSS JOIN rows_off
