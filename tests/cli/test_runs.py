"""Runs by their names: the id comes first, `latest`, the list, the page, the way back after a stop."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.run import resume_command
from cli.runs import list_runs
from cli.workspace import Workspace
from tests.cli.conftest import darkhalo

pytestmark = pytest.mark.xdist_group("runs")
QUESTION = "SELECT count(*) AS n FROM metrics"


def test_the_run_id_is_said_before_all_else(good_run):
    assert good_run.err.splitlines()[0] == f"run {good_run.json['run_id']}"


def test_runs_are_listed_with_their_state(good_run, workspace):
    runs = {run["run_id"]: run for run in darkhalo("runs", "--workspace", workspace, "--json").json["runs"]}
    mine = runs[good_run.json["run_id"]]
    assert (mine["tier"], mine["state"], mine["rows"]) == ("debug", "GO", good_run.json["rows"])


RECORDS = ("verdict.json", "plan.json", "_SUCCESS.json")
ANOTHERS = '{"verdict": "GO", "verdict_sha256": "0"}'


@pytest.mark.parametrize(("name", "content", "state"), [
    ("_SUCCESS.json", None, "GO"), ("_SUCCESS.json", "", "stopped"), ("_SUCCESS.json", ANOTHERS, "stopped"),
    ("verdict.json", ANOTHERS, "stopped"), ("verdict.json", '{"verdict": "NO-GO"}', "NO-GO"),
    ("plan.json", "[]", "stopped"),
])  # fmt: skip
def test_a_go_is_one_whose_success_is_of_its_verdict(good_run, tmp_path, name, content, state):
    folder = tmp_path / "runs" / good_run.json["run_id"]
    folder.mkdir(parents=True)
    for record in RECORDS:
        shutil.copy(Path(good_run.json["run_dir"]) / record, folder)
    if content is not None:
        (folder / name).write_text(content)
    assert [run["state"] for run in list_runs(Workspace(tmp_path))] == [state]


def test_half_a_line_among_the_starts_is_left_out_and_said(tmp_path, capsys):
    where = Workspace(tmp_path)
    with where.starts.alone("first-one", "debug"):
        pass
    torn = where.starts.path.read_bytes()[:-20]
    where.starts.path.write_bytes(where.starts.path.read_bytes() + torn)
    with where.starts.alone("second-one", "debug"):
        assert where.starts.at_work() == "second-one"
    assert capsys.readouterr().err == ""
    assert [run["run_id"] for run in list_runs(where)] == ["first-one", "second-one"]
    said = f"{where.starts.path}: line 2 is no start of a run, and is left out\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    "line", [b"\xff\n", b"[]\n", b"{}\n", b'{"run_id": 1, "tier": "x", "started": "y"}\n', b"\n"]
)
def test_a_line_that_is_no_start_is_left_out(line, tmp_path):
    where = Workspace(tmp_path)
    where.starts.path.write_bytes(line)
    assert where.starts.all() == []
    assert where.starts.at_work() is None


def test_a_run_is_named_by_its_id_by_latest_and_by_its_folder(good_run, workspace):
    last = list_runs(Workspace(workspace))[-1]["run_id"]
    names = (last, "latest", Workspace(workspace).run_dir(last))
    answers = [darkhalo("query", name, QUESTION, "--workspace", workspace) for name in names]
    assert [answer.code for answer in answers] == [0, 0, 0]
    assert len({answer.out for answer in answers}) == 1


@pytest.mark.parametrize("command", [
    ("validate", "latest"), ("select", "latest"), ("report", "latest"), ("open", "latest"),
    ("query", "latest", QUESTION),
], ids=lambda words: words[0])  # fmt: skip
def test_latest_of_an_empty_workspace_is_one_line(command, tmp_path):
    answer = darkhalo(*command, cwd=tmp_path)
    assert answer.code == 2
    assert answer.err == (
        "darkhalo: RUN latest: no run was started in workspace; give --workspace, or a folder\n"
    )


def test_open_says_where_the_page_is(good_run, workspace):
    answer = darkhalo("open", good_run.json["run_id"], "--workspace", workspace, BROWSER="/bin/true %s")
    assert (answer.code, answer.out) == (0, good_run.json["review"] + "\n"), answer.err


def test_a_second_run_in_a_workspace_is_refused_before_it_works(tmp_path):
    where = Workspace(tmp_path)
    with where.starts.alone("first-one", "debug"):
        answer = darkhalo("run", "debug", "--bricks", 3, "--workspace", tmp_path)
        assert [run["state"] for run in list_runs(where)] == ["running"]
    assert answer.code == 1
    assert answer.err == (
        f"darkhalo: {tmp_path}: run first-one is at work in it; wait for it, or give another --workspace\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["starts.jsonl"]
    assert [run["state"] for run in list_runs(where)] == ["stopped"]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_a_run_that_is_stopped_says_how_it_goes_on(ending, tmp_path):
    words = ["run", "debug", "--bricks", "3", "--workspace", str(tmp_path / "a space")]
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("darkhalo")), *words], stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    name = process.stderr.readline().split()[1]
    process.send_signal(ending)
    said = process.communicate(timeout=60)[1].splitlines()
    at = said.index(f"run {name} is not done; it goes on with")
    assert shlex.split(said[at + 1])[1:] == [*words, "--run-id", name]
    assert process.returncode not in (0, 2, 3)


def test_the_command_that_resumes_keeps_an_id_that_was_given():
    assert shlex.split(resume_command("x", ["run", "debug", "--run-id", "x"]))[1:] == [
        "run",
        "debug",
        "--run-id",
        "x",
    ]


def test_a_synthetic_sky_takes_no_hosts(tmp_path):
    (tmp_path / "hosts.parquet").write_bytes(b"PAR1")
    answer = darkhalo("run", "debug", "--hosts", "hosts.parquet", cwd=tmp_path)
    assert answer.code == 2
    assert answer.err == (
        "darkhalo: --hosts hosts.parquet: a synthetic sky cannot hold them; give their sky with --sky\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["hosts.parquet"]


@contextmanager
def _small_disk(folder: Path, megabytes: int):
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_leaves_no_half_of_a_brick(tmp_path):
    with _small_disk(tmp_path / "disk", 4) as disk:
        answer = darkhalo("sky", disk / "sky", "--bricks", 3, "--brick-pixels", 600)
        assert answer.code == 2, answer.err
        last = answer.err.splitlines()[-1]
        assert last.startswith(f"darkhalo: {disk}")
        assert "no space left on its disk" in last
        assert "MB free" in last
        assert "Traceback" not in answer.err
        assert not list(disk.rglob(".writing*"))


def test_a_run_that_has_no_room_is_refused_before_it_works(tmp_path):
    with _small_disk(tmp_path / "disk", 4) as disk:
        answer = darkhalo("run", "debug", "--workspace", disk)
        assert answer.code == 2, answer.err
        assert answer.err.count("\n") == 1
        assert "MB free on its disk, and run debug-" in answer.err
        assert list(disk.iterdir()) == []
