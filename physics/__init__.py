"""Strong-lens images: SIE + external shear, Sersic sources, PSF, pixels, and measures of the result.

Arrays and floats only: no files, no tables, no cloud. Angles on the sky in arcsec, position angles in radians
counter-clockwise from +x, fluxes in nanomaggies; the frame's origin is the host galaxy.
"""

from physics.caustics import caustics, critical_curves, cut
from physics.images import image_positions
from physics.lens import Lens, deflection, point_magnification
from physics.metrics import add_poisson_noise, matched_filter_snr, peak_snr
from physics.psf import DEFAULT_BETA, Psf, fwhm_over_psfsize
from physics.render import Rendered, RenderedBatch, render, render_batch
from physics.sersic import Source

__all__ = [
    "DEFAULT_BETA",
    "Lens",
    "Psf",
    "Rendered",
    "RenderedBatch",
    "Source",
    "add_poisson_noise",
    "caustics",
    "critical_curves",
    "cut",
    "deflection",
    "fwhm_over_psfsize",
    "image_positions",
    "matched_filter_snr",
    "peak_snr",
    "point_magnification",
    "render",
    "render_batch",
]
