"""Bad input: exit code 2, one line that names it and the mend, nothing written."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.parquet import to_bytes
from tests.cli.conftest import darkhalo
from tests.pipeline.conftest import make_hosts


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "debgu"), "unknown tier 'debgu'; there are: debug"),
        (("plan", "debgu"), "unknown tier 'debgu'"),
        (("run", "debug", "--sky", "/nowhere"), "--sky /nowhere: no such folder"),
        (("run", "debug", "--sky", "ftp://x/y"), "ftp://x/y: unknown kind of source"),
        (("run", "debug", "--run-id", "A B"), "--run-id 'A B': use"),
        (("run", "debug", "--bricks", "2"), "--bricks 2: a run needs at least 3"),
        (("run", "debug", "--bricks", "-1"), "-1"),
        (("run", "debug", "--bricks", "x"), "'x' is not a valid integer"),
        (("run", "debug", "--brick-pixels", "10"), "--brick-pixels 10: give 400 to 3600"),
        (("run", "debug", "--hosts", "/nowhere.parquet"), "/nowhere.parquet: no such file"),
        (("run",), "Missing argument 'TIER'"),
        (("nothing",), "No such command 'nothing'"),
        (("run", "debug", "--nothing"), "No such option"),
        (("sky", "out", "--bricks", "3", "--failures", "flood"), "--failures 'flood': unknown; there are:"),
        (("validate", "/nowhere"), "no such run"),
        (("report", "nothing"), "no such run"),
        (("select", "nothing"), "no such run"),
        (("query", "nothing", "SELECT 1"), "no such run"),
    ],
)
def test_one_line_names_the_option_and_the_mend(arguments, message, tmp_path):
    answer = darkhalo(*arguments, cwd=tmp_path)
    assert answer.code == 2, answer.err
    assert message in answer.err
    assert answer.err.count("\n") == 1, answer.err
    assert answer.out == ""
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_no_run(tmp_path):
    answer = darkhalo("validate", tmp_path)
    assert answer.code == 2
    assert "holds neither manifest/ nor metrics/" in answer.err


def test_a_nan_in_the_host_catalogue_is_named_by_file_row_and_column(tmp_path):
    import pyarrow as pa

    hosts = make_hosts()
    values = hosts["dec"].to_numpy().copy()
    values[3] = np.nan
    index = hosts.schema.get_field_index("dec")
    catalogue = tmp_path / "hosts.parquet"
    catalogue.write_bytes(to_bytes(hosts.set_column(index, hosts.schema.field("dec"), pa.array(values))))
    sky = tmp_path / "sky"
    sky.mkdir()
    answer = darkhalo("plan", "debug", "--sky", sky, "--hosts", catalogue, cwd=tmp_path)
    assert answer.code == 2
    assert f"{catalogue}: row 10000-0-3: dec is nan; give a finite value" in answer.err
    assert not (tmp_path / "workspace").exists()


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    catalogue = tmp_path / "hosts.parquet"
    catalogue.write_bytes(b"not a table")
    answer = darkhalo("plan", "debug", "--sky", tmp_path, "--hosts", catalogue, cwd=tmp_path)
    assert answer.code == 2
    assert f"{catalogue}: not a Parquet file" in answer.err


def test_bad_sql_is_one_line(tmp_path):
    from pipeline.parquet import from_rows
    from pipeline.schema import CHECK_RESULTS

    (tmp_path / "check_results").mkdir()
    (tmp_path / "check_results" / "part-00000.parquet").write_bytes(to_bytes(from_rows(CHECK_RESULTS, [])))
    answer = darkhalo("query", tmp_path, "SELEC 1")
    assert answer.code == 2
    assert answer.err.startswith("darkhalo: SQL: ")
    assert answer.err.count("\n") == 1


def test_the_bare_command_shows_its_help():
    answer = darkhalo()
    assert answer.code == 2
    assert "Commands:\n" in answer.err


def test_a_folder_that_cannot_be_made_is_named():
    answer = darkhalo("sky", "/dev/null/x", "--bricks", "1")
    assert answer.code == 2
    assert answer.err.startswith("darkhalo: /dev/null")
    assert answer.err.count("\n") == 1


def test_help_and_version_are_not_errors():
    assert darkhalo("--help").code == 0
    assert "0.1.0" in darkhalo("--version").out
