"""How fast the train manifest is planned, in how much memory, and whether it is right at full size.

    python -m benchmarks.planning [--bricks 280 2800 28000 280000] [--json]

For each size: a catalogue of that many real bricks with 24 hosts each, planned twice, by different numbers of
threads and pieces, each in a process of its own; then what was written is read back and judged on its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy import units
from astropy_healpix import HEALPix
from numpy.typing import NDArray

from survey.bricks import Brick
from tests.survey.test_bricks import bricks_in_row

HOSTS_PER_BRICK = 24
ROWS = range(280, 601)  # Dec -20 to 60
_CHUNK = 4_000  # bricks


def write_catalogue(path: Path, n_bricks: int, seed: int = 1) -> None:
    """Hosts with LRG-like magnitudes and colours; seeing and depth vary from brick to brick."""
    everywhere = [brick for row in ROWS for brick in bricks_in_row(row)]
    rng = np.random.default_rng(seed)
    own = sorted((everywhere[i] for i in rng.permutation(len(everywhere))[:n_bricks]), key=lambda b: b.name)
    writer: pq.ParquetWriter | None = None
    for start in range(0, n_bricks, _CHUNK):
        table = _hosts(own[start : start + _CHUNK], rng)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    assert writer is not None
    writer.close()


def _hosts(bricks: list[Brick], rng: np.random.Generator) -> pa.Table:
    brick = np.repeat(np.arange(len(bricks)), HOSTS_PER_BRICK)
    n = len(brick)
    ra1, ra2, dec1, dec2, ra, dec, number = np.array(
        [(b.ra1, b.ra2, b.dec1, b.dec2, b.ra, b.dec, b.brickid) for b in bricks]
    ).T
    regions = HEALPix(nside=64, order="nested").lonlat_to_healpix(ra * units.deg, dec * units.deg)
    r, g_r, r_z = rng.uniform(18, 22, n), rng.normal(1.5, 0.2, n), rng.normal(0.9, 0.2, n)
    mags = {"g": r + g_r, "r": r, "z": r - r_z}
    e, angle = np.minimum(np.abs(rng.normal(0, 0.2, n)), 0.6), rng.uniform(0, np.pi, n)
    depth = {"g": 24.8, "r": 24.2, "z": 23.3}
    limits = {b: depth[b] + rng.normal(0, 0.2, len(bricks))[brick] for b in depth}
    return pa.table(
        {
            "host_id": [f"10000-{int(number[b])}-{i}" for i, b in enumerate(brick.tolist())],
            "brickname": pa.array([b.name for b in bricks]).take(pa.array(brick)),
            "ra": (ra1 + (ra2 - ra1) * rng.random((HOSTS_PER_BRICK, len(bricks)))).T.ravel(),
            "dec": (dec1 + (dec2 - dec1) * rng.random((HOSTS_PER_BRICK, len(bricks)))).T.ravel(),
            "region_id": np.asarray(regions, dtype=np.int64)[brick],
            **{f"mag_{b}": mags[b] for b in mags},
            **{f"flux_{b}_nmgy": 10 ** (-0.4 * (mags[b] - 22.5)) for b in mags},
            "shape_e1": e * np.cos(2 * angle),
            "shape_e2": e * np.sin(2 * angle),
            **{
                f"psfsize_{b}_arcsec": np.clip(rng.normal(1.35, 0.12, len(bricks)), 0.9, 2)[brick]
                for b in mags
            },
            **{f"psfdepth_{b}": 25 * 10 ** (0.8 * (limits[b] - 22.5)) for b in mags},
        }
    )


def plan_once(catalogue: str, folder: str, n_bricks: int, workers: int, batch: int) -> dict[str, Any]:
    """Plan the train tier, cut to n_bricks, into a folder; seconds and peak memory of this process."""
    from pipeline import hosts, manifest
    from pipeline.events import RunRequest
    from pipeline.store import FolderStore
    from pipeline.tier import load_tier

    hosts.BATCH = batch
    manifest.os.cpu_count = lambda: workers  # type: ignore[attr-defined]
    tier = replace(load_tier("train"), name="planned", n_bricks=n_bricks, requires=())
    request = RunRequest("planned", "run", "hosts/x", "file:///sky", settings=json.dumps(tier.settings()))
    wall, cpu = time.perf_counter(), time.process_time()
    plan = manifest.write_plan(
        FolderStore(Path(folder)), request, hosts.HostCatalogue(Path(catalogue), "hosts")
    )
    return {
        "rows": plan["expected_rows"],
        "wall_seconds": round(time.perf_counter() - wall, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_mib": _peak_mib(),
        "match": plan["control_match"],
        "rows_by_split": plan["rows_by_split"],
        "chunks": plan["n_chunks"],
        "chunk_seconds": plan["chunk_seconds"],
        "hosts_near_another_split": plan["hosts_left_out"]["near_another_split"],
    }


def _peak_mib() -> int:
    """Largest resident size of this process (not ru_maxrss: that starts with the parent's)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def parts(folder: Path) -> list[Path]:
    return sorted(folder.rglob("part-*.parquet"))


def digest(folder: Path) -> str:
    """SHA-256 over names and bytes of all that was planned."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            whole.update(path.relative_to(folder).as_posix().encode())
            whole.update(hashlib.file_digest(file, "sha256").digest())  # type: ignore[arg-type]
    return whole.hexdigest()


def leakage(folder: Path, radius_arcsec: float = 60.0) -> dict[str, int]:
    """Bricks, regions, hosts, sources and near positions in more than one split, from the files alone."""
    seen: dict[str, list[tuple[int, Any]]] = {name: [] for name in ("brickname", "region_id", "task_seed64")}
    hosts: list[tuple[int, pa.Table]] = []
    columns = ["host_id", "ra", "dec", *seen]
    for split, table in _by_split(folder, columns):
        for name, values in seen.items():
            values.append((split, table[name].unique() if name != "task_seed64" else table[name].to_numpy()))
        hosts.append((split, table.group_by(["host_id", "ra", "dec"]).aggregate([])))
    found = {}
    for name, values in seen.items():
        sets: dict[int, set[Any]] = {}
        if name == "task_seed64":
            everything = np.concatenate([v for _, v in values])
            found["sources_twice"] = len(everything) - len(np.unique(everything))
            continue
        for split, own in values:
            sets.setdefault(split, set()).update(own.to_pylist())
        found[f"{name}_in_two_splits"] = sum(map(len, sets.values())) - len(set().union(*sets.values()))
    ids = pa.concat_tables([table.select(["host_id"]) for _, table in hosts])["host_id"]
    found["hosts_in_two_chunks"] = len(ids) - len(ids.unique())
    found[f"hosts_of_two_splits_within_{radius_arcsec:g}_arcsec"] = _near(hosts, radius_arcsec)
    return found


def _by_split(folder: Path, columns: list[str]) -> Iterator[tuple[int, pa.Table]]:
    for path in parts(folder):
        split = ("train", "val", "test").index(path.parent.name.removeprefix("region_split="))
        yield split, pq.ParquetFile(path).read(columns=columns)


def _near(hosts: list[tuple[int, pa.Table]], radius_arcsec: float) -> int:
    """Pairs of two splits within the radius, by a tree over unit vectors."""
    from scipy.spatial import cKDTree

    def vectors(split: int) -> NDArray[np.float64]:
        own = [table for number, table in hosts if number == split]
        ra = np.radians(np.concatenate([t["ra"].to_numpy() for t in own]))
        dec = np.radians(np.concatenate([t["dec"].to_numpy() for t in own]))
        return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)

    trees = [cKDTree(vectors(split)) for split in range(3)]
    chord = 2 * np.sin(np.radians(radius_arcsec / 3600) / 2)
    pairs = ((0, 1), (0, 2), (1, 2))
    return int(sum(trees[a].count_neighbors(trees[b], chord) for a, b in pairs))


def measure(n_bricks: int, work: Path) -> dict[str, Any]:
    """Two plans of a catalogue of a tenth more bricks than are used."""
    catalogue = work / "hosts.parquet"
    write_catalogue(catalogue, n_bricks + max(n_bricks // 10, 30))
    runs = []
    for number, (workers, batch) in enumerate(((2, 65_536), (1, 10_007))):
        folder = work / f"plan-{number}"
        call = f"plan_once({str(catalogue)!r}, {str(folder)!r}, {n_bricks}, {workers}, {batch})"
        code = f"import json; from benchmarks.planning import plan_once; print(json.dumps({call}))"
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
        runs.append({**json.loads(done.stdout), "workers": workers, "digest": digest(folder)})
    folder = work / "plan-0"
    first = runs[0]
    return {
        "bricks": n_bricks,
        "rows": first["rows"],
        "identical": runs[0]["digest"] == runs[1]["digest"],
        "runs": [{k: run[k] for k in ("workers", "wall_seconds", "cpu_seconds", "peak_mib")} for run in runs],
        "rows_a_second": round(first["rows"] / first["wall_seconds"]),
        "rows_a_cpu_second": round(first["rows"] / first["cpu_seconds"]),
        "bytes_a_row": round(sum(path.stat().st_size for path in parts(folder)) / first["rows"], 1),
        "leakage": leakage(folder),
        **{
            k: first[k]
            for k in ("match", "rows_by_split", "chunks", "chunk_seconds", "hosts_near_another_split")
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bricks", type=int, nargs="+", default=[280, 2_800, 28_000, 280_000])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = []
    for n_bricks in options.bricks:
        with tempfile.TemporaryDirectory() as work:
            result = measure(n_bricks, Path(work))
        results.append(result)
        if not options.json:
            print(json.dumps(result, indent=1), flush=True)
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
