"""Stamps cut from the coadds of one brick.

A stamp's frame is the project's: arcsec, x to the right (+columns), y up (+rows), origin at the host. Pixel
(row j, column i) of an n-pixel stamp lies at x = (i - (n-1)/2) scale - cx, y = (j - (n-1)/2) scale - cy.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from survey.errors import CutoutError
from survey.layout import BANDS, GIVEN, MASK_KIND, PIXEL_SCALE, coadd_path
from survey.maskbits import flagged
from survey.openfile import CoaddFile, Content, find_files, open_coadd
from survey.strip import Strip
from survey.tiles import Box
from survey.verify import check_agreement
from survey.wcs import TanWCS

BAILOUT_LIMIT = 0.5
"""A stamp with more than this share of its pixels under BAILOUT is refused."""

_FAR = -1e9
"""Pixel coordinate of a position that the projection cannot show."""

_Strips = dict[tuple[str, str | None], Strip]


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
    mask_bits: Mapping[str, int]


@dataclass(frozen=True)
class _Place:
    """Where a stamp lies: the host on the sky (degrees) and in the image (x, y), the stamp's first pixel."""

    index: int
    ra: float
    dec: float
    x: float
    y: float
    row: int
    column: int

    def __str__(self) -> str:
        return f"the stamp at ra={self.ra:.6f} dec={self.dec:.6f}"


class BrickReader:
    """Cut stamps from a brick's ten files.

    Opening checks every file (present, whole, checksums, HDU layout, shape, unit, projection) and decodes
    nothing. A stamp decodes the compressed tiles that it touches; `cut_all` decodes each tile once, however
    many stamps touch it, and holds only the tiles of the rows it works on (30 MB at most for 64 pixels).

    Parameters
    ----------
    files : path, mapping or iterable
        Folder of a data release (or of the brick's files alone), or relative path -> local path or bytes, or
        local paths.
    brick : str
        Name of the brick.
    verify : bool
        Sum every file against its checksums, which reads all of it. False for files whose hash was compared.

    Raises
    ------
    BrickError
        On entering, if the brick cannot be used; `.reason` and `.path` say why.

    Examples
    --------
    >>> with BrickReader("/data/dr10/south", "0591m305") as reader:  # doctest: +SKIP
    ...     stamp = reader.cut(59.1, -30.5, 64)
    """

    def __init__(
        self,
        files: str | Path | Mapping[str, Content] | Iterable[Path],
        brick: str,
        *,
        verify: bool = True,
    ) -> None:
        self.brick = brick
        self._files = files
        self._verify = verify
        self._coadds: dict[tuple[str, str | None], CoaddFile] = {}
        self._mean_psfsize: dict[str, float] = {}
        self.mask_bits: dict[str, int] = {}

    def __enter__(self) -> "BrickReader":
        for (kind, band), file in find_files(self._files, self.brick).items():
            name = file if isinstance(file, Path) else coadd_path(kind, self.brick, band)
            self._coadds[kind, band] = open_coadd(file, kind, name, verify=self._verify)
        mask = self._coadds[MASK_KIND, None]
        check_agreement(self._coadds.values(), mask)
        self.mask_bits = mask.mask_bits
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._coadds.clear()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the brick's images."""
        return self._coadds[MASK_KIND, None].shape

    @property
    def wcs(self) -> TanWCS:
        """Projection of the brick's images."""
        return self._coadds[MASK_KIND, None].wcs

    def cut(self, ra: float, dec: float, n_pix: int) -> Cutout:
        """Cut one stamp (`cut_all` is faster for many).

        Parameters
        ----------
        ra, dec : float
            Host, degrees.
        n_pix : int
            Width of the stamp, pixels.

        Raises
        ------
        CutoutError
            reason "off_edge", "no_coverage" or "bailout".
        BrickError
            If a file turns out to be unreadable.
        """
        _, stamp = next(self.cut_all([(ra, dec)], n_pix))
        if isinstance(stamp, CutoutError):
            raise stamp
        return stamp

    def cut_all(
        self, positions: Sequence[tuple[float, float]], n_pix: int
    ) -> Iterator[tuple[int, Cutout | CutoutError]]:
        """Cut many stamps in one pass over the files.

        Parameters
        ----------
        positions : sequence of (ra, dec)
            Hosts, degrees.
        n_pix : int
            Width of the stamps, pixels.

        Yields
        ------
        index : int
            Of the position. Stamps come in the order of their rows, not of the positions.
        stamp : Cutout or CutoutError
            The stamp, or why there is none.

        Raises
        ------
        BrickError
            If a file turns out to be unreadable.
        """
        places = self._places(positions, n_pix)
        strips = {key: Strip(coadd) for key, coadd in self._coadds.items()}
        for place in sorted(places, key=lambda place: (place.row, place.column)):
            for strip in strips.values():
                strip.forget_below(place.row)
            try:
                yield place.index, self._cut(place, n_pix, strips)
            except CutoutError as error:
                yield place.index, error

    def _places(self, positions: Sequence[tuple[float, float]], n_pix: int) -> list[_Place]:
        """Say where the stamps lie, in pixels; a position on another side of the sky is far outside."""
        ra, dec = np.array(positions, dtype=np.float64).reshape(-1, 2).T
        x, y = (np.nan_to_num(v, nan=_FAR) for v in self.wcs.to_pixel(ra, dec))
        middle = (n_pix - 1) / 2
        left, bottom = (np.floor(v - middle + 0.5).astype(int) for v in (x, y))
        columns = (v.tolist() for v in (ra, dec, x, y, bottom, left))
        return [_Place(index, *values) for index, values in enumerate(zip(*columns, strict=True))]

    def _cut(self, place: _Place, n_pix: int, strips: _Strips) -> Cutout:
        self._check_inside(place, n_pix)
        box = (place.row, place.row + n_pix, place.column, place.column + n_pix)
        image, invvar = (_stack(strips, kind, box) for kind in ("image", "invvar"))
        self._check_coverage(image, invvar, place)
        maskbits = np.empty((n_pix, n_pix), dtype=np.int32)
        strips[MASK_KIND, None].cut(box, maskbits)
        self._check_bailout(maskbits, place)
        psfsize, sources = self._psfsize_at(place, strips)
        middle = (n_pix - 1) / 2
        return Cutout(
            brick=self.brick,
            ra=place.ra,
            dec=place.dec,
            image=image,
            invvar=invvar,
            maskbits=maskbits,
            psfsize=psfsize,
            psf_source=sources,
            center=(
                (place.x - place.column - middle) * PIXEL_SCALE,
                (place.y - place.row - middle) * PIXEL_SCALE,
            ),
            x_pix=place.x,
            y_pix=place.y,
            mask_bits=self.mask_bits,
        )

    def _check_inside(self, place: _Place, n_pix: int) -> None:
        rows, columns = self.shape
        if not (0 <= place.column <= columns - n_pix and 0 <= place.row <= rows - n_pix):
            where = f"{place} (pixel {place.x:.1f}, {place.y:.1f}), {n_pix} pixels wide,"
            raise CutoutError("off_edge", f"{self.brick}: {where} reaches over the {columns} x {rows} image")

    def _check_coverage(self, image: NDArray[np.float32], invvar: NDArray[np.float32], place: _Place) -> None:
        for band, pixels, weights in zip(BANDS, image, invvar, strict=True):
            if not pixels.any() or not weights.any():
                raise CutoutError("no_coverage", f"{self.brick}: {place} has no data in {band}")

    def _check_bailout(self, maskbits: NDArray[np.int32], place: _Place) -> None:
        share = float(flagged(maskbits, ("BAILOUT",), self.mask_bits).mean())
        if share > BAILOUT_LIMIT:
            raise CutoutError(
                "bailout", f"{self.brick}: the survey gave up on {share:.0%} of {place} (BAILOUT)"
            )

    def _psfsize_at(self, place: _Place, strips: _Strips) -> tuple[NDArray[np.float32], tuple[str, str, str]]:
        column, row = math.floor(place.x + 0.5), math.floor(place.y + 0.5)
        sizes, sources = np.zeros(len(BANDS), dtype=np.float32), []
        for number, band in enumerate(BANDS):
            given = GIVEN in self._coadds["psfsize", band].header
            sizes[number], source = strips["psfsize", band].pixel(row, column), "given" if given else "map"
            if sizes[number] == 0.0:
                sizes[number] = self._mean_of(band)
                source = "brick_mean" if sizes[number] else "none"
            sources.append(source)
        return sizes, (sources[0], sources[1], sources[2])

    def _mean_of(self, band: str) -> float:
        """Give the mean psfsize (arcsec) of the pixels that have one; 0 where none has."""
        if band not in self._mean_psfsize:
            psfsize = self._coadds["psfsize", band].read()
            covered = psfsize[psfsize > 0.0]
            self._mean_psfsize[band] = float(covered.mean(dtype=np.float64)) if covered.size else 0.0
        return self._mean_psfsize[band]


def _stack(strips: _Strips, kind: str, box: Box) -> NDArray[np.float32]:
    planes = np.empty((len(BANDS), box[1] - box[0], box[3] - box[2]), dtype=np.float32)
    for band, plane in zip(BANDS, planes, strict=True):
        strips[kind, band].cut(box, plane)
    return planes
