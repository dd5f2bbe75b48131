"""What can be said of the Dockerfile without Docker."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.constructs.task import SCRATCH
from infra.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """(instruction, arguments), continued lines joined."""
    text = (ROOT / "fargate" / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


@pytest.fixture(scope="module")
def environment(instructions: list[tuple[str, str]]) -> dict[str, str]:
    pairs = " ".join(rest for word, rest in instructions if word == "ENV")
    return dict(re.findall(r'(\w+)="?([^"\s]*)"?', pairs))


def all_of(instructions: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for name, rest in instructions if name == word]


def test_base_image_can_be_pinned_by_digest(instructions: list[tuple[str, str]]) -> None:
    assert instructions[0][0] == "ARG"
    assert instructions[0][1].startswith("BASE_IMAGE=")
    assert all_of(instructions, "FROM") == ["${BASE_IMAGE}"]
    assert "python:3.11-slim" in Settings().tasks.base_image


def test_packages_are_installed_by_hash(instructions: list[tuple[str, str]]) -> None:
    (install,) = (run for run in all_of(instructions, "RUN") if "pip install" in run)
    assert "--require-hashes" in install
    assert "-r requirements/task.txt" in install
    assert "--no-deps" in install
    lock = (ROOT / "requirements" / "task.txt").read_text()
    assert len(re.findall(r"^[a-z0-9-]+==", lock, re.M)) >= 5
    assert "--hash=sha256:" in lock


def test_runs_as_nobody_in_particular(instructions: list[tuple[str, str]]) -> None:
    (user,) = all_of(instructions, "USER")
    assert user == "10001:10001"
    words = [word for word, _ in instructions]
    assert words.index("USER") < words.index("CMD")


def test_kernels_are_compiled_after_the_code_and_for_no_single_processor(
    instructions: list[tuple[str, str]], environment: dict[str, str]
) -> None:
    bake = instructions.index(("RUN", "python -m fargate.bake"))
    assert bake > max(i for i, (word, _) in enumerate(instructions) if word in ("COPY", "USER"))
    assert not {"NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"} & set(environment)


def test_writable_paths_are_volumes_here_and_in_the_task(
    instructions: list[tuple[str, str]], environment: dict[str, str]
) -> None:
    """Fargate's empty volumes take over content and owner of a path only where VOLUME names it."""
    (volumes,) = all_of(instructions, "VOLUME")
    assert set(re.findall(r'"([^"]+)"', volumes)) == set(SCRATCH.values())
    assert environment["NUMBA_CACHE_DIR"] in SCRATCH.values()
    assert environment["HOME"] in SCRATCH.values()


def test_copies_rooms_by_name(instructions: list[tuple[str, str]]) -> None:
    rooms = {copy.split()[0] for copy in all_of(instructions, "COPY")}
    assert rooms == {
        "requirements/task.txt",
        "athena_sql",
        "survey",
        "physics",
        "closure",
        "pipeline",
        "fargate",
    }


def test_starts_the_entry_point_without_a_shell(
    instructions: list[tuple[str, str]], environment: dict[str, str]
) -> None:
    """As PID 1, Python itself gets the SIGTERM of a Spot loss."""
    assert all_of(instructions, "ENTRYPOINT") == ["[]"]
    assert all_of(instructions, "CMD") == ['["python", "-m", "fargate.main"]']
    assert environment["PYTHONPATH"] == "/app"


def test_no_secrets_and_no_remote_files(instructions: list[tuple[str, str]]) -> None:
    text = " ".join(rest for _, rest in instructions).lower()
    assert not re.search(r"secret|password|token|aws_access", text)
    assert not all_of(instructions, "ADD")
