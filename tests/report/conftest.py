"""A small run's folder, written from the schema: galaxies with rings, a quarantined brick, some controls."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.fingerprints import fingerprints
from pipeline.schema import BANDS, SPLITS, STAMPS, Table
from pipeline.schema import BY_NAME as TABLES
from pipeline.storage import RunLayout
from pipeline.store import RunFolder
from pipeline.trust import success_of

ARROW = {
    "string": pa.string(), "bigint": pa.int64(), "int": pa.int32(), "double": pa.float64(),
    "float": pa.float32(), "boolean": pa.bool_(), "binary": pa.binary(),
}  # fmt: skip
N_PIX, SCALE = 64, 0.262
THETA = (0.3, 0.6, 1.0)
TIER, RUN_ID, CONFIG = "debug", "debug-test", "c0ffee" * 10 + "beef"
SIGMA = np.array([0.0022, 0.0026, 0.0085])[:, None, None]


def host_stamp(rng: np.random.Generator, flux: float) -> np.ndarray:
    """A red elliptical galaxy on noise, with a few neighbours."""
    y, x = (np.mgrid[:N_PIX, :N_PIX] - (N_PIX - 1) / 2) * SCALE
    colour = np.array([0.25, 1.0, 2.0])[:, None, None]
    image = flux * np.exp(-((x**2 + y**2 * 1.4 + 0.05) ** 0.5) / 0.75)[None] * colour
    for _ in range(3):
        cx, cy = rng.uniform(-8, 8, 2)
        spot = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.8)[None]
        image = image + spot * rng.uniform(0.005, 0.05) * rng.uniform(0.4, 1.6, (3, 1, 1))
    return (image + rng.normal(size=image.shape) * SIGMA).astype("<f4")


def arcs(theta_e: float, src_x: float, src_y: float, flux: float) -> np.ndarray:
    """A source seen through an isothermal sphere, blurred enough to look like the survey."""
    y, x = (np.mgrid[:N_PIX, :N_PIX] - (N_PIX - 1) / 2) * SCALE
    radius = np.hypot(x, y) + 1e-6
    bx, by = x * (1 - theta_e / radius) - src_x, y * (1 - theta_e / radius) - src_y
    light = np.exp(-(bx**2 + by**2) / (2 * 0.25**2))
    blur = np.exp(-(np.hypot(x, y) ** 2) / (2 * 0.42**2))
    both = np.fft.irfft2(
        np.fft.rfft2(light) * np.fft.rfft2(np.fft.ifftshift(blur / blur.sum())), s=light.shape
    )
    shape = np.roll(np.clip(both, 0, None), (0, 0), axis=(0, 1))
    return (flux * shape[None] * np.array([0.8, 1.0, 1.1])[:, None, None]).astype("<f4")


def to_arrow(table: Table, rows: list[dict[str, Any]]) -> pa.Table:
    schema = pa.schema([(c.name, ARROW[c.type]) for c in table.columns])
    return pa.Table.from_pylist([{n: row.get(n) for n in table.names} for row in rows], schema=schema)


def write_part(run_dir: Path, table: str, split: str, rows: list[dict[str, Any]], **options: Any) -> Path:
    folder = run_dir / table / f"tier={TIER}" / f"run_id={RUN_ID}" / f"region_split={split}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "part-00000.parquet"
    pq.write_table(to_arrow(TABLES[table], rows), path, compression="zstd", **options)
    return path


def make_rows(
    split: str, n_hosts: int, rng: np.random.Generator, combinations: int = 12
) -> tuple[list, list]:
    """(rows of metrics and manifest, rows of stamps) of a split; its last host's brick is quarantined."""
    metrics, stamps = [], []
    where = 40.0 + 15 * SPLITS.index(split)
    for h in range(n_hosts):
        bad = h == n_hosts - 1
        raw = host_stamp(rng, float(rng.lognormal(-1.2, 0.5)))
        host = {
            "host_id": f"9010-{split}-{h}",
            "brickname": f"{int(where * 10):04d}p{h // 4:03d}",
            "ra": where + (h // 4) * 0.3,
            "dec": 5.0 + (h // 4) * 0.25 + SPLITS.index(split),
            "region_id": SPLITS.index(split),
        }
        psfsize = None if bad else float(rng.normal(1.33, 0.1))
        for k in range(combinations):
            control = not bad and k % 12 >= 10
            row, image = one_row(host, k, control, bad, psfsize, raw, rng)
            metrics.append(row)
            if not bad:
                stamps.append(
                    {"task_id": row["task_id"], **{c: host[c] for c in ("brickname", "host_id")},
                     "is_control": control, "n_pix": N_PIX,
                     "image": image.tobytes(), "raw_image": raw.tobytes(),
                     "image_hash": digest(image), "raw_hash": digest(raw)}
                )  # fmt: skip
    return metrics, stamps


def digest(image: np.ndarray) -> str:
    return hashlib.blake2b(image.tobytes(), digest_size=8).hexdigest()


def one_row(
    host: dict[str, Any], k: int, control: bool, bad: bool, psfsize: float | None, raw: np.ndarray,
    rng: np.random.Generator,
) -> tuple[dict[str, Any], np.ndarray]:  # fmt: skip
    theta = THETA[k % 3]
    angle, radius = rng.uniform(0, 2 * np.pi), theta * rng.uniform() ** 0.5
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    added = np.zeros_like(raw) if control else arcs(theta, x, y, float(rng.lognormal(-3.6, 0.8)))
    snr = float(np.sqrt((added[1].astype(float) ** 2).sum()) / SIGMA[1, 0, 0])
    lens = {
        "theta_e_arcsec": theta, "lens_e": float(rng.uniform(0, 0.3)), "lens_phi_rad": float(angle / 2),
        "shear": (0.0, 0.03)[k % 2], "shear_phi_rad": 0.4, "src_dmag": (1.0, 2.0)[k // 6 % 2],
        "src_n_sersic": 1.0, "src_reff_arcsec": (0.08, 0.15)[k % 2],
        "src_e": (0.0, 0.3)[k // 3 % 2], "src_phi_rad": 1.0,
        "src_x_arcsec": float(x), "src_y_arcsec": float(y), **{f"src_flux_{b}_nmgy": 1.0 for b in BANDS},
    }  # fmt: skip
    measured = {
        "arc_snr": snr, "arc_peak_snr": snr / 4, "total_injected_flux": float(added[1].sum()),
        **{f"injected_flux_{b}_nmgy": float(added[i].sum()) for i, b in enumerate(BANDS)},
        "magnification": None if control else float(1 + theta / max(radius, 0.02)),
        "flux_in_stamp": None if control else 0.995, "bad_pixel_frac": float(rng.beta(1, 30)),
        "wise_brightmask_frac": 0.0, "offset_x_arcsec": 0.0, "offset_y_arcsec": 0.0,
        "psf_kind": "moffat", "psf_beta": 2.9,
        **{f"psfsize_{b}": psfsize for b in BANDS}, **{f"psf_source_{b}": "map" for b in BANDS},
        **{f"psf_fwhm_used_{b}": psfsize and psfsize * 0.765 for b in BANDS},
    }  # fmt: skip
    task = hashlib.blake2b(f"{host['host_id']}-{k}".encode(), digest_size=12).hexdigest()
    row = {
        "task_id": task, "experiment_id": "debug_stamp64_bandsgrz_gridgrid_small", **host,
        "lens_model": "CONTROL" if control else "SIE", "is_control": control, "cutout_ok": not bad,
        "metrics_ok": not bad, "quarantine_reason": "missing_band" if bad else None, "task_seed64": k,
        "host_mag_r": 19.0, **{f"host_flux_{b}_nmgy": 25.1 for b in BANDS},
        **{f"psfdepth_{b}": 1e5 for b in BANDS},
        **({} if control else lens), **({} if bad else measured),
    }  # fmt: skip
    return row, raw + added


def selection_rows() -> list[dict[str, Any]]:
    """Cells where nothing at 0.3 and 0.6 is recovered, though detected."""
    cells = []
    for cut, share in (("all", 1.0), ("clean", 0.9)):
        for i, theta in enumerate(THETA):
            n = int(100 * share)
            recovered = 0 if theta < 1 else int(0.6 * n)
            cells.append(
                {"cut": cut, "theta_e_arcsec": theta, "src_dmag": 1.0, "src_reff_arcsec": 0.08,
                 "resolution_low": 0.0, "psfsize_low": 1.3, "depth_low": 24.0, "n": n, "n_hosts": 20,
                 "n_recovered": recovered, "n_detected": min(n, int(n * (0.5 + 0.2 * i))),
                 "completeness": recovered / n, "wilson_low": 0.0, "wilson_high": 1.0}
            )  # fmt: skip
    return cells


CODE = "of an earlier code"
CHECKS = [
    ("schema", "PASS", True, 0.0, 0.0, 288, "Every column has its type."),
    ("success_rate", "PASS", True, 0.9583, 0.9, 288, "95.8 % of the rows have a stamp."),
    ("closure", "PASS", True, 1.0, 4.0, 96, "One of 96 rows is off by more than 5 %."),
    ("controls", "NOT_EXERCISED", False, None, None, 0, "The tier has no controls by design."),
    ("brick_failures", "INCONCLUSIVE", False, 0.0, 0.01, 20, "20 bricks cannot show a failure of 1 %."),
    ("bad_pixels", "WARN", False, 0.121, 0.1, 288, "12.1 % of the rows have more than 20 % bad pixels."),
]


def write_verdict(run_dir: Path, go: bool, **changes: Any) -> None:
    checks = [list(check) for check in CHECKS]
    if not go:
        checks[2][1:] = ["FAIL", True, 41.0, 4.0, 96, "41 of 96 rows are off: the shear has the wrong sign."]
    names = ("name", "status", "critical", "statistic", "bound", "n", "message")
    record = {
        "verdict": "GO" if go else "NO-GO", "run_id": RUN_ID, "tier": TIER, "config_hash": CONFIG,
        "reasons": [] if go else ["closure failed: 41 of 96 rows are off by more than 5 %."],
        "checks": [dict(zip(names, check, strict=True)) for check in checks], "rows": 288, **changes,
    }  # fmt: skip
    layout = RunLayout(TIER, RUN_ID)
    store = RunFolder(run_dir, layout)
    if go:
        results = [{**check, "code_version": CODE} for check in record["checks"]]
        write_part(run_dir, "check_results", "all", results)
        record["judged"] = fingerprints(store, layout)
    (run_dir / "verdict.json").write_text(json.dumps(record))
    if go:
        (run_dir / "_SUCCESS.json").write_text(json.dumps(success_of(store, record, layout)))


def build(run_dir: Path, go: bool = True, n_hosts: int = 8, combinations: int = 12, **options: Any) -> Path:
    """Write a whole run folder."""
    rng = np.random.default_rng(7)
    for split in SPLITS:
        metrics, stamps = make_rows(split, n_hosts, rng, combinations)
        write_part(run_dir, "manifest", split, metrics)
        write_part(run_dir, "metrics", split, metrics)
        write_part(run_dir, STAMPS.name, split, stamps, row_group_size=36, **options)
    if go:
        write_part(run_dir, "selection_function", "all", selection_rows())
    plan = {
        "request": {"tier": TIER, "run_id": RUN_ID, "hosts_key": "hosts/h.parquet", "sky": "synthetic"},
        "config_hash": CONFIG,
        "code_version": CODE,
        **dict.fromkeys(("expected_rows", "n_bricks", "n_hosts"), 3 * n_hosts * combinations),
        "tier": {
            "name": TIER,
            "grid": {"theta_e_arcsec": list(THETA)},
            "gate": {"critical": [name for name, _, critical, *_ in CHECKS if critical]},
        },
        "rows_by_split": dict.fromkeys(SPLITS, n_hosts * combinations),
    }
    (run_dir / "plan.json").write_text(json.dumps(plan))
    write_verdict(run_dir, go)
    return run_dir


@pytest.fixture(scope="session")
def go_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a GO and a selection function. Not to be written to."""
    return build(tmp_path_factory.mktemp("go"), go=True)


@pytest.fixture(scope="session")
def no_go_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a NO-GO, and therefore no selection function. Not to be written to."""
    return build(tmp_path_factory.mktemp("no-go"), go=False)


@pytest.fixture
def fresh_run(tmp_path: Path) -> Callable[..., Path]:
    """Makes a run of its own, to be spoiled: fresh_run(go=False, ...)."""

    def make(**options: Any) -> Path:
        return build(tmp_path / "run", **{"n_hosts": 2, **options})

    return make


@pytest.fixture(scope="session")
def set_verdict() -> Callable[..., None]:
    """Rewrites a folder's verdict.json: set_verdict(run_dir, go, **changes)."""
    return write_verdict


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    """Writes one part of a table: write(run_dir, table, split, rows)."""
    return write_part
