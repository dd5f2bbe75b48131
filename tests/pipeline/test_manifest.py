"""Phase 4a: the earlier grid reproduced, to the byte, without leakage."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy import stats

from pipeline.errors import InputError
from pipeline.events import ChunkRecord, RunRequest
from pipeline.manifest import choose_hosts, config_hash, manifest_rows, plan_chunks, plan_run, tier_of
from pipeline.parquet import read
from pipeline.schema import MANIFEST, SPLITS
from pipeline.store import get_json
from pipeline.tier import load_tier
from tests.pipeline.conftest import make_hosts, store_hosts


@pytest.fixture(scope="module")
def debug_rows() -> pa.Table:
    """The debug tier's manifest with the split of each row."""
    tables = []
    tier = load_tier("debug")
    for chunk, rows in plan_chunks(choose_hosts(make_hosts(), tier), tier):
        tables.append(rows.append_column("region_split", pa.array([chunk.region_split] * len(rows))))
    return pa.concat_tables(tables)


def test_debug_reproduces_the_earlier_grid(debug_rows):
    assert len(debug_rows) == 17_280
    assert len(pc.unique(debug_rows["task_id"])) == 17_280
    assert Counter(debug_rows["region_split"].to_pylist()) == dict.fromkeys(SPLITS, 5_760)
    assert Counter(debug_rows["theta_e_arcsec"].to_pylist()) == {0.3: 5_760, 0.6: 5_760, 1.0: 5_760}
    pairs = zip(debug_rows["region_split"].to_pylist(), debug_rows["theta_e_arcsec"].to_pylist(), strict=True)
    cells = Counter(pairs)
    assert len(cells) == 9
    assert set(cells.values()) == {1_920}
    assert round(pc.mean(debug_rows["theta_e_arcsec"]).as_py(), 2) == 0.63
    assert pc.mean(debug_rows["src_dmag"]).as_py() == 1.5
    assert len(pc.unique(debug_rows["brickname"])) == 20
    assert not any(debug_rows["is_control"].to_pylist())


def test_no_host_brick_or_region_stands_in_two_splits(debug_rows):
    for key in ("host_id", "brickname", "region_id"):
        splits = debug_rows.group_by(key).aggregate([("region_split", "count_distinct")])
        assert pc.max(splits["region_split_count_distinct"]).as_py() == 1


def test_regions_are_never_divided_even_when_they_hold_many_bricks():
    chosen = choose_hosts(make_hosts(n_bricks=24, bricks_per_region=4), load_tier("debug"))
    regions = [set(chosen[split]["region_id"].to_pylist()) for split in SPLITS]
    assert not (regions[0] & regions[1] or regions[0] & regions[2] or regions[1] & regions[2])
    assert [len(chosen[split]) for split in SPLITS] == [120, 120, 120]


def test_source_positions_are_uniform_in_area_within_the_disc(debug_rows):
    x, y, theta_e = (debug_rows[n].to_numpy() for n in ("src_x_arcsec", "src_y_arcsec", "theta_e_arcsec"))
    assert stats.kstest((x**2 + y**2) / theta_e**2, "uniform").pvalue > 1e-4
    assert stats.kstest(np.mod(np.arctan2(y, x), 2 * math.pi) / (2 * math.pi), "uniform").pvalue > 1e-4
    for name, scale in (("src_phi_rad", math.pi), ("lens_phi_rad", math.pi), ("lens_e", 0.3)):
        assert stats.kstest(debug_rows[name].to_numpy() / scale, "uniform").pvalue > 1e-4


def test_source_flux_follows_the_observed_host_flux_and_the_colours():
    hosts, tier = make_hosts(3, 1), load_tier("debug")
    rows = manifest_rows(hosts, tier).to_pylist()
    by_id = {host["host_id"]: host for host in hosts.to_pylist()}
    for row in rows[:: len(rows) // 20]:
        expected = by_id[row["host_id"]]["flux_r_nmgy"] * 10 ** (-0.4 * row["src_dmag"])
        assert row["src_flux_r_nmgy"] == pytest.approx(expected, rel=1e-12)
        color_r_z = -2.5 * math.log10(row["src_flux_r_nmgy"] / row["src_flux_z_nmgy"])
        assert color_r_z == pytest.approx(tier.source.color_r_z, abs=1e-12)
        color_g_r = -2.5 * math.log10(row["src_flux_g_nmgy"] / row["src_flux_r_nmgy"])
        assert color_g_r == pytest.approx(tier.source.color_g_r, abs=1e-12)


def test_chunking_changes_no_task():
    tier = load_tier("debug")
    rows = {}
    for size in (1, 4, 20):
        chosen = choose_hosts(make_hosts(), replace(tier, bricks_per_task=size))
        tables = [rows for _, rows in plan_chunks(chosen, replace(tier, bricks_per_task=size))]
        rows[size] = pa.concat_tables(tables).sort_by("task_id")
    assert rows[1].equals(rows[4])
    assert rows[4].equals(rows[20])


def test_the_order_of_the_catalogue_changes_nothing():
    hosts, tier = make_hosts(), load_tier("debug")
    shuffled = hosts.take(np.random.default_rng(3).permutation(len(hosts)))
    for split in SPLITS:
        assert choose_hosts(hosts, tier)[split].equals(choose_hosts(shuffled, tier)[split])


def test_another_seed_gives_other_numbers():
    hosts, tier = make_hosts(3, 2), load_tier("debug")
    ours, other = manifest_rows(hosts, tier), manifest_rows(hosts, replace(tier, seed=14))
    assert not np.isclose(ours["src_x_arcsec"].to_numpy(), other["src_x_arcsec"].to_numpy()).any()


def test_plan_writes_chunks_whose_parts_hold_their_rows_and_repeats_to_the_byte(store):
    request = RunRequest("debug", "run-1", store_hosts(store, make_hosts()), "file:///sky")
    first = plan_run(store, request)
    files = {item.key: store.get(item.key) for item in store.list("runs/")}
    assert plan_run(store, request) == first
    assert {item.key: store.get(item.key) for item in store.list("runs/")} == files
    chunks = [ChunkRecord.from_event(event) for event in get_json(store, first["chunks_key"])]
    assert sum(chunk.rows for chunk in chunks) == first["expected_rows"] == 17_280
    for chunk in chunks:
        key = request.layout.partition("manifest", chunk.region_split).part(chunk.part)
        part = read(store.get(key), MANIFEST, key)
        assert len(part) == chunk.rows
        assert set(part["brickname"].to_pylist()) == set(chunk.bricks)


def test_fewer_bricks_take_fewer_hosts():
    tier = tier_of(RunRequest("debug", "run-1", "-", "-", n_bricks=3))
    chosen = choose_hosts(make_hosts(), tier)
    assert [len(chosen[split]) for split in SPLITS] == [18, 18, 18]


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        (make_hosts(n_bricks=5), "needs 20 bricks with hosts, the catalogue has 5"),
        (make_hosts(hosts_per_brick=10), "needs 120 hosts in split"),
        (make_hosts(n_bricks=20, bricks_per_region=20), "needs 120 hosts in split val, the catalogue has 0"),
    ],
)
def test_a_catalogue_that_cannot_carry_the_tier_is_refused(hosts, message):
    with pytest.raises(InputError, match=message):
        choose_hosts(hosts, load_tier("debug"))


def _with(hosts: pa.Table, name: str, value: object) -> pa.Table:
    values = hosts[name].to_pylist()
    values[7] = value
    field = hosts.schema.field(name)
    return hosts.set_column(hosts.schema.get_field_index(name), field, pa.array(values, field.type))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("mag_r", float("inf"), r"row 10000-0-7: mag_r is inf; give a finite value of at least 5"),
        ("dec", 91.0, r"row 10000-0-7: dec is 91.0"),
        ("host_id", "10000-0-6", r"host_id 10000-0-6 stands twice"),
    ],
)
def test_a_bad_host_is_named(store, name, value, message):
    key = store_hosts(store, _with(make_hosts(), name, value))
    with pytest.raises(InputError, match=message):
        plan_run(store, RunRequest("debug", "run-1", key, "file:///sky"))
    assert not list(store.list("runs/"))


def test_a_nan_in_the_host_catalogue_is_named(store):
    hosts = make_hosts()
    values = hosts["mag_z"].to_numpy().copy()
    values[7] = np.nan
    index = hosts.schema.get_field_index("mag_z")
    key = store_hosts(store, hosts.set_column(index, hosts.schema.field("mag_z"), pa.array(values)))
    with pytest.raises(InputError, match=r"\.parquet: row 10000-0-7: mag_z is nan; give a finite value"):
        plan_run(store, RunRequest("debug", "run-1", key, "file:///sky"))


def test_a_catalogue_without_a_column_is_named(store):
    key = store_hosts(store, make_hosts().drop_columns(["psfdepth_g"]))
    with pytest.raises(InputError, match="column psfdepth_g is missing"):
        plan_run(store, RunRequest("debug", "run-1", key, "file:///sky"))


def test_a_brick_of_two_regions_is_refused(store):
    hosts = make_hosts()
    key = store_hosts(store, _with(hosts, "region_id", 77))
    with pytest.raises(InputError, match="brick 0000p000 has 2 values of region_id"):
        plan_run(store, RunRequest("debug", "run-1", key, "file:///sky"))


@pytest.mark.parametrize("n_bricks", range(3, 20))
def test_any_number_of_bricks_from_three_on_can_be_planned(n_bricks):
    tier = tier_of(RunRequest("debug", "run-1", "-", "-", n_bricks=n_bricks))
    chosen = choose_hosts(make_hosts(n_bricks=n_bricks, hosts_per_brick=24), tier)
    assert {len(hosts) for hosts in chosen.values()} == {tier.hosts_per_split}


def test_other_hosts_are_another_configuration():
    tier = load_tier("debug")
    hashes = {config_hash(tier, RunRequest("debug", "run-1", f"hosts/{n}.parquet", "s")) for n in (1, 2)}
    assert len(hashes) == 2
