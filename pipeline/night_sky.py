"""The sky that a coadd's noise is the noise of: a dark night at the DECam.

22.04, 20.91 and 18.46 mag/arcsec^2 in g, r and z (given by Burleigh et al. 2020, AJ 160, 61, for the survey's
observing; not compared with the text). Plain numbers: the Lambdas read them too.
"""

from __future__ import annotations

import math

from pipeline.schema import BANDS
from survey.layout import PIXEL_SCALE

SKY_MAG = {"g": 22.04, "r": 20.91, "z": 18.46}
SKY = {b: 10 ** (-0.4 * (SKY_MAG[b] - 22.5)) * PIXEL_SCALE**2 for b in BANDS}  # nmgy in a pixel

# psfdepth is a pixel's inverse variance over the PSF's noise-equivalent area, 4 pi (psfsize / 2.3548)^2 in
# pixels; the gain is the sky times that inverse variance. Both by psfdepth x psfsize^2.
INVVAR_OF_DEPTH = 4 * math.pi / (8 * math.log(2)) / PIXEL_SCALE**2
GAIN_OF_DEPTH = {band: sky * INVVAR_OF_DEPTH for band, sky in SKY.items()}
