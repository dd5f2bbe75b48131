"""Every command that README and docs print runs as printed, from a plain shell with no activated environment.

A printed command is a line of a fenced block without a language (or `sh`) that starts with a program. What
stands in it for the reader's own things (RUN, /data/...) is replaced from STAND_FOR and by nothing else. A
synopsis (`./darkhalo run TIER  what it does`) has to name a command that there is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.main import darkhalo as command_line

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks" / "README.md"]
PROGRAMS = ("./darkhalo", "make", "cdk", "python", ".venv/bin/python")
CDK = ROOT / "build" / "cdk" / "node_modules" / ".bin"
SYNOPSIS = re.compile(r"^\./darkhalo (\w+)(?: [A-Z][A-Z .\[\]]*)*  +\S")
#: Run by whoever reads this, or by tests of their own: make test calls these very tests.
ELSEWHERE = {
    "make run": "tests/cli and CI run the tier; here it would be a whole one",
    "make test": "runs this",
}
pytestmark = pytest.mark.xdist_group("runs")


def printed() -> list[tuple[str, str]]:
    """(page, command) of every printed command, comments and continuation lines taken in."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            for line in block.replace("\\\n", " ").splitlines():
                if line.split(" ")[0] in PROGRAMS:
                    found.append((page.name, re.sub(r"\s+#.*", "", line).strip()))
    return found


SYNOPSES = [found for found in printed() if SYNOPSIS.match(found[1])]
COMMANDS = [found for found in printed() if not SYNOPSIS.match(found[1])]


def plain_shell(command: str, cwd: Path, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in `sh`, with nothing of this process's environment but where programs lie."""
    path = os.pathsep.join([str(CDK), "/usr/local/bin", "/usr/bin", "/bin"])
    return subprocess.run(
        ["sh", "-c", command], cwd=cwd, env={"PATH": path, "HOME": str(home), **environment}, text=True,
        capture_output=True, check=False, timeout=900,
    )  # fmt: skip


def test_the_printed_commands_are_found():
    assert len(SYNOPSES) >= 10
    assert ("README.md", "make run") in COMMANDS
    assert any(command.startswith("./darkhalo query") for _, command in COMMANDS)


@pytest.mark.parametrize(("page", "synopsis"), SYNOPSES, ids=str)
def test_a_synopsis_names_a_command(page, synopsis):
    assert SYNOPSIS.match(synopsis)[1] in command_line.commands


def test_every_command_stands_in_the_readme():
    named = {SYNOPSIS.match(synopsis)[1] for page, synopsis in SYNOPSES if page == "README.md"}
    assert named == set(command_line.commands)


@pytest.mark.parametrize("span", sorted({
    (page.name, span)
    for page in PAGES
    for span in re.findall(r"`((?:\./)?darkhalo [a-z][^`]*)`", page.read_text(encoding="utf-8"))
}), ids=str)  # fmt: skip
def test_a_command_in_a_sentence_exists_with_its_options(span):
    words = span[1].replace("[", " ").replace("]", " ").split()[1:]
    command = command_line.commands[words[0]]
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= options


@pytest.fixture(scope="session")
def stand_for(good_run, workspace, tmp_path_factory):
    """The reader's own things: a run, a sky, sweeps, and a folder to work in."""
    sky = next((Path(workspace) / "sky").iterdir())
    sweeps = tmp_path_factory.mktemp("printed") / "sweeps"
    shutil.copytree(sky / "tractor", sweeps)
    return {
        " RUN": f" {good_run.json['run_dir']}",
        " latest ": f" {good_run.json['run_dir']} ",
        "/data/dr10/south": f"{sky} --bricks 3",
        "--sky dr10-south": f"--sky {sky} --bricks 3",
        "sweeps/": f"{sweeps}/",
        "--out hosts": f"--out {sweeps.parent / 'hosts'}",
        "--hosts hosts": f"--hosts {sweeps.parent / 'hosts'}",
    }


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=str)
def test_a_printed_command_runs_from_a_plain_shell(page, command, request, tmp_path_factory):
    if command in ELSEWHERE:
        done = plain_shell(f"{command} --dry-run", ROOT, tmp_path_factory.getbasetemp())
    elif command.startswith("cdk"):
        pytest.skip("a test of its own")
    else:
        given = command
        for name, thing in request.getfixturevalue("stand_for").items():
            given = given.replace(name, thing)
        if command.startswith("./darkhalo run") or command.startswith("./darkhalo cache"):
            given += f" --workspace {tmp_path_factory.getbasetemp() / 'printed-workspace'}"
        done = plain_shell(given, ROOT, tmp_path_factory.getbasetemp(), **_caches())
    assert done.returncode == 0, done.stderr[-2000:]


def _caches() -> dict[str, str]:
    """Where compiled kernels are kept: a home of its own has none, and compiling takes a minute."""
    return {
        name: os.environ[name] for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME") if name in os.environ
    } or {"XDG_CACHE_HOME": str(Path("~/.cache").expanduser())}


needs_cdk = pytest.mark.skipif(
    not (CDK / "cdk").exists(), reason="`make fetch-cdk` brings the CDK command line"
)


@needs_cdk
@pytest.mark.parametrize("command", sorted({
    span for page in PAGES for span in re.findall(r"`(cdk [a-z]+)`", page.read_text(encoding="utf-8"))
}))  # fmt: skip
def test_cdk_works_as_printed_without_an_activated_environment(command, tmp_path):
    """`cdk deploy` gets as far as it can with no account: past synthesis, to the credentials."""
    done = plain_shell(
        f"{command} --output {tmp_path / 'out'}", ROOT, tmp_path, AWS_EC2_METADATA_DISABLED="true", CI="true"
    )
    assert (tmp_path / "out" / "DarkHaloScope.template.json").is_file(), done.stderr[-2000:]
    if command == "cdk synth":
        assert done.returncode == 0, done.stderr[-2000:]
    else:
        assert "Unable to resolve AWS account" in done.stderr + done.stdout


def test_the_app_says_what_it_needs_where_nothing_can_be_set_up(tmp_path):
    """A checkout without .venv and without make: the launcher's one line, no traceback."""
    (tmp_path / "infra").mkdir()
    shutil.copy(ROOT / "infra" / "app", tmp_path / "infra" / "app")
    done = subprocess.run(
        ["/bin/sh", str(tmp_path / "infra" / "app")],
        env={"PATH": str(tmp_path)},
        text=True,
        capture_output=True,
    )
    assert done.returncode != 0
    assert "make" in done.stderr
    assert "Traceback" not in done.stderr
