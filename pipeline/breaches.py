"""When a cell of metrics breaks what the schema promises of its column: conditions of Athena SQL."""

from __future__ import annotations

from pipeline.schema import MANIFEST, MASK_BITS, METRICS, Column
from pipeline.sql import sql_number
from survey.maskbits import BAD_BITS

# Nothing is injected into a control, so what describes the arcs is NULL there.
_OF_ARCS = frozenset(
    {"arc_snr", "arc_snr_sky", "arc_peak_snr", "total_injected_flux", "magnification", "flux_in_stamp"}
    | {"psf_kind", "psf_beta"}
    | {f"injected_flux_{band}_nmgy" for band in "grz"}
    | {f"psf_fwhm_used_{band}" for band in "grz"}
)  # fmt: skip
# A release may lack it, in any row: psfdepth before DR8, mask bits 14 and up before DR10. And a stamp may
# show neither its host's light nor a good pixel, and a tier may add light without noise.
_MAY_LACK = frozenset(
    {f"{name}_{band}" for band in "grz" for name in ("psfdepth", "sky_noise", "sky_level", "gain")}
    | {f"mask_{bit}_frac" for bit in MASK_BITS[14:]}
    | {"host_x_arcsec", "host_y_arcsec"}
)
_POSITIVE = frozenset(
    {"total_injected_flux"}
    | {f"src_flux_{band}_nmgy" for band in "grz"}
    | {f"injected_flux_{band}_nmgy" for band in "grz"}
)
_GOOD = "cutout_ok AND metrics_ok"


def null_breach(column: Column) -> str:
    """When a row of metrics breaks the column's promise of a value; "" where it promises none.

    Identity and flags are never NULL. Parameters are set in injections, measured or not. Measurements are
    set in good rows, those of arcs in good injections only. A number is finite wherever it is set.
    """
    name = column.name
    empty = f"({name} IS NULL OR {name} = '')" if column.type == "string" else f"{name} IS NULL"
    if name == "quarantine_reason":
        return f"(NOT cutout_ok AND {empty}) OR ({_GOOD} AND {name} IS NOT NULL)"
    if not column.nullable:
        missing = empty
    elif name in _MAY_LACK:
        missing = ""
    elif name in MANIFEST.names:
        missing = f"(NOT is_control AND {empty})"
    elif name == "psf_beta":
        missing = f"({_GOOD} AND NOT is_control AND psf_kind = 'moffat' AND {empty})"
    elif name in _OF_ARCS:
        missing = f"({_GOOD} AND NOT is_control AND {empty})"
    else:
        missing = f"({_GOOD} AND {empty})"
    infinite = f"NOT is_finite({name})" if column.type in ("double", "float") else ""
    return " OR ".join(part for part in (missing, infinite) if part)


def range_breach(column: Column) -> str:
    """When a value of metrics lies outside the column's physical range; "" where it has none.

    NaN is neither above nor below, so the condition is NOT (inside): Trino and DuckDB then agree on it.
    """
    name = column.name
    inside = []
    if column.low is not None:
        inside.append(f"{name} >= {sql_number(column.low, column)}")
    if column.high is not None:
        inside.append(f"{name} <= {sql_number(column.high, column)}")
    breach = f"NOT ({' AND '.join(inside)})" if inside else ""
    if name in _POSITIVE:
        rows = "NOT is_control" if name in MANIFEST.names else f"{_GOOD} AND NOT is_control"
        breach += f" OR ({rows} AND NOT {name} > 0e0)"
    if name == "lens_model":
        breach = "lens_model <> CASE WHEN is_control THEN 'CONTROL' ELSE 'SIE' END"
    return breach


def control_breaches() -> list[tuple[str, str]]:
    """(column, condition) of what must not be set in a control: truth, and light that was never added."""
    truth = [c.name for c in MANIFEST.columns if c.nullable and c.name in METRICS.names]
    breaches = [(name, f"is_control AND {name} IS NOT NULL") for name in truth if name not in _MAY_LACK]
    light = [name for name in METRICS.names if name in _OF_ARCS and not name.startswith("psf_")]
    breaches += [
        (name, f"is_control AND {name} IS NOT NULL" + ("" if name in _RATIOS else f" AND {name} <> 0e0"))
        for name in light
    ]
    return breaches


_RATIOS = ("magnification", "flux_in_stamp")  # of no light there is no ratio; its flux and SNR may be 0


def mask_breaches() -> list[tuple[str, str]]:
    """(what, condition): a bit that makes a pixel bad covers more of the stamp than its bad pixels do."""
    bad = (f"mask_{name.lower()}_frac" for name in BAD_BITS)
    return [(f"bad_pixel_frac below {bit}", f"cutout_ok AND bad_pixel_frac < {bit} - 1e-6") for bit in bad]
