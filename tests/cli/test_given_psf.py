"""Images without psfsize maps: --psf lets their owner go on, and the gate says so."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from cli.skies import with_psf
from cli.workspace import Workspace
from physics.psf import fwhm_over_psfsize
from pipeline.errors import InputError
from pipeline.given_psf import psfsize_of_bricks
from pipeline.host_psf import psf_of_host
from pipeline.schema import BANDS, METRICS
from pipeline.tier import load_tier
from survey.errors import CutoutError
from survey.layout import coadd_path
from tests.cli.conftest import darkhalo
from tests.pipeline.test_host_stamp import cutout
from tests.survey.test_plain import BRICK, put_images

pytestmark = pytest.mark.xdist_group("runs")


@pytest.fixture(scope="module")
def plain_sky(good_run, workspace, tmp_path_factory):
    """The clean run's sky, of which images, invvar and the catalogue are left."""
    made = next(path for path in (workspace / "sky").iterdir() if path.name.startswith("synthetic"))
    plain = tmp_path_factory.mktemp("plain") / "sky"
    shutil.copytree(made, plain, ignore=shutil.ignore_patterns("*-psfsize-*", "*-maskbits*", "*.sha256sum"))
    return plain


def test_a_run_on_plain_images_goes_on_and_is_warned_of(plain_sky, workspace):
    answer = darkhalo("run", "debug", "--bricks", 3, "--sky", plain_sky, "--psf", "1.0,0.95,0.9",
                      "--workspace", workspace, "--json")  # fmt: skip
    checks = {check["name"]: check for check in answer.json["checks"]}
    assert checks["psf_provenance"]["status"] == "WARN", answer.err
    assert "of 54 hosts it was given by hand" in checks["psf_provenance"]["message"]
    assert answer.json["quarantined"] == 0
    question = "SELECT DISTINCT psf_source_r, psf_fwhm_used_g, psf_fwhm_used_z FROM metrics"
    said = darkhalo("query", answer.json["run_id"], question, "--workspace", workspace, "--json").json["rows"]
    assert [row["psf_source_r"] for row in said] == ["given"]
    assert said[0]["psf_fwhm_used_g"] == pytest.approx(1.0, rel=1e-6)
    assert said[0]["psf_fwhm_used_z"] == pytest.approx(0.9, rel=1e-6)


def test_a_sky_with_sizes_of_its_own_takes_none(good_run, workspace, plain_sky, tmp_path):
    made = next(path for path in (workspace / "sky").iterdir() if path.name.startswith("synthetic"))
    answer = darkhalo("cache", "debug", "--bricks", 3, "--sky", made, "--psf", 1.2, "--workspace", tmp_path)
    assert answer.code == 2
    assert "the sky has PSF sizes of its own; leave --psf out" in answer.err


def test_a_csv_gives_each_brick_its_own(tmp_path):
    tier, csv = load_tier("debug"), tmp_path / "psf.csv"
    csv.write_text("brickname,fwhm_g,fwhm_r,fwhm_z\n0001p000,1.4,1.2,1.1\n")
    psfsize_of = psfsize_of_bricks(str(csv), tier)
    ratio = fwhm_over_psfsize("moffat", tier.psf.beta)
    assert psfsize_of("0001p000") == pytest.approx([width / ratio for width in (1.4, 1.2, 1.1)])
    with pytest.raises(InputError, match="has no row for brick 0002p000; add one"):
        psfsize_of("0002p000")


@pytest.mark.parametrize(("text", "message"), [
    ("0", "a FWHM of 0 arcsec; give 0.53 to 3.8"),
    ("nan", "a FWHM of nan arcsec; give 0.53 to 3.8"),
    ("1_0", "is no number and no CSV that can be read"),
    ("1.2,1.1", "give one FWHM, or one for each of g, r, z"),
    ("nothing.csv", "is no number and no CSV that can be read"),
])  # fmt: skip
def test_what_is_no_psf_is_one_line(text, message):
    with pytest.raises(InputError, match=message):
        psfsize_of_bricks(text, load_tier("debug"))


@pytest.mark.parametrize(("row", "message"), [
    ("0001p000,1.4,1.2", "line 2: needs the columns brickname, fwhm_g, fwhm_r, fwhm_z"),
    ("0001p000,1.4,wide,1.1", "line 2: could not convert string to float: 'wide'; give arcsec"),
    ("0001p000,1.4,-1,1.1", "line 2: a FWHM of -1 arcsec; give 0.53 to 3.8"),
    ("0001p000,1,1,1\n0001p000,1,1,1", "line 3: brick 0001p000 a second time"),
])  # fmt: skip
def test_what_is_wrong_in_a_csv_is_named_by_its_line(row, message, tmp_path):
    (tmp_path / "psf.csv").write_text(f"brickname,fwhm_g,fwhm_r,fwhm_z\n{row}\n")
    with pytest.raises(InputError, match=message):
        psfsize_of_bricks(str(tmp_path / "psf.csv"), load_tier("debug"))


def test_a_csv_as_spreadsheets_write_it_is_read(tmp_path):
    csv = tmp_path / "psf.csv"
    csv.write_text("brickname,fwhm_g,fwhm_r,fwhm_z\n0001p000,1,1,1\n", encoding="utf-8-sig")
    psfsize_of_bricks(str(csv), load_tier("debug"))("0001p000")
    csv.write_text(f"brickname,fwhm_g,fwhm_r,fwhm_z\n{'1' * 200_000},1,1,1\n")
    with pytest.raises(InputError, match="no CSV that can be read .field larger than"):
        psfsize_of_bricks(str(csv), load_tier("debug"))


@pytest.mark.parametrize("n_pix", [40, 64, 101])
def test_every_width_that_is_taken_gives_a_stamp_and_a_row(n_pix):
    tier = replace(load_tier("debug"), n_pix=n_pix)
    with pytest.raises(InputError) as told:
        psfsize_of_bricks("99", tier)
    ends = [float(word) for word in str(told.value).rpartition("give ")[2].split(" to ")]
    for width, beyond in zip(ends, (-0.02, 0.02), strict=True):
        sizes = np.array(psfsize_of_bricks(str(width), tier)("0001p000"), np.float32)
        _, columns = psf_of_host(cutout(psfsize=sizes, psf_source=("given",) * 3), tier, None)
        row = {**columns, **{f"psfsize_{band}": float(size) for band, size in zip(BANDS, sizes, strict=True)}}
        for value, column in ((row[c.name], c) for c in METRICS.columns if c.name in row and c.low):
            assert column.low <= value <= column.high, column.name
        with pytest.raises(InputError, match="a FWHM of"):
            psfsize_of_bricks(str(width + beyond), tier)
        with pytest.raises(CutoutError) as refused:
            psf_of_host(cutout(psfsize=sizes * (1 + beyond), psf_source=("given",) * 3), tier, None)
        assert refused.value.reason == "psf_out_of_range"


def test_images_that_were_replaced_make_another_sky(tmp_path):
    """So no psfsize map of the old images' shape stands beside the new ones."""
    tier, where = load_tier("debug"), Workspace(tmp_path / "workspace")
    put_images(tmp_path / "images", 120)

    def completed() -> Path:
        return Path(with_psf(tmp_path / "images", [BRICK], "1.0", tier, where).removeprefix("file://"))

    first = completed()
    assert completed() == first
    put_images(tmp_path / "images", 130)
    assert fits.getdata(completed() / coadd_path("psfsize", BRICK, "g"), 1).shape == (130, 130)


def test_a_sky_that_is_no_folder_takes_no_psf(tmp_path):
    answer = darkhalo("run", "debug", "--psf", 1.2, cwd=tmp_path)
    assert answer.code == 2
    assert answer.err == "darkhalo: --psf 1.2: is for a folder of images; --sky synthetic is none\n"
