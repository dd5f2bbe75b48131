"""The grids of one stamp size and one density: root cells of the integration, the deposit grid, the Fourier
period.

Along an axis, in pixels from the stamp's middle, about which everything is symmetric (a stamp with an odd
side is part of one with another pixel at the far end, and that one's middle counts):
  period     the whole pattern repeats after `period` pixels (the image is a Fourier series); it exceeds the
             stamp by three pads, so that the PSF's wings do not come back on the other side;
  deposit    a grid of `steps` points per 2 pixels: light is spread over it by a smooth window (gridding.py);
  root cell  a square of 2x2 px = `steps` x `steps` grid steps. Every root cell sits in the same place between
             grid points, so the 8 grid points that a ray in it can reach, and its weights, come from one
             small table.
Root cells reach `pad` pixels beyond the stamp: light from there is scattered into it by the PSF. Broad Moffat
wings need a wide pad.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

#: Pixels around the stamp whose light is convolved with the PSF; the largest part of its flux that a PSF may
#: have beyond the period of that pad; and how far beside the stamp (pixels) images, with two of their
#: half-light radii, may reach. With the first, only the faint end of the profile is beyond the pad.
PADS = ((8, 3e-4, -8), (16, 3e-4, math.inf), (24, 1.5e-3, math.inf), (40, 1.0, math.inf))
#: The pad of a system with images beside the stamp, and its period in pads beyond the stamp: what it holds of
#: their light is little, and what wraps must be less. Images beyond it: far.py.
FAR_PAD, FAR_PERIODS = 96, 6
#: Side of a root cell in pixels.
ROOT_PIXELS = 2
#: Deposit-grid steps per root cell: the sharper the PSF, the denser (gridding.py says when each serves).
DENSITIES = (2, 3, 4)
#: Grid points that a ray in a root cell can reach, per axis.
WINDOW = 8
#: Stamps beyond this side are refused.
MAX_PIXELS = 400
_LANES = 16


@dataclass(frozen=True)
class Geometry:
    """Grids for stamps of n_pix pixels.

    n_pix: pixels per side. n_even: the same, or one more to make it even.
    steps: grid steps per root cell. pad: pixels around the stamp.
    period: pixels per Fourier period. n_root: root cells per side. n_used: deposit points per side.
    stride: n_used in whole vectors.
    """

    n_pix: int
    n_even: int
    steps: int
    pad: int
    period: int
    n_root: int
    n_used: int
    stride: int

    @property
    def first_root(self) -> float:
        """Centre of the first root cell, pixels from the stamp's middle."""
        return -0.5 * ROOT_PIXELS * (self.n_root - 1)

    @property
    def middle(self) -> float:
        """The middle of the n_even pixels, in pixels from that of the n_pix."""
        return 0.5 * (self.n_even - self.n_pix)


@lru_cache(maxsize=32)
def geometry(n_pix: int, steps: int, pad: int = PADS[1][0]) -> Geometry:
    """The grids for one stamp size, density and pad."""
    n_even = n_pix + n_pix % 2
    n_root = (n_even + 2 * pad) // ROOT_PIXELS
    n_root += 1 - n_root % 2  # odd, for an even number of deposit points at any density
    n_used = steps * (n_root - 1) + WINDOW
    period = _multiple(
        n_even + (FAR_PERIODS if pad == FAR_PAD else 3) * pad
    )  # of 16: so is the number of grid points or its half (series.py)
    return Geometry(n_pix, n_even, steps, pad, period, n_root, n_used, _multiple(n_used))


def _multiple(n: int) -> int:
    return -(-n // _LANES) * _LANES
