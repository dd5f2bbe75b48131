"""What a raw stamp may show: limits of the checks host_pixels, sky_closure, orientation and host_record.

Derived from three synthetic skies of 60 bricks (3,234 hosts), and for noise and sky from real coadds (DR9
DECam, 16 stamps; DR6 BASS, 1,328): docs/gate.md has the figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.schema import BANDS, SKY
from pipeline.sql import sql_double, sql_text

LEAST_SNR = 40  # of a host's catalogue flux, as of a point: a fainter one's core flux is noise


@dataclass(frozen=True)
class Limit:
    """(low, high) of the mean of a run, of the mean of a brick, and of a host.

    clean_rate: hosts of a clean run that lie beyond the last.
    """

    run: tuple[float, float]
    brick: tuple[float, float]
    host: tuple[float, float]
    clean_rate: float = 3e-4

    def sql(self, quantity: str) -> str:
        """A row of the VALUES of athena_sql/parts/outside.sql."""
        numbers = (*self.run, *self.brick, *self.host, self.clean_rate)
        return f"({sql_text(quantity)}, {', '.join(sql_double(number) for number in numbers)})"


def _ln(low: float, high: float) -> tuple[float, float]:
    return round(math.log(low), 4), round(math.log(high), 4)


# Clean noise: BASS 0.82 to 0.84, DECam 0.94 to 1.0 (galaxies count); twice the variance is 1.16 and 1.35.
_NOISE = Limit(run=(0.7, 1.1), brick=(0.6, 1.15), host=(0.4, 2.0))
_LEVEL = Limit(run=(-0.1, 0.4), brick=(-0.3, 0.8), host=(-1.0, 4.0))
# A core of 2.6 arcsec holds 0.5 to 0.65 of a host's light, whose catalogue flux is total.
_LIGHT = Limit(run=_ln(0.38, 0.75), brick=_ln(0.3, 0.75), host=_ln(0.12, 33.0))
_PLACE = Limit(run=(-0.015, 0.015), brick=(-0.05, 0.05), host=(-0.3, 0.3), clean_rate=0.03)

OF_PIXELS = {
    "host x": _PLACE,
    "host y": _PLACE,
    **{f"noise in {band}": _NOISE for band in BANDS},
    **{f"sky in {band}": _LEVEL for band in BANDS},
    **{f"light in {band}": _LIGHT for band in BANDS},
}


# By the catalogue's prediction of the whole stamp (closure/sky.py): what the host and its neighbours show.
_FACTOR = Limit(run=_ln(0.93, 1.06), brick=_ln(0.85, 1.15), host=_ln(0.5, 2.0))
_OFFSET = Limit(run=(-0.015, 0.015), brick=(-0.05, 0.05), host=(-0.26, 0.26))
_LEFT = Limit(run=(-0.1, 0.2), brick=(-0.2, 0.5), host=(-1.0, 2.0))
_SLOPE = Limit(run=(-0.5, 0.5), brick=(-1.0, 1.0), host=(-5.0, 5.0))
_SCATTER = Limit(run=(0.7, 1.1), brick=(0.6, 1.15), host=(0.4, 2.0))

OF_SKY = {
    **{f"light in {band}": _FACTOR for band in BANDS},
    **{f"offset {axis} in {band}": _OFFSET for axis in ("x", "y") for band in BANDS},
    **{f"sky in {band}": _LEFT for band in BANDS},
    **{f"slope in {band}": _SLOPE for band in BANDS},
    **{f"noise in {band}": _SCATTER for band in BANDS},
}
OF_ORIENTATION = {"orientation": Limit(run=(0.7, 1.1), brick=(0.5, 1.1), host=(-0.3, 1.3), clean_rate=0.003)}
# The map and the catalogue's column are of the same pixel, but for rounding and the edges of CCDs.
_PSFSIZE = Limit(run=(-0.005, 0.005), brick=(-0.01, 0.01), host=(-0.01, 0.01), clean_rate=0.01)
_COPIED = Limit(run=(-1e-4, 1e-4), brick=(-1e-4, 1e-4), host=(-1e-4, 1e-4), clean_rate=0.0)
_PLACED = Limit(run=(-0.01, 0.01), brick=(-0.01, 0.01), host=(-0.01, 0.01), clean_rate=0.0)
OF_RECORD = {
    "position": _PLACED,
    **{f"psfdepth in {band}": _COPIED for band in BANDS},
    **{f"psfsize in {band}": _PSFSIZE for band in BANDS},
}

LIMITS = {
    "host_pixels": OF_PIXELS,
    "sky_closure": OF_SKY,
    "orientation": OF_ORIENTATION,
    "host_record": OF_RECORD,
}

_COLUMNS = {
    **{f"light in {b}": f"a.sky_light_{b}" for b in BANDS},
    **{f"offset {axis} in {b}": f"a.sky_{axis}_{b}_arcsec" for axis in ("x", "y") for b in BANDS},
    **{f"sky in {b}": f"a.sky_left_{b}" for b in BANDS},
    **{f"slope in {b}": f"a.sky_slope_{b}" for b in BANDS},
    **{f"noise in {b}": f"a.sky_scatter_{b}" for b in BANDS},
    "position": "a.sky_position_arcsec",
    **{f"psfdepth in {b}": f"a.sky_depth_{b}" for b in BANDS},
    **{f"psfsize in {b}": f"a.sky_psf_{b}" for b in BANDS},
}


def _per_host() -> list[str]:
    """What each host has of the quantities of OF_PIXELS, by band: its rows repeat it."""
    return [
        column
        for b in BANDS
        for column in (
            f"avg(sky_noise_{b}) AS noise_{b}",
            f"avg(sky_level_{b}) AS sky_{b}",
            f"avg(CASE WHEN host_flux_{b}_nmgy * sqrt(psfdepth_{b}) >= {sql_double(LEAST_SNR)}"
            f" THEN ln(greatest(host_core_flux_{b}_nmgy / host_flux_{b}_nmgy, 1e-2)) END) AS light_{b}",
        )
    ]


def _case(columns: Mapping[str, str]) -> str:
    return " ".join(f"WHEN {sql_text(name)} THEN {column}" for name, column in columns.items())


def placeholders(check: str) -> dict[str, str]:
    """Of a check that compares with LIMITS; nothing of any other."""
    limits = LIMITS.get(check, {})
    by_band = {f"{kind} in {b}": f"h.{kind}_{b}" for kind in ("noise", "sky", "light") for b in BANDS}
    numbers = (column.name for column in SKY.columns if column.type == "double")
    return {
        "per_host": ", ".join(_per_host()),
        "host_quantities": _case(by_band),
        "quantity_values": _case({name: column for name, column in _COLUMNS.items() if name in limits}),
        "quantity_names": ", ".join(f"({sql_text(name)})" for name in limits),
        "limits": ", ".join(limit.sql(name) for name, limit in limits.items()),
        "sky_numbers": " + ".join(f"coalesce(a.{name}, 0e0)" for name in numbers),
    }
