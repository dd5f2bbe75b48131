"""The canary run: a few rows in which each check of the gate must find the one defect planted for it.

240 rows without a survey behind them, in closed forms that any tier's checks can read: 12 bricks of 10
injections and 10 controls, a host each, but for two injections of a brick that share one. `DEFECTS` has the
defect of every check; without it the check is content.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from pipeline.schema import BANDS, CLOSURE, MANIFEST, MASK_BITS, METRICS, SKY, SPLITS, STAMPS, Table
from pipeline.settings import PsfChoice
from survey.host_columns import REGION_NSIDE

Rows = list[dict[str, Any]]
Tables = dict[str, Rows]
Where = Callable[[dict[str, Any]], bool]
Defect = Callable[[Tables], None]

N_BRICKS, OF_BRICK = 12, 20  # rows a brick: the odd ones are controls
N_ROWS = N_BRICKS * OF_BRICK
N_CLOSURE = 60
NOWHERE = "nowhere"  # a split that no tier states
_REGIONS = 12 * REGION_NSIDE**2
_GOLDEN = (math.sqrt(5) - 1) / 2  # multiples of it, modulo 1, fill [0, 1) evenly
_DEPTH = 400.0
_PSF = PsfChoice("moffat", 2.85)


def _spread(i: int, step: float = _GOLDEN) -> float:
    return (i * step) % 1.0


def healthy() -> Tables:
    """The rows by table, before any defect."""
    rows = [_row(i) for i in range(N_ROWS)]
    injected = [row for row in rows if not row["is_control"]]
    return {
        MANIFEST.name: [dict(row) for row in rows],
        METRICS.name: [dict(row) for row in rows],
        STAMPS.name: [_stamp(row) for row in rows],
        CLOSURE.name: [_closure(row) for row in injected[:: len(injected) // N_CLOSURE]],
        SKY.name: [_predicted(row) for row in {row["host_id"]: row for row in rows}.values()],
    }


def sick() -> Tables:
    """The rows with all defects at once."""
    tables = healthy()
    for plant in DEFECTS.values():
        plant(tables)
    return tables


def _row(i: int) -> dict[str, Any]:
    """A row of manifest and metrics; "i" is its number, "region_split" its partition."""
    brick, place = divmod(i, OF_BRICK)
    is_control = bool(place % 2)
    host = 0 if place == 2 else place
    pair = (brick * OF_BRICK + host) // 2  # an injected host and a control's have one sky and one brightness
    row: dict[str, Any] = {
        **dict.fromkeys((*MANIFEST.names, *METRICS.names)),
        "i": i,
        "region_split": SPLITS[brick % len(SPLITS)],
        "task_id": f"{i:032x}",
        "experiment_id": "canary",
        "brickname": f"{30 * brick:04d}p000",
        "host_id": f"9010-{brick}-{host}",
        "ra": 3.0 * brick + 0.01 * host,
        "dec": 0.1,
        "region_id": i * _REGIONS // N_ROWS,
        "lens_model": "CONTROL" if is_control else "SIE",
        "is_control": is_control,
        "task_seed64": i,
        "host_mag_r": 19.0 + _spread(pair),
        **{f"psfdepth_{band}": _DEPTH for band in BANDS},
        **{f"host_flux_{band}_nmgy": 10 ** (-0.4 * (19.0 + _spread(pair) - 22.5)) for band in BANDS},
        **_sky(pair),
    }
    if not is_control:
        row |= _arc(i // 2, row["host_mag_r"])
        row["core_flux_r_nmgy"] += 0.1 * row["total_injected_flux"]
    return row


def _sky(pair: int) -> dict[str, Any]:
    """What is measured in a raw cutout."""
    core = 10 ** (-0.4 * (19.6 + _spread(pair) - 22.5))
    size = 1.2 + 0.1 * _spread(pair, math.sqrt(2))
    return {
        "cutout_ok": True,
        "metrics_ok": True,
        **{f"psfsize_{band}": size for band in BANDS},
        **{f"psf_source_{band}": "map" for band in BANDS},
        **{f"psf_fwhm_used_{band}": size * _PSF.fwhm_over_psfsize for band in BANDS},
        "psf_kind": _PSF.kind,
        "psf_beta": _PSF.beta,
        "bad_pixel_frac": 0.01 * (pair % 3),
        "wise_brightmask_frac": 0.0,
        **dict.fromkeys((f"mask_{bit}_frac" for bit in MASK_BITS), 0.0),
        "offset_x_arcsec": 0.05,
        "offset_y_arcsec": 0.05,
        "core_flux_r_nmgy": core,
        **{f"host_core_flux_{band}_nmgy": core for band in BANDS},
        "host_x_arcsec": 0.01,
        "host_y_arcsec": 0.01,
        **{f"sky_noise_{band}": 1.0 for band in BANDS},
        **{f"sky_level_{band}": 0.1 for band in BANDS},
    }


def _arc(n: int, host_mag: float) -> dict[str, Any]:
    """Lens, source and the light that they add: half of the lenses larger, half of the sources fainter."""
    theta_e, dmag = 1.0 + 0.2 * (n % 2), 3.0 + n // 2 % 2
    source = 10 ** (-0.4 * (host_mag + dmag - 22.5))
    magnification = 4.0 if n % 4 else 7.0
    flux = source * magnification * 0.98
    radius, direction = 0.95 * math.sqrt(_spread(n)), 2 * math.pi * _spread(n, math.sqrt(2))
    snr = 0.2 * flux * math.sqrt(_DEPTH)
    return {
        "theta_e_arcsec": theta_e,
        "lens_e": 0.1,
        "lens_phi_rad": math.pi * _spread(n, math.sqrt(3)),
        "shear": 0.03,
        "shear_phi_rad": math.pi * _spread(n, math.sqrt(5)),
        "src_dmag": dmag,
        "src_reff_arcsec": 0.1,
        "src_n_sersic": 1.0,
        "src_e": 0.1,
        "src_phi_rad": math.pi * _spread(n, math.sqrt(7)),
        "src_x_arcsec": radius * math.cos(direction),
        "src_y_arcsec": radius * math.sin(direction),
        **{f"src_flux_{band}_nmgy": source for band in BANDS},
        "arc_snr": snr,
        "arc_snr_sky": snr,
        "arc_peak_snr": 0.3 * snr,
        "total_injected_flux": flux,
        **{f"injected_flux_{band}_nmgy": flux for band in BANDS},
        "magnification": magnification,
        "flux_in_stamp": 0.98,
    }


def _stamp(row: dict[str, Any]) -> dict[str, Any]:
    raw = row["host_id"]
    return {
        **row,
        "n_pix": 64,
        "image": b"",
        "raw_image": b"",
        "image_hash": raw if row["is_control"] else row["task_id"],
        "raw_hash": raw,
    }


def _closure(row: dict[str, Any]) -> dict[str, Any]:
    off = {c.name: None if "noise" in c.name or "snr" in c.name else 1e-4 for c in _differences(CLOSURE)}
    shown = {"stratum": "canary", "closure_reason": None, "closure_arc_snr": 0.0, "closure_arc_peak_snr": 0.0}
    return {**row, **off, **shown, "closure_core": 0.0}


def _predicted(row: dict[str, Any]) -> dict[str, Any]:
    """What the sky closure says of a host that is as the catalogue has it."""
    off = {column.name: 0.0 for column in _differences(SKY)}
    found = {"sky_orientation": 1.0, **{f"sky_scatter_{band}": 0.9 for band in BANDS}}
    return {**row, **off, **found, "raw_hash": row["host_id"], "sky_reason": None, "sky_neighbours": 3}


def _differences(table: Table) -> Iterable[Any]:
    return (column for column in table.columns if column.type == "double")


# ---------------------------------------------------------------- defects


def _change(table: str, where: Where, **changes: Any) -> Defect:
    """Give these rows of a table other values: constants, or functions of the row."""

    def plant(tables: Tables) -> None:
        for row in tables[table]:
            if where(row):
                row.update({k: v(row) if callable(v) else v for k, v in changes.items()})

    return plant


def _drop(table: str, where: Where) -> Defect:
    def plant(tables: Tables) -> None:
        tables[table] = [row for row in tables[table] if not where(row)]

    return plant


def _double(table: str, where: Where, **changes: Any) -> Defect:
    """These rows once more, with other values."""

    def plant(tables: Tables) -> None:
        tables[table] += [{**row, **changes} for row in tables[table] if where(row)]

    return plant


def _move(where: Where, region_split: str) -> Defect:
    """Put rows of every table but closure, which is not split, into another split."""
    moves = [_change(table, where, region_split=region_split) for table in ("manifest", "metrics", "stamps")]

    def plant(tables: Tables) -> None:
        for move in moves:
            move(tables)

    return plant


def _row_number(*numbers: int) -> Where:
    return lambda row: row["i"] in numbers


def _injected(row: dict[str, Any]) -> bool:
    return not row["is_control"]


def _of_brick(number: int) -> Where:
    return lambda row: row["i"] // OF_BRICK == number


def _nothing(_: Tables) -> None:
    """The defect is in what is asked: pipeline/canaries.py."""


DEFECTS: dict[str, Defect] = {
    "split_fractions": _move(lambda row: row["i"] >= OF_BRICK, NOWHERE),
    "brick_outliers": _change("metrics", _of_brick(1), sky_noise_g=2.0),
    "closure": _change("closure", lambda row: row["i"] % 3 == 0, closure_l2_r=0.5),
    "closure_snr": _change("closure", lambda row: True, closure_arc_snr=math.log(2.0)),
    "control_match": _change("manifest", lambda row: row["is_control"], host_mag_r=18.0),
    "controls": _change("stamps", _row_number(1), image_hash="of an image that was changed"),
    "coverage": _change("manifest", lambda row: _injected(row) and row["theta_e_arcsec"] > 1.1, src_dmag=3.0),
    "flux_identity": _change("metrics", _row_number(22), injected_flux_g_nmgy=9.0),
    "flux_theta_e": _change("metrics", _row_number(24), total_injected_flux=0.0),
    "host_pixels": _change("metrics", lambda row: True, host_x_arcsec=0.2),
    "host_record": _change("sky", lambda row: True, sky_psf_r=0.04),
    "leakage": _move(_row_number(0), NOWHERE),
    "light_noise": _change("metrics", _row_number(26), gain_g=1e3, gain_r=1e3, gain_z=1e3),
    "magnification": _change("metrics", _row_number(28), magnification=0.5),
    "magnification_tail": _change(
        "metrics", lambda row: _injected(row) and row["magnification"] > 1.0, magnification=10.0
    ),
    "maskbits": _change("metrics", lambda row: row["i"] % 5 == 0, bad_pixel_frac=0.3),
    "nulls": _change("metrics", _row_number(31), host_core_flux_r_nmgy=None),
    "orientation": _change("sky", _of_brick(2), sky_orientation=-1.0),
    "prior": _change("manifest", _row_number(32), lens_e=0.85),
    "psf_provenance": _change("metrics", _row_number(34), psf_fwhm_used_r=2.0),
    "ranges": _change("metrics", _row_number(36), offset_x_arcsec=2.0),
    "realism": _change("metrics", _injected, src_flux_r_nmgy=5.0),
    "reruns": _double("stamps", _row_number(38), image_hash="of another rendering"),
    "schema": _nothing,
    "sky_closure": _change("sky", lambda row: True, sky_light_z=math.log(1.3)),
    "snr_depth": _change("metrics", _row_number(56), arc_peak_snr=lambda row: 2 * row["arc_snr"]),
    "source_flux": _change("manifest", _row_number(42), src_flux_r_nmgy=9.0),
    "source_positions": _change("manifest", _injected, src_phi_rad=0.1),
    "split_balance": _change(
        "metrics", _injected, theta_e_arcsec=lambda row: 1.2 if row["region_split"] == SPLITS[0] else 1.0
    ),
    "stamp_hashes": _change("stamps", _row_number(44, 46), image_hash="of two injections"),
    "success_rate": _drop("metrics", _row_number(50)),
}
"""By check, how the healthy rows are spoiled for it."""
