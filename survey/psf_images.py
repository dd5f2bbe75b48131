"""Coadd PSFs as images, as the survey's viewer serves them: a FITS file with an image a band.

Address: https://www.legacysurvey.org/viewer/coadd-psf/?ra=...&dec=...&layer=ls-dr9&bands=grz; 63 x 63 pixels
of the coadd's scale, the star in the middle pixel, unit sum, the pixel's response included.
"""

import io

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from survey.errors import CutoutError
from survey.layout import BANDS


def read_coadd_psf(content: bytes, name: object) -> NDArray[np.float64]:
    """Read the PSF images of one host.

    Parameters
    ----------
    content : bytes
        A FITS file; each HDU with an image says its band in the card BAND.
    name : object
        What errors call the file.

    Returns
    -------
    ndarray (3, side, side)
        In the order of `BANDS`, as in the file.

    Raises
    ------
    CutoutError
        reason "bad_psf" if it cannot be read, lacks a band, or an image is no square of odd side, not finite,
        or without light.
    """
    try:
        with fits.open(io.BytesIO(content), memmap=False) as hdus:
            found = {
                str(hdu.header.get("BAND", "")).strip(): hdu.data for hdu in hdus if hdu.data is not None
            }
        images = np.stack([np.asarray(found[band], dtype=np.float64) for band in BANDS])
    except KeyError as error:
        raise CutoutError("bad_psf", f"{name}: no image of band {error}; fetch it again") from error
    except (OSError, ValueError, TypeError, fits.VerifyError) as error:
        raise CutoutError("bad_psf", f"{name}: cannot be read ({error}); fetch it again") from error
    if images.ndim != 3 or images.shape[1] != images.shape[2] or images.shape[1] % 2 == 0:
        raise CutoutError("bad_psf", f"{name}: images of shape {images.shape[1:]}; give odd squares")
    if not np.isfinite(images).all() or images.sum(axis=(1, 2)).min() <= 0:
        raise CutoutError("bad_psf", f"{name}: an image is not finite or without light; fetch it again")
    return images
