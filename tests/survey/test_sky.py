import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from survey import sky as sky_module
from survey.bricks import brick_named
from survey.cache import FolderSource, fetch_brick
from survey.coadd import BrickReader, Cutout, CutoutError
from survey.errors import BrickError, SurveyError
from survey.hosts import region_of_brick, select_hosts
from survey.layout import BRICKS_TABLE, brick_files, coadd_path, parse_path, sha256_path, tractor_path
from survey.sky import FORMAT, write_sky
from survey.synthetic.footprint import choose_bricks, galactic_latitude_deg, is_north
from survey.synthetic.window import FULL_PIXELS, primary_mask, window_wcs
from tests.survey.conftest import cut_many, point_source_depth

SMALL = {"brick_pixels": 300, "hosts_per_brick": 2, "seed": 11}


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_the_same_options_give_the_same_bytes(tmp_path):
    seen = []
    options = {**SMALL, "failures": ("truncated",)}
    bricks = write_sky(tmp_path / "a", 3, **options, progress=seen.append)
    assert seen == bricks
    assert write_sky(tmp_path / "b", 3, **options, workers=2) == bricks
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    other = {**options, "seed": 12}
    write_sky(tmp_path / "c", 1, **{**other, "failures": ()})
    assert not set(digest(tmp_path / "a").values()) & set(digest(tmp_path / "c").values())


def test_complete_bricks_are_kept_and_interrupted_ones_made_again(tmp_path, monkeypatch):
    bricks = write_sky(tmp_path, 2, **SMALL)
    before = digest(tmp_path)
    (tmp_path / tractor_path(bricks[1].name)).unlink()  # as if stopped before the last rename
    written = []
    write = sky_module.write_brick

    def noting(folder, plan):
        written.append(plan.brick)
        write(folder, plan)

    monkeypatch.setattr(sky_module, "write_brick", noting)
    write_sky(tmp_path, 2, **SMALL)
    assert written == [bricks[1]]
    assert digest(tmp_path) == before


def test_a_brick_is_whole_or_absent(tmp_path, monkeypatch):
    def full_disk(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("survey.synthetic.writer.tractor_columns", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_sky(tmp_path, 1, **SMALL)
    assert not list(tmp_path.rglob("*.fz"))


def test_more_bricks_may_be_added_and_failures_moved(tmp_path):
    first = write_sky(tmp_path, 1, **SMALL, failures=("missing_band",))
    assert not (tmp_path / coadd_path("image", first[0].name, "r")).exists()
    more = write_sky(tmp_path, 2, **SMALL, failures=("missing_band",))
    assert (tmp_path / coadd_path("image", first[0].name, "r")).exists()
    assert not (tmp_path / coadd_path("image", more[1].name, "r")).exists()
    write_sky(tmp_path / "other", 2, **SMALL, failures=("missing_band",))
    again = digest(tmp_path / "other")
    here = {name: sha for name, sha in digest(tmp_path).items() if not name.startswith("other/")}
    assert here == again


def test_a_folder_of_another_sky_is_refused(tmp_path):
    write_sky(tmp_path / "a", 1, **SMALL)
    with pytest.raises(SurveyError, match="holds a sky of .*seed=11; ask for the same"):
        write_sky(tmp_path / "a", 1, **{**SMALL, "seed": 12})
    record = tmp_path / "a/sky.json"
    record.write_text(record.read_text().replace(f'"format": {FORMAT}', '"format": 0'))
    with pytest.raises(SurveyError, match="of another version of this program; remove it"):
        write_sky(tmp_path / "a", 1, **SMALL)
    (tmp_path / "b/coadd").mkdir(parents=True)
    with pytest.raises(SurveyError, match="no synthetic sky"):
        write_sky(tmp_path / "b", 1, **SMALL)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"brick_pixels": 299}, "brick_pixels=299"),
        ({"brick_pixels": 3601}, "brick_pixels=3601"),
        ({"brick_pixels": 502}, "not 1 to 3 above a multiple of 100"),
        ({"seed": -1}, "seed=-1"),
        ({"failures": ("typo",)}, "failures=typo: unknown; choose from half_covered"),
        ({"failures": ("bailout", "bailout", "bailout")}, "3 failures need as many bricks"),
        ({"hosts_per_brick": 0}, "hosts_per_brick=0"),
        ({"hosts_per_brick": 200}, "hosts_per_brick=200: only .* fit"),
        ({"workers": 0}, "workers=0"),
    ],
)
def test_options_out_of_range_are_refused(tmp_path, options, what):
    with pytest.raises(SurveyError, match=what):
        write_sky(tmp_path, 2, **{**SMALL, **options})


@pytest.mark.parametrize("seed", [0, 5])
def test_bricks_spread_over_the_survey(seed):
    bricks = choose_bricks(700, seed)
    assert len({brick.name for brick in bricks}) == 700
    assert len({region_of_brick(brick) for brick in bricks}) == 700
    assert all(brick_named(brick.name) == brick for brick in bricks)
    assert all(abs(galactic_latitude_deg(brick.ra, brick.dec)) > 20 for brick in bricks)
    assert 0.1 < np.mean([is_north(brick) for brick in bricks]) < 0.5
    assert choose_bricks(40, seed) == bricks[:40]
    assert bricks[1].ra1 == 0.0
    assert bricks[2].dec > 79


def test_galactic_latitude():
    assert galactic_latitude_deg(192.85948, 27.12825) == pytest.approx(90.0, abs=1e-4)
    assert galactic_latitude_deg(266.405, -28.936) == pytest.approx(0.0, abs=0.01)


def test_a_small_brick_is_a_window_of_the_real_one(sky):
    for brick in sky.bricks:
        wcs = window_wcs(brick, 450, 7)
        assert (wcs.ra0, wcs.dec0) == (brick.ra, brick.dec)
        x, y = (np.array([0, 449]) + 1799.5 - v for v in (wcs.x0, wcs.y0))
        assert x.min() >= 0 and y.min() >= 0 and x.max() <= 3599 and y.max() <= 3599
        assert 0.05 < 1 - primary_mask(brick, wcs, 450).mean() < 0.30
    full = window_wcs(sky.bricks[0], FULL_PIXELS, 7)
    assert (full.x0, full.y0) == (1799.5, 1799.5)
    places = full.to_sky(*np.meshgrid(np.arange(0, FULL_PIXELS, 12), np.arange(0, FULL_PIXELS, 12)))
    assert 0.085 < 1 - sky.bricks[0].owns(*places).mean() < 0.115


def test_the_brick_at_right_ascension_zero_reaches_over_it(sky):
    brick = sky.bricks[1]
    ra, _ = window_wcs(brick, 450, 7).to_sky(np.arange(450), np.full(450, 200))
    assert brick.ra1 == 0.0
    assert ra.min() < 0.1
    assert ra.max() > 359.9


def test_files_are_the_surveys(sky):
    for brick in sky.healthy:
        paths = [p for p in sky.folder.rglob(f"*{brick.name}*") if p.is_file()]
        assert {parse_path(str(p.relative_to(sky.folder))).brick for p in paths} == {brick.name}
        assert len(paths) == 12
        sums = dict(
            reversed(line.split()) for line in (sky.folder / sha256_path(brick.name)).read_text().splitlines()
        )
        for relative in brick_files(brick.name):
            content = (sky.folder / relative).read_bytes()
            assert sums[Path(relative).name] == hashlib.sha256(content).hexdigest()
    assert not list(sky.folder.glob(".writing*"))


def test_the_table_of_bricks_is_the_surveys(sky, real_data):
    table = fits.getdata(sky.folder / BRICKS_TABLE, 1)
    real = fits.getdata(real_data / "legacypipe_bricks/survey-bricks-testcase3.fits.gz", 1)
    assert table.dtype.names == real.dtype.names[: len(table.dtype.names)]
    assert sorted(table["brickname"]) == sorted(brick.name for brick in sky.bricks)
    for row in table:
        assert brick_named(row["brickname"]).brickid == row["brickid"]
        assert row["brickq"] == row["brickcol"] % 2 + 2 * (row["brickrow"] % 2)
    # row and column by the survey's own numbers, of a real brick
    made = brick_named(real["brickname"][0])
    assert real["brickrow"][0] == round((made.dec + 90) / 0.25)


def test_every_host_gets_its_stamp(sky):
    for brick in sky.healthy:
        hosts = select_hosts([sky.folder / tractor_path(brick.name)]).to_pylist()
        assert len(hosts) >= 5
        with BrickReader(sky.folder, brick.name) as reader:
            stamps = cut_many(reader, [(host["ra"], host["dec"]) for host in hosts], 101)
        for host, stamp in zip(hosts, stamps, strict=True):
            assert isinstance(stamp, Cutout), stamp
            assert stamp.psf_source == ("map",) * 3
            assert stamp.psfsize == pytest.approx([host[f"psfsize_{b}_arcsec"] for b in "grz"], rel=1e-6)
            # the host is where the catalogue says, and the brightest thing around it in z
            core = stamp.image[2, 45:56, 45:56]
            row, column = np.unravel_index(core.argmax(), core.shape)
            where = np.array([column, row]) - 5 - np.array(stamp.center) / 0.262
            assert np.hypot(*where) < 1.6
            depth = 22.5 - 2.5 * np.log10(5 / np.sqrt([host[f"psfdepth_{b}"] for b in "grz"]))
            measured = [
                point_source_depth(float(np.median(w[w > 0])), float(p))
                for w, p in zip(stamp.invvar, stamp.psfsize, strict=True)
            ]
            assert measured == pytest.approx(depth, abs=0.35)


def test_failing_bricks_fail_by_their_reason(sky, tmp_path):
    reasons = {}
    for failure in ("missing_band", "truncated"):
        brick = sky.failing(failure).name
        with pytest.raises(BrickError) as caught, BrickReader(sky.folder, brick):
            pass
        assert brick in caught.value.path
        reasons[failure] = caught.value.reason
        assert len(select_hosts([sky.folder / tractor_path(brick)])) == 5
    assert reasons == {name: name for name in reasons}
    with pytest.raises(BrickError) as caught:
        fetch_brick(FolderSource(sky.folder), sky.failing("truncated").name, tmp_path)
    assert caught.value.reason == "hash_mismatch"
    for failure in ("bailout", "half_covered"):  # whole files: only their pixels tell
        assert len(fetch_brick(FolderSource(sky.folder), sky.failing(failure).name, tmp_path)) == 10


def test_stamps_that_the_survey_gave_up_on_are_refused_one_by_one(sky):
    """BAILOUT covers the lower 80 % of the brick; a stamp that lies half on it still counts."""
    with BrickReader(sky.folder, sky.failing("bailout").name) as reader:
        places = [reader.wcs.to_sky(225.0, y) for y in (100.0, 357.0, 362.0, 400.0)]
        stamps = cut_many(reader, places, 64)
    assert [isinstance(stamp, Cutout) for stamp in stamps] == [False, False, True, True]
    assert {stamp.reason for stamp in stamps[:2]} == {"bailout"}


def test_a_half_covered_brick_loses_the_stamps_of_its_empty_half(sky):
    brick = sky.failing("half_covered").name
    hosts = select_hosts([sky.folder / tractor_path(brick)]).to_pylist()
    assert len(hosts) == 5
    with BrickReader(sky.folder, brick) as reader:
        wcs = reader.wcs
        places = [wcs.to_sky(x, 220.0) for x in (100.0, 245.0, 350.0)]
        covered, edge, empty = cut_many(reader, places, 64)
    assert isinstance(covered, Cutout)
    assert covered.psf_source == ("map",) * 3
    assert isinstance(edge, Cutout)
    assert edge.psf_source == ("brick_mean",) * 3
    assert np.all(edge.psfsize > 0.5)
    assert isinstance(empty, CutoutError)
    assert empty.reason == "no_coverage"


def test_the_record_says_what_the_sky_was_made_with(sky):
    record = json.loads((sky.folder / "sky.json").read_text())
    assert record["options"] == {"format": FORMAT, "seed": 7, "brick_pixels": 450, "hosts_per_brick": 5}
    assert record["failures"] == {
        sky.failing(name).name: name for name in ("half_covered", "missing_band", "truncated", "bailout")
    }
