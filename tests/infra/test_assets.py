"""What travels to AWS: the sources of the rooms, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.paths import CACHE, HOSTS, RUNS
from pipeline.storage import RunLayout, cache_key, hosts_key
from tests.infra.conftest import load

pytestmark = pytest.mark.xdist_group("infra")

# A stand-in for the Lambda: nothing can be imported but Python's library, the asset, and what Lambda's
# runtime and the managed layer bring. No numba, astropy, scipy or physics.
IN_THE_LAMBDA = """
import importlib, sys
THERE = {"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3",
         "numpy", "pyarrow", "pandas", "pytz", "tzdata", "awswrangler", "packaging"}
ASSET = {"lambdas", "pipeline", "survey", "athena_sql"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in THERE | ASSET | sys.stdlib_module_names and not top.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"not in the Lambda: {name}", name=name)

sys.meta_path.insert(0, Refuse())
for name in ("plan", "reconcile", "list_queries", "verdict", "write_selection", "publish"):
    module = importlib.import_module(f"lambdas.{name}.handler")
    assert callable(module.handler)
    assert module.__file__.startswith(sys.argv[1]), module.__file__
"""


@pytest.fixture(scope="session")
def code(assembly: Path) -> Path:
    """The Lambdas' code."""
    files = load(assembly, "assets")["files"].values()
    (zipped,) = (f for f in files if f["source"]["packaging"] == "zip")
    return assembly / zipped["source"]["path"]


@pytest.fixture(scope="session")
def image(assembly: Path) -> dict[str, Any]:
    (image,) = load(assembly, "assets")["dockerImages"].values()
    return image["source"]


@pytest.fixture(scope="session")
def context(assembly: Path, image: dict[str, Any]) -> Path:
    """The image's build context."""
    return assembly / image["directory"]


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_code_holds_its_rooms_only(code: Path) -> None:
    assert {path.name for path in code.iterdir()} == {"lambdas", "pipeline", "survey", "athena_sql"}


def test_context_holds_its_rooms_only(context: Path) -> None:
    assert {path.name for path in context.iterdir()} == {
        "closure",
        "fargate",
        "physics",
        "survey",
        "pipeline",
        "athena_sql",
        "requirements",
    }
    assert [path.name for path in (context / "requirements").iterdir()] == ["task.txt"]


@pytest.mark.parametrize("asset", ["code", "context"])
def test_no_caches_tests_or_hidden_files(asset: str, request: pytest.FixtureRequest) -> None:
    for name in names(request.getfixturevalue(asset)):
        parts = Path(name).parts
        assert "__pycache__" not in parts
        assert "tests" not in parts
        assert not any(part.startswith(".") for part in parts)
        assert not name.endswith((".pyc", ".nbc", ".nbi"))


@pytest.mark.parametrize("asset", ["code", "context"])
def test_everything_the_rooms_have_is_there(
    asset: str, sources: Path, request: pytest.FixtureRequest
) -> None:
    """Tier files and SQL too: an allow-list that is too narrow breaks only in the cloud."""
    folder = request.getfixturevalue(asset)
    for room in (path for path in folder.iterdir() if path.name != "requirements"):
        expected = {n for n in names(sources / room.name) if "__pycache__" not in n}
        assert names(room) == expected


def test_handlers_need_only_the_asset_and_the_layer(code: Path) -> None:
    command = [sys.executable, "-B", "-c", IN_THE_LAMBDA, str(code)]
    done = subprocess.run(command, cwd=code, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_entry_point_starts_from_the_context(context: Path) -> None:
    command = [sys.executable, "-B", "-m", "fargate.main"]
    environment = {"PATH": "", "PYTHONPATH": str(context)}
    done = subprocess.run(
        command, cwd=context, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: environment: DARKHALO_PHASE is not set")


def test_image_is_built_for_arm_from_the_dockerfile(context: Path, image: dict[str, Any]) -> None:
    assert image["platform"] == "linux/arm64"
    assert (context / image["dockerFile"]).is_file()
    assert set(image["dockerBuildArgs"]) == {"BASE_IMAGE"}


def test_code_fits_a_lambda_beside_its_layer(code: Path) -> None:
    """250 MB unzipped in all; the layer takes most of it."""
    assert sum((code / name).stat().st_size for name in names(code)) < 5e6


def test_prefixes_are_those_of_the_storage_layout() -> None:
    layout = RunLayout("debug", "a-run")
    assert layout.prefix.startswith(RUNS)
    assert cache_key("dr10/x", "0" * 64).startswith(CACHE)
    assert hosts_key("0" * 64).startswith(HOSTS)
