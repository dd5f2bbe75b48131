"""`--psf`: the FWHM that a person gives for images that have no psfsize maps."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

from physics.psf import fwhm_over_psfsize
from pipeline.errors import InputError
from pipeline.host_psf import PSFSIZE_LIMITS, Limits, fwhm_limits
from pipeline.schema import BANDS
from pipeline.tier import Tier
from survey.numbers import as_number

_COLUMNS = ("brickname", *(f"fwhm_{band}" for band in BANDS))
Widths = tuple[float, ...]


def psfsize_of_bricks(text: str, tier: Tier) -> Callable[[str], Widths]:
    """Brick's name -> psfsize (arcsec, g r z) of the tier's profile with the FWHM given.

    text: a FWHM in arcsec; three between commas (g, r, z); or the path of a CSV with the columns brickname,
    fwhm_g, fwhm_r, fwhm_z. InputError names what is wrong, and later a brick that the CSV lacks.
    """
    kind = "gaussian" if tier.psf.kind == "gaussian" else "moffat"
    ratio = fwhm_over_psfsize(kind, tier.psf.beta)
    limits = _limits(tier, ratio)
    constant, table = _numbers(text, limits), {}
    if constant is None:
        table = _table(Path(text), limits)

    def psfsize_of(brick: str) -> Widths:
        widths = constant or table.get(brick)
        if widths is None:
            raise InputError(f"--psf {text}: has no row for brick {brick}; add one")
        return tuple(width / ratio for width in widths)

    return psfsize_of


def _limits(tier: Tier, ratio: float) -> Limits:
    """FWHM, arcsec, of which 4c makes a stamp; rounded inwards, for maps of psfsize are single precision."""
    low, high = fwhm_limits(tier)
    low, high = max(low, ratio * PSFSIZE_LIMITS[0]), min(high, ratio * PSFSIZE_LIMITS[1])
    return math.ceil(low * 100) / 100, math.floor(high * 100) / 100


def _numbers(text: str, limits: Limits) -> Widths | None:
    """One FWHM for all bands or one for each; None for what is no list of numbers."""
    try:
        widths = tuple(as_number(word) for word in text.split(","))
    except ValueError:
        return None
    if len(widths) not in (1, len(BANDS)):
        raise InputError(f"--psf {text}: give one FWHM, or one for each of {', '.join(BANDS)}")
    return _checked(widths if len(widths) == len(BANDS) else widths * len(BANDS), f"--psf {text}", limits)


def _checked(widths: Widths, where: str, limits: Limits) -> Widths:
    low, high = limits
    for width in widths:
        if not low <= width <= high:
            raise InputError(f"{where}: a FWHM of {width:g} arcsec; give {low:g} to {high:g}")
    return widths


def _table(path: Path, limits: Limits) -> dict[str, Widths]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # Excel puts a mark before the first name
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"--psf {path}: is no number and no CSV that can be read ({error}); give a FWHM in arcsec"
        ) from error
    found: dict[str, Widths] = {}
    for number, row in enumerate(rows, start=2):
        where = f"--psf {path}: line {number}"
        if any(row.get(name) is None for name in _COLUMNS):
            raise InputError(f"{where}: needs the columns {', '.join(_COLUMNS)}")
        if row["brickname"] in found:
            raise InputError(f"{where}: brick {row['brickname']} a second time; leave one row of it")
        try:
            widths = tuple(as_number(row[name]) for name in _COLUMNS[1:])
        except ValueError as error:
            raise InputError(f"{where}: {error}; give arcsec") from error
        found[row["brickname"]] = _checked(widths, where, limits)
    return found
