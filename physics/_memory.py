"""Working memory, kept by each thread from call to call: touching fresh pages would cost a short batch more
than its systems do. An entry is 10 to 50 MB at 64 to 128 pixels, up to 100 at 400, until its thread ends.
"""

import threading
from functools import lru_cache
from typing import NamedTuple

from physics.convolve import Buffers, buffers, plan
from physics.deposit import RootGrid, root_grid
from physics.geometry import Geometry
from physics.quadtree import Scratch, scratch
from physics.rays import Desk, desk

#: Geometries kept; a batch of one stamp size seldom meets more.
_KEPT = 6
_of_thread = threading.local()


class Memory(NamedTuple):
    """What one system after the other is worked out in. Nothing in it outlives its call."""

    desk: Desk
    work: Scratch
    roots: RootGrid
    buffers: Buffers


def memory(g: Geometry, bands: int, terms: int) -> Memory:
    """This thread's memory for a geometry and PSFs of so many bands, each a sum of `terms` Gaussians."""
    if not hasattr(_of_thread, "allocate"):
        _of_thread.allocate = lru_cache(maxsize=_KEPT)(_allocate)
        _of_thread.desk, _of_thread.work = desk(), scratch()
    kept: Memory = _of_thread.allocate(g, bands, terms)
    return kept


def _allocate(g: Geometry, bands: int, terms: int) -> Memory:
    roots, bands_buffers = root_grid(g.n_root, g.stride), buffers(g, plan(g), bands, terms)
    return Memory(_of_thread.desk, _of_thread.work, roots, bands_buffers)
