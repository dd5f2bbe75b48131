from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy_healpix import HEALPix
from hypothesis import given
from hypothesis import strategies as st

from cli.hosts import hosts as hosts_command
from survey.bricks import brick_at, brick_named
from survey.errors import CatalogueError
from survey.host_files import hosts_by_group, write_hosts
from survey.hosts import (
    HOST_SCHEMA,
    HostCuts,
    HostRules,
    Tally,
    host_batches,
    region_of_brick,
    select_hosts,
)
from survey.known_lenses import DEFAULT_RADIUS_ARCSEC, KnownLenses, read_known_lenses
from survey.layout import tractor_path
from survey.maskbits import MASK_BITS

SWEEPS = "desitarget_tables/sweep-3*.fits"


def expected_ids(paths) -> list[str]:
    """The selection row by row, as facts and the survey's pages write it."""
    ids = []
    for path in paths:
        for row in fits.getdata(path, 1):
            flux = {b: row[f"FLUX_{b}"] / row[f"MW_TRANSMISSION_{b}"] for b in ("R", "Z", "W1")}
            if row["TYPE"].strip() == "PSF" or min(flux.values()) <= 0 or not row["EBV"] < 0.1:
                continue
            r, z, w1 = (22.5 - 2.5 * np.log10(flux[b]) for b in ("R", "Z", "W1"))
            if z - w1 > 0.8 * (r - z) - 0.6 and 17 < z < 21 and r < 23:
                ids.append((row["BRICKNAME"], f"{row['RELEASE']}-{row['BRICKID']}-{row['OBJID']}"))
    return [host for _, host in sorted(ids)]


def test_real_sweep_rows(real_data):
    paths = sorted(real_data.glob(SWEEPS))
    table = select_hosts(paths)
    assert table.schema == HOST_SCHEMA
    assert table["host_id"].to_pylist() == expected_ids(paths)
    assert len(table) == 6
    assert table.slice(0, 1)["host_type"].to_pylist() == ["EXP"]
    # numbers of that row, by hand from the file: EXP shape, magnitude behind 0.0709 mag of E(B-V)
    row = table.slice(0, 1).to_pylist()[0]
    assert row["host_id"] == "8000-312906-0"
    assert row["flux_r_nmgy"] == pytest.approx(25.780472, rel=1e-6)
    assert row["mag_r"] == pytest.approx(22.5 - 2.5 * np.log10(25.780472) - 2.165 * 0.0708692, abs=2e-3)
    assert row["shape_r_arcsec"] == pytest.approx(0.625123, rel=1e-5)
    assert row["psfsize_r_arcsec"] is None  # DR8 has no such column
    assert row["psfdepth_r"] == pytest.approx(553.25177, rel=1e-6)


def test_real_tractor_rows_count_the_same_way(real_data):
    paths = sorted(real_data.glob("desitarget_tables/tractor-*.fits"))
    found = set(select_hosts(paths)["host_id"].to_pylist())
    outside = set(expected_ids(paths)) - found  # of a neighbour brick: tractor files list those too
    assert found
    for host in outside:
        brickid, objid = (int(part) for part in host.split("-")[1:])
        for path in paths:
            for row in fits.getdata(path, 1):
                if (row["BRICKID"], row["OBJID"]) == (brickid, objid):
                    assert not brick_named(row["BRICKNAME"]).owns(row["RA"], row["DEC"])


def test_reading_by_parts_changes_nothing(real_data):
    paths = sorted(real_data.glob(SWEEPS))
    assert select_hosts(paths, HostRules(rows_per_read=2)).equals(select_hosts(paths))


def test_hosts_of_the_synthetic_sky(sky):
    table = select_hosts([sky.folder / tractor_path(brick.name) for brick in sky.bricks])
    assert table.schema == HOST_SCHEMA
    assert table.num_rows == 5 * len(sky.bricks)
    keys = list(zip(table["brickname"].to_pylist(), table["host_id"].to_pylist(), strict=True))
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert all(column.null_count == 0 for column in table.columns)
    for row in table.to_pylist():
        brick = brick_at(row["ra"], row["dec"])
        assert brick.name == row["brickname"]
        assert row["region_id"] == region_of_brick(brick)
        assert 17 < row["mag_z"] < 21
    assert pc.min(table["psfsize_g_arcsec"]).as_py() > 0.5


def test_each_synthetic_brick_lists_a_host_of_its_neighbour(sky):
    for brick in sky.bricks:
        rows = fits.getdata(sky.folder / tractor_path(brick.name), 1)
        mags = [
            22.5 - 2.5 * np.log10(np.maximum(rows[f"flux_{b}"] / rows[f"mw_transmission_{b}"], 1e-9))
            for b in ("r", "z", "w1")
        ]
        red = HostCuts().passes(*mags, rows["ebv"]) & ~np.isin(rows["type"], ["PSF", "DUP"])
        assert red[~rows["brick_primary"]].sum() == 1
        assert red[rows["brick_primary"]].sum() == 5


def copied(sky, tmp_path, change) -> str:
    """A tractor file with its table changed."""
    with fits.open(sky.folder / tractor_path(sky.bricks[0].name)) as hdus:
        rows = np.array(hdus[1].data)
    path = tmp_path / "tractor.fits"
    fits.BinTableHDU(change(rows)).writeto(path, overwrite=True)
    return str(path)


def test_a_source_of_two_files_is_refused(sky):
    path = sky.folder / tractor_path(sky.bricks[0].name)
    with pytest.raises(CatalogueError, match="was already read from .*; give each file once"):
        select_hosts([path, path])


def test_only_a_bricks_own_sources_count(sky, tmp_path):
    brick = sky.bricks[0]
    everything = select_hosts([sky.folder / tractor_path(brick.name)])

    def move_first_host(rows):
        host = int(everything["host_id"][0].as_py().split("-")[2])
        rows["ra"][rows["objid"] == host] = brick.ra2 + 1e-4
        return rows

    def disown_first_host(rows):
        host = int(everything["host_id"][0].as_py().split("-")[2])
        rows["brick_primary"][rows["objid"] == host] = False
        return rows

    for change in (move_first_host, disown_first_host):
        left = select_hosts([copied(sky, tmp_path, change)])
        assert left["host_id"].to_pylist() == everything["host_id"].to_pylist()[1:]


def test_point_sources_and_flux_less_duplicates_are_no_hosts(sky, tmp_path):
    for kind in (b"PSF", b"DUP"):

        def retype(rows, kind=kind):
            rows["type"] = kind
            return rows

        assert select_hosts([copied(sky, tmp_path, retype)]).num_rows == 0

    def no_flux(rows):
        rows["flux_g"] = -0.1
        rows["flux_w1"][:3] = 0.0
        return rows

    table = select_hosts([copied(sky, tmp_path, no_flux)])
    assert table.num_rows == 5
    assert table["mag_g"].null_count == 5


def test_without_transmission_columns_ebv_gives_the_extinction(sky, tmp_path):
    def drop(rows):
        kept = [name for name in rows.dtype.names if not name.startswith("mw_")]
        return np.rec.fromarrays([rows[name] for name in kept], names=kept)

    plain = select_hosts([sky.folder / tractor_path(sky.bricks[0].name)])
    again = select_hosts([copied(sky, tmp_path, drop)])
    for band in ("g", "r", "z", "w1"):
        assert np.allclose(again[f"mag_{band}"], plain[f"mag_{band}"], atol=1e-5)


def test_files_that_are_no_catalogues(sky, tmp_path):
    with pytest.raises(CatalogueError, match="no such file"):
        select_hosts([tmp_path / "absent.fits"])
    path = tmp_path / "other.fits"
    path.write_text("<html>")
    with pytest.raises(CatalogueError, match=r"other\.fits: not a FITS file"):
        select_hosts([path])
    fits.BinTableHDU(np.rec.fromarrays([np.arange(3)], names=["ra"])).writeto(path, overwrite=True)
    with pytest.raises(CatalogueError, match="no column release, brickid"):
        select_hosts([path])


def test_no_files_give_an_empty_table():
    assert select_hosts([]).equals(pa.Table.from_batches([], schema=HOST_SCHEMA))


@pytest.mark.parametrize(
    ("r", "z", "w1", "ebv", "passed"),
    [
        (20.0, 19.0, 18.79, 0.05, True),  # on the line z - W1 = 0.2 at r - z = 1: just redder
        (20.0, 19.0, 18.81, 0.05, False),
        (19.0, 19.0, 19.59, 0.05, True),  # the line at r - z = 0: -0.6
        (19.0, 19.0, 19.61, 0.05, False),
        (18.0, 17.01, 15.0, 0.05, True),
        (18.0, 16.99, 15.0, 0.05, False),
        (22.5, 20.99, 18.0, 0.05, True),
        (22.5, 21.01, 18.0, 0.05, False),
        (22.99, 20.9, 18.0, 0.05, True),
        (23.01, 20.9, 18.0, 0.05, False),
        (20.0, 19.0, 18.0, 0.0999, True),
        (20.0, 19.0, 18.0, 0.1001, False),
    ],
)
def test_the_edges_of_the_cut(r, z, w1, ebv, passed):
    assert HostCuts().passes(*(np.array([v]) for v in (r, z, w1, ebv))).tolist() == [passed]


@given(st.floats(15, 23), st.floats(-1, 3), st.floats(-3, 3), st.floats(0, 0.2))
def test_the_cut_is_the_formula(z, r_z, z_w1, ebv):
    passed = HostCuts().passes(*(np.array([v]) for v in (z + r_z, z, z - z_w1, ebv)))[0]
    r, w1 = z + r_z, z - z_w1
    assert passed == ((z - w1) > 0.8 * (r - z) - 0.6 and 17 < z < 21 and r < 23 and ebv < 0.1)


def test_regions_are_those_of_the_bricks_centre():
    brick = brick_named("0591m305")
    grid = HEALPix(nside=64, order="nested", frame="icrs")
    assert region_of_brick(brick) == grid.skycoord_to_healpix(
        SkyCoord(brick.ra * units.deg, brick.dec * units.deg, frame="icrs")
    )


def test_masked_sources_are_no_hosts(sky, tmp_path):
    everything = select_hosts([sky.folder / tractor_path(sky.bricks[0].name)])
    first, second = everything["host_id"].to_pylist()[:2]

    def mask(rows):
        for host, bit in ((first, "BRIGHT"), (second, "MEDIUM")):  # MEDIUM is no bad bit
            rows["maskbits"][rows["objid"] == int(host.split("-")[2])] = 1 << MASK_BITS[bit]
        return rows

    left = select_hosts([copied(sky, tmp_path, mask)])["host_id"].to_pylist()
    assert left == everything["host_id"].to_pylist()[1:]


def test_hosts_near_known_lenses_are_left_out(sky):
    """Three lenses: 11.9 arcsec east of a host, 12.1 arcsec north of another, on a third."""
    paths = [sky.folder / tractor_path(brick.name) for brick in sky.bricks]
    everything = select_hosts(paths)
    rows = everything.to_pylist()
    east = rows[0]["ra"] + 11.9 / 3600 / np.cos(np.radians(rows[0]["dec"])) - 360.0  # of another turn
    lenses = KnownLenses(
        [east, rows[7]["ra"], rows[12]["ra"]],
        [rows[0]["dec"], rows[7]["dec"] + 12.1 / 3600, rows[12]["dec"]],
    )
    left = select_hosts(paths, HostRules(lenses=lenses))["host_id"].to_pylist()
    gone = [row["host_id"] for row in rows if row["host_id"] not in left]
    assert gone == [rows[0]["host_id"], rows[12]["host_id"]]


def test_distances_across_the_origin_and_at_the_pole():
    lenses = KnownLenses([0.001, 200.0], [0.0, 89.9999], radius_arcsec=8.0)
    assert lenses.near([359.9991, 359.998, 20.0, 0.001], [0.0, 0.0, 89.99995, 0.01]).tolist() == [
        True, False, True, False
    ]  # fmt: skip
    assert KnownLenses([], []).near([1.0], [2.0]).tolist() == [False]


def test_the_default_radius_covers_a_stamp():
    assert 64 * 0.262 * np.sqrt(2) / 2 < DEFAULT_RADIUS_ARCSEC < 64 * 0.262
    [radius] = [option.default for option in hosts_command.params if option.name == "radius"]
    assert radius == DEFAULT_RADIUS_ARCSEC


def test_real_lenses_are_read(real_data):
    lenses = read_known_lenses(real_data / "lens_catalogues/stein2022_training_lenses.tsv")
    assert len(lenses) == 1615
    assert lenses.near([17.48153, 310.35416 + 0.1], [4.160626, -55.245926]).tolist() == [True, False]


def test_folders_of_hosts_are_those_of_the_table_by_degree(sky, tmp_path):
    """Whatever the parts and however often: the same bytes; no file of the work is left."""
    paths = [sky.folder / tractor_path(brick.name) for brick in sky.bricks]
    expected = select_hosts(paths)
    tally = write_hosts(paths, tmp_path / "a", HostRules())
    assert tally.hosts == len(expected)
    assert pa.concat_tables(hosts_by_group(tmp_path / "a")).equals(expected)
    groups = {path.parent.name.removeprefix("brick_group="): path for path in tmp_path.glob("a/*/*")}
    assert set(groups) == {name[:3] for name in expected["brickname"].to_pylist()}
    for group, path in groups.items():
        assert all(name.startswith(group) for name in pq.read_table(path)["brickname"].to_pylist())
    write_hosts(paths[::-1], tmp_path / "b", HostRules(rows_per_read=100))
    for path in groups.values():
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
    write_hosts(paths, tmp_path / "a", HostRules())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    with pytest.raises(CatalogueError, match="holds something else"):
        write_hosts(paths[1:], tmp_path / "a", HostRules())
    with pytest.raises(CatalogueError, match="no brick_group="):
        list(hosts_by_group(tmp_path))


def test_every_row_is_counted_under_one_rule(sky):
    paths = [sky.folder / tractor_path(brick.name) for brick in sky.healthy]
    tally = Tally()
    for number, path in enumerate(paths):
        for _ in host_batches(number, path, HostRules(), tally):
            pass
    counts = asdict(tally)
    rows = counts.pop("rows")
    assert rows == sum(len(fits.getdata(path, 1)) for path in paths) == sum(counts.values())
    assert tally.not_owned == len(paths)  # a neighbour's host in each
