-- name: source_flux
-- asks: Do the source's fluxes follow from the host's magnitude, and the host's magnitude from its pixels?
-- statistic: injections whose src_flux_r is not 10^(-0.4 (host_mag_r + src_dmag - 22.5)) within 0.01 %; or the
--   fraction of hosts whose magnitude is not that of the light in the middle of their raw stamp
-- bound: 0 rows; 0.1 of the hosts by more than 1.5 mag (blends and lost wings make some tenths)
-- needs: 30 hosts with a stamp
-- stops: zero points, the sign of src_dmag, magnitudes taken as fluxes, host fluxes of another band or unit,
--   hosts joined with another host's pixels
-- on failure: compare one row's host_mag_r with the catalogue's flux_r: AB = 22.5 - 2.5 log10 of nanomaggies
WITH planned AS (
  SELECT
    task_id,
    host_mag_r,
    CASE WHEN NOT is_control THEN abs(
      ln(src_flux_r_nmgy) + 0.4e0 * ln(1e1) * (host_mag_r + src_dmag - 22.5e0)
    ) END AS off,
    is_control
  FROM ${database}.manifest
  WHERE tier = ${tier} AND run_id = ${run_id}
),
row_counts AS (
  SELECT
    count_if(NOT is_control) AS n,
    count_if(NOT is_control AND NOT coalesce(off <= 1e-4, false)) AS n_bad,
    min(CASE WHEN NOT is_control AND NOT coalesce(off <= 1e-4, false) THEN task_id END) AS first_task,
    coalesce(max(off), 0e0) AS worst
  FROM planned
),
hosts AS (
  SELECT
    m.host_id AS host_id,
    avg(p.host_mag_r) - avg(CASE WHEN m.host_core_flux_r_nmgy > 0e0
      THEN 22.5e0 - 2.5e0 * ln(m.host_core_flux_r_nmgy) / ln(1e1) END) AS off
  FROM ${database}.metrics AS m
  JOIN planned AS p ON m.task_id = p.task_id
  WHERE m.tier = ${tier} AND m.run_id = ${run_id} AND m.cutout_ok
  GROUP BY m.host_id
),
host_counts AS (
  SELECT
    count(*) AS n_hosts,
    avg(off) AS mean_off,
    1e0 * count_if(NOT coalesce(abs(off) <= 1.5e0, false)) / nullif(count(*), 0) AS off_fraction
  FROM hosts
)
SELECT
  CASE
    WHEN n_bad > 0 OR off_fraction > 0.1e0 THEN 'FAIL'
    WHEN n = 0 THEN 'NOT_EXERCISED'
    WHEN n_hosts < 30 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  CASE WHEN n_bad > 0 THEN cast(n_bad AS double) ELSE coalesce(off_fraction, 0e0) END AS statistic,
  CASE WHEN n_bad > 0 THEN 0e0 ELSE 0.1e0 END AS bound,
  n_hosts AS n,
  format(
    '%d of %d source fluxes do not follow from the host (ln off by at most %.5f; first %s); ', n_bad, n, worst,
    coalesce(first_task, 'none')
  ) || format(
    '%.1f %% of %d hosts lie over 1.5 mag from the light in their raw stamp, all of them by %.2f mag in the mean.',
    1e2 * coalesce(off_fraction, 0e0), n_hosts, coalesce(mean_off, 0e0)
  ) AS message
FROM row_counts
CROSS JOIN host_counts
