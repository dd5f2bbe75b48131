"""A small host catalogue, as survey.hosts would write it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.parquet import content_hash, from_columns, to_bytes
from pipeline.schema import BANDS, HOSTS
from pipeline.storage import hosts_key
from pipeline.store import FolderStore, publish


def make_hosts(n_bricks: int = 24, hosts_per_brick: int = 25, bricks_per_region: int = 1) -> pa.Table:
    rows = n_bricks * hosts_per_brick
    brick = np.repeat(np.arange(n_bricks), hosts_per_brick)
    rng = np.random.default_rng(1)
    columns = {
        "host_id": [f"10000-{b}-{i}" for i, b in enumerate(brick)],
        "brickname": [f"{b * 30:04d}p{b:03d}" for b in brick],
        "ra": 3.0 * brick + rng.uniform(0, 0.2, rows),
        "dec": 0.1 * brick + rng.uniform(0, 0.2, rows),
        "region_id": brick // bricks_per_region,
        **{f"mag_{b}": rng.uniform(18, 20, rows) for b in BANDS},
        **{f"flux_{b}_nmgy": rng.uniform(5, 50, rows) for b in BANDS},
        **{f"psfsize_{b}_arcsec": rng.uniform(1.2, 1.6, rows) for b in BANDS},
        **{f"psfdepth_{b}": rng.uniform(100, 1000, rows) for b in BANDS},
    }
    return from_columns(HOSTS, columns)


def store_hosts(store: FolderStore, hosts: pa.Table) -> str:
    data = to_bytes(hosts)
    key = hosts_key(content_hash(data))
    publish(store, key, data)
    return key


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "bucket")
