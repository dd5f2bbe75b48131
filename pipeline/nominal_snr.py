"""How bright a source must be for an arc of a given SNR: what the grid's axis `arc_snr` means.

arc_snr, the matched-filter SNR in r, is not a parameter: it follows from magnification and blurring. Its
median over source positions in a disc of one theta_E, over the SNR f sqrt(psfdepth) of an unlensed point
source of the same flux, is a power law; the coefficients are a least-squares fit to 6,000 rendered systems
(theta_E/FWHM 0.3 to 1.8, r_eff 0.1 to 0.45 arcsec), with a scatter of 0.34 in ln SNR, which is the
magnification's. A test renders and compares.
"""

from __future__ import annotations

import numpy as np

from pipeline.portable import Floats, exp2, log2

GAIN, RING, SIZE = 1.316, -0.074, -0.275


def gain(theta_e: Floats, r_eff: Floats, fwhm: Floats) -> Floats:
    """Median SNR over that of an unlensed point source; all in arcsec."""
    return GAIN * exp2(RING * log2(theta_e / fwhm) + SIZE * log2(r_eff / fwhm))


def source_flux(snr: Floats, theta_e: Floats, r_eff: Floats, fwhm: Floats, psfdepth: Floats) -> Floats:
    """Unlensed flux in r, nmgy, whose arc has this SNR in the median; psfdepth in 1/nmgy^2."""
    return snr / (gain(theta_e, r_eff, fwhm) * np.sqrt(psfdepth))
