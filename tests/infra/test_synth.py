"""Synthesis: by itself, the same every time, from wherever it is called."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import ROOT, load, synth

pytestmark = pytest.mark.xdist_group("infra")


def test_needs_no_credentials_no_docker_and_no_node(template: dict[str, Any]) -> None:
    assert set(template["Outputs"]) == {
        "DataBucketName",
        "StateMachineArn",
        "WorkGroupName",
        "DatabaseName",
        "ClusterName",
    }


def test_is_environment_agnostic(assembly: Path, template: dict[str, Any]) -> None:
    manifest = json.loads((assembly / "manifest.json").read_text())
    assert manifest["artifacts"]["DarkHaloScope"]["environment"] == "aws://unknown-account/unknown-region"
    assert not manifest.get("missing")
    assert "arn:aws:" not in json.dumps(template)


def test_other_folder_other_times_and_caches_give_the_same_assembly(
    sources: Path, assembly: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(sources, copy)
    for file in copy.rglob("*.py"):
        os.utime(file, (1, 1))
    for room in ("lambdas", "pipeline", "physics", "fargate"):
        (copy / room / "__pycache__").mkdir(exist_ok=True)
        (copy / room / "__pycache__" / "junk.cpython-311.pyc").write_bytes(b"junk")
    (copy / "tests").mkdir()
    (copy / "tests" / "test_junk.py").write_text("junk = True\n")
    (copy / ".env").write_text("junk\n")
    other = synth(copy, tmp_path / "out")
    assert load(other, "template") == load(assembly, "template")
    assert load(other, "assets") == load(assembly, "assets")


def test_context_is_read_without_the_cdk_command_line(template: dict[str, Any]) -> None:
    """Without its feature flag CDK drops the Maps' ResultWriter in silence."""
    assert "ResultWriter" in json.dumps(template)


def test_cdk_json_starts_the_app() -> None:
    assert json.loads((ROOT / "cdk.json").read_text())["app"] == "infra/app"
