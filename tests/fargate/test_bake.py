"""The image's build step: kernels for every processor the task may meet, and nothing left to compile."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fargate.bake import _two_tasks, bake
from physics import _targets, render_batch

_RENDER = """
import json, sys
import numpy as np
from numba.core import config
from fargate.bake import _kernels, _two_tasks
from physics import render_batch

np.save(sys.argv[1], render_batch(**_two_tasks("moffat")).image)
stats = [kernel.stats for _, kernel in _kernels()]
print(json.dumps({
    "target": config.CPU_NAME,
    "loaded": sum(sum(s.cache_hits.values()) for s in stats),
    "compiled": sum(sum(s.cache_misses.values()) for s in stats),
}))
"""


def _python(cache: Path, *arguments: str, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, text=True,
        env={**environment, "NUMBA_CACHE_DIR": str(cache), **variables},
    )  # fmt: skip
    return done.stdout


@pytest.fixture(scope="module")
def targets() -> list[str]:
    found = _targets.supported(_targets.host_features())
    if not found:
        pytest.skip("this processor is older than every target")
    return found


@pytest.fixture(scope="module")
def cache(targets: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As in the image: the best target by calls, the others from the list of its kernels."""
    folder = tmp_path_factory.mktemp("cache")
    printed = _python(folder, "-m", "fargate.bake", *targets)
    assert printed.count("kernels compiled") == len(targets)
    return folder


def _render(cache: Path, image: Path, **variables: str) -> dict[str, Any]:
    return dict(json.loads(_python(cache, "-c", _RENDER, str(image), **variables)))


def test_a_task_picks_the_best_target_and_compiles_nothing(cache, targets, tmp_path):
    found = _render(cache, tmp_path / "image.npy")
    assert found == {"target": targets[0], "loaded": found["loaded"], "compiled": 0}
    assert found["loaded"] > 0


def test_every_target_gives_the_image_of_this_processor(cache, targets, tmp_path):
    here = render_batch(**_two_tasks("moffat")).image
    for name in targets:
        image = tmp_path / f"{name}.npy"
        found = _render(cache, image, NUMBA_CPU_NAME=name, NUMBA_CPU_FEATURES="")
        assert found["compiled"] == 0, name
        np.testing.assert_allclose(np.load(image), here, rtol=0, atol=1e-6 * here.max(), err_msg=name)


def test_the_list_of_kernels_does_not_stay_in_the_image(cache):
    (folder,) = cache.iterdir()
    assert not list(folder.glob("*.pickle"))


def test_a_target_that_nothing_here_can_run_is_refused():
    with pytest.raises(ValueError, match="can run none of pdp-11"):
        bake(["pdp-11"])


@pytest.mark.parametrize(
    ("machine", "features", "expected"),
    [
        ("x86_64", _targets.TARGETS["x86_64"]["x86-64-v4"], ["x86-64-v4", "x86-64-v3"]),
        ("x86_64", _targets.TARGETS["x86_64"]["x86-64-v3"], ["x86-64-v3"]),
        ("x86_64", frozenset({"sse2"}), []),
        ("aarch64", frozenset({"neon", "sve"}), ["neoverse-v1", "neoverse-n1"]),
        ("aarch64", frozenset({"neon"}), ["neoverse-n1"]),
        ("riscv64", frozenset(), []),
    ],
)
def test_targets_by_processor(machine, features, expected):
    assert _targets.supported(features, machine) == expected


def test_every_argument_of_the_renderer_is_given() -> None:
    parameters = set(inspect.signature(render_batch).parameters) - {"psf_image"}  # 4c gives widths
    assert set(_two_tasks("moffat")) == parameters
