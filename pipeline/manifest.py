"""Phase 4a: hosts x grid -> the manifest, one row a task, every random number frozen in it.

Deterministic: the same tier, hosts and seed give the same bytes. A task's random numbers come from a
counter-based generator keyed by the task itself, so neither order nor chunking can change them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.contracts import check_rows, check_unique
from pipeline.errors import InputError
from pipeline.events import ChunkRecord, RunRequest
from pipeline.parquet import from_columns, read, to_bytes
from pipeline.schema import BANDS, HOSTS, MANIFEST, SPLITS
from pipeline.store import Store, get_json, publish, publish_json
from pipeline.tier import Tier, load_tier

SIE = "SIE"


def plan_run(store: Store, request: RunRequest) -> dict[str, Any]:
    """Plan a run: write its manifest, its chunk records and plan.json; what the next states need.

    Raises InputError for an unknown tier or a host catalogue that cannot carry it.
    """
    tier = tier_of(request)
    hosts = check_hosts(store.get(request.hosts_key), store.uri(request.hosts_key))
    chosen = choose_hosts(hosts, tier)
    chunks = []
    for chunk, rows in plan_chunks(chosen, tier):
        part = request.layout.partition(MANIFEST.name, chunk.region_split).part(chunk.part)
        check_rows(rows, MANIFEST, part, "task_id")
        publish(store, part, to_bytes(rows))
        chunks.append(chunk)
    publish_json(store, request.layout.chunks, [chunk.to_event() for chunk in chunks])
    plan = {
        "request": request.to_event(),
        "config_hash": config_hash(tier, request),
        "tier": asdict(tier),
        "chunks_key": request.layout.chunks,
        "n_chunks": len(chunks),
        "n_hosts": sum(len(table) for table in chosen.values()),
        "n_bricks": sum(len(chunk.bricks) for chunk in chunks),
        "expected_rows": sum(chunk.rows for chunk in chunks),
        "rows_by_split": {
            split: sum(chunk.rows for chunk in chunks if chunk.region_split == split) for split in SPLITS
        },
    }
    publish_json(store, request.layout.plan, plan)
    return {
        key: plan[key]
        for key in (
            "request",
            "chunks_key",
            "n_chunks",
            "n_hosts",
            "n_bricks",
            "expected_rows",
            "config_hash",
        )
    }


def tier_of(request: RunRequest) -> Tier:
    """The request's tier; with n_bricks, the tier cut to that many bricks and as many hosts a brick."""
    tier = load_tier(request.tier)
    if request.n_bricks is None:
        return tier
    if request.n_bricks < len(SPLITS):
        raise InputError(
            f"--bricks {request.n_bricks}: a run needs at least {len(SPLITS)}, one sky region a split"
        )
    # Whole bricks fall to the splits, so the smallest split has n // 3 of them.
    most_a_brick = tier.hosts_per_split // max(1, tier.n_bricks // len(SPLITS))
    share = round(tier.hosts_per_split * request.n_bricks / tier.n_bricks)
    hosts = max(1, min(share, most_a_brick * (request.n_bricks // len(SPLITS))))
    return replace(tier, n_bricks=request.n_bricks, hosts_per_split=hosts)


def config_hash(tier: Tier, request: RunRequest) -> str:
    """SHA-256 over the tier's settings and the hosts (whose key is the hash of their bytes)."""
    return hashlib.sha256(f"{tier.config_hash()} {request.hosts_key}".encode()).hexdigest()


def plan_of(store: Store, request: RunRequest) -> dict[str, Any]:
    """The run's plan.json."""
    plan: dict[str, Any] = get_json(store, request.layout.plan)
    return plan


def check_hosts(data: bytes, name: str) -> pa.Table:
    """The host catalogue in a Parquet file's bytes, checked row by row.

    InputError names the file, row, column and the mend.
    """
    hosts = read(data, HOSTS, name)
    check_rows(hosts, HOSTS, name, "host_id")
    check_unique(hosts, name, "host_id")
    regions = hosts.group_by("brickname").aggregate([("region_id", "count_distinct")])
    for brick, n_regions in zip(*(regions[c].to_pylist() for c in regions.column_names), strict=True):
        if n_regions > 1:
            raise InputError(
                f"{name}: brick {brick} has {n_regions} values of region_id; give each brick one, "
                "or its hosts would stand in two splits"
            )
    return hosts


def choose_hosts(hosts: pa.Table, tier: Tier) -> dict[str, pa.Table]:
    """The tier's hosts by split, sorted by brick and id.

    Bricks are drawn by the hash of their names; whole sky regions are dealt to the splits, each to the
    split that has the fewest hosts so far; within a split the hosts are spread over its bricks.
    """
    by_brick: dict[str, list[int]] = {}
    for row, brick in enumerate(hosts["brickname"].to_pylist()):
        by_brick.setdefault(brick, []).append(row)
    bricks = sorted(by_brick, key=lambda brick: _order(tier.seed, brick))[: tier.n_bricks]
    if len(bricks) < tier.n_bricks:
        raise InputError(
            f"tier {tier.name} needs {tier.n_bricks} bricks with hosts, the catalogue has {len(bricks)}; "
            f"give more of the sky, or --bricks {max(len(bricks), 3)}"
        )
    regions = hosts["region_id"].to_pylist()
    ids = hosts["host_id"].to_pylist()
    chosen = {}
    for split, own in _deal_regions(bricks, by_brick, regions, tier).items():
        rows = _spread([sorted(by_brick[b], key=lambda row: _order(tier.seed, ids[row])) for b in own], tier)
        if len(rows) < tier.hosts_per_split:
            raise InputError(
                f"tier {tier.name} needs {tier.hosts_per_split} hosts in split {split}, the catalogue has "
                f"{len(rows)} there over {len(own)} bricks; give more of the sky, or fewer --bricks"
            )
        chosen[split] = hosts.take(sorted(rows, key=lambda row: (hosts["brickname"][row].as_py(), ids[row])))
    return chosen


def _order(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=16).digest()


def _deal_regions(
    bricks: list[str], by_brick: dict[str, list[int]], regions: list[int], tier: Tier
) -> dict[str, list[str]]:
    region_bricks: dict[int, list[str]] = {}
    for brick in bricks:
        region_bricks.setdefault(regions[by_brick[brick][0]], []).append(brick)
    dealt: dict[str, list[str]] = {split: [] for split in SPLITS}
    size = dict.fromkeys(SPLITS, 0)
    order = sorted(region_bricks, key=lambda r: (-len(region_bricks[r]), _order(tier.seed, str(r))))
    for region in order:
        split = min(SPLITS, key=lambda name: size[name])
        dealt[split] += region_bricks[region]
        size[split] += sum(len(by_brick[brick]) for brick in region_bricks[region])
    return dealt


def _spread(queues: list[list[int]], tier: Tier) -> list[int]:
    """The first of each brick, then the second of each, until the split is full."""
    deepest = max((len(queue) for queue in queues), default=0)
    rows = [queue[depth] for depth in range(deepest) for queue in queues if depth < len(queue)]
    return rows[: tier.hosts_per_split]


def plan_chunks(chosen: dict[str, pa.Table], tier: Tier) -> Iterator[tuple[ChunkRecord, pa.Table]]:
    """Chunks of whole bricks of one split, with their manifest rows."""
    for split, hosts in chosen.items():
        names = hosts["brickname"].to_pylist()
        bricks = sorted(set(names))
        n_chunks = math.ceil(len(bricks) / tier.bricks_per_task)
        for part, own in enumerate(np.array_split(np.array(bricks, dtype=object), n_chunks)):
            mine = set(own)
            rows = manifest_rows(hosts.filter(pa.array([name in mine for name in names])), tier)
            yield ChunkRecord(f"{split}-{part:05d}", split, part, tuple(own), len(rows)), rows


def manifest_rows(hosts: pa.Table, tier: Tier) -> pa.Table:
    """The tasks of some hosts: each host with each combination of the grid, in that order."""
    rows: dict[str, list[Any]] = {name: [] for name in MANIFEST.names}
    for host in hosts.to_pylist():
        for point in tier.combinations():
            for name, value in _task(host, point, tier).items():
                rows[name].append(value)
    return from_columns(MANIFEST, rows)


def _task(host: dict[str, Any], point: dict[str, float], tier: Tier) -> dict[str, Any]:
    parameters = ",".join(f"{name}={value!r}" for name, value in point.items())
    digest = hashlib.blake2b(
        f"{tier.experiment_id}|{host['host_id']}|{parameters}".encode(), digest_size=16
    ).digest()
    seed64 = int.from_bytes(digest[:8], "little") >> 1  # 63 bits: bigint is signed
    # As observed: the arcs are added to pixels that Galactic dust has dimmed.
    host_mag_r = 22.5 - 2.5 * math.log10(host["flux_r_nmgy"])
    return {
        "task_id": digest.hex(),
        "experiment_id": tier.experiment_id,
        **{key: host[key] for key in ("brickname", "host_id", "ra", "dec", "region_id")},
        "lens_model": SIE,
        "is_control": False,
        "task_seed64": seed64,
        **point,
        **_draws(point, tier, seed64),
        **_source_fluxes(host_mag_r + point["src_dmag"], tier),
        "host_mag_r": host_mag_r,
        **{f"psfdepth_{band}": host[f"psfdepth_{band}"] for band in BANDS},
    }


def _draws(point: dict[str, float], tier: Tier, seed64: int) -> dict[str, float]:
    """The task's own random numbers: Philox keyed by (run seed, task)."""
    u = np.random.Generator(np.random.Philox(key=[tier.seed, seed64])).random(6)
    radius = tier.source.disc_theta_e * point["theta_e_arcsec"] * math.sqrt(u[0])
    angle = 2 * math.pi * u[1]
    return {
        "src_n_sersic": tier.source.n_sersic,
        "src_x_arcsec": radius * math.cos(angle),
        "src_y_arcsec": radius * math.sin(angle),
        "src_phi_rad": math.pi * float(u[2]),
        "lens_e": tier.lens.e_max * float(u[3]),
        "lens_phi_rad": math.pi * float(u[4]),
        "shear_phi_rad": math.pi * float(u[5]),
    }


def _source_fluxes(mag_r: float, tier: Tier) -> dict[str, float]:
    """Unlensed fluxes in nanomaggies, AB = 22.5 - 2.5 log10 f, from r and the tier's colours."""
    mags = {"g": mag_r + tier.source.color_g_r, "r": mag_r, "z": mag_r - tier.source.color_r_z}
    return {f"src_flux_{band}_nmgy": 10 ** (-0.4 * (mags[band] - 22.5)) for band in BANDS}
