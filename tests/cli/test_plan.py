"""`darkhalo plan`: what a tier would be, and one line for what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import PIXELS, darkhalo
from tests.pipeline.conftest import make_hosts

MINE = """base = "pilot"
name = "mine"
rows = 300000
n_pix = 101
[hosts]
per_brick = 0
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with hosts.parquet, an empty sky and mine.toml."""
    folder = tmp_path_factory.mktemp("plan")
    pq.write_table(make_hosts(), folder / "hosts.parquet")
    (folder / "sky").mkdir()
    (folder / "mine.toml").write_text(MINE)
    return folder


def plan(place, *arguments):
    return darkhalo("plan", *arguments, "--hosts", "hosts.parquet", "--sky", "sky", cwd=place)


def test_json_holds_counts_tables_chunks_and_cost(place):
    answer = plan(place, "debug", "--json")
    assert answer.code == 0, answer.err
    told = answer.json
    assert told["expected_rows"] == 17_280
    assert told["rows_by_split"] == dict.fromkeys(("train", "val", "test"), 5_760)
    assert told["cross_tables"]["theta_e_arcsec"]["val"] == {"0.3": 1_920, "0.6": 1_920, "1": 1_920}
    assert told["rows_by_kind"]["test"] == {"injection": 5_760, "paired control": 0, "unpaired control": 0}
    assert len(told["config_hash"]) == len(told["code_version"]) == 64
    assert told["n_chunks"] == 3
    assert told["chunk_seconds"]["longest"] <= told["chunk_seconds"]["target"] == 20
    cost = told["estimate"]
    assert cost["bytes"]["stamps"] == (17_280 + 360) * 45_900
    assert sum(cost["dollars"].values()) == pytest.approx(cost["dollars_total"], abs=0.05)
    assert cost["hours"] > 0
    parts = sorted((place / "workspace/plans/runs").rglob("part-*.parquet"))
    assert sum(pq.read_metadata(part).num_rows for part in parts) == 17_280
    assert str(parts[0]).startswith(told["folder"])


def test_words_say_the_same(place):
    answer = plan(place, "pilot", "--bricks", 12)
    assert answer.code == 0, answer.err
    for text in ("expected_rows  432", "paired control", "match  mag_r", "cost   ", "theta_e_arcsec"):
        assert text in answer.out, text


@pytest.mark.parametrize(
    ("tier", "bricks", "reasons"),
    [
        ("debug", 4, {"in_bricks_not_taken", "over_the_tiers_share"}),
        ("pilot", 12, {"in_bricks_not_taken", "over_the_tiers_share"}),
        ("many.toml", 9, {"in_bricks_with_too_few"}),
    ],
)
def test_every_host_is_taken_or_left_out_for_a_reason(place, tier, bricks, reasons):
    """Counted from the manifest and the catalogue: the plan's numbers add up to them."""
    few = make_hosts().slice(5)
    pq.write_table(few, place / "few.parquet")
    (place / "many.toml").write_text(MINE.replace("per_brick = 0", "per_brick = 24").replace("mine", "many"))
    arguments = ("plan", tier, "--bricks", bricks, "--hosts", "few.parquet", "--sky", "sky")
    told = darkhalo(*arguments, "--json", cwd=place).json
    parts = sorted(Path(told["folder"]).rglob("part-*.parquet"))
    used = {host for part in parts for host in pq.read_table(part)["host_id"].to_pylist()}
    assert told["n_hosts"] == len(used)
    assert told["hosts_of_the_catalogue"] == len(few)
    assert sum(told["hosts_left_out"].values()) == len(few) - len(used)
    assert {name for name, count in told["hosts_left_out"].items() if count} >= reasons
    words = darkhalo(*arguments, cwd=place).out
    assert f"hosts          {len(used):,} of {len(few):,}" in words
    for count in filter(None, told["hosts_left_out"].values()):
        assert f"  left out     {count:,} " in words


def test_a_folder_of_hosts_is_planned_as_their_file(tmp_path):
    assert darkhalo("sky", tmp_path / "sky", "--bricks", 3, "--brick-pixels", 400).code == 0
    made = darkhalo("hosts", tmp_path / "sky/tractor", "--out", tmp_path / "hosts")
    assert made.code == 0, made.err
    groups = sorted((tmp_path / "hosts").glob("brick_group=*/*"))
    assert len(groups) > 1
    pq.write_table(pa.concat_tables(map(pq.read_table, groups)), tmp_path / "hosts.parquet")
    manifests = []
    for name in ("hosts", "hosts.parquet"):
        answer = darkhalo("plan", "debug", "--bricks", 3, "--sky", tmp_path / "sky", "--hosts",
                          tmp_path / name, "--workspace", tmp_path / name[5:], "--json")  # fmt: skip
        assert answer.code == 0, answer.err
        parts = sorted(Path(answer.json["folder"]).rglob("part-*.parquet"))
        manifests.append([part.read_bytes() for part in parts])
    assert manifests[0] == manifests[1] != []
    groups[1].write_bytes(groups[1].read_bytes()[:-9])
    broken = darkhalo("plan", "debug", "--sky", tmp_path / "sky", "--hosts", tmp_path / "hosts", cwd=tmp_path)
    refused(broken, "write it again with `darkhalo hosts`", str(groups[1]))


def test_another_seed_is_another_run(place):
    (place / "other.toml").write_text(MINE.replace("rows", "seed = 18\nrows").replace("mine", "other"))
    folders = [
        plan(place, name, "--bricks", 9, "--json").json["folder"] for name in ("mine.toml", "other.toml")
    ]
    assert folders[0] != folders[1]


def spoiled(column: str, value: object) -> pa.Table:
    hosts = make_hosts()
    values = hosts[column].to_pylist()
    values[7] = value
    field = hosts.schema.field(column)
    return hosts.set_column(hosts.schema.get_field_index(column), field, pa.array(values, field.type))


def spoiled_regions() -> pa.Table:
    hosts = make_hosts()
    regions = np.where(
        np.array(hosts["brickname"].to_pylist()) == "0029p100", 5, hosts["region_id"].to_numpy()
    )
    at = hosts.schema.get_field_index("region_id")
    return hosts.set_column(at, hosts.schema.field("region_id"), pa.array(regions))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing = 1", "unknown field 'nothing' in the top level"),
        ("[controls]\nfraction = 1.2\npaired = 0.5", "controls.fraction is 1.2; give a value from 0 to 0.95"),
        ("n_bricks = 900", "rows is 25,200, but hosts and parameters multiply to 32,400"),
        ("[prior.lens]\ntheta_e_scatter = -0.1", "missing in prior"),
    ],
)
def test_a_bad_tier_is_one_line(place, text, message):
    (place / "bad.toml").write_text(f'base = "pilot"\nname = "bad"\nrows = 25200\n{text}\n')
    refused(plan(place, "bad.toml"), message, "bad.toml")


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        (spoiled("host_id", "10000-0-6"), "host_id 10000-0-6 stands twice"),
        (spoiled("ra", 100.0), "outside brick 0029p100"),
        (spoiled("mag_r", np.nan), "mag_r is nan"),
        (make_hosts(n_bricks=20, bricks_per_region=10), "no brick is left for split"),
        (spoiled_regions(), "brick 0029p100: region_id is 5, but its centre lies in HEALPix pixel"),
    ],
)
def test_a_bad_catalogue_is_one_line_and_nothing_is_written(place, tmp_path, hosts, message):
    pq.write_table(hosts, tmp_path / "bad.parquet")
    answer = darkhalo("plan", "pilot", "--bricks", 20, "--hosts", "bad.parquet", "--sky", ".", cwd=tmp_path)
    refused(answer, message, "bad.parquet")
    assert not (tmp_path / "workspace").exists()


def refused(answer, message: str, file: str) -> None:
    assert answer.code == 2, answer.err
    assert message in answer.err
    assert file in answer.err
    assert answer.err.count("\n") == 1, answer.err


def test_train_does_not_start_without_its_gos(tmp_path):
    answer = darkhalo("run", "train", cwd=tmp_path)
    refused(answer, "tier train needs a GO of debug", "run debug whole")
    assert not list(tmp_path.iterdir())


def test_a_users_tier_with_controls_runs_through_the_task_that_plans_large_tiers(workspace, tmp_path):
    """Its rows are not known before the hosts are: the Lambda leaves the plan to a Fargate task."""
    (tmp_path / "mine.toml").write_text(MINE)
    answer = darkhalo(
        "run", tmp_path / "mine.toml", "--bricks", 3, "--brick-pixels", PIXELS, "--workspace", workspace,
        "--json",
    )  # fmt: skip
    assert answer.code == 3, answer.err  # too few controls for their check: INCONCLUSIVE, so no GO
    assert "state PlanTask" in answer.err
    told = answer.json
    assert told["tier"] == "mine"
    plan = json.loads((workspace / "runs" / told["run_id"] / "plan.json").read_text())
    kinds = [
        sum(split[k] for split in plan["rows_by_kind"].values()) for k in ("injection", "paired control")
    ]
    assert told["rows"] == plan["expected_rows"] == 2 * kinds[0]
    assert kinds[1] > 0
    status = {check["name"]: check["status"] for check in told["checks"]}
    assert status.pop("controls") == status.pop("flux_theta_e") == "INCONCLUSIVE"
    assert [name for name, answer in status.items() if answer == "FAIL"] == []
    again = darkhalo("validate", told["run_id"], "--workspace", workspace, "--json")
    assert (again.code, again.json["checks"]) == (3, told["checks"])
