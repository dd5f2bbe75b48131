"""The build step that fills the numba cache makes the call that 4c makes."""

from __future__ import annotations

import inspect

from fargate.bake import _two_tasks, bake
from physics import render_batch


def test_bake_renders() -> None:
    assert bake() > 0


def test_every_argument_of_the_renderer_is_given() -> None:
    parameters = set(inspect.signature(render_batch).parameters) - {"psf_image"}  # 4c gives widths
    assert set(_two_tasks("moffat")) == parameters
