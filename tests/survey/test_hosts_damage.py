"""Damaged sweeps and lists of lenses: exit code 2, one line that names the file, nothing written."""

import gzip
import json
import shutil
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from cli.main import main
from survey.host_files import hosts_by_group, write_hosts
from survey.hosts import HostRules, Tally, checked_hosts, host_batches
from survey.known_lenses import read_known_lenses
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


def chosen(path) -> tuple[dict, list[dict]]:
    """The counts of a catalogue, and its hosts."""
    tally = Tally()
    found = pa.Table.from_batches(host_batches(0, path, HostRules(), tally))
    return asdict(tally), checked_hosts(found, [path], tally).to_pylist()


def change(path, changed) -> None:
    with fits.open(path) as hdus:
        rows = np.array(hdus[1].data)
    fits.BinTableHDU(changed(rows)).writeto(path, overwrite=True)


def everywhere(column, value):
    def plant(rows):
        rows[column] = value
        return rows

    return plant


def marked(*marks):
    """`brick_primary` as text, the last mark for those that are not."""

    def mark(rows):
        texts = np.where(rows["brick_primary"], marks[0], marks[-1])
        changed = retyped("brick_primary", "S5")(rows)
        changed["brick_primary"] = texts
        return changed

    return mark


def without(column):
    return lambda rows: rows[[name for name in rows.dtype.names if name != column]]


def retyped(column, kind):
    return lambda rows: rows.astype([(n, kind if n == column else rows.dtype[n]) for n in rows.dtype.names])


def widened(column):
    return lambda rows: rows.astype(
        [(n, (rows.dtype[n], 2) if n == column else rows.dtype[n]) for n in rows.dtype.names]
    )


def points_alone(rows):
    chosen = rows[np.char.strip(rows["type"].astype(str)) == "PSF"]
    assert len(chosen)
    return chosen


def renamed_bricks(rows):
    rows["brickname"] = "9999x999"
    return rows


DAMAGE = {
    "no column": (without("flux_w1"), "no column flux_w1; give a sweep or tractor file"),
    "no mask": (without("maskbits"), "no column maskbits; give"),
    "no shape": (without("shape_r"), "no column fracdev; give"),
    "text for numbers": (retyped("flux_r", "S8"), "column flux_r holds no numbers"),
    "vectors for numbers": (widened("ebv"), "column ebv holds no numbers"),
    "unknown bricks": (renamed_bricks, "point_like 0, masked 0, unknown_brick "),
    "no numbers at all": (everywhere("flux_z", np.nan), "left out: not_finite"),
    "another turn": (everywhere("ra", -0.1), "give right ascensions of 0 to 360 degrees"),
    "no galaxies": (points_alone, "left out: not_finite 0, out_of_range 0, other_release 0, not_lrg"),
    "marks of another kind": (marked("maybe"), "column brick_primary is 'MAYBE'; give T or F"),
    "no rows": (lambda rows: rows[:0], "sweep.fits: no host, for there is no row; fetch the files again"),
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
    assert f"{sweep}: is compressed by gzip; give it unpacked" in refused(capsys, tmp_path, sweep)
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(sweep, overwrite=True)
    assert f"{sweep}: HDU 1 holds no table" in refused(capsys, tmp_path, sweep)
    assert "absent.fits: no such file" in refused(capsys, tmp_path, tmp_path / "absent.fits")
    (tmp_path / "empty").mkdir()
    assert "empty: holds no file of a sweep's or tractor's name; give the files" in refused(
        capsys, tmp_path, tmp_path / "empty"
    )


def test_a_file_given_twice_and_a_brick_in_two_releases(sweep, sky, capsys, tmp_path):
    original = sky.folder / tractor_path(sky.healthy[0].name)
    assert f"was already read from {original}" in refused(capsys, tmp_path, original, sweep)

    def other_release(rows):
        rows["release"] = 8000
        return rows

    change(sweep, other_release)
    line = refused(capsys, tmp_path, original, sweep)
    assert "has hosts of releases" in line
    assert "give --release" in line
    assert run(capsys, tmp_path, original, sweep, "--release", "8000")[0] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column ra; its first line, '', must name ra and dec"),
        ("RA|DEC\n1|2\n", "no column ra; its first line, 'RA|DEC', must name"),
        ("ra,dec\n", "holds no position below its first line; add lenses, or leave the list out"),
        ("ra;dec\n10,5;5\n", "line 2: ra, dec are 10,5, 5; give degrees"),
        ('ra,dec\n1,2\n"' + "x" * 200_000, "cannot be read (field larger"),
        ("name,ra\nx,1\n", "no column dec"),
        ("ra,dec\n10.0,5.0\n10:00:00,5.0\n", "line 3: ra, dec are 10:00:00, 5.0; give degrees"),
        ("ra,dec\n10.0\n", "line 2: ra, dec are 10.0, nothing"),
        ("ra,dec\n10.0,95\n", "line 2: ra, dec are 10.0, 95"),
        ("ra,dec\nnan,0\n", "line 2: ra, dec are nan, 0"),
        ("ra,dec\n1_0,0\n", "line 2: ra, dec are 1_0, 0"),
        ("RA [h],DEC [deg]\n10,5\n", "column 'RA [h]' is in 'h'; give degrees"),
        ("ra,dec (rad)\n0.1,0.2\n", "column 'dec (rad)' is in 'rad'; give degrees"),
    ],
)
def test_damaged_lists_of_lenses(text, message, sweep, capsys, tmp_path):
    lenses = tmp_path / "lenses.csv"
    lenses.write_text(text)
    line = refused(capsys, tmp_path, sweep, "--known-lenses", lenses)
    assert f"{lenses}: {message}" in line


@pytest.mark.parametrize(
    "head",
    [
        "name,RA [deg],DEC [deg],zlens",
        "id;RAJ2000;DEJ2000;z",
        "#\tra (deg)\tDec(deg)\tz",
        "id,ra [Degrees],dec_[\N{DEGREE SIGN}],z [rad]",
    ],
)
def test_lists_of_lenses_name_their_columns_in_several_ways(head, tmp_path):
    mark = next(m for m in "\t;," if m in head)
    (tmp_path / "lenses.csv").write_text(f"{head}\n{mark.join(['J1', '2.83435', '-8.7643', '-'])}\n")
    lenses = read_known_lenses(tmp_path / "lenses.csv")
    assert lenses.near([2.83435, 2.84], [-8.7643, -8.7643]).tolist() == [True, False]


BAD_ROWS = {
    "flux_z": (np.nan, "not_finite"),
    "mw_transmission_g": (np.inf, "not_finite"),
    "shape_e1": (np.nan, "not_finite"),
    "dec": (np.inf, "not_finite"),
    "ra": (-0.1, "out_of_range"),
    "RA": (360.0, "out_of_range"),
    "DEC": (90.1, "out_of_range"),
    "mw_transmission_r": (0.0, "out_of_range"),
    "brickname": ("9999x999", "unknown_brick"),
    "psfsize_r": (np.nan, None),
}


@pytest.mark.parametrize("column", BAD_ROWS)
def test_a_bad_row_is_left_out_and_counted(column, sweep, tmp_path):
    """Two hosts that are spoiled, and nothing else; a column that may be NULL spoils none."""
    value, reason = BAD_ROWS[column]
    before, hosts = chosen(sweep)
    spoiled = [int(host["host_id"].split("-")[2]) for host in hosts[:2]]

    def spoil(rows):
        rows[column.lower()][np.isin(rows["objid"], spoiled)] = value
        return rows

    change(sweep, spoil)
    after, left = chosen(sweep)
    expected = {**before, "hosts": before["hosts"] - 2, reason: before[reason] + 2} if reason else before
    assert after == expected
    assert [h["host_id"] for h in left] == [h["host_id"] for h in hosts[2 if reason else 0 :]]
    if not reason:
        assert [host["psfsize_r_arcsec"] for host in left[:2]] == [None, None]


def test_integers_that_became_floats_and_lost_values(sweep):
    def convert(rows):
        changed = retyped("maskbits", "f4")(rows)
        changed["maskbits"][3] = np.nan
        return changed

    before, _ = chosen(sweep)
    change(sweep, convert)
    after, _ = chosen(sweep)
    assert (after["not_finite"], after["rows"]) == (1, before["rows"])
    assert after["hosts"] >= before["hosts"] - 1


def test_galaxies_listed_twice_are_taken_once(sweep, tmp_path):
    """As copies of rows, or under another number a third of a pixel off; one and a half off is another."""

    def twice(rows):
        more, other = rows.copy(), rows.copy()
        more["objid"] += 5000
        more["dec"] += 0.09 / 3600
        other["objid"] += 7000
        other["dec"] += 1.6 * 0.262 / 3600
        return np.concatenate([rows, rows, more, other])

    _, hosts = chosen(sweep)
    change(sweep, twice)
    tally = write_hosts([sweep], tmp_path / "out", HostRules())
    assert (tally.hosts, tally.listed_twice) == (2 * len(hosts), 2 * len(hosts))
    numbers = [int(h.split("-")[2]) for h in pq.read_table(tmp_path / "out")["host_id"].to_pylist()]
    assert sum(n >= 7000 for n in numbers) == sum(n < 7000 for n in numbers) == len(hosts)


@pytest.mark.parametrize("arcsec", [0.0, 3.0])
def test_an_id_stands_once_whatever_its_second_place(arcsec, sweep, tmp_path):
    """A catalogue with one twice is refused by the plan; the row that comes first in the file stays."""

    def again(rows):
        more = rows.copy()
        more["dec"] += arcsec / 3600
        return np.concatenate([rows, more])

    _, hosts = chosen(sweep)
    change(sweep, again)
    tally = write_hosts([sweep], tmp_path / "out", HostRules())
    assert (tally.hosts, tally.listed_twice) == (len(hosts), len(hosts))
    assert pa.concat_tables(hosts_by_group(tmp_path / "out")).to_pylist() == hosts


@pytest.mark.parametrize("marks", [("T", "F"), ("True", "False"), ("1", "0"), ("t", "f")])
def test_primary_sources_marked_by_text(marks, sweep):
    expected = chosen(sweep)
    change(sweep, marked(*marks))
    assert chosen(sweep) == expected


@pytest.mark.parametrize(
    ("release", "numbers"),
    [
        ("dr9-south", (9010, 9012)),
        ("9010", (9010, 9012)),
        ("9012", (9010, 9012)),
        ("DR9-north", (9011, 9011)),
        ("dr10-south", (10000, 10002)),
        ("10000", (10000, 10002)),
        ("8000", (8000, 8000)),
    ],
)
def test_a_release_has_all_its_numbers(release, numbers, sweep, sky, capsys, tmp_path):
    """Of two bricks, one processed again; a third brick is of another release."""
    paths = [sweep, tmp_path / "patched.fits", tmp_path / "other.fits"]
    for path, brick, number in zip(paths, sky.healthy[:3], (*numbers, 7000), strict=True):
        path.write_bytes((sky.folder / tractor_path(brick.name)).read_bytes())
        change(path, everywhere("release", number))
    code, out, err = run(capsys, tmp_path, *paths, "--release", release, "--json")
    assert code == 0, err
    assert json.loads(out)["hosts"] == 10
    assert json.loads(out)["other_release"] > 0


def test_releases_that_are_none(sweep, capsys, tmp_path):
    line = refused(capsys, tmp_path, sweep, "--release", "dr7")
    assert "--release dr7: no release; give dr9-north, dr9-south, dr10-south, or a number" in line


def test_other_tables_in_a_folder_are_skipped_by_name_and_told(sweep, capsys, tmp_path):
    folder = tmp_path / "sweeps"
    folder.mkdir()
    good = folder / "sweep-310m005-320p000.fits"
    good.write_bytes(sweep.read_bytes())
    others = [folder / f"sweep-310m005-320p000-{kind}.fits" for kind in ("ex", "lc", "pz")]
    for path in (*others, folder / "survey-bricks.fits", folder / "tractor-i-0001p020.fits"):
        fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.zeros(3))]).writeto(path)
    code, out, err = run(capsys, tmp_path, folder, "--json")
    assert code == 0, err
    assert (json.loads(out)["files"], json.loads(out)["skipped"]) == (1, 5)
    assert f"hosts: 5 files skipped, no sweep or tractor by their names: {folder}/survey-bricks.fits" in err
    shutil.rmtree(tmp_path / "out")
    code, _, err = run(capsys, tmp_path, good, *others)  # as a shell's sweeps/*.fits gives them
    assert code == 0, err
    assert "hosts: 3 files skipped" in err
    good.unlink()
    shutil.rmtree(tmp_path / "out")
    line = refused(capsys, tmp_path, folder)
    assert f"{folder}: holds survey-bricks.fits but no file of a sweep's or tractor's name" in line
    assert "-pz.fits: goes with a sweep and has other columns" in refused(capsys, tmp_path, others[2])


def test_other_options(sweep, capsys, tmp_path):
    assert "lenses.csv: cannot be read" in refused(
        capsys, tmp_path, sweep, "--known-lenses", tmp_path / "lenses.csv"
    )
    for radius in ("0", "twelve", "nan", "-1", "3601"):
        line = refused(capsys, tmp_path, sweep, "--radius", radius)
        assert f"--radius {radius}: give arcsec, above 0 and up to 3600" in line
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    assert "out: holds something else" in refused(capsys, tmp_path, sweep)
    for place in ("/", ".", str(sweep)):  # refused before a row is read
        with pytest.raises(SystemExit) as ended:
            main(["hosts", str(sweep), "--out", place])
        said = capsys.readouterr().err
        assert (ended.value.code, said) == (2, f"darkhalo: {place}: holds something else; "
                                               "remove it or give another folder\n")  # fmt: skip
    assert (tmp_path / "out" / "mine").read_text() == "x"


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        (("--release", "1"), "give --release as the files have it, or leave it out"),
        ((), "give sweeps of more of the sky"),
        (("--known-lenses", "LENSES", "--radius", "3600"), "give a smaller --radius, or check the list"),
    ],
)
def test_no_host_at_all_names_the_rule_that_left_most_out(arguments, mend, sweep, capsys, tmp_path):
    with fits.open(sweep) as hdus:
        ra, dec = (float(hdus[1].data[name][0]) for name in ("ra", "dec"))
    (tmp_path / "lenses.csv").write_text(f"ra,dec\n{ra},{dec}\n")
    if not arguments:
        change(sweep, points_alone)
    if "LENSES" in arguments:
        assert run(capsys, tmp_path, sweep)[0] == 0
        hosts = pq.read_table(tmp_path / "out")["host_id"].to_pylist()
        shutil.rmtree(tmp_path / "out")
        change(
            sweep, lambda rows: rows[[f"{r['release']}-{r['brickid']}-{r['objid']}" in hosts for r in rows]]
        )
    given = [str(tmp_path / "lenses.csv") if a == "LENSES" else a for a in arguments]
    other = tmp_path / "other.fits"
    other.write_bytes(sweep.read_bytes())
    line = refused(capsys, tmp_path, sweep, other, *given)
    assert line.startswith(f"darkhalo: {sweep} and 1 more: no host in ")
    assert mend in line


def test_an_empty_folder_is_filled(sweep, capsys, tmp_path):
    (tmp_path / "out").mkdir()
    assert run(capsys, tmp_path, sweep)[0] == 0
    assert list((tmp_path / "out").glob("brick_group=*/part-00000.parquet"))


def test_how_many_lenses_were_read_is_said(sweep, capsys, tmp_path):
    (tmp_path / "lenses.csv").write_text("Name;RA;DEC\na;10.5;5\n\nb;11;6\n")
    code, _, err = run(capsys, tmp_path, sweep, "--known-lenses", tmp_path / "lenses.csv")
    assert code == 0
    assert f"hosts: 2 known lenses in {tmp_path / 'lenses.csv'}, 12 arcsec around each" in err
