"""The grids of one stamp size: root cells of the integration, the deposit grid, the Fourier period.

Along an axis, in pixels from the stamp's first pixel centre:
  period     the whole pattern repeats after `period` pixels (the Fourier transform is periodic); it exceeds
  the
             stamp by at least 48 px, so that the PSF's wings do not come back on the other side;
  deposit    a grid of 3/2 points per pixel from `origin` on: light is spread over it by a smooth window;
  root cell  a square of 2x2 px = 3x3 grid steps. Every root cell sits in the same place between grid points,
             so the 8 grid points that a ray in it can reach, and its weights, come from one small table.
Root cells reach `PAD` pixels beyond the stamp: light from there is scattered into it by the PSF.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

#: Pixels around the stamp whose light is convolved with the PSF.
PAD = 16
#: Side of a root cell in pixels and in deposit-grid steps.
ROOT_PIXELS = 2
ROOT_STEPS = 3
#: Grid points that a ray in a root cell can reach, per axis.
WINDOW = 8
#: Stamps beyond this side are refused.
MAX_PIXELS = 400
_PERIODS = (64, 96, 128, 192, 256, 384, 512)


@dataclass(frozen=True)
class Geometry:
    """Grids for stamps of n_pix pixels.

    n_pix: pixels per side. period: pixels per Fourier period. n_grid: deposit points per period (3/2 period).
    n_root: root cells per side. first_pixel: index of the stamp's first pixel in the period.
    first_root: centre of the first root cell, pixels from the first pixel's centre.
    n_used: deposit points per axis that can be non-zero, rounded up to whole vectors.
    """

    n_pix: int
    period: int
    n_grid: int
    n_root: int
    first_pixel: int
    first_root: float
    n_used: int

    @property
    def region(self) -> tuple[float, float]:
        """Edges of the root cells' square, pixels from the first pixel's centre."""
        low = self.first_root - 0.5 * ROOT_PIXELS
        return low, low + ROOT_PIXELS * self.n_root


@lru_cache(maxsize=16)
def geometry(n_pix: int) -> Geometry:
    """The grids for one stamp size."""
    period = next(p for p in _PERIODS if p >= n_pix + 3 * PAD)
    first_pixel = PAD + 2
    # the first root's window starts on grid point 0: its centre is 3.5 steps from the origin
    first_root = 0.5 * (WINDOW - 1) * ROOT_PIXELS / ROOT_STEPS - first_pixel
    reach = n_pix - 0.5 + PAD - (first_root - 0.5 * ROOT_PIXELS)
    n_root = int(np.ceil(reach / ROOT_PIXELS))
    used = ROOT_STEPS * (n_root - 1) + WINDOW
    n_used = -(-used // 32) * 32
    return Geometry(
        n_pix, period, period * ROOT_STEPS // ROOT_PIXELS, n_root, first_pixel, first_root, n_used
    )
