-- Injections that have a stamp and every measurement, with the conditions people filter by.
-- CREATE VIEW darkhalo.good_injections AS, then this.
SELECT
  tier,
  run_id,
  region_split,
  task_id,
  brickname,
  host_id,
  ra,
  dec,
  theta_e_arcsec,
  src_dmag,
  src_reff_arcsec,
  arc_snr,
  total_injected_flux,
  magnification,
  theta_e_arcsec / psfsize_r AS resolution,
  CASE WHEN psfdepth_r > 0e0 THEN 22.5e0 - 2.5e0 * log10(5e0 / sqrt(psfdepth_r)) END AS depth_r,
  22.5e0 - 2.5e0 * log10(total_injected_flux) AS arc_mag_r,
  bad_pixel_frac <= 0.2e0 AND wise_brightmask_frac <= 0.2e0 AS is_clean
FROM darkhalo.metrics
WHERE tier <> 'canary' AND NOT is_control AND cutout_ok AND metrics_ok AND total_injected_flux > 0e0
