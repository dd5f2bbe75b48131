"""The PSF of a host's stamp: the Moffat (or Gaussian) of the survey's psfsize there, or a user's images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from physics import Psf
from physics.render import MAX_FWHM_STAMPS, MIN_FWHM_PIXELS
from pipeline.schema import BANDS, METRICS
from pipeline.storage import coadd_psf_key, coadd_psf_prefix
from pipeline.store import Store
from pipeline.tier import Tier
from survey.coadd import Cutout
from survey.errors import CutoutError
from survey.layout import PIXEL_SCALE
from survey.psf_images import read_coadd_psf

Limits = tuple[float, float]


def _limits(column: str) -> Limits:
    """Least and largest value of a column of `metrics`: a row beyond them would end its whole task."""
    low, high = METRICS.column(column).low, METRICS.column(column).high
    return -np.inf if low is None else low, np.inf if high is None else high


#: The survey's psfsize, arcsec.
PSFSIZE_LIMITS = _limits(f"psfsize_{BANDS[0]}")


def fwhm_limits(tier: Tier) -> Limits:
    """FWHM, arcsec, that the renderer is tested for in the tier's stamps and `metrics` has room for."""
    low, high = _limits(f"psf_fwhm_used_{BANDS[0]}")
    tested = MIN_FWHM_PIXELS * PIXEL_SCALE, MAX_FWHM_STAMPS * tier.n_pix * PIXEL_SCALE
    return max(low, tested[0]), min(high, tested[1])


def images_of_hosts(store: Store, brick: str, tier: Tier) -> Callable[[str], np.ndarray | None]:
    """How to get the user's PSF images of a host, in a tier that takes them; None where there are none."""
    if tier.psf.kind != "image":
        return lambda host_id: None
    there = {item.key for item in store.list(coadd_psf_prefix(brick))}

    def images_of(host_id: str) -> np.ndarray | None:
        key = coadd_psf_key(brick, host_id)
        return read_coadd_psf(store.get(key), store.uri(key)) if key in there else None

    return images_of


def _within(limits: Limits, sizes: Iterable[float]) -> bool:
    return all(limits[0] <= size <= limits[1] for size in sizes)


def psf_of_host(cutout: Cutout, tier: Tier, images: np.ndarray | None) -> tuple[Psf, dict[str, Any]]:
    """The PSF of a host, and the columns that say what it is."""
    if images is not None:
        try:
            psf, kind = Psf.from_images(images, PIXEL_SCALE), "image"
        except ValueError as error:
            raise CutoutError("bad_psf", f"{cutout.brick}: PSF at ra={cutout.ra}: {error}") from error
    elif "none" in cutout.psf_source:
        raise CutoutError("no_psf", f"{cutout.brick}: no psfsize in some band for ra={cutout.ra}")
    else:
        kind = "gaussian" if tier.psf.kind == "gaussian" else "moffat"
        try:
            psf = Psf.from_psfsize(tuple(cutout.psfsize), kind=kind, beta=tier.psf.beta)
        except ValueError as error:
            raise CutoutError("psf_out_of_range", f"{cutout.brick}: {error} at ra={cutout.ra}") from error
    if not (_within(fwhm_limits(tier), psf.fwhm) and _within(PSFSIZE_LIMITS, cutout.psfsize)):
        found = f"FWHM {psf.fwhm}, psfsize {tuple(cutout.psfsize.tolist())} arcsec"
        raise CutoutError("psf_out_of_range", f"{cutout.brick}: {found} at ra={cutout.ra}")
    return psf, {
        **{f"psf_source_{b}": kind if kind == "image" else cutout.psf_source[i] for i, b in enumerate(BANDS)},
        **{f"psf_fwhm_used_{b}": float(psf.fwhm[i]) for i, b in enumerate(BANDS)},
        "psf_kind": kind,
        "psf_beta": None if kind == "image" else tier.psf.beta,
    }
