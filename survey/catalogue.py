"""Rows of a sweep or tractor catalogue, column names in either case, checked as they are read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from survey.errors import BrickError, CatalogueError
from survey.fitsfile import FileBytes, hdu_spans

EXTINCTION = {"g": 3.214, "r": 2.165, "i": 1.592, "z": 1.211, "w1": 0.184}
"""A / E(B-V) on the SFD98 map; used where the catalogue has no mw_transmission."""

_GZIP = b"\x1f\x8b"
_NUMBERS = ("release", "brickid", "objid", "ra", "dec", "ebv", "maskbits")
_FLUXES = ("flux_g", "flux_r", "flux_z", "flux_w1")
_REQUIRED = (*_NUMBERS, "brickname", "type", *_FLUXES)
_YES, _NO = frozenset({"T", "TRUE", "1", "Y", "YES"}), frozenset({"F", "FALSE", "0", "N", "NO"})


class Rows:
    """Some rows of a catalogue.

    Parameters
    ----------
    path : Path
        The file, for messages.
    table : numpy record array
        The rows.
    places : ndarray of int
        Their numbers in the file, from 0.
    names : dict
        Lower-case column name to the file's own.
    """

    def __init__(self, path: Path, table: Any, places: NDArray[np.int64], names: dict[str, str]) -> None:
        self.path = path
        self._table = table
        self._places = places
        self._names = names

    def __len__(self) -> int:
        return len(self._table)

    def has(self, name: str) -> bool:
        """Say whether the catalogue has a column."""
        return name in self._names

    def where(self, chosen: NDArray[np.bool_]) -> "Rows":
        """Give some of the rows."""
        if chosen.all():
            return self
        return Rows(self.path, self._table[chosen], self._places[chosen], self._names)

    def finite(self) -> NDArray[np.bool_]:
        """Say which rows hold a finite number in every column that a host needs."""
        needed = [self.floats(name) for name in (*_NUMBERS, *_FLUXES, *self._transmissions)]
        return np.asarray(
            np.logical_and.reduce([np.isfinite(values) for values in (*needed, *self.shapes())]),
            dtype=np.bool_,
        )

    def in_range(self) -> NDArray[np.bool_]:
        """Say which rows lie on the sky (0 <= RA < 360, |Dec| <= 90) behind a transmission above 0."""
        ra, dec = self.floats("ra"), self.floats("dec")
        seen = [self.floats(name) > 0.0 for name in self._transmissions]
        return np.asarray(
            np.logical_and.reduce([ra >= 0.0, ra < 360.0, np.abs(dec) <= 90.0, *seen]), dtype=np.bool_
        )

    @property
    def _transmissions(self) -> list[str]:
        return [name for band in ("g", "r", "z", "w1") if self.has(name := f"mw_transmission_{band}")]

    def floats(self, name: str) -> NDArray[np.float64]:
        """Give a column as float64, in the catalogue's unit; CatalogueError if it holds no numbers."""
        return self._numbers(name, np.float64)

    def integers(self, name: str) -> NDArray[np.int64]:
        """Give a column as int64; CatalogueError if it holds no numbers."""
        return self._numbers(name, np.int64)

    def texts(self, name: str) -> NDArray[np.str_]:
        """Give a column as text without trailing blanks."""
        return np.char.strip(np.asarray(self._column(name), dtype=np.str_))

    def primary(self) -> NDArray[np.bool_]:
        """Say which rows are marked as belonging to their brick; all, in files without `brick_primary`.

        Raises
        ------
        CatalogueError
            If the mark is a text that means neither.
        """
        if not self.has("brick_primary"):
            return np.ones(len(self), dtype=np.bool_)
        if np.asarray(self._column("brick_primary")).dtype.kind not in "SU":
            return self._numbers("brick_primary", np.bool_)
        marks = np.char.upper(self.texts("brick_primary"))
        bad = np.flatnonzero(~np.isin(marks, [*_YES, *_NO]))
        if bad.size:
            where = f"row {self._places[bad[0]]} (from 0), column {self._names['brick_primary']}"
            raise CatalogueError(f"{self.path}: {where} is {str(marks[bad[0]])!r}; give T or F")
        return np.isin(marks, list(_YES))

    def transmission(self, band: str) -> NDArray[np.float64]:
        """Give the Galactic transmission (0 to 1) in a band, from its column or else from ebv."""
        name = f"mw_transmission_{band}"
        if self.has(name):
            return self.floats(name)
        return np.asarray(10.0 ** (-0.4 * EXTINCTION[band] * self.floats("ebv")), dtype=np.float64)

    def shapes(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Give half-light radius (arcsec) and ellipticity components e1, e2.

        DR8 and before give one shape a profile: de Vaucouleurs for DEV (and COMP where it holds at least half
        of the flux), exponential for the others.
        """
        if self.has("shape_r"):
            return self.floats("shape_r"), self.floats("shape_e1"), self.floats("shape_e2")
        kinds = self.texts("type")
        is_dev = (kinds == "DEV") | ((kinds == "COMP") & (self.floats("fracdev") >= 0.5))
        dev, exp = ([self.floats(f"shape{k}_{part}") for part in ("r", "e1", "e2")] for k in ("dev", "exp"))
        radius, e1, e2 = (np.where(is_dev, d, e) for d, e in zip(dev, exp, strict=True))
        return radius, e1, e2

    def _numbers(self, name: str, kind: type[Any]) -> NDArray[Any]:
        column = np.asarray(self._column(name))
        if column.dtype.kind not in "iufb" or column.ndim != 1:
            message = (
                f"column {self._names[name]} holds no numbers; give a sweep or tractor file of the survey"
            )
            raise CatalogueError(f"{self.path}: {message}")
        return column.astype(kind)

    def _column(self, name: str) -> Any:
        if name not in self._names:
            raise CatalogueError(f"{self.path}: no column {name}; give a sweep or tractor file of the survey")
        return self._table[self._names[name]]


def read_rows(path: Path, rows_per_read: int) -> Iterator[Rows]:
    """Read a catalogue part by part.

    Parameters
    ----------
    path : Path
        A sweep or tractor file.
    rows_per_read : int
        Rows in a part.

    Raises
    ------
    CatalogueError
        If the file cannot be read, is truncated or lacks a column.
    """
    try:
        content = FileBytes(path)
        if content[:2] == _GZIP:
            raise CatalogueError(f"{path}: is compressed by gzip; give it unpacked")
        hdu_spans(content, path)  # astropy does not compare a file's size with its headers
        with fits.open(path, memmap=True) as hdus:
            table, names = _table_of(path, hdus)
            for first in range(0, len(table), rows_per_read):
                part = table[first : first + rows_per_read]
                yield Rows(path, part, np.arange(first, first + len(part)), names)
    except FileNotFoundError as error:
        raise CatalogueError(f"{path}: no such file; check the path") from error
    except BrickError as error:
        raise CatalogueError(str(error)) from error
    except (OSError, TypeError, ValueError, IndexError, fits.VerifyError) as error:
        raise CatalogueError(f"{path}: cannot be read ({error}); fetch it again") from error


def _table_of(path: Path, hdus: Any) -> tuple[Any, dict[str, str]]:
    if len(hdus) < 2 or not isinstance(hdus[1], fits.BinTableHDU):
        raise CatalogueError(f"{path}: HDU 1 holds no table; give a sweep or tractor file of the survey")
    names = {column.name.lower(): column.name for column in hdus[1].columns}
    lacking = [name for name in _REQUIRED if name not in names]
    if lacking:
        message = f"no column {', '.join(lacking)}; give a sweep or tractor file of the survey (DR8 or later)"
        raise CatalogueError(f"{path}: {message}")
    return hdus[1].data, names
