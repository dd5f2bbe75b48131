"""Light that the wings of a Moffat bring into the stamp from an image beyond the grid (`geometry.FAR_PAD`).

From 25" away an image is a point with a flux: its lensed flux times the PSF's surface brightness at each
pixel's centre. What its extent changes is of the order (r_eff / distance)^2 of that, itself less than 2e-4 of
the light. Of an image that straddles the grid's edge the part beyond is left out: 1e-5 of its light.
"""

import numpy as np

from physics.images import RING, image_positions
from physics.lens import Lens
from physics.psf import moffat_scale


def far_image(lens: np.ndarray, source: np.ndarray, center: np.ndarray, limit: float) -> np.ndarray | None:
    """Position of the brightest image relative to the stamp's middle, arcsec [2], if it lies farther than
    `limit` (arcsec) along an axis; else None.

    lens, source, center: rows of parameters as in `rays.prepare` and `render_batch`.
    """
    deflector = Lens(*lens.tolist())
    on_lens = np.hypot(source[4] - lens[5], source[5] - lens[6]) <= RING * lens[0]  # a ring, not images
    x, y = (source[4:5], source[5:6]) if on_lens else image_positions(source[4], source[5], deflector)
    place = np.array([x[0], y[0]]) + center
    return place if np.abs(place).max() > limit else None


def wing(place: np.ndarray, fwhm: float, beta: float, n_pix: int, pixel_scale: float) -> np.ndarray:
    """What a point of unit flux at `place` gives to each pixel: float64 [n_pix, n_pix].

    (beta - 1) / (pi a^2) (1 + r^2 / a^2)^-beta times the pixel's area (Moffat 1969; the PSF is the effective
    one, the pixel included).
    """
    axis = (np.arange(n_pix) - 0.5 * (n_pix - 1)) * pixel_scale
    a2 = moffat_scale(fwhm, beta) ** 2
    r2 = (axis[None, :] - place[0]) ** 2 + (axis[:, None] - place[1]) ** 2
    return np.asarray(pixel_scale**2 * (beta - 1.0) / (np.pi * a2) * (1.0 + r2 / a2) ** -beta)
