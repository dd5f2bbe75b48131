"""A run's tables as the factory would write them, made of closed forms, and defects to plant in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from local_cloud.athena_engine import Engine, FolderCatalogue, QueryError
from pipeline.checks import CheckResult, load_checks, render, result_from_error, result_from_row
from pipeline.closure_rates import rows_needed
from pipeline.parquet import from_columns
from pipeline.promises import promises
from pipeline.schema import BANDS, CLOSURE, MANIFEST, MASK_BITS, METRICS, SKY, SPLITS, STAMPS
from pipeline.settings import HostChoice
from pipeline.storage import RunLayout
from pipeline.tier import Tier, load_tier

LAYOUT = RunLayout("debug", "r1")
GRID = tuple(product((0.3, 0.6, 1.0), (1.0, 2.0), (0.08, 0.15), (0.0, 0.3), (0.0, 0.03)))
BETA = 2.85
MOFFAT_RATIO = (
    4 * np.sqrt(2 ** (1 / BETA) - 1) * (BETA - 1) / (2 * np.sqrt(2 * np.log(2)) * np.sqrt(2 * BETA - 1))
)
_DEBUG = load_tier("debug")
TIER = replace(  # bricks are dealt as they come, so no split has exactly as many hosts as another
    _DEBUG, hosts=HostChoice(per_brick=18), splits=replace(_DEBUG.splits, deal="balanced")
)
SAMPLE, TOO_MANY = rows_needed(TIER.closure_share)
CHECKS = {check.name: check for check in load_checks()}

Tables = dict[str, pa.Table]


def sis_magnification(
    offset: np.ndarray, theta_e: np.ndarray, r_eff: np.ndarray, sign: int, rng: np.random.Generator
) -> np.ndarray:
    """Flux ratio of a Gaussian source behind an SIS (sign -1: behind one whose deflection is flipped)."""
    cloud = rng.standard_normal((128, 2))
    sigma = (r_eff / 1.1774)[:, None]
    x = np.hypot(offset[:, None] + sigma * cloud[:, 0], sigma * cloud[:, 1]) / theta_e[:, None]
    if sign < 0:
        return np.where(x > 1, 1 - 1 / x, 0).mean(axis=1)
    x = np.maximum(x, 0.3 * sigma / theta_e[:, None])  # a ray that hits the caustic is not 128th of a source
    return np.where(x < 1, 2 / x, 1 + 1 / x).mean(axis=1)


def make_run(
    n_bricks: int = 6, hosts_per_brick: int = 12, controls_per_host: int = 0, seed: int = 1, lens: str = "sie"
) -> Tables:
    """Manifest, metrics and stamps of a run without a defect.

    lens: sie; or what the flux is when something is broken: none, flipped, renormalised.
    """
    rng = np.random.default_rng(seed)
    n_hosts = n_bricks * hosts_per_brick
    per_host = len(GRID) + controls_per_host
    host = np.repeat(np.arange(n_hosts), per_host)
    slot = np.tile(np.arange(per_host), n_hosts)
    is_control = slot >= len(GRID)
    n = len(host)
    points = np.array(GRID)[np.where(is_control, 0, slot)]
    theta_e, dmag, r_eff, src_e, shear = points.T

    def by_host(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, n_hosts)[host]

    def injected(values: Any) -> np.ndarray:
        return np.where(is_control, np.nan, values)

    radius = theta_e * np.sqrt(rng.uniform(size=n))
    angle = rng.uniform(0, 2 * np.pi, n)
    host_mag = by_host(18, 20)
    flux = {
        b: 10 ** (-0.4 * (host_mag + dmag + c - 22.5)) for b, c in zip(BANDS, (0.3, 0, -0.2), strict=True)
    }
    magnification = sis_magnification(radius, theta_e, r_eff, 1, rng)
    in_stamp = 0.99 - 0.02 * theta_e + rng.uniform(-1e-3, 1e-3, n)
    gain = {
        "sie": magnification,
        "none": np.ones(n),
        "flipped": sis_magnification(radius, theta_e, r_eff, -1, rng),
        "renormalised": np.ones(n),
    }[lens]
    told = np.maximum(gain, 1.0) if lens != "sie" else magnification
    psfsize = {b: by_host(1.2, 1.6) for b in BANDS}
    brick = host // hosts_per_brick
    names = np.array([f"{b * 30:04d}p{b:03d}" for b in range(n_bricks)])
    identity = {
        "task_id": [f"{i:032x}" for i in range(n)],
        "experiment_id": ["debug_stamp64_bandsgrz_gridgrid_small"] * n,
        "brickname": names[brick],
        "host_id": [f"10000-{b}-{h}" for b, h in zip(brick, host, strict=True)],
        "ra": 3.0 * brick + 0.1,
        "dec": 0.1 * brick,
        "region_id": brick,
        "lens_model": np.where(is_control, "CONTROL", "SIE"),
        "is_control": is_control,
    }
    parameters = {
        "theta_e_arcsec": injected(theta_e),
        "lens_e": injected(rng.uniform(0, 0.3, n)),
        "lens_phi_rad": injected(rng.uniform(0, np.pi, n)),
        "shear": injected(shear),
        "shear_phi_rad": injected(rng.uniform(0, np.pi, n)),
        "src_dmag": injected(dmag),
        "src_reff_arcsec": injected(r_eff),
        "src_n_sersic": injected(1.0),
        "src_e": injected(src_e),
        "src_phi_rad": injected(rng.uniform(0, np.pi, n)),
        "src_x_arcsec": injected(radius * np.cos(angle)),
        "src_y_arcsec": injected(radius * np.sin(angle)),
        **{f"src_flux_{b}_nmgy": injected(flux[b]) for b in BANDS},
    }
    depth = {f"psfdepth_{b}": by_host(200, 800) for b in BANDS}
    host_flux = {f"host_flux_{b}_nmgy": 10 ** (-0.4 * (host_mag - 22.5)) for b in BANDS}
    manifest = {
        **identity,
        "task_seed64": np.arange(n),
        **parameters,
        "host_mag_r": host_mag,
        **depth,
        **host_flux,
    }
    added = {b: injected(flux[b] * gain * in_stamp) for b in BANDS}
    core = 10 ** (-0.4 * (host_mag + 0.5 - 22.5))
    metrics = {
        **identity,
        **parameters,
        **depth,
        **host_flux,
        "cutout_ok": np.ones(n, bool),
        "quarantine_reason": [None] * n,
        "metrics_ok": np.ones(n, bool),
        **{f"psfsize_{b}": psfsize[b] for b in BANDS},
        **{f"psf_source_{b}": ["map"] * n for b in BANDS},
        **{f"psf_fwhm_used_{b}": psfsize[b] * MOFFAT_RATIO for b in BANDS},
        "psf_kind": ["moffat"] * n,
        "psf_beta": np.full(n, BETA),
        "arc_snr": injected(0.6 * added["r"] * np.sqrt(depth["psfdepth_r"])),
        "arc_snr_sky": injected(0.6 * added["r"] * np.sqrt(depth["psfdepth_r"])),
        **{f"gain_{b}": [None] * n for b in BANDS},
        "arc_peak_snr": injected(0.1 * added["r"] * np.sqrt(depth["psfdepth_r"])),
        "total_injected_flux": added["r"],
        **{f"injected_flux_{b}_nmgy": added[b] for b in BANDS},
        "magnification": injected(told),
        "flux_in_stamp": injected(in_stamp),
        "bad_pixel_frac": (rng.exponential(0.02, n_hosts)[host]).clip(0, 1),
        "wise_brightmask_frac": np.zeros(n),
        **{f"mask_{bit}_frac": np.zeros(n) for bit in MASK_BITS},
        "mask_medium_frac": np.where(host % 4, 0.0, 0.1),
        "offset_x_arcsec": by_host(-0.13, 0.13),
        "offset_y_arcsec": by_host(-0.13, 0.13),
        **{f"host_core_flux_{b}_nmgy": core for b in BANDS},
        "core_flux_r_nmgy": core + np.where(is_control, 0, 0.3 * added["r"]),
        "host_x_arcsec": by_host(-0.03, 0.03),
        "host_y_arcsec": by_host(-0.03, 0.03),
        **{f"sky_noise_{b}": by_host(0.95, 1.05) for b in BANDS},
        **{f"sky_level_{b}": by_host(0.1, 0.2) for b in BANDS},
    }
    raw = [f"{h:016x}" for h in host]
    stamps = {
        **{name: identity[name] for name in ("task_id", "brickname", "host_id", "is_control")},
        "n_pix": np.full(n, 64, np.int32),
        "image": [b"image"] * n,
        "raw_image": [b"raw"] * n,
        "image_hash": [
            r if c else f"f{i:015x}" for i, (r, c) in enumerate(zip(raw, is_control, strict=True))
        ],
        "raw_hash": raw,
    }
    sampled = np.flatnonzero(~is_control)[:: max(1, (~is_control).sum() // SAMPLE)][:SAMPLE]
    off = {
        name: rng.uniform(0, 2e-4, len(sampled))
        for name in CLOSURE.names
        if name.startswith("closure_") and name != "closure_reason"
    }
    off["closure_core"] = np.zeros(len(sampled))
    off |= {name: [None] * len(sampled) for name in CLOSURE.names if "noise" in name or "snr" in name}
    off |= {name: rng.normal(-0.1, 0.1, len(sampled)) for name in ("closure_arc_snr", "closure_arc_peak_snr")}
    closure = {
        **{name: np.array(identity[name])[sampled] for name in ("task_id", "brickname", "host_id")},
        "stratum": ["0-0-0-0-0"] * len(sampled),
        "closure_reason": [None] * len(sampled),
        **off,
    }
    first = np.arange(0, n, per_host)
    sky = {
        **dict.fromkeys(SKY.names, np.zeros(n_hosts)),
        **{name: np.array(identity[name])[first] for name in ("host_id", "brickname")},
        "raw_hash": np.array(raw)[first],
        "sky_reason": [None] * n_hosts,
        "sky_neighbours": np.full(n_hosts, 3),
        "sky_orientation": rng.normal(0.95, 0.03, n_hosts),
        **{f"sky_{name}_{b}": rng.normal(0, 0.03, n_hosts) for name in ("light", "left") for b in BANDS},
        **{f"sky_{axis}_{b}_arcsec": rng.normal(0, 0.02, n_hosts) for axis in ("x", "y") for b in BANDS},
        **{f"sky_slope_{b}": rng.uniform(0, 0.3, n_hosts) for b in BANDS},
        **{f"sky_scatter_{b}": rng.normal(0.9, 0.03, n_hosts) for b in BANDS},
    }
    made = {
        "manifest": (MANIFEST, manifest), "metrics": (METRICS, metrics), "stamps": (STAMPS, stamps),
        "closure": (CLOSURE, closure), "sky": (SKY, sky),
    }  # fmt: skip
    return {name: from_columns(table, columns) for name, (table, columns) in made.items()}


def plant(
    tables: Tables,
    table: str,
    column: str,
    value: Any,
    rows: Callable[[dict[str, Any]], bool] | slice | None = None,
) -> Tables:
    """The tables with a column changed, in some rows: to a value, or by a function of the row."""
    changed = tables[table]
    records = changed.to_pylist() if callable(rows) or callable(value) else None
    values = changed[column].to_pylist()
    chosen: Any = range(len(values))
    if isinstance(rows, slice):
        chosen = range(len(values))[rows]
    elif rows is not None and records is not None:
        chosen = [i for i, record in enumerate(records) if rows(record)]
    for i in chosen:
        values[i] = value(records[i]) if callable(value) and records is not None else value
    place = changed.column_names.index(column)
    kind = changed.schema.field(column).type
    return {**tables, table: changed.set_column(place, pa.field(column, kind), pa.array(values, kind))}


def write_run(folder: Path, tables: Mapping[str, pa.Table], layout: RunLayout = LAYOUT) -> Path:
    """The tables as Parquet parts, bricks dealt to the three splits."""
    for name, table in tables.items():
        if not len(table):
            continue
        split = np.array([hash_of(b) % 3 for b in table["brickname"].to_pylist()])
        for number, split_name in enumerate(SPLITS):
            part = table.filter(pa.array(split == number))
            path = folder / name / f"tier={layout.tier}/run_id={layout.run_id}/region_split={split_name}"
            path.mkdir(parents=True, exist_ok=True)
            pq.write_table(part, path / "part-00000.parquet", compression="zstd")
    return folder


def hash_of(brickname: str) -> int:
    return int(brickname[:4]) // 30


def run_check(
    folder: Path, name: str, expected_rows: int = 3456, layout: RunLayout = LAYOUT, tier: Tier | None = None,
    earlier_run: str = "",
) -> CheckResult:  # fmt: skip
    """What the gate would record for one check."""
    promised = promises(tier or TIER, earlier_run)
    try:
        result = Engine(FolderCatalogue(folder)).execute(
            render(CHECKS[name], layout, expected_rows, promised)
        )
    except QueryError as error:
        return result_from_error(name, str(error), True)
    return result_from_row(name, [column for column, _ in result.columns], result.rows, True)
