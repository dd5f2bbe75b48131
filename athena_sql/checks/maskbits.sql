-- name: maskbits
-- asks: Were the mask bits read the right way round, and are the stamps clean enough to use?
-- statistic: fraction of stamps with bad_pixel_frac > 0.2; or the first of the other bounds that is broken
-- bound: 0.10 (the earlier train tier had 10.1 %, and 12 % failed its quality cuts); the median at most 0.5;
--   0 values outside [0, 1]
-- needs: 30 hosts, for masks belong to hosts and not to rows. WARN where all have the same share of bad pixels
--   above 0, and where of 150 hosts or more none has a bit set, of any kind, as if no mask was read: bits touch
--   more than 5 % of the stamps (4 % alone lie at the edge of their brick's own area), and then 150 untouched
--   ones in a row are drawn once in 2,000 times. Where masks are read and not applied, `ranges` fails at once
-- stops: inverted bits (f becomes 1 - f), the wrong bit set, no mask read, hosts chosen inside masks
-- on failure: compare the bits with the MB_ cards of the brick's maskbits file; mend the host selection
WITH stamps_cut AS (
  SELECT brickname, host_id, bad_pixel_frac AS bad, wise_brightmask_frac AS wise,
    ${mask_fractions} AS any_bit
  FROM ${database}.metrics
  WHERE tier = ${tier} AND run_id = ${run_id} AND cutout_ok
),
facts AS (
  SELECT
    count(*) AS n,
    count(DISTINCT host_id) AS n_hosts,
    count_if(NOT coalesce(bad BETWEEN 0e0 AND 1e0 AND wise BETWEEN 0e0 AND 1e0, false)) AS n_outside,
    1e0 * count_if(bad > 0.5e0) / nullif(count(*), 0) AS above_half,
    1e0 * count_if(bad > 0.2e0) / nullif(count(*), 0) AS above_fifth,
    coalesce((min(bad) = max(bad) AND max(bad) > 0e0)
      OR (max(any_bit) = 0e0 AND count(DISTINCT host_id) >= 150), false) AS is_constant,
    avg(bad) AS mean_bad,
    avg(wise) AS mean_wise
  FROM stamps_cut
),
by_brick AS (
  SELECT brickname, avg(bad) AS mean_bad FROM stamps_cut GROUP BY brickname
),
worst AS (
  SELECT max(mean_bad) AS mean_bad, max_by(brickname, mean_bad) AS brickname FROM by_brick
)
SELECT
  CASE
    WHEN f.n = 0 OR f.n_outside > 0 OR f.above_half > 0.5e0 OR f.above_fifth > 0.1e0 THEN 'FAIL'
    WHEN f.n_hosts < 30 THEN 'INCONCLUSIVE'
    WHEN f.is_constant THEN 'WARN'
    ELSE 'PASS'
  END AS status,
  CASE
    WHEN f.n_outside > 0 THEN cast(f.n_outside AS double)
    WHEN f.above_half > 0.5e0 THEN f.above_half
    ELSE f.above_fifth
  END AS statistic,
  CASE WHEN f.n_outside > 0 THEN 0e0 WHEN f.above_half > 0.5e0 THEN 0.5e0 ELSE 0.1e0 END AS bound,
  f.n AS n,
  format(
    '%d stamps of %d hosts: %.2f %% have more than a fifth of bad pixels, %.2f %% more than half, ',
    f.n, f.n_hosts, 1e2 * coalesce(f.above_fifth, 0e0), 1e2 * coalesce(f.above_half, 0e0)
  ) || format(
    '%d lie outside [0, 1]; mean %.4f (WISE %.4f), in the worst brick %s %.4f%s',
    f.n_outside, coalesce(f.mean_bad, 0e0), coalesce(f.mean_wise, 0e0), coalesce(w.brickname, '(none)'),
    coalesce(w.mean_bad, 0e0),
    CASE WHEN f.is_constant THEN '; all the same, as if no mask was read.' ELSE '.' END
  ) AS message
FROM facts AS f
CROSS JOIN worst AS w
