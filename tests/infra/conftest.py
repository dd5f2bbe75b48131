"""The app is synthesized once a session, from a copy of the sources and with nothing in the environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "infra",
    "lambdas",
    "fargate",
    "closure",
    "physics",
    "survey",
    "pipeline",
    "athena_sql",
    "requirements",
)
STACK = "DarkHaloScope"

NAG = """
import sys
from infra import app
import aws_cdk, cdk_nag
built = app.build(outdir=sys.argv[1])
aws_cdk.Validations.of(built).add_plugins(cdk_nag.AwsSolutionsChecks(built))
built.synth()
"""


def copy_sources(folder: Path) -> Path:
    """A copy of what the app reads, so that an edit during the tests changes nothing."""
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "cdk.json", folder / "cdk.json")
    return folder


def run_app(
    source: Path, outdir: Path, *command: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the app with no credentials, no Docker and no Node within reach."""
    bare = {"PATH": "", "HOME": os.environ.get("HOME", "/"), "CDK_OUTDIR": str(outdir), **environment}
    return subprocess.run(
        [sys.executable, *(command or ("-m", "infra.app"))],
        cwd=source,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def synth(source: Path, outdir: Path) -> Path:
    """The cloud assembly of the sources."""
    done = run_app(source, outdir)
    assert done.returncode == 0, done.stderr
    return outdir


def load(assembly: Path, kind: str) -> dict[str, Any]:
    return json.loads((assembly / f"{STACK}.{kind}.json").read_text())


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="session")
def assembly(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synth(sources, tmp_path_factory.mktemp("assembly") / "cdk.out")


@pytest.fixture(scope="session")
def template(assembly: Path) -> dict[str, Any]:
    return load(assembly, "template")


@pytest.fixture(scope="session")
def of_type(template: dict[str, Any]) -> Any:
    """of_type("AWS::S3::Bucket") -> {logical id: properties}."""

    def select(kind: str) -> dict[str, dict[str, Any]]:
        resources = template["Resources"].items()
        return {name: r.get("Properties", {}) for name, r in resources if r["Type"] == kind}

    return select


@pytest.fixture(scope="session")
def definition(of_type: Any) -> dict[str, Any]:
    """The state machine, with `<logical id>` for what CloudFormation fills in."""
    (machine,) = of_type("AWS::StepFunctions::StateMachine").values()
    return json.loads(flat(machine["DefinitionString"]))


@pytest.fixture(scope="session")
def nag_violations(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """{(rule, construct path)} of cdk-nag's AwsSolutions."""
    outdir = tmp_path_factory.mktemp("nag") / "cdk.out"
    done = run_app(sources, outdir, "-c", NAG, str(outdir), CDK_VALIDATION="true")
    report = outdir / "validation-report.json"
    assert report.exists(), done.stderr
    (nag,) = (p for p in json.loads(report.read_text())["pluginReports"] if p["pluginName"] == "AwsSolutions")
    return {
        (violation["ruleName"], construct["constructPath"])
        for violation in nag["violations"]
        for construct in violation["violatingConstructs"]
    }


def flat(value: Any) -> str:
    """A CloudFormation string, with `<name>` for each reference."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Fn::Join":
        return argument[0].join(flat(part) for part in argument[1])
    if function == "Fn::GetAtt":
        return f"<{argument[0]}.{argument[1]}>"
    return f"<{argument}>"
