-- One row a brick of a run: how much of it worked, and how it differs from the others.
-- CREATE VIEW darkhalo.brick_summary AS, then this.
SELECT
  tier,
  run_id,
  brickname,
  count(*) AS n,
  count(DISTINCT host_id) AS n_hosts,
  count_if(NOT coalesce(cutout_ok AND metrics_ok, false)) AS n_failed,
  min(quarantine_reason) AS a_quarantine_reason,
  count_if(cutout_ok AND psf_source_r <> 'map') AS n_psf_fallback_r,
  avg(psfsize_r) AS mean_psfsize_r,
  avg(bad_pixel_frac) AS mean_bad_pixel_frac,
  avg(arc_snr) AS mean_arc_snr
FROM darkhalo.metrics
WHERE tier <> 'canary'
GROUP BY tier, run_id, brickname
