"""One coadd file: found, checked, and decoded when its pixels are asked for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from survey.errors import BrickError
from survey.fitsfile import check_fits
from survey.layout import BAND_KINDS, BANDS, MASK_KIND, coadd_folder, coadd_path
from survey.wcs import TanWCS

_UNITS: dict[str, frozenset[str]] = {
    "image": frozenset({"nanomaggy", "nanomaggies", "nmgy"}),
    "invvar": frozenset({"1/nanomaggy^2", "1/nanomaggy**2", "1/nanomaggies^2", "1/nmgy^2", "nanomaggy^-2"}),
    "psfsize": frozenset({"arcsec", "arcsecond", "arcseconds"}),
}


@dataclass(frozen=True)
class CoaddFile:
    """A checked coadd file.

    Attributes
    ----------
    path : Path
        Local file.
    shape : tuple of int
        Rows and columns.
    wcs : TanWCS
        Projection.
    header : mapping
        Header cards of HDU 1.
    """

    path: Path
    shape: tuple[int, int]
    wcs: TanWCS
    header: Mapping[str, Any]

    def read(self) -> NDArray[Any]:
        """Decode all pixels, in the machine's byte order.

        Raises
        ------
        BrickError
            reason "corrupt" if they cannot be decoded or are not all finite.
        """
        try:
            with fits.open(self.path, memmap=False) as hdus:
                pixels = np.asarray(hdus[1].data)
        except Exception as error:  # the decoders of damaged tiles raise errors of many kinds
            raise BrickError("corrupt", self.path, f"cannot be decoded ({error}); fetch it again") from error
        if not np.isfinite(pixels).all():
            raise BrickError("corrupt", self.path, "holds pixels that are not finite; fetch it again")
        return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def find_files(
    files: str | Path | Mapping[str, Path] | Iterable[Path], brick: str
) -> dict[tuple[str, str | None], Path]:
    """Find the ten files of a brick.

    Parameters
    ----------
    files : path, mapping or iterable
        Folder of a data release (or of the brick's files alone), relative path -> local path, or local paths.
    brick : str
        Name of the brick.

    Returns
    -------
    dict
        (kind, band or None) -> local path.

    Raises
    ------
    BrickError
        reason "not_found" if there is no file of the brick at all, "missing_band" if some are absent.
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
    place = files if isinstance(files, str | Path) else coadd_folder(brick)
    if len(absent) == len(wanted):
        raise BrickError("not_found", place, f"no file of brick {brick}; check the folder or the name")
    if absent:
        names = ", ".join(Path(path).name for path in absent)
        raise BrickError("missing_band", absent[0], f"absent: {names}; fetch them or leave brick {brick} out")
    return {key: path for key, path in local.items() if path is not None}


def open_coadd(path: Path, kind: str) -> CoaddFile:
    """Check one coadd file and read its header.

    Parameters
    ----------
    path : Path
        Local file.
    kind : str
        "image", "invvar", "psfsize" or "maskbits".

    Raises
    ------
    BrickError
        reason "truncated", "corrupt", "bad_layout", "wrong_unit" or "bad_wcs".
    """
    check_fits(path)
    header, shape = _image_header(path)
    unit = str(header.get("BUNIT", "")).strip()
    if unit and kind in _UNITS and unit.lower() not in _UNITS[kind]:
        expected = " or ".join(sorted(_UNITS[kind]))
        raise BrickError(
            "wrong_unit", path, f"unit {unit!r}, expected {expected}; not a coadd of the survey?"
        )
    try:
        wcs = TanWCS.from_header(header)
    except ValueError as error:
        raise BrickError("bad_wcs", path, f"{error}; not a coadd of the survey?") from error
    return CoaddFile(path=path, shape=shape, wcs=wcs, header=header)


def _image_header(path: Path) -> tuple[Mapping[str, Any], tuple[int, int]]:
    try:
        with fits.open(path, memmap=False) as hdus:
            if len(hdus) < 2 or not getattr(hdus[1], "is_image", False) or len(hdus[1].shape) != 2:
                raise BrickError("bad_layout", path, "HDU 1 holds no two-dimensional image; fetch it again")
            return dict(hdus[1].header), (int(hdus[1].shape[0]), int(hdus[1].shape[1]))
    except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
        raise BrickError("corrupt", path, f"its header cannot be read ({error}); fetch it again") from error


def _locate(files: str | Path | Mapping[str, Path], relative: str) -> Path | None:
    name = relative.rsplit("/", 1)[1]
    if isinstance(files, Mapping):
        candidates = [Path(files[key]) for key in (relative, name) if key in files]
    else:
        candidates = [Path(files) / relative, Path(files) / name]
    return next((path for path in candidates if path.is_file()), None)
