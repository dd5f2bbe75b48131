"""Positions of known lenses, so that nothing is injected on a real one."""

import csv
import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from survey.errors import CatalogueError
from survey.numbers import as_number

_NAMES = {"ra": ("ra", "raj2000", "ra_j2000", "ra_deg", "radeg"),
          "dec": ("dec", "decj2000", "dec_j2000", "dej2000", "dec_deg", "decdeg", "dedeg")}  # fmt: skip
_UNIT = re.compile(r"[\s_]*[\[(]\s*(.*?)\s*[\])]$")
_DEGREES = ("deg", "degree", "degrees", "\N{DEGREE SIGN}")

DEFAULT_RADIUS_ARCSEC = 12.0
"""Half of the diagonal of a 64-pixel stamp (11.9"): a lens further off is on no pixel of the host's stamp."""


class KnownLenses:
    """Known lenses and the distance to keep from them.

    Parameters
    ----------
    ra, dec : array_like
        Degrees.
    radius_arcsec : float
        Hosts this near, or nearer, are too near.
    """

    def __init__(self, ra: ArrayLike, dec: ArrayLike, radius_arcsec: float = DEFAULT_RADIUS_ARCSEC) -> None:
        self._tree = cKDTree(unit_vectors(ra, dec))
        self._chord = 2.0 * math.sin(math.radians(radius_arcsec / 3600.0) / 2.0)

    def __len__(self) -> int:
        return int(self._tree.n)

    def near(self, ra: ArrayLike, dec: ArrayLike) -> NDArray[np.bool_]:
        """Say which positions (degrees) are too near to a lens, across RA = 0 and at the poles too."""
        points = unit_vectors(ra, dec)
        if not len(self) or not len(points):
            return np.zeros(len(points), dtype=np.bool_)
        distance, _ = self._tree.query(points)
        return np.asarray(distance <= self._chord, dtype=np.bool_)


def read_known_lenses(path: Path, radius_arcsec: float = DEFAULT_RADIUS_ARCSEC) -> KnownLenses:
    """Read a table of known lenses.

    Parameters
    ----------
    path : Path
        Text with a line of column names, separated by commas, semicolons or tabs, of which `ra` and `dec`
        (degrees) are used: in either case, with their unit in brackets behind it, or as VizieR names them.
    radius_arcsec : float
        See `KnownLenses`.

    Raises
    ------
    CatalogueError
        If the file cannot be read, lacks a column or has one that is not in degrees, holds no position, or
        one that is none.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path}: cannot be read ({error}); give a CSV of positions") from error
    head = lines[0] if lines else ""
    delimiter = next((mark for mark in "\t;" if mark in head), ",")
    try:
        rows = list(csv.reader(lines, delimiter=delimiter))
    except csv.Error as error:
        raise CatalogueError(f"{path}: cannot be read ({error}); give a CSV of positions") from error
    columns = _column_of("ra", rows, path), _column_of("dec", rows, path)
    filled = [(number, row) for number, row in enumerate(rows[1:], 2) if any(row)]
    positions = [_position(path, number, row, columns) for number, row in filled]
    if not positions:
        message = "holds no position below its first line; add lenses, or leave the list out"
        raise CatalogueError(f"{path}: {message}")
    ra, dec = np.array(positions, dtype=np.float64).reshape(-1, 2).T
    return KnownLenses(ra, dec, radius_arcsec)


def _column_of(name: str, rows: list[list[str]], path: Path) -> int:
    """Number the column that holds a coordinate, by its name in the first line."""
    head = rows[0] if rows else []
    names = [_UNIT.sub("", column.strip().lower()).lstrip("_#").strip() for column in head]
    for known in _NAMES[name]:
        if known in names:
            _check_degrees(head[names.index(known)].strip(), path)
            return names.index(known)
    first = ",".join(head)[:60].strip()
    message = f"no column {name}; its first line, {first!r}, must name ra and dec (degrees)"
    raise CatalogueError(f"{path}: {message}")


def _check_degrees(column: str, path: Path) -> None:
    unit = _UNIT.search(column)
    if unit and unit[1].lower() not in _DEGREES:
        raise CatalogueError(
            f"{path}: column {column!r} is in {unit[1]!r}; give degrees, and name them deg or not at all"
        )


def _position(path: Path, number: int, row: list[str], columns: tuple[int, int]) -> tuple[float, float]:
    try:
        ra, dec = (as_number(row[column]) for column in columns)
    except (ValueError, IndexError):
        ra = dec = math.nan
    if not (-360.0 <= ra <= 360.0 and -90.0 <= dec <= 90.0):
        given = ", ".join(row[column] if column < len(row) else "nothing" for column in columns)
        raise CatalogueError(f"{path}: line {number}: ra, dec are {given}; give degrees, or remove the line")
    return ra, dec


def unit_vectors(ra: ArrayLike, dec: ArrayLike) -> NDArray[np.float64]:
    """Give positions (degrees) as vectors of length 1, (n, 3)."""
    a, d = (np.radians(np.asarray(v, dtype=np.float64)) for v in (ra, dec))
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)
