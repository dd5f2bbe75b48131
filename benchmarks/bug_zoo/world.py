"""A small run in this process, from a synthetic sky to the verdict: the real phases, no cloud."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cli.skies import host_catalogue
from cli.validate import judge_folder
from local_cloud.athena_engine import Engine, FolderCatalogue
from pipeline import closure, manifest
from pipeline.checks import load_checks, render, result_from_row
from pipeline.closure import close_run
from pipeline.events import ChunkRecord, RunRequest
from pipeline.inject import inject_chunk
from pipeline.manifest import plan_run
from pipeline.parquet import content_hash
from pipeline.promises import promises
from pipeline.schema import SPLITS
from pipeline.sky import close_sky
from pipeline.staging import cache_chunk
from pipeline.storage import RunLayout, hosts_key
from pipeline.store import FolderStore, get_json, publish
from pipeline.tier import Tier, load_tier
from survey.sky import write_sky

TIER = "debug"
BRICK_PIXELS = 600
HOSTS_PER_BRICK = 18
TABLE_ROWS_A_HOST = 48  # of grid_small
NARROW_STAMPS = ("image", "raw_image")  # what no check reads

_render = closure.render

Tables = dict[str, pa.Table]


@dataclass(frozen=True)
class World:
    """A sky, a store that caches it, and the requests of runs over it."""

    store: FolderStore
    sky: Path
    hosts_key: str

    @classmethod
    def make(cls, root: Path, n_bricks: int, seed: int = 1, hosts_per_brick: int = HOSTS_PER_BRICK) -> World:
        sky = root / "sky"
        write_sky(sky, n_bricks, brick_pixels=BRICK_PIXELS, seed=seed, hosts_per_brick=hosts_per_brick)
        catalogue = host_catalogue(f"file://{sky}")
        store = FolderStore(root / "bucket")
        key = hosts_key(content_hash(catalogue))
        publish(store, key, catalogue)
        return cls(store, sky, key)

    def run(self, run_id: str, n_bricks: int | None, seed: int | None = None) -> Path:
        """4a, 4b, 4c and closure; the run's folder. n_bricks None: the whole tier.

        The run's id chooses which rows closure renders again.
        """
        request = RunRequest(TIER, run_id, self.hosts_key, f"file://{self.sky}", n_bricks)
        with mock.patch.object(manifest, "load_tier", lambda name: _reseeded(load_tier(name), seed)):
            plan_run(self.store, request)
            for record in get_json(self.store, request.layout.chunks):
                chunk = ChunkRecord.from_event(record)
                cache_chunk(self.store, request, chunk)
                inject_chunk(self.store, request, chunk)
        with mock.patch.object(closure, "render", _render_once):
            close_run(self.store, request)
        close_sky(self.store, request)
        return self.store.root / request.layout.prefix

    def forget(self, run_id: str) -> None:
        shutil.rmtree(self.store.root / RunLayout(TIER, run_id).prefix, ignore_errors=True)


@lru_cache(maxsize=1000)
def _render_once(*arguments: Any) -> Any:
    """The reference of a row does not depend on the bug, and is most of the time."""
    lens, source, psf, *rest = arguments
    return _render(lens, source, psf, *rest)


def _reseeded(tier: Tier, seed: int | None) -> Tier:
    return tier if seed is None else replace(tier, seed=seed)


def judge(folder: Path) -> dict[str, Any]:
    """The gate's verdict on a run's folder, as its tables are: those of the zoo have no pixels."""
    return judge_folder(folder, TIER, anew=False)


def stopped_by(judged: Mapping[str, Any]) -> list[str]:
    """The checks that say no: FAIL, or critical and not PASS."""
    return [
        check["name"]
        for check in judged["checks"]
        if check["status"] == "FAIL" or (check["critical"] and check["status"] != "PASS")
    ]


def read_tables(folder: Path) -> Tables:
    """The run's tables with the column region_split, the stamps without their pixels."""
    tables = {}
    for name in ("manifest", "metrics", "stamps", "closure", "sky"):
        parts = []
        for path in sorted((folder / name).rglob("*.parquet")):
            with pq.ParquetFile(path) as file:
                narrow = [c for c in file.schema_arrow.names if c not in NARROW_STAMPS]
                part = file.read(columns=narrow)
                for place, column in enumerate(file.schema_arrow.names):
                    if column in NARROW_STAMPS:
                        part = part.add_column(place, column, pa.array([b""] * len(part), pa.binary()))
            split = path.parent.name.removeprefix("region_split=")
            parts.append(part.append_column("region_split", pa.array([split] * len(part))))
        tables[name] = pa.concat_tables(parts)
    return tables


def judge_again(folder: Path, first: Path, second: Path) -> dict[str, Any]:
    """The check `reruns` on two runs of the same configuration, copied to `folder`."""
    for run_id, run in (("first", first), ("second", second)):
        tables = read_tables(run)
        write_tables(folder, {name: tables[name] for name in ("metrics", "stamps")}, run_id)
    check = next(check for check in load_checks() if check.name == "reruns")
    sql = render(check, RunLayout(TIER, "second"), 0, promises(load_tier(TIER), "first"))
    answer = Engine(FolderCatalogue(folder)).execute(sql)
    result = result_from_row(check.name, [name for name, _ in answer.columns], answer.rows, False)
    return {"checks": [asdict(result)], "rows": result.n}


def write_tables(folder: Path, tables: Tables, run_id: str = "planted") -> Path:
    """The tables as a run's folder."""
    for name, table in tables.items():
        for split in (*SPLITS, "all"):
            rows = table.filter(pc.equal(table["region_split"], split)).drop_columns(["region_split"])
            if len(rows):
                path = folder / name / f"tier={TIER}/run_id={run_id}/region_split={split}"
                path.mkdir(parents=True)
                pq.write_table(rows, path / "part-00000.parquet")
    return folder
