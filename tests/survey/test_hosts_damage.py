"""Damaged sweeps and lists of lenses: exit code 2, one line that names the file, nothing written."""

import gzip

import numpy as np
import pytest
from astropy.io import fits

from cli.main import main
from survey.layout import tractor_path


@pytest.fixture
def sweep(sky, tmp_path):
    """A good catalogue to damage."""
    path = tmp_path / "sweep.fits"
    path.write_bytes((sky.folder / tractor_path(sky.healthy[0].name)).read_bytes())
    return path


def run(capsys, tmp_path, *arguments) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["hosts", *(str(a) for a in arguments), "--out", str(tmp_path / "out")])
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


def refused(capsys, tmp_path, *arguments) -> str:
    before = {path.name for path in tmp_path.iterdir()}
    code, out, err = run(capsys, tmp_path, *arguments)
    assert code == 2, err
    lines = [line for line in err.splitlines() if not line.startswith("hosts: ")]  # progress
    assert len(lines) == 1, err
    assert out == ""
    assert {path.name for path in tmp_path.iterdir()} == before
    return lines[0]


def change(path, changed) -> None:
    with fits.open(path) as hdus:
        rows = np.array(hdus[1].data)
    fits.BinTableHDU(changed(rows)).writeto(path, overwrite=True)


def planted(column, value):
    def plant(rows):
        rows[column][7] = value
        return rows

    return plant


def without(column):
    return lambda rows: rows[[name for name in rows.dtype.names if name != column]]


def retyped(column, kind):
    return lambda rows: rows.astype([(n, kind if n == column else rows.dtype[n]) for n in rows.dtype.names])


def widened(column):
    return lambda rows: rows.astype(
        [(n, (rows.dtype[n], 2) if n == column else rows.dtype[n]) for n in rows.dtype.names]
    )


def renamed_bricks(rows):
    rows["brickname"] = "9999x999"
    return rows


DAMAGE = {
    "no column": (without("flux_w1"), "no column flux_w1; give a sweep or tractor file"),
    "no mask": (without("maskbits"), "no column maskbits; give"),
    "no shape": (without("shape_r"), "no column fracdev; give"),
    "not finite": (planted("flux_z", np.nan), "row 7 (from 0), column flux_z is nan; remove the row"),
    "infinite": (planted("dec", np.inf), "row 7 (from 0), column dec is inf"),
    "no transmission": (planted("mw_transmission_r", 0.0), "row 7 (from 0), column mw_transmission_r is 0.0"),
    "text for numbers": (retyped("flux_r", "S8"), "column flux_r holds no numbers"),
    "vectors for numbers": (widened("ebv"), "column ebv holds no numbers"),
    "unknown bricks": (renamed_bricks, "brick name '9999x999' is none of the survey's"),
    "sources twice": (lambda rows: np.concatenate([rows, rows]), "was already read from"),
    "no galaxies": (lambda rows: rows[rows["type"] == "PSF"], "no host in"),
    "no rows": (lambda rows: rows[:0], "no host in 0 rows of 1 files"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_tables(damage, sweep, capsys, tmp_path):
    changed, message = DAMAGE[damage]
    change(sweep, changed)
    line = refused(capsys, tmp_path, sweep)
    assert str(sweep) in line
    assert message in line


@pytest.mark.parametrize("share", [0.0, 0.01, 0.6, 0.999])
def test_a_sweep_cut_short(share, sweep, capsys, tmp_path):
    content = sweep.read_bytes()
    sweep.write_bytes(content[: int(share * len(content))])
    assert f"{sweep}: " in (line := refused(capsys, tmp_path, sweep))
    assert "[truncated]" in line


def test_files_that_are_no_sweeps(sweep, sky, capsys, tmp_path):
    good = sweep.read_bytes()
    sweep.write_text("<html>Too many requests</html>")
    assert f"{sweep}: not a FITS file" in refused(capsys, tmp_path, sweep)
    sweep.write_bytes(gzip.compress(good))
    assert f"{sweep}: not a FITS file" in refused(capsys, tmp_path, sweep)
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(sweep, overwrite=True)
    assert f"{sweep}: HDU 1 holds no table" in refused(capsys, tmp_path, sweep)
    assert "absent.fits: no such file" in refused(capsys, tmp_path, tmp_path / "absent.fits")
    (tmp_path / "empty").mkdir()
    assert "empty: holds no FITS file" in refused(capsys, tmp_path, tmp_path / "empty")


def test_a_file_given_twice_and_a_brick_in_two_releases(sweep, sky, capsys, tmp_path):
    original = sky.folder / tractor_path(sky.healthy[0].name)
    assert f"was already read from {original}" in refused(capsys, tmp_path, original, sweep)

    def other_release(rows):
        rows["release"] = 9999
        return rows

    change(sweep, other_release)
    line = refused(capsys, tmp_path, original, sweep)
    assert "has hosts of releases" in line
    assert "give --release" in line
    assert run(capsys, tmp_path, original, sweep, "--release", "9999")[0] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column ra; its first line must name ra and dec"),
        ("name,ra\nx,1\n", "no column dec"),
        ("ra,dec\n10.0,5.0\n10:00:00,5.0\n", "line 3: ra, dec are 10:00:00, 5.0; give degrees"),
        ("ra,dec\n10.0\n", "line 2: ra, dec are 10.0, nothing"),
        ("ra,dec\n10.0,95\n", "line 2: ra, dec are 10.0, 95"),
        ("ra,dec\nnan,0\n", "line 2: ra, dec are nan, 0"),
    ],
)
def test_damaged_lists_of_lenses(text, message, sweep, capsys, tmp_path):
    lenses = tmp_path / "lenses.csv"
    lenses.write_text(text)
    line = refused(capsys, tmp_path, sweep, "--known-lenses", lenses)
    assert f"{lenses}: {message}" in line


def test_other_options(sweep, capsys, tmp_path):
    assert "lenses.csv: cannot be read" in refused(
        capsys, tmp_path, sweep, "--known-lenses", tmp_path / "lenses.csv"
    )
    assert "--radius 0: give" in refused(capsys, tmp_path, sweep, "--radius", "0")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    assert "out: holds something else" in refused(capsys, tmp_path, sweep)
    assert (tmp_path / "out" / "mine").read_text() == "x"
