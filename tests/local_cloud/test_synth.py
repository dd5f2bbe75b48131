"""Synthesis without the CDK command line, and only when something changed."""

import json
import sys
from pathlib import Path

import pytest

from local_cloud import SynthesisError, synthesize

APP = """
import json, os, pathlib
out = pathlib.Path(os.environ["CDK_OUTDIR"])
context = json.loads(os.environ["CDK_CONTEXT_JSON"])
assert os.path.exists(os.environ["JSII_NODE"])
assert not [name for name in os.environ if name.startswith("AWS_")]
(out / "manifest.json").write_text(json.dumps(context))
runs = pathlib.Path("../runs")
runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "app.py").write_text(APP)
    (root / "cdk.json").write_text(json.dumps({"app": f"{sys.executable} app.py", "context": {"flag": True}}))
    return root


def runs(project: Path) -> int:
    return len((project.parent / "runs").read_text())


def test_the_context_of_cdk_json_reaches_the_app_and_no_credentials_do(project, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    out = synthesize(project, project / "cdk.out")
    assert json.loads((out / "manifest.json").read_text()) == {"flag": True}


def test_it_runs_again_only_when_an_input_has_changed(project):
    synthesize(project, project / "cdk.out")
    synthesize(project, project / "cdk.out")
    assert runs(project) == 1
    (project / "lambdas.py").write_text("1")
    synthesize(project, project / "cdk.out")
    assert runs(project) == 2
    (project / "lambdas.py").write_text("2")
    synthesize(project, project / "cdk.out")
    assert runs(project) == 3


def test_a_failing_app_shows_why_and_leaves_the_last_assembly(project):
    out = synthesize(project, project / "cdk.out")
    (project / "app.py").write_text("raise SystemExit('no such subnet')")
    with pytest.raises(SynthesisError, match="no such subnet"):
        synthesize(project, out)
    assert (out / "manifest.json").exists()
    assert sorted(path.name for path in project.iterdir()) == ["app.py", "cdk.json", "cdk.out"]


def test_an_app_that_writes_nothing_is_an_error(project):
    (project / "app.py").write_text("")
    with pytest.raises(SynthesisError, match="no cloud assembly"):
        synthesize(project, project / "cdk.out")


def test_a_folder_with_other_things_in_it_is_not_overwritten(project):
    (project / "precious").mkdir()
    (project / "precious" / "thesis.tex").write_text("x")
    with pytest.raises(SynthesisError, match="not overwriting"):
        synthesize(project, project / "precious")
    assert (project / "precious" / "thesis.tex").exists()
