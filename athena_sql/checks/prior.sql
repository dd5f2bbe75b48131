-- name: prior
-- asks: Are the parameters drawn as the tier states: its values, its limits, its distributions?
-- statistic: injections with a value that the tier does not state; cells of the grid that are missing or not as
--   full as the others; quantities that no row has a value of; seeds and angles that two rows have; where there are none, the largest Kolmogorov-Smirnov distance
--   (sqrt(n) + 0.12 + 0.11 / sqrt(n)) D of a drawn quantity from the tier's law, at 1,000 edges
-- bound: 0 rows, cells and quantities; 3 (2 exp(-18) = 3e-8 a quantity: for ten of them one false alarm in 3 million runs)
-- needs: 1,000 injections: D of 0.2 is then always found. Rows are the units: each has its own random numbers
-- stops: source radii uniform in r instead of r^2, a slope, scatter or limit of another tier, dex taken as e-folds,
--   magnitudes of another zero point, colours added with the wrong sign, diameters for radii, lost grid points, a quantity that is NULL in all rows
-- on failure: plot a histogram of the quantity named, over manifest, beside pipeline/prior.py's law
--
-- Each law is its cumulative function, written from the tier's settings by pipeline/promises.py: of a quantity
-- that follows it, that is uniform. Not held against a law: shape and angle of the mass, which
-- follow the host's light (limits only), and grid axes in units of the seeing or the noise, which the manifest
-- does not hold. The source's radius is in units of the disc, or of the ellipse around cut and caustic of SIE and
-- shear: half-axes half_along and half_across (Kormann, Schneider & Bartelmann 1994, A&A 284, 285), as in
-- pipeline/prior.py, wider by the tier's margin.
WITH injections AS (
  SELECT
    m.*,
    22.5e0 - 2.5e0 * ln(CASE WHEN src_flux_r_nmgy > 0e0 THEN src_flux_r_nmgy END) / ln(1e1) AS mag_r,
    2.5e0 * ln(CASE WHEN src_flux_r_nmgy > 0e0 AND src_flux_g_nmgy > 0e0
      THEN src_flux_r_nmgy / src_flux_g_nmgy END) / ln(1e1) AS color_gr,
    2.5e0 * ln(CASE WHEN src_flux_r_nmgy > 0e0 AND src_flux_z_nmgy > 0e0
      THEN src_flux_z_nmgy / src_flux_r_nmgy END) / ln(1e1) AS color_rz,
    src_x_arcsec * cos(lens_phi_rad) + src_y_arcsec * sin(lens_phi_rad) AS x_along,
    src_y_arcsec * cos(lens_phi_rad) - src_x_arcsec * sin(lens_phi_rad) AS x_across,
    (1e0 - lens_e) / (1e0 + lens_e) AS q
  FROM ${database}.manifest AS m
  WHERE tier = ${tier} AND run_id = ${run_id} AND NOT is_control
),
flattened AS (
  SELECT injections.*, sqrt(greatest(1e0 - power(q, 2e0), 2.5e-3)) AS f FROM injections
),
-- Below f = 0.05 (q > 0.9987) both ratios are 1 to 1e-3, and f is held there.
cuts AS (
  SELECT
    flattened.*,
    sqrt(q) * CASE WHEN q > 0.99875e0 THEN 1e0 ELSE atan2(f, q) / f END AS cut_along,
    sqrt(q) * CASE WHEN q > 0.99875e0 THEN 1e0 ELSE ln((1e0 + f) / (1e0 - f)) / (2e0 * f) END AS cut_across
  FROM flattened
),
shaped AS (
  SELECT
    cuts.*,
    greatest(1.015e0 * cut_along, 1e0 / sqrt(q) - cut_along + 2.6e0 * shear / sqrt(q)) AS half_along,
    greatest(1.015e0 * cut_across, cut_across - sqrt(q) + 2.6e0 * shear / sqrt(q)) AS half_across,
    coalesce(${prior_values}, false) AS as_stated
  FROM cuts
),
quantities AS (
  SELECT quantity FROM (VALUES ${prior_quantities}) AS v (quantity)
),
drawn AS (
  SELECT v.quantity AS quantity, ${prior_probability} AS u
  FROM shaped
  CROSS JOIN quantities AS v
),
binned AS (
  SELECT
    quantity,
    cast(floor(1e3 * least(greatest(u, 0e0), 0.9999999e0)) AS bigint) AS bin,
    count(*) AS n,
    count_if(NOT u BETWEEN -1e-6 AND 1.000001e0) AS n_outside
  FROM drawn
  WHERE u IS NOT NULL
  GROUP BY quantity, cast(floor(1e3 * least(greatest(u, 0e0), 0.9999999e0)) AS bigint)
),
cumulated AS (
  SELECT
    quantity, bin, n, n_outside,
    sum(n) OVER (PARTITION BY quantity ORDER BY bin) AS below,
    sum(n) OVER (PARTITION BY quantity) AS total
  FROM binned
),
distances AS (
  SELECT
    quantity,
    sum(n_outside) AS n_outside,
    (sqrt(1e0 * max(total)) + 0.12e0 + 0.11e0 / sqrt(1e0 * max(total))) * max(greatest(
      abs(1e0 * below / total - (bin + 1e0) / 1e3), abs(1e0 * (below - n) / total - bin / 1e3)
    )) AS k
  FROM cumulated
  GROUP BY quantity
),
worst AS (
  SELECT coalesce(max(k), 0e0) AS k, max_by(quantity, k) AS quantity, coalesce(sum(n_outside), 0) AS n_outside,
    count(*) AS n_quantities
  FROM distances
),
cells AS (
  SELECT ${prior_cells}, count(*) AS n
  FROM shaped
  WHERE as_stated
  GROUP BY ${prior_cells}
),
cell_counts AS (
  SELECT count(*) AS n_cells, coalesce(max(n), 0) - coalesce(min(n), 0) AS uneven FROM cells
),
row_counts AS (
  SELECT
    count(*) AS n,
    count_if(NOT as_stated) AS n_unstated,
    2 * count(*) - count(DISTINCT lens_phi_rad) - count(DISTINCT task_seed64) AS n_repeated,
    count_if(mag_r IS NULL OR color_gr IS NULL OR color_rz IS NULL) AS n_dark
  FROM shaped
),
facts AS (
  SELECT
    r.n AS n, w.k AS k, w.quantity AS quantity, w.n_quantities AS n_quantities,
    r.n_unstated + r.n_dark + w.n_outside AS n_off,
    r.n_repeated AS n_repeated,
    abs(${prior_n_cells} - c.n_cells) + CASE WHEN c.uneven > 0 THEN 1 ELSE 0 END AS cells_off,
    ${prior_n_quantities} - w.n_quantities AS n_lost
  FROM row_counts AS r
  CROSS JOIN worst AS w
  CROSS JOIN cell_counts AS c
)
SELECT
  CASE
    WHEN n = 0 THEN 'NOT_EXERCISED'
    WHEN n_off + cells_off + n_lost + n_repeated > 0 OR k > 3e0 THEN 'FAIL'
    WHEN n < 1000 THEN 'INCONCLUSIVE'
    ELSE 'PASS'
  END AS status,
  CASE WHEN n_off + cells_off + n_lost + n_repeated > 0 THEN cast(n_off + cells_off + n_lost + n_repeated AS double) ELSE k END AS statistic,
  CASE WHEN n_off + cells_off + n_lost + n_repeated > 0 THEN 0e0 ELSE 3e0 END AS bound,
  n,
  format(
    'of %d drawn quantities the one least like the tier''s law is %s: (sqrt(n) + ...) D = %.2f; ',
    ${prior_n_quantities}, coalesce(quantity, '(none)'), k
  ) || format(
    '%d of %d injections lie outside the tier''s values or limits, %d cells of the grid are uneven or missing, %d quantities have no value, %d seeds or angles are drawn twice.',
    n_off, n, cells_off, n_lost, n_repeated
  ) AS message
FROM facts
