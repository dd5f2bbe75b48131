"""The closure test of a run: its rates, its sample, and its table on stamps that 4c wrote."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binom

from pipeline import closure, closure_rates, inject
from pipeline.closure import NOT_SAMPLED, _candidates, close_folder, close_run, compare
from pipeline.closure_sample import PARAMETERS, sample
from pipeline.errors import InputError
from pipeline.schema import STAMPS
from pipeline.tier import load_tier, tier_names
from tests.pipeline.small_run import TASKS, small_run


@pytest.mark.parametrize("share", [load_tier(name).closure_share for name in tier_names()])
def test_the_sample_keeps_both_rates(share: float) -> None:
    n, k = closure_rates.rows_needed(share)
    assert binom.sf(k - 1, n, closure_rates.NULL_RATE) < closure_rates.FALSE_ALARM
    assert binom.cdf(k - 1, n, share) < closure_rates.MISS
    fewer = closure_rates.least_bad_rows(n - 1)
    assert binom.cdf(fewer - 1, n - 1, share) >= closure_rates.MISS
    parts = closure_rates.parts_needed(share)
    assert binom.pmf(0, parts, share) <= closure_rates.MISS < binom.pmf(0, parts - 1, share)


def test_what_the_gate_promises_of_its_sample() -> None:
    """1 time in 1,000 a defect in a twentieth of the rows is missed; in the minutes of debug, in a fifth."""
    assert {name: load_tier(name).closure_share for name in tier_names()} == {
        "debug": 0.2, "grid": 0.05, "pilot": 0.05, "train": 0.05
    }  # fmt: skip
    assert (closure_rates.MISS, closure_rates.FALSE_ALARM) == (1e-3, 1e-6)


def test_of_many_parts_some_rows_of_each_are_candidates(tmp_path, monkeypatch) -> None:
    run = small_run(tmp_path, closure=False)
    monkeypatch.setattr(closure, "_CANDIDATES", 3)
    assert close_run(run.store, run.request)["rows"] == 3


def rows(n_bricks: int, n_hosts: int) -> list[dict]:
    grid = [(t, d) for t in (0.3, 0.6, 1.0) for d in (1.0, 2.0)]
    return [
        {
            "task_id": f"{b}-{h}-{i}", "brickname": f"b{b}", "host_id": f"{b}-{h}",
            **dict.fromkeys(PARAMETERS, 0.0), "theta_e_arcsec": theta, "src_dmag": dmag,
        }
        for b in range(n_bricks) for h in range(n_hosts) for i, (theta, dmag) in enumerate(grid)
    ]  # fmt: skip


def test_the_sample_is_spread_over_bricks_cells_and_hosts() -> None:
    chosen = sample(rows(5, 8), 30, "r1")
    for key, each in (("brickname", 6), ("stratum", 5)):
        counts = np.unique([row[key] for row in chosen], return_counts=True)[1]
        assert counts.tolist() == [each] * len(counts)
    assert len({row["host_id"] for row in chosen}) == 30


def test_the_sample_does_not_depend_on_the_order_but_on_the_run() -> None:
    table = rows(4, 5)
    first = [row["task_id"] for row in sample(table, 20, "r1")]
    assert [row["task_id"] for row in sample(table[::-1], 20, "r1")] == first
    assert [row["task_id"] for row in sample(table, 20, "r2")] != first
    assert len(sample(table, 10**6, "r1")) == len(table)


def test_continuous_parameters_are_cut_in_thirds() -> None:
    table = rows(4, 20)
    for number, row in enumerate(table):
        row["src_dmag"] = float(number)
    assert len({row["stratum"] for row in sample(table, 200, "r1")}) == 9


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("closed"))


def test_every_sampled_row_closes(closed) -> None:
    table = closed.table("closure")
    assert len(table) == TASKS
    assert set(table["closure_reason"].to_pylist()) == {None}
    for name, bound in (("flux", 1e-3), ("l2", 1e-3), ("moment", 2e-3)):
        worst = max(np.abs(table[f"closure_{name}_{band}"].to_numpy()).max() for band in "grz")
        assert worst < bound, name
    assert np.abs(table["closure_magnification"].to_numpy()).max() < 1e-3


def test_a_retry_changes_nothing(closed) -> None:
    assert close_run(closed.store, closed.request)["rows"] == TASKS


def test_a_task_has_one_row(tmp_path, monkeypatch) -> None:
    run = small_run(tmp_path, closure=False)
    monkeypatch.setattr(
        closure, "compare", lambda row, _: closure._incomparable({**row, "task_id": "a"}, None)
    )
    with pytest.raises(InputError, match="closure: task_id a stands twice"):
        close_run(run.store, run.request)


def test_a_folder_closes_as_its_run_does(closed) -> None:
    assert close_folder(closed.folder, closed.request.run_id, 0.1).equals(closed.table("closure"))


def test_hosts_with_an_image_of_their_psf_are_left_out(tmp_path) -> None:
    run = small_run(tmp_path, closure=False)
    path = next(run.folder.glob("metrics/**/*.parquet"))
    metrics = pq.read_table(path, partitioning=None)
    kind = metrics.schema.get_field_index("psf_kind")
    kinds = ["image", None, *metrics["psf_kind"].to_pylist()[2:]]
    pq.write_table(metrics.set_column(kind, metrics.schema.field(kind), [kinds]), path)
    table = close_folder(run.folder, "r1", 0.1)
    assert sorted(table["task_id"].to_pylist()) == sorted(metrics["task_id"].to_pylist()[1:])


def test_light_that_is_off_is_seen(tmp_path, monkeypatch) -> None:
    real = inject.render_batch

    def too_bright(**arguments):
        return real(**{**arguments, "flux": 1.02 * arguments["flux"]})

    monkeypatch.setattr(inject, "render_batch", too_bright)
    table = small_run(tmp_path).table("closure")
    assert np.allclose(table["closure_flux_r"].to_numpy(), 0.02, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.slice(1), "no_stamp"),
        (lambda t: t.set_column(5, t.schema.field(5), [[b"short"] * len(t)]), "hash_mismatch"),
    ],
)
def test_rows_that_cannot_be_compared_say_why(tmp_path, change, reason) -> None:
    run = small_run(tmp_path, closure=False)
    path = next(run.folder.glob("stamps/**/*.parquet"))
    stamps = pq.read_table(path)
    assert stamps.column_names[5] == STAMPS.names[5] == "image"
    pq.write_table(change(stamps), path)
    close_run(run.store, run.request)
    assert reason in run.table("closure")["closure_reason"].to_pylist()


def damaged_controls(run, harm, row: int = 0, hashed: bool = False) -> dict[str, str]:
    """The reasons in the closure table of a run of one injection and controls, one with other pixels."""
    path = next(run.folder.glob("stamps/**/*.parquet"))
    stamps = pq.read_table(path).to_pylist()
    stamps[row]["image"] = harm(stamps[row]["image"])
    if hashed:
        stamps[row]["image_hash"] = inject._hash64(stamps[row]["image"])
    pq.write_table(pa.Table.from_pylist(stamps), path)
    metrics = next(run.folder.glob("metrics/**/*.parquet"))
    table = pq.read_table(metrics, partitioning=None)
    place = table.column_names.index("is_control")
    labels = [number != 1 for number in range(len(table))]
    pq.write_table(table.set_column(place, table.schema.field(place), [labels]), metrics)
    close_run(run.store, run.request)
    found = run.table("closure").to_pylist()
    assert [one["stratum"] for one in found if one["closure_reason"]] == [NOT_SAMPLED]
    return {one["task_id"]: one["closure_reason"] for one in found}


@pytest.mark.parametrize(("hashed", "reason"), [(False, "hash_mismatch"), (True, "not_finite")])
def test_pixels_that_were_changed_are_found_beside_the_sample(tmp_path, hashed, reason) -> None:
    """All but one row are controls here: none is sampled, and one of them has NaN."""
    run = small_run(tmp_path, closure=False)
    first = run.table("stamps")["task_id"][0].as_py()
    nan = np.full(3 * 64 * 64, np.nan, "<f4").tobytes()
    found = damaged_controls(run, lambda _: nan, hashed=hashed)
    assert found.pop(first) == reason
    assert list(found.values()) == [None]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Rows of a noisy run as `compare` takes them, each with its stamp."""
    run = small_run(tmp_path_factory.mktemp("pairs"), closure=False, noise=True)
    stamps = {row["task_id"]: row for row in run.table("stamps").to_pylist()}
    found = _candidates(run.table("manifest"), run.table("metrics"))
    return [(row, stamps[row["task_id"]]) for row in sample(found, TASKS, "r1")]


@pytest.mark.parametrize(
    "changed",
    [
        {"magnification": None},
        {"src_flux_g_nmgy": 0.0},
        {"src_flux_z_nmgy": -1.0},
        {"src_flux_r_nmgy": None},
        {"arc_snr": None},
        {"arc_snr": 0.0},
    ],
)
@pytest.mark.parametrize("noise", [True, False])
def test_a_row_of_impossible_values_is_a_bad_row(pairs, changed, noise) -> None:
    row, stamp = pairs[0]
    if not noise:
        row = {**row, **{f"gain_{band}": None for band in "grz"}}
    if noise or "arc_snr" not in changed:
        assert compare({**row, **changed}, stamp)["closure_reason"] == "not_renderable"
    assert compare(row, stamp)["closure_reason"] is None


def test_an_arc_that_no_good_pixel_sees_is_compared_all_the_same(pairs) -> None:
    row, stamp = pairs[0]
    unseen = compare({**row, "arc_snr": 0.0, "arc_snr_sky": 0.0, "arc_peak_snr": 0.0}, stamp)
    nothing = dict.fromkeys(("closure_snr_loss", "closure_arc_snr", "closure_arc_peak_snr"))
    assert unseen == {**compare(row, stamp), **nothing}
    assert unseen["closure_reason"] is None


def test_the_snr_is_held_against_the_rendered_arc_on_the_catalogues_depth(pairs) -> None:
    row, stamp = pairs[0]
    whole, half = compare(row, stamp), compare({**row, "arc_snr": row["arc_snr"] / 2}, stamp)
    assert abs(whole["closure_arc_snr"]) < np.log(1.5)
    assert abs(whole["closure_arc_peak_snr"]) < np.log(1.5)
    assert half["closure_arc_snr"] == pytest.approx(whole["closure_arc_snr"] - np.log(2))
    assert compare({**row, "psfdepth_r": None}, stamp)["closure_arc_snr"] is None


def test_rows_that_were_not_measured_are_not_sampled(closed) -> None:
    metrics = closed.table("metrics")
    place = metrics.column_names.index("metrics_ok")
    bad = metrics.set_column(place, metrics.schema.field(place), [[False] + [True] * (len(metrics) - 1)])
    sampled = [row["task_id"] for row in _candidates(closed.table("manifest"), bad)]
    assert sorted(sampled) == sorted(metrics["task_id"].to_pylist()[1:])


def test_a_part_that_is_missing_is_named(tmp_path) -> None:
    run = small_run(tmp_path, closure=False)
    next(run.folder.glob("metrics/**/*.parquet")).unlink()
    with pytest.raises(InputError, match=r"metrics.*part-00000.parquet: no such file"):
        close_run(run.store, run.request)
