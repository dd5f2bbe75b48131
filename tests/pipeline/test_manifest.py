"""Phase 4a: the earlier grid reproduced, to the byte, without leakage."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__
from scipy import stats

from pipeline import chunking
from pipeline.choice import UNUSED, choose
from pipeline.cost import BRICK_SECONDS
from pipeline.errors import InputError
from pipeline.events import ChunkRecord, RunRequest
from pipeline.manifest import config_hash, lay_out, manifest_rows, plan_run, stream, tier_of
from pipeline.parquet import read
from pipeline.schema import MANIFEST, SPLITS
from pipeline.settings import HostChoice
from pipeline.splits import NO_SPLIT
from pipeline.store import get_json
from pipeline.tier import Tier, load_tier
from tests.pipeline.conftest import make_hosts, store_hosts, write_hosts

PILOT = replace(load_tier("pilot"), n_bricks=20, splits=load_tier("debug").splits)
DEBUG_DIGEST = "c19e25f5716f8cc1b5e0c8f5a433d562853e769b96395f7ea28a8c3e88acfe4a"
PILOT_DIGEST = "3e446b74a0d5367ed31e57b489899f3c551630ab7113e313bd845846642f9447"


def rows_of(hosts: pa.Table, tier: Tier, folder) -> pa.Table:
    """The manifest of a catalogue with the split of each row, chunk after chunk."""
    catalogue = write_hosts(hosts, folder)
    _, choice, chunks = lay_out(catalogue, tier)
    tables = []
    for chunk, own, roles in stream(catalogue, choice, chunks):
        rows = manifest_rows(own, tier, roles)
        assert len(rows) == chunk.tasks
        tables.append(rows.append_column("region_split", pa.array([chunk.split] * len(rows))))
    return pa.concat_tables(tables)


def choice_of(hosts: pa.Table, tier: Tier, folder):
    catalogue = write_hosts(hosts, folder)
    index = catalogue.index(tier.seed)
    return index, choose(index, tier, catalogue.name)


def hosts_by_split(hosts: pa.Table, tier: Tier, folder) -> list[int]:
    """How many hosts each split has."""
    index, choice = choice_of(hosts, tier, folder)
    split = np.repeat(choice.splits, index.counts)[choice.roles != UNUSED]
    return [int((split == number).sum()) for number in range(len(SPLITS))]


@pytest.fixture(scope="module")
def debug_rows(tmp_path_factory) -> pa.Table:
    """The debug tier's manifest with the split of each row."""
    return rows_of(make_hosts(), load_tier("debug"), tmp_path_factory.mktemp("debug"))


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


def test_regions_are_never_divided_even_when_they_hold_many_bricks(tmp_path):
    hosts, tier = make_hosts(n_bricks=24, bricks_per_region=4), load_tier("debug")
    index, choice = choice_of(hosts, tier, tmp_path)
    used = choice.splits != NO_SPLIT
    pairs = set(zip(index.regions[used].tolist(), choice.splits[used].tolist(), strict=True))
    assert len(pairs) == len({region for region, _ in pairs}) == 6
    assert hosts_by_split(hosts, tier, tmp_path) == [120, 120, 120]


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
        assert color_r_z == pytest.approx(tier.grid.source.color_r_z, abs=1e-12)
        color_g_r = -2.5 * math.log10(row["src_flux_g_nmgy"] / row["src_flux_r_nmgy"])
        assert color_g_r == pytest.approx(tier.grid.source.color_g_r, abs=1e-12)


def test_chunking_changes_no_task(tmp_path):
    """Chunks of a few hosts, of some bricks, of a whole split."""
    rows, counts = [], []
    for seconds in (BRICK_SECONDS + 0.15, 10.0, 3600.0):
        tier = replace(load_tier("debug"), task_seconds=seconds)
        counts.append(len(lay_out(write_hosts(make_hosts(), tmp_path), tier)[2]))
        rows.append(rows_of(make_hosts(), tier, tmp_path).sort_by("task_id"))
    assert counts == [146, 6, 3]
    assert rows[0].equals(rows[1])
    assert rows[1].equals(rows[2])


def test_no_chunk_is_a_straggler_and_a_rich_brick_is_divided(tmp_path):
    """A brick with ten times the hosts of the others, all of which are used."""
    hosts = pa.concat_tables([make_hosts(10, 20), _renumbered(make_hosts(1, 180))])
    seconds = BRICK_SECONDS + 0.15
    tier = replace(PILOT, rows=2000, n_bricks=10, hosts=HostChoice(per_brick=0), task_seconds=seconds)
    _, choice, chunks = lay_out(write_hosts(hosts, tmp_path), tier)
    assert max(chunk.seconds for chunk in chunks) <= seconds
    assert choice.n_hosts >= 370
    pieces = Counter(piece.brick for chunk in chunks for piece in chunk.pieces)
    assert pieces.pop(0) > 1
    assert set(pieces.values()) == {1}
    rows = rows_of(hosts, tier, tmp_path)
    assert rows.sort_by("task_id").equals(
        rows_of(hosts, replace(tier, task_seconds=3600.0), tmp_path).sort_by("task_id")
    )


def _renumbered(hosts: pa.Table) -> pa.Table:
    ids = pa.array([f"{name}-more" for name in hosts["host_id"].to_pylist()])
    return hosts.set_column(hosts.schema.get_field_index("host_id"), hosts.schema.field("host_id"), ids)


def test_too_many_tasks_for_a_map_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(chunking, "MAX_CHUNKS", 2)
    with pytest.raises(InputError, match="3 tasks of 20 s are more than the 2 of a distributed Map"):
        lay_out(write_hosts(make_hosts(), tmp_path), load_tier("debug"))


def test_more_rows_than_the_tier_states_are_refused(tmp_path):
    tier = replace(PILOT, hosts=HostChoice(per_brick=0), rows=100)
    with pytest.raises(InputError, match=r"multiply to [\d,]+ rows, the tier states 100"):
        lay_out(write_hosts(make_hosts(), tmp_path), tier)


def test_the_order_of_the_catalogue_changes_nothing(tmp_path):
    hosts, tier = make_hosts(), load_tier("debug")
    shuffled = hosts.take(np.random.default_rng(3).permutation(len(hosts)))
    assert rows_of(hosts, tier, tmp_path).equals(rows_of(shuffled, tier, tmp_path))


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


def test_fewer_bricks_take_fewer_hosts(tmp_path):
    tier = tier_of(RunRequest("debug", "run-1", "-", "-", n_bricks=3))
    assert hosts_by_split(make_hosts(), tier, tmp_path) == [18, 18, 18]


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        (make_hosts(n_bricks=5), "the catalogue has 5; give more of the sky, or --bricks 5$"),
        (make_hosts(n_bricks=2), "needs 20 bricks with hosts, the catalogue has 2; give more of the sky$"),
        (make_hosts(hosts_per_brick=10), "needs 120 hosts in split"),
        (make_hosts(n_bricks=20, bricks_per_region=10), "needs 120 hosts in split test, the catalogue has 0"),
    ],
)
def test_a_catalogue_that_cannot_carry_the_tier_is_refused(hosts, message, tmp_path):
    with pytest.raises(InputError, match=message):
        lay_out(write_hosts(hosts, tmp_path), load_tier("debug"))


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
        ("ra", 200.0, r"row 10000-0-7: ra 200.00000, dec .* outside brick 0029p100"),
        ("psfdepth_r", -1.0, r"row 10000-0-7: psfdepth_r is -1.0"),
        ("region_id", 50_000, r"row 10000-0-7: region_id is 50000"),
        ("brickname", "0029p101", r"brick name '0029p101' is none of the survey's"),
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
    with pytest.raises(InputError, match="brick 0029p100 has more than one region_id"):
        plan_run(store, RunRequest("debug", "run-1", key, "file:///sky"))


@pytest.mark.parametrize("n_bricks", range(3, 20))
def test_any_number_of_bricks_from_three_on_can_be_planned(n_bricks, tmp_path):
    tier = tier_of(RunRequest("debug", "run-1", "-", "-", n_bricks=n_bricks))
    hosts = make_hosts(n_bricks=n_bricks, hosts_per_brick=24)
    assert (
        hosts_by_split(hosts, replace(tier, splits=replace(tier.splits, guard_arcsec=0.0)), tmp_path)
        == [tier.hosts.per_split] * 3
    )


def test_other_hosts_are_another_configuration():
    tier = load_tier("debug")
    hashes = {config_hash(tier, RunRequest("debug", "run-1", f"hosts/{n}.parquet", "s")) for n in (1, 2)}
    assert len(hashes) == 2


def test_the_debug_manifest_is_the_same_on_every_machine(debug_rows):
    """Recorded once; numpy's own exp, log and cos would differ by processor."""
    assert digest_of(debug_rows) == DEBUG_DIGEST


def test_numpy_without_its_vector_code_gives_the_same_bytes(tmp_path):
    """Another processor, as near as one machine comes to it: numpy may use no newer instructions."""
    probe = (
        "import sys; from pathlib import Path; from tests.pipeline.test_manifest import *;"
        "print(digest_of(rows_of(make_hosts(), load_tier('debug'), Path(sys.argv[1]))),"
        " digest_of(rows_of(make_hosts(), PILOT, Path(sys.argv[1]))))"
    )
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__)}
    command = [sys.executable, "-W", "ignore", "-c", probe, str(tmp_path)]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert out.split() == [DEBUG_DIGEST, PILOT_DIGEST]


def test_the_pilot_prior_is_the_same_on_every_machine(tmp_path):
    assert digest_of(rows_of(make_hosts(), PILOT, tmp_path)) == PILOT_DIGEST


def digest_of(rows: pa.Table) -> str:
    """A hash of the values, whatever the order and the version of Arrow."""
    digest = hashlib.sha256()
    for row in rows.sort_by("task_id").to_pylist():
        digest.update(json.dumps(row, sort_keys=True).encode())
    return digest.hexdigest()
