"""One coadd file: found, checked, and decoded tile by tile when its pixels are asked for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.decode import TileDecoder
from survey.errors import BrickError
from survey.fitsfile import FileBytes, check_content
from survey.layout import BAND_KINDS, BANDS, MASK_KIND, brick_files, coadd_path, parse_path
from survey.maskbits import bits_from_header
from survey.tiles import Box, read_tiles
from survey.wcs import TanWCS

Content = Path | bytes
"""A file: where it lies, or its bytes."""

_UNITS: dict[str, frozenset[str]] = {
    "image": frozenset({"nanomaggy", "nanomaggies", "nmgy"}),
    "invvar": frozenset({"1/nanomaggy^2", "1/nanomaggy**2", "1/nanomaggies^2", "1/nmgy^2", "nanomaggy^-2"}),
    "psfsize": frozenset({"arcsec", "arcsecond", "arcseconds"}),
}


class CoaddFile:
    """A checked coadd file; its pixels are decoded a tile at a time.

    Parameters
    ----------
    content : bytes or FileBytes
        The file.
    kind : str
        "image", "invvar", "psfsize" or "maskbits".
    name : object
        What errors call the file.

    Attributes
    ----------
    name : str
        What errors call the file.
    shape : tuple of int
        Rows and columns.
    wcs : TanWCS
        Projection.
    header : mapping of str
        Raw values of the header cards of HDU 1.
    mask_bits : dict
        Bit number by name, of a maskbits file; else empty.

    Raises
    ------
    BrickError
        reason "truncated", "corrupt", "bad_layout", "wrong_unit" or "bad_wcs".
    """

    def __init__(self, content: bytes | FileBytes, kind: str, name: object) -> None:
        self.name, self._content, self._kind = str(name), content, kind
        self._image = read_tiles(content, name)
        self._decoder = TileDecoder(self._image, name)
        if self._image.span.end > len(content):
            message = f"HDU 1 ends at byte {self._image.span.end}, the file at {len(content)}; fetch it again"
            raise BrickError("truncated", name, message)
        self.shape, self.header = self._image.shape, self._image.span.cards
        self._check_unit()
        try:
            self.wcs = TanWCS.from_header(self.header)
        except ValueError as error:
            raise BrickError("bad_wcs", name, f"{error}; not a coadd of the survey?") from error
        try:
            self.mask_bits = bits_from_header(self.header) if kind == MASK_KIND else {}
        except ValueError as error:
            raise BrickError("bad_layout", name, f"{error}; fetch the file again") from error

    @property
    def type(self) -> np.dtype[Any]:
        """Number type of the pixels."""
        return self._decoder.type

    def tiles_of(self, box: Box) -> list[int]:
        """Number the tiles that hold the pixels of a box."""
        return self._image.touched([box])

    def box_of(self, tile: int) -> Box:
        """Give the pixels that a tile holds."""
        return self._image.box_of(tile)

    def tile(self, number: int) -> NDArray[Any]:
        """Decode one tile, (rows, columns).

        An invvar below 0 is 0, no weight: lossy compression makes such of small ones (legacypipe issue 530).

        Raises
        ------
        BrickError
            reason "absent_tile" if the file was staged without it; "corrupt" if it cannot be decoded, is not
            all finite, or is a negative psfsize.
        """
        pixels = self._decoded(number)
        return np.maximum(pixels, 0) if self._kind == "invvar" and pixels.min() < 0 else pixels

    def check(self, tiles: Iterable[int] | None = None) -> int:
        """Decode tiles (by default all), as stamps will; how many pixels of an invvar are below 0.

        What passes here is read without an error for whatever stamp; raises as `tile` does.
        """
        negative = 0
        for number in range(len(self._image.starts)) if tiles is None else tiles:
            pixels = self._decoded(number)
            negative += int((pixels < 0).sum()) if self._kind == "invvar" else 0
        return negative

    def _decoded(self, number: int) -> NDArray[Any]:
        start, stop = self._image.starts[number], self._image.stops[number]
        pixels = self._decoder.decode(number, self._content[start:stop])
        if self._kind == "psfsize" and pixels.min() < 0:
            raise BrickError("corrupt", self.name, "holds a negative psfsize; fetch it again")
        return pixels

    def read(self) -> NDArray[Any]:
        """Decode all pixels; raises as `tile` does."""
        pixels = np.empty(self.shape, dtype=self.type)
        for number in range(len(self._image.starts)):
            top, bottom, left, right = self.box_of(number)
            pixels[top:bottom, left:right] = self.tile(number)
        return pixels

    def _check_unit(self) -> None:
        unit = self.header.get("BUNIT", "").strip()
        if unit and self._kind in _UNITS and unit.lower() not in _UNITS[self._kind]:
            expected = " or ".join(sorted(_UNITS[self._kind]))
            message = f"unit {unit!r}, expected {expected}; not a coadd of the survey?"
            raise BrickError("wrong_unit", self.name, message)


def find_files(
    files: str | Path | Mapping[str, Content] | Iterable[Path], brick: str
) -> dict[tuple[str, str | None], Content]:
    """Find the ten files of a brick.

    Parameters
    ----------
    files : path, mapping or iterable
        Folder of a data release (or of the brick's files alone), relative path -> local path or bytes, or
        local paths.
    brick : str
        Name of the brick.

    Returns
    -------
    dict
        (kind, band or None) -> local path or bytes.

    Raises
    ------
    BrickError
        reason "not_found", "missing_band" or "missing_file", as `refuse_incomplete`.
    """
    wanted: dict[tuple[str, str | None], str] = {
        (kind, band): coadd_path(kind, brick, band) for band in BANDS for kind in BAND_KINDS
    }
    wanted[MASK_KIND, None] = coadd_path(MASK_KIND, brick)
    held = (
        files if isinstance(files, str | Path | Mapping) else {Path(path).name: Path(path) for path in files}
    )
    local = {key: _locate(held, path) for key, path in wanted.items()}
    absent = [wanted[key] for key, path in local.items() if path is None]
    refuse_incomplete(
        brick, absent, lambda path: f"{files}/{path}" if isinstance(files, str | Path) else path
    )
    return {key: path for key, path in local.items() if path is not None}


def refuse_incomplete(brick: str, absent: Sequence[str], address: Callable[[str], str]) -> None:
    """Refuse a brick that lacks files of `survey.layout.brick_files`.

    Parameters
    ----------
    brick : str
        Its name.
    absent : sequence of str
        Relative paths of the files that are not there.
    address : callable
        What errors call a file, by its relative path.

    Raises
    ------
    BrickError
        reason "not_found" if there is no file of the brick at all, "missing_band" if all of some bands are
        absent and nothing else, "missing_file" otherwise; all that is absent is named.
    """
    if not absent:
        return
    wanted = brick_files(brick)
    if len(absent) == len(wanted):
        message = f"no file of brick {brick}; check the folder, or leave it out"
        raise BrickError("not_found", address(absent[0]), message)
    bands = {parse_path(path).band for path in absent}
    whole = [path for path in wanted if parse_path(path).band in bands - {None}]
    names = ", ".join(Path(path).name for path in absent)
    reason = "missing_band" if sorted(absent) == sorted(whole) else "missing_file"
    raise BrickError(
        reason, address(absent[0]), f"absent: {names}; put them there, or leave brick {brick} out"
    )


def open_coadd(file: Content, kind: str, name: object = None, *, verify: bool = True) -> CoaddFile:
    """Check one coadd file and read its layout.

    Parameters
    ----------
    file : Path or bytes
        The file.
    kind : str
        "image", "invvar", "psfsize" or "maskbits".
    name : object, optional
        What errors call the file, if not its path.
    verify : bool
        Sum the whole file against its checksums. Without, only its structure is checked: for files whose hash
        was compared already.

    Raises
    ------
    BrickError
        reason "truncated", "corrupt", "bad_layout", "wrong_unit" or "bad_wcs".
    """
    content = FileBytes(file) if isinstance(file, Path) else file
    called = file if name is None and isinstance(file, Path) else name
    if verify:
        check_content(content, called)
    return CoaddFile(content, kind, called)


def _locate(files: str | Path | Mapping[str, Content], relative: str) -> Content | None:
    name = relative.rsplit("/", 1)[1]
    if isinstance(files, Mapping):
        found = next((files[key] for key in (relative, name) if key in files), None)
        return found if isinstance(found, bytes) or (found is not None and Path(found).is_file()) else None
    candidates = (Path(files) / relative, Path(files) / name)
    return next((path for path in candidates if path.is_file()), None)
