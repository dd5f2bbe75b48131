-- Completeness of a run in cells of lens, source and observing conditions, with Wilson 95 % intervals.
--
-- recovered: arc_snr >= 5 and theta_e_arcsec / psfsize_r >= 0.8. detected: arc_snr >= 5 alone, because below
--   0.8 completeness is 0 by definition: there detected_fraction is what the run measured.
-- cut: `all` rows, or `clean` ones (bad_pixel_frac <= 0.2 and wise_brightmask_frac <= 0.2).
-- Sample: injections with cutout_ok and metrics_ok. A row that failed was never looked at, so it is no miss;
--   the check success_rate bounds how many there are.
-- Cells: theta_E, src_dmag and src_reff keep the exact values of a grid. A parameter that takes more than 64
--   values (a prior) is binned to 0.1 arcsec, 0.5 mag or 0.05 arcsec and labelled by the bin's centre.
--   psfsize_r in bins of 0.1 arcsec, 5 sigma depth in r in bins of 0.25 mag, both labelled by the lower edge
--   (1e-9 keeps values that lie on an edge in the upper bin), theta_E / psfsize_r at 0.4, 0.6, 0.8, 1.0.
-- The intervals are those of independent rows; rows of one host are not, so n_hosts stands beside n.
WITH injections AS (
  SELECT
    host_id,
    theta_e_arcsec,
    src_dmag,
    src_reff_arcsec,
    psfsize_r,
    theta_e_arcsec / psfsize_r AS resolution,
    CASE WHEN psfdepth_r > 0e0 THEN 22.5e0 - 2.5e0 * log10(5e0 / sqrt(psfdepth_r)) END AS depth,
    arc_snr >= 5e0 AS is_detected,
    bad_pixel_frac <= 0.2e0 AND wise_brightmask_frac <= 0.2e0 AS is_clean
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id} AND NOT is_control AND cutout_ok AND metrics_ok
),
parameters AS (
  SELECT
    count(DISTINCT theta_e_arcsec) AS n_theta_e,
    count(DISTINCT src_dmag) AS n_dmag,
    count(DISTINCT src_reff_arcsec) AS n_reff
  FROM injections
),
celled AS (
  SELECT
    i.host_id AS host_id,
    CASE WHEN p.n_theta_e <= 64 THEN i.theta_e_arcsec
      ELSE (floor(i.theta_e_arcsec * 1e1 + 1e-9) + 0.5e0) / 1e1 END AS theta_e_arcsec,
    CASE WHEN p.n_dmag <= 64 THEN i.src_dmag
      ELSE (floor(i.src_dmag * 2e0 + 1e-9) + 0.5e0) / 2e0 END AS src_dmag,
    CASE WHEN p.n_reff <= 64 THEN i.src_reff_arcsec
      ELSE (floor(i.src_reff_arcsec * 2e1 + 1e-9) + 0.5e0) / 2e1 END AS src_reff_arcsec,
    CASE
      WHEN i.resolution >= 1.0e0 THEN 1.0e0
      WHEN i.resolution >= 0.8e0 THEN 0.8e0
      WHEN i.resolution >= 0.6e0 THEN 0.6e0
      WHEN i.resolution >= 0.4e0 THEN 0.4e0
      ELSE 0e0
    END AS resolution_low,
    floor(i.psfsize_r * 1e1 + 1e-9) / 1e1 AS psfsize_low,
    floor(i.depth * 4e0 + 1e-9) / 4e0 AS depth_low,
    i.is_detected AS is_detected,
    i.is_detected AND i.resolution >= 0.8e0 AS is_recovered,
    i.is_clean AS is_clean
  FROM injections AS i
  CROSS JOIN parameters AS p
),
cut_rows AS (
  SELECT 'all' AS cut, celled.* FROM celled
  UNION ALL
  SELECT 'clean' AS cut, celled.* FROM celled WHERE is_clean
),
cells AS (
  SELECT
    cut,
    theta_e_arcsec,
    src_dmag,
    src_reff_arcsec,
    resolution_low,
    psfsize_low,
    depth_low,
    count(*) AS n,
    count(DISTINCT host_id) AS n_hosts,
    count_if(is_recovered) AS n_recovered,
    count_if(is_detected) AS n_detected
  FROM cut_rows
  GROUP BY cut, theta_e_arcsec, src_dmag, src_reff_arcsec, resolution_low, psfsize_low, depth_low
),
rates AS (
  SELECT
    cells.*,
    1e0 * n_recovered / n AS p,
    1e0 * n_detected / n AS d,
    power(1.959963984540054e0, 2) / n AS zz
  FROM cells
)
SELECT
  cut,
  theta_e_arcsec,
  src_dmag,
  src_reff_arcsec,
  resolution_low,
  psfsize_low,
  depth_low,
  n,
  n_hosts,
  n_recovered,
  n_detected,
  p AS completeness,
  greatest(0e0, (p + zz / 2e0 - sqrt(zz * (p * (1e0 - p) + zz / 4e0))) / (1e0 + zz)) AS wilson_low,
  least(1e0, (p + zz / 2e0 + sqrt(zz * (p * (1e0 - p) + zz / 4e0))) / (1e0 + zz)) AS wilson_high,
  d AS detected_fraction,
  greatest(0e0, (d + zz / 2e0 - sqrt(zz * (d * (1e0 - d) + zz / 4e0))) / (1e0 + zz)) AS detected_low,
  least(1e0, (d + zz / 2e0 + sqrt(zz * (d * (1e0 - d) + zz / 4e0))) / (1e0 + zz)) AS detected_high
FROM rates
ORDER BY cut, theta_e_arcsec, src_dmag, src_reff_arcsec, resolution_low, psfsize_low, depth_low
