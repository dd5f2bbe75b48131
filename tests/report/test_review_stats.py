"""The page's numbers: intervals, means by host, groups and ticks."""

from __future__ import annotations

import numpy as np
import pytest

from report.axes import log_ticks, round_ticks
from report.charts import distribution
from report.maps import sky, unwrapped, viridis
from report.stats import (
    change_within_hosts,
    group_values,
    host_fraction,
    host_log_mean,
    host_mean,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(50, 100, 0.40383, 0.59617), (0, 20, 0.0, 0.16113), (20, 20, 0.83887, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilson_against_published_values(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=1e-5)


def test_host_mean_counts_hosts_not_rows() -> None:
    values = np.array([1.0] * 100 + [3.0])
    estimate = host_mean(values, np.array([0] * 100 + [1]))
    assert estimate is not None
    assert estimate.value == 2.0
    assert (estimate.n_rows, estimate.n_hosts) == (101, 2)
    assert estimate.high - estimate.value == pytest.approx(1.959964)  # sd sqrt(2) over sqrt(2)


def test_repeating_rows_does_not_shrink_the_interval() -> None:
    rng = np.random.default_rng(0)
    values, hosts = rng.normal(size=30), np.arange(30)
    once, often = host_mean(values, hosts), host_mean(np.tile(values, 50), np.tile(hosts, 50))
    assert once is not None
    assert often is not None
    assert (once.low, once.high) == pytest.approx((often.low, often.high))


def test_means_of_nothing_and_of_one_host() -> None:
    nothing = np.array([np.nan])
    assert host_mean(nothing, np.array([0])) is None
    assert host_log_mean(np.array([0.0]), np.array([0])) is None
    one = host_mean(np.array([2.0, 4.0]), np.array([5, 5]))
    assert one is not None
    assert one.value == 3.0
    assert np.isnan(one.low)


def test_change_within_hosts_removes_the_hosts_brightness() -> None:
    rng = np.random.default_rng(1)
    brightness, hosts = rng.lognormal(0, 2, 40), np.arange(40)
    change = change_within_hosts(brightness, hosts, 1.1 * brightness, hosts)
    assert change is not None
    assert (change.low, change.value, change.high) == pytest.approx((1.1, 1.1, 1.1))
    assert change_within_hosts(brightness[:5], hosts[:5], brightness, hosts) is None


def test_few_values_are_their_own_labels() -> None:
    groups = group_values(np.array([1.0, 0.3, 0.6, 0.3, np.nan, 0.1 + 0.2]))
    assert groups.labels == ("0.3", "0.6", "1")
    assert groups.index.tolist() == [2, 0, 1, 0, -1, 0]
    assert groups.exact


def test_many_values_are_grouped_and_labelled_by_their_extremes() -> None:
    values = np.linspace(0.5, 2.5, 101)
    groups = group_values(values, most_values=6, bins=5)
    assert len(groups) == 5
    assert groups.labels[0].startswith("0.5–")
    assert groups.labels[-1].endswith("–2.5")
    assert np.bincount(groups.index).min() >= 19
    for label, i in zip(groups.labels, range(5), strict=True):
        low, high = (float(end) for end in label.split("–"))
        inside = values[groups.rows(i)]
        assert (inside.min(), inside.max()) == pytest.approx((low, high), rel=5e-3)


def test_no_values_make_no_groups_and_no_chart() -> None:
    nothing = np.full(5, np.nan)
    assert len(group_values(nothing)) == 0
    assert distribution("nothing", nothing, "x") is None


def test_ticks() -> None:
    assert round_ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert log_ticks(1, 100) == [1, 2, 5, 10, 20, 50, 100]
    assert log_ticks(0.001, 1e4) == [10.0**k for k in range(-3, 5)]
    assert len(log_ticks(16, 34)) >= 3


def test_logarithmic_histogram_counts_what_it_cannot_draw() -> None:
    rng = np.random.default_rng(2)
    chart = distribution("snr", np.append(rng.lognormal(size=500), [0, 0]), "snr", log=True)
    assert chart is not None
    assert "2 at 0 or below not drawn" in chart.caption
    assert sum(int(row[1].replace(",", "")) for row in chart.rows) == 500


def test_bars_stay_inside_their_chart() -> None:
    for values in (np.array([1.0, 2.0, 2.0]), np.random.default_rng(3).normal(size=1000), np.array([7.0])):
        chart = distribution("x", values, "x")
        assert chart is not None
        assert all(chart.left <= bar.x and bar.x + bar.width <= chart.right + 1 for bar in chart.bars)
        assert all(chart.top <= bar.y <= chart.bottom for bar in chart.bars)


def test_a_patch_of_sky_across_zero_stays_in_one_piece() -> None:
    ra, dec = np.array([359.8, 0.2, 0.4]), np.array([1.0, 1.1, 1.2])
    chart = sky("sky", "told", ra, dec, np.array([0, 0, 1]), ["train", "val"], 3)
    assert chart is not None
    x = {p.label: p.x for s in chart.series for p in s.points}
    east_to_left = [x["val: 0.400, +1.200"], x["train: 0.200, +1.100"], x["train: 359.800, +1.000"]]
    assert east_to_left == sorted(east_to_left)
    assert east_to_left[1] - east_to_left[0] > 50


def test_a_fraction_counts_each_host_as_one_trial() -> None:
    once = host_fraction(np.array([True, False, True, True]), np.array([0, 1, 2, 3]))
    often = host_fraction(np.tile([True, False, True, True], 50), np.tile([0, 1, 2, 3], 50))
    assert once is not None
    assert often is not None
    assert (once.value, once.low, once.high) == (often.value, often.low, often.high) == (0.75, *wilson(3, 4))
    assert (often.n_rows, often.n_hosts) == (200, 4)
    assert host_fraction(np.array([], dtype=bool), np.array([], dtype=np.int64)) is None


@pytest.mark.parametrize(("ra", "start", "end"), [
    ([359.5, 0.5, 1.0], 359.5, 361.0),  # a patch across RA = 0
    ([10.0, 11.0], 10.0, 11.0),
    ([1.0, 90.0, 180.0, 270.0, 359.0], 1.0, 359.0),  # a sky all round
])  # fmt: skip
def test_right_ascension_stays_in_order(ra: list[float], start: float, end: float) -> None:
    lon = unwrapped(np.array(ra))
    assert (lon.min(), lon.max()) == pytest.approx((start, end))


def test_a_map_is_dark_where_nothing_is_found_and_bright_where_all_is() -> None:
    assert (viridis(0.0), viridis(1.0)) == ("#440154", "#fde725")
    greens = [int(viridis(v)[3:5], 16) for v in np.linspace(0, 1, 9)]
    assert greens == sorted(greens)
