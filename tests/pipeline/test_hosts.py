"""A host catalogue read in pieces: the same whatever the pieces, and refused as a whole."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline import hosts as module
from pipeline.errors import InputError
from tests.pipeline.conftest import make_hosts, write_hosts


def test_the_index_is_the_same_whatever_the_pieces(tmp_path, monkeypatch):
    hosts = make_hosts(n_bricks=7, hosts_per_brick=13)
    whole = write_hosts(hosts, tmp_path).index(3)
    assert [len(whole.rows(brick)) for brick in range(7)] == [13] * 7
    for size in (1, 5, 13, 50):
        monkeypatch.setattr(module, "BATCH", size)
        index = write_hosts(hosts, tmp_path).index(3)
        assert index.bricks == whole.bricks
        for name in ("first", "counts", "regions", "keys", "edge_arcsec"):
            assert np.array_equal(getattr(index, name), getattr(whole, name)), name


def test_edge_distances_are_those_of_the_nearest_side(tmp_path):
    hosts = make_hosts(n_bricks=1, hosts_per_brick=200)
    index = write_hosts(hosts, tmp_path).index(3)
    (brick,) = index.bricks
    ra, dec = hosts["ra"].to_numpy(), hosts["dec"].to_numpy()
    shrink = np.cos(np.radians(max(abs(brick.dec1), abs(brick.dec2))))
    sides = [(ra - brick.ra1) * shrink, (brick.ra2 - ra) * shrink, dec - brick.dec1, brick.dec2 - dec]
    assert index.edge_arcsec == pytest.approx(3600 * np.min(sides, axis=0), abs=1e-3)


@pytest.mark.parametrize("size", [10, 65_536])
def test_a_host_that_stands_twice_is_named_wherever_it_is(tmp_path, monkeypatch, size):
    monkeypatch.setattr(module, "BATCH", size)
    hosts = make_hosts(n_bricks=4, hosts_per_brick=20)
    ids = hosts["host_id"].to_pylist()
    ids[70] = ids[3]
    index = hosts.schema.get_field_index("host_id")
    twice = hosts.set_column(index, hosts.schema.field("host_id"), pa.array(ids))
    with pytest.raises(InputError, match="hosts.parquet: host_id 10000-0-3 stands twice"):
        write_hosts(twice, tmp_path).index(3)


def test_a_large_catalogue_out_of_order_is_refused_with_the_mend(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_UNSORTED", 100)
    hosts = make_hosts(n_bricks=6)
    backwards = hosts.take(np.arange(len(hosts))[::-1])
    with pytest.raises(
        InputError, match="bricknames are not in order; sort its 150 rows by brickname, host_id"
    ):
        write_hosts(backwards, tmp_path).index(3)


def test_an_empty_catalogue_and_one_that_is_no_parquet_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no host"):
        write_hosts(make_hosts().slice(0, 0), tmp_path).index(3)
    (tmp_path / "x.parquet").write_bytes(b"text")
    with pytest.raises(InputError, match="x: not a Parquet file"):
        module.HostCatalogue(tmp_path / "x.parquet", "x")


def test_shapes_are_read_where_they_are_and_null_where_not(tmp_path):
    hosts = make_hosts(n_bricks=2)
    shaped = hosts.append_column("shape_e1", pa.array([0.1] * len(hosts)))
    (batch,) = write_hosts(shaped, tmp_path).batches()
    assert batch["shape_e1"].to_pylist() == [0.1] * len(hosts)
    assert batch["shape_e2"].null_count == len(hosts)
    broken = hosts.append_column("shape_e1", pa.array([0.1, 1.5, *[0.0] * (len(hosts) - 2)]))
    with pytest.raises(InputError, match="row 10000-0-1: shape_e1 is 1.5"):
        write_hosts(broken, tmp_path).index(3)


@pytest.mark.parametrize("changed", [10, 13])
def test_a_brick_of_two_regions_is_refused_wherever_the_pieces_end(tmp_path, monkeypatch, changed):
    monkeypatch.setattr(module, "BATCH", 10)
    hosts = make_hosts(n_bricks=1, hosts_per_brick=20)
    regions = pa.array(np.where(np.arange(20) < changed, 5, 6))
    at = hosts.schema.get_field_index("region_id")
    divided = hosts.set_column(at, hosts.schema.field("region_id"), regions)
    with pytest.raises(InputError, match="has more than one region_id"):
        write_hosts(divided, tmp_path).index(3)
