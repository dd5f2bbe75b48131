"""Plain images as a sky: what the survey has besides image and invvar is made for them, and says that it is.

The PSF sizes are whatever the person gives. The files that hold them carry the card GIVEN, so that every
host's `psf_source` is "given" and not "map": no map of the survey's stands behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from survey.errors import SurveyError
from survey.layout import BANDS, GIVEN, MASK_KIND, coadd_folder, coadd_path
from survey.synthetic.codecs import coadd_bytes, maskbits_bytes

_CARDS = (
    "SURVEY", "DRVERSIO", "BRICKNAM", "BRICKID", "RAMIN", "RAMAX", "DECMIN", "DECMAX", "BRICKRA", "BRICKDEC",
    "CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2", "CDELT1",
    "CDELT2", "PC1_1", "PC1_2", "PC2_1", "PC2_2", "EQUINOX", "MAGZERO",
)  # fmt: skip


def complete_sky(
    source: Path, target: Path, bricks: Iterable[str], psfsize_of: Callable[[str], Sequence[float]]
) -> None:
    """Lay out some bricks of a sky in `target`: links to their files, with psfsize and maskbits added.

    Parameters
    ----------
    source : Path
        Folder in the survey's layout with image and invvar of every brick.
    target : Path
        Folder for the completed sky, of these sizes and this state of the source (`listing`); what was made
        there is kept, but for a file that the source has of its own.
    bricks : iterable of str
        Their names; one without a folder is left to 4b, which says what is absent.
    psfsize_of : callable
        Brick's name -> the survey's psfsize (not a FWHM), arcsec, in g, r and z.

    Raises
    ------
    SurveyError
        For a brick with psfsize maps of its own.
    """
    target.mkdir(parents=True, exist_ok=True)
    for brick in bricks:
        if (source / coadd_folder(brick)).is_dir():
            _complete(source, target, brick, psfsize_of(brick))
    for other in source.iterdir():
        if other.name != "coadd":
            _link(other, target / other.name)


def _complete(source: Path, target: Path, brick: str, psfsize: Sequence[float]) -> None:
    for path in (source / coadd_folder(brick)).iterdir():
        _link(path, target / path.relative_to(source))
    for band, size in zip(BANDS, psfsize, strict=True):
        name = coadd_path("psfsize", brick, band)
        if (source / name).exists():
            raise SurveyError(f"{source / name}: the sky has PSF sizes of its own; leave --psf out")
        image = source / coadd_path("image", brick, band)
        if image.exists():
            _write(target / name, partial(_psfsize, image, band, size))
    image = source / coadd_path("image", brick, BANDS[0])
    if image.exists() and not (source / coadd_path(MASK_KIND, brick)).exists():
        _write(target / coadd_path(MASK_KIND, brick), partial(_maskbits, image))


def _psfsize(image: Path, band: str, size: float) -> bytes:
    cards, shape = _cards(image)
    pixels = np.full(shape, size, dtype=np.float32)
    return coadd_bytes("psfsize", pixels, {**cards, "FILTER": band, GIVEN: True})


def _maskbits(image: Path) -> bytes:
    cards, shape = _cards(image)
    unmasked = np.zeros(shape, dtype=np.uint8)
    return maskbits_bytes(unmasked.astype(np.int16), (unmasked, unmasked), cards)


def _cards(image: Path) -> tuple[dict[str, Any], tuple[int, int]]:
    """What all coadds of a brick share, and their shape (rows, columns)."""
    header = fits.getheader(image, 1)
    shape = (int(header["NAXIS2"]), int(header["NAXIS1"]))
    return {name: header[name] for name in _CARDS if name in header}, shape


def listing(source: Path, bricks: Iterable[str]) -> list[tuple[str, int, int]]:
    """List the files of some bricks: path below `source`, size in bytes, time of change in ns; sorted."""
    folders = (source / coadd_folder(brick) for brick in bricks)
    files = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    states = ((path.relative_to(source).as_posix(), path.stat()) for path in files)
    return sorted((name, state.st_size, state.st_mtime_ns) for name, state in states)


def _link(path: Path, link: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.unlink(missing_ok=True)  # one that was made, before the source had it
        link.symlink_to(path.resolve())


def _write(path: Path, content: Callable[[], bytes]) -> None:
    """Write a file, whole or not at all, unless it is there."""
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content())
    part.replace(path)
