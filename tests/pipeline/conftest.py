"""A small host catalogue, as survey.hosts would write it, and a small sky that is cached."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from pipeline.hosts import HostCatalogue
from pipeline.parquet import content_hash, from_columns, read, to_bytes
from pipeline.schema import BANDS, HOSTS
from pipeline.staging import cache_brick
from pipeline.storage import hosts_key
from pipeline.store import FolderStore, publish
from survey.bricks import Brick, brick_at
from survey.healpix import nested_pixel
from survey.hosts import select_hosts
from survey.layout import tractor_path
from survey.sky import write_sky
from survey.sources import FolderSource


def make_hosts(
    n_bricks: int = 24, hosts_per_brick: int = 25, bricks_per_region: int = 1, per_row: int = 1
) -> pa.Table:
    """Hosts in real bricks, apart from each other; per_row: so many bricks side by side, sharing edges.

    bricks_per_region: so many bricks in each HEALPix pixel, up to 10.
    """
    rows = n_bricks * hosts_per_brick
    own = [brick_at(3.0 + 4.0 * (b // per_row) + 0.25 * (b % per_row), 10.0) for b in range(n_bricks)]
    if bricks_per_region > 1:
        own = [
            brick
            for b in range(0, n_bricks, bricks_per_region)
            for brick in _bricks_of_region(3.0 + 2.0 * b, bricks_per_region)
        ]
    own.sort(key=lambda brick: brick.name)
    brick = np.repeat(np.arange(n_bricks), hosts_per_brick)
    ra1, ra2, dec1, dec2 = np.array([(b.ra1, b.ra2, b.dec1, b.dec2) for b in own])[brick].T
    rng = np.random.default_rng(1)

    def uniform(low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
        return low + (high - low) * rng.random(rows)  # the same bits on every machine; rng.uniform may not be

    columns = {
        "host_id": [f"10000-{b}-{i}" for i, b in enumerate(brick)],
        "brickname": [own[b].name for b in brick],
        "ra": uniform(ra1, ra2),
        "dec": uniform(dec1, dec2),
        "region_id": nested_pixel(64, [b.ra for b in own], [b.dec for b in own])[brick],
        **{f"mag_{b}": uniform(18, 20) for b in BANDS},
        **{f"flux_{b}_nmgy": uniform(5, 50) for b in BANDS},
        **{f"psfsize_{b}_arcsec": uniform(1.2, 1.6) for b in BANDS},
        **{f"psfdepth_{b}": uniform(100, 1000) for b in BANDS},
    }
    return from_columns(HOSTS, columns)


def _bricks_of_region(ra: float, n: int) -> list[Brick]:
    """n bricks whose centres lie in one HEALPix pixel."""
    near = {brick_at(ra + 0.25 * i, 10.0 + 0.25 * j) for i in range(-4, 5) for j in range(-4, 5)}
    pixel = nested_pixel(64, ra, 10.0)
    own = [brick for brick in near if nested_pixel(64, brick.ra, brick.dec) == pixel]
    return sorted(own, key=lambda brick: brick.name)[:n]


def write_hosts(hosts: pa.Table, folder: Path) -> HostCatalogue:
    """The catalogue of these hosts, in a file."""
    path = folder / f"{content_hash(to_bytes(hosts))[:16]}.parquet"
    path.write_bytes(to_bytes(hosts))
    return HostCatalogue(path, "hosts.parquet")


def store_hosts(store: FolderStore, hosts: pa.Table) -> str:
    data = to_bytes(hosts)
    key = hosts_key(content_hash(data))
    publish(store, key, data)
    return key


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "bucket")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A sky of one good and two bad bricks, hosts of the good one, and a store with their files cached."""
    root = tmp_path_factory.mktemp("world")
    bricks = write_sky(
        root / "sky", 3, brick_pixels=450, seed=11, hosts_per_brick=4, failures=("truncated", "missing_band")
    )
    names = [brick.name for brick in bricks]
    hosts = select_hosts([root / "sky" / tractor_path(names[0])])
    hosts = read(to_bytes(hosts.replace_schema_metadata(None)), HOSTS, "hosts")
    store = FolderStore(root / "bucket")
    cached = {name: cache_brick(store, FolderSource(root / "sky"), name) for name in names}
    return SimpleNamespace(sky=root / "sky", names=names, hosts=hosts, store=store, cached=cached)
