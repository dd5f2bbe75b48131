"""Stamps cut from the coadds of one brick.

A stamp's frame is the project's: arcsec, x to the right (+columns), y up (+rows), origin at the host. Pixel
(row j, column i) of an n-pixel stamp lies at x = (i - (n-1)/2) scale - cx, y = (j - (n-1)/2) scale - cy.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.errors import BrickError, CutoutError
from survey.layout import BANDS, MASK_KIND, PIXEL_SCALE
from survey.maskbits import bits_from_header, flagged
from survey.openfile import CoaddFile, find_files, open_coadd
from survey.psf import point_source_depth

BAILOUT_LIMIT = 0.5
"""A brick with more than this share of its pixels under BAILOUT is refused."""


@dataclass(frozen=True, eq=False)
class Cutout:
    """The survey's pixels around one host.

    Attributes
    ----------
    brick : str
        Name of the brick.
    ra, dec : float
        Host, degrees.
    image : ndarray (3, n, n) of float32
        Coadds in the order of `BANDS`, nanomaggy per pixel; exactly 0 where there is no data.
    invvar : ndarray (3, n, n) of float32
        Inverse variance, 1/nanomaggy^2; 0 where a pixel is masked (its image value may be patched).
    maskbits : ndarray (n, n) of int32
        Mask bits; `mask_bits` names them.
    psfsize : ndarray (3,) of float32
        The survey's psfsize (not a FWHM) at the host's pixel, arcsec; 0 only where `psf_source` is "none".
    psf_source : tuple of str
        Per band: "map" (the host's pixel), "brick_mean" (the host's pixel has no coverage; mean of the map's
        pixels that have), "none" (no pixel of the map has: there is no PSF, do not use the band).
    center : tuple of float
        (cx, cy): the host's offset from the stamp's middle, arcsec; at most half a pixel each.
    x_pix, y_pix : float
        The host in the brick's image, pixels from 0.
    depth : ndarray (3,) of float32
        5-sigma depth for a point source, AB magnitude, from the stamp's median invvar over good pixels and
        its psfsize; NaN without a PSF.
    mask_bits : mapping
        Bit number by name, from this brick's header.
    """

    brick: str
    ra: float
    dec: float
    image: NDArray[np.float32]
    invvar: NDArray[np.float32]
    maskbits: NDArray[np.int32]
    psfsize: NDArray[np.float32]
    psf_source: tuple[str, str, str]
    center: tuple[float, float]
    x_pix: float
    y_pix: float
    depth: NDArray[np.float32]
    mask_bits: Mapping[str, int]


class BrickReader:
    """Cut stamps from a brick's ten files.

    Opening checks every file (present, whole, checksums, HDU layout, shape, unit, projection) and reads the
    mask; pixels of the other files are decoded at the first stamp, each file once, and kept until the reader
    is closed (40 bytes a pixel: 520 MB for a full brick).

    Parameters
    ----------
    files : path, mapping or iterable
        Folder of a data release (or of the brick's files alone), or relative path -> local path, or local
        paths.
    brick : str
        Name of the brick.

    Raises
    ------
    BrickError
        On entering, if the brick cannot be used; `.reason` and `.path` say why.

    Examples
    --------
    >>> with BrickReader("/data/dr10/south", "0591m305") as reader:  # doctest: +SKIP
    ...     stamp = reader.cut(59.1, -30.5, 64)
    """

    def __init__(self, files: str | Path | Mapping[str, Path] | Iterable[Path], brick: str) -> None:
        self.brick = brick
        self._files = files
        self._coadds: dict[tuple[str, str | None], CoaddFile] = {}
        self._pixels: dict[tuple[str, str | None], NDArray[Any]] = {}
        self.mask_bits: dict[str, int] = {}

    def __enter__(self) -> "BrickReader":
        paths = find_files(self._files, self.brick)
        self._coadds = {key: open_coadd(path, key[0]) for key, path in paths.items()}
        self._check_agreement()
        mask = self._coadds[MASK_KIND, None]
        try:
            self.mask_bits = bits_from_header(mask.header)
        except ValueError as error:
            raise BrickError("bad_layout", mask.path, f"{error}; fetch the file again") from error
        self._check_bailout(mask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pixels.clear()
        self._coadds.clear()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the brick's images."""
        return self._coadds[MASK_KIND, None].shape

    def cut(self, ra: float, dec: float, n_pix: int) -> Cutout:
        """Cut one stamp.

        Parameters
        ----------
        ra, dec : float
            Host, degrees.
        n_pix : int
            Width of the stamp, pixels.

        Raises
        ------
        CutoutError
            reason "off_edge" or "no_coverage".
        BrickError
            If a file turns out to be unreadable, or a band is empty everywhere.
        """
        x_pix, y_pix = self.pixel_of(ra, dec)
        window = self._window(x_pix, y_pix, n_pix, ra, dec)
        image, invvar = self._stack("image", window), self._stack("invvar", window)
        self._check_coverage(image, invvar, ra, dec)
        psfsize, sources = self._psfsize_at(x_pix, y_pix)
        middle = (n_pix - 1) / 2
        return Cutout(
            brick=self.brick,
            ra=ra,
            dec=dec,
            image=image,
            invvar=invvar,
            maskbits=self._read(MASK_KIND)[window].astype(np.int32),
            psfsize=psfsize,
            psf_source=sources,
            center=(
                (x_pix - window[1].start - middle) * PIXEL_SCALE,
                (y_pix - window[0].start - middle) * PIXEL_SCALE,
            ),
            x_pix=x_pix,
            y_pix=y_pix,
            depth=_local_depth(invvar, psfsize),
            mask_bits=self.mask_bits,
        )

    def cut_many(self, positions: Sequence[tuple[float, float]], n_pix: int) -> list[Cutout | CutoutError]:
        """Cut many stamps; a stamp that cannot be cut gives its error in place of a stamp.

        Parameters
        ----------
        positions : sequence of (ra, dec)
            Hosts, degrees.
        n_pix : int
            Width of the stamps, pixels.

        Raises
        ------
        BrickError
            If the brick as a whole cannot be used.
        """
        return [self._cut_or_error(ra, dec, n_pix) for ra, dec in positions]

    def pixel_of(self, ra: float, dec: float) -> tuple[float, float]:
        """Give the pixel (x, y), counted from 0, of a point of the sky (degrees)."""
        x, y = self._coadds[MASK_KIND, None].wcs.to_pixel(ra, dec)
        return float(x), float(y)

    def _cut_or_error(self, ra: float, dec: float, n_pix: int) -> Cutout | CutoutError:
        try:
            return self.cut(ra, dec, n_pix)
        except CutoutError as error:
            return error

    def _window(self, x_pix: float, y_pix: float, n_pix: int, ra: float, dec: float) -> tuple[slice, slice]:
        rows, columns = self.shape
        middle = (n_pix - 1) / 2
        if math.isfinite(x_pix) and math.isfinite(y_pix):
            left, bottom = math.floor(x_pix - middle + 0.5), math.floor(y_pix - middle + 0.5)
            if 0 <= left <= columns - n_pix and 0 <= bottom <= rows - n_pix:
                return slice(bottom, bottom + n_pix), slice(left, left + n_pix)
        where = f"stamp of {n_pix} pixels at ra={ra:.6f} dec={dec:.6f} (pixel {x_pix:.1f}, {y_pix:.1f})"
        raise CutoutError("off_edge", f"{self.brick}: {where} reaches over the {columns} x {rows} image")

    def _check_coverage(
        self, image: NDArray[np.float32], invvar: NDArray[np.float32], ra: float, dec: float
    ) -> None:
        for band, pixels, weights in zip(BANDS, image, invvar, strict=True):
            if not pixels.any() or not weights.any():
                where = f"stamp at ra={ra:.6f} dec={dec:.6f}"
                raise CutoutError("no_coverage", f"{self.brick}: {where} has no data in {band}")

    def _psfsize_at(self, x_pix: float, y_pix: float) -> tuple[NDArray[np.float32], tuple[str, str, str]]:
        column, row = math.floor(x_pix + 0.5), math.floor(y_pix + 0.5)
        found = [_psfsize_or_mean(self._read("psfsize", band), row, column) for band in BANDS]
        sizes = np.array([size for size, _ in found], dtype=np.float32)
        return sizes, (found[0][1], found[1][1], found[2][1])

    def _stack(self, kind: str, window: tuple[slice, slice]) -> NDArray[np.float32]:
        return np.stack([self._read(kind, band)[window] for band in BANDS]).astype(np.float32)

    def _read(self, kind: str, band: str | None = None) -> NDArray[Any]:
        key = (kind, band)
        if key not in self._pixels:
            coadd = self._coadds[key]
            pixels = coadd.read()
            if kind == "invvar" and not pixels.any():
                raise BrickError("no_coverage", coadd.path, f"no good pixel in {band}; leave the brick out")
            self._pixels[key] = pixels
        return self._pixels[key]

    def _check_agreement(self) -> None:
        mask = self._coadds[MASK_KIND, None]
        for coadd in self._coadds.values():
            if coadd.shape != mask.shape:
                message = f"shape {coadd.shape} where {mask.path.name} has {mask.shape}; fetch both again"
                raise BrickError("wrong_shape", coadd.path, message)
            if not coadd.wcs.close_to(mask.wcs):
                message = f"projection differs from that of {mask.path.name}; fetch both again"
                raise BrickError("bad_wcs", coadd.path, message)

    def _check_bailout(self, mask: CoaddFile) -> None:
        share = float(flagged(self._read(MASK_KIND), ("BAILOUT",), self.mask_bits).mean())
        if share > BAILOUT_LIMIT:
            message = f"the survey gave up on {share:.0%} of the brick (BAILOUT); leave the brick out"
            raise BrickError("bailout", mask.path, message)


def _psfsize_or_mean(psfsize: NDArray[np.float32], row: int, column: int) -> tuple[float, str]:
    """Give the map's value (arcsec) at a pixel, or the mean where there is one, and which of them it is."""
    here = float(psfsize[row, column])
    if here > 0.0:
        return here, "map"
    covered = psfsize[psfsize > 0.0]
    return (float(covered.mean(dtype=np.float64)), "brick_mean") if covered.size else (0.0, "none")


def _local_depth(invvar: NDArray[np.float32], psfsize: NDArray[np.float32]) -> NDArray[np.float32]:
    depths = [
        point_source_depth(float(np.median(weights[weights > 0.0])), float(size)) if size > 0.0 else math.nan
        for weights, size in zip(invvar, psfsize, strict=True)
    ]
    return np.array(depths, dtype=np.float32)
