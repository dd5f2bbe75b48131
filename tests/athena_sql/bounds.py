"""The bounds of the checks, and for each a defect of `f` times it: the table of test_bounds.py.

The rows are those of pipeline.sick_rows before any defect, with one quantity set so that the check's
statistic, by closed form, is f of the bound. Not here: counts whose bound is 0, which test_checks and its
neighbours hold.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline import closure_rates, night_sky
from pipeline.schema import BANDS
from pipeline.sick_rows import OF_BRICK, Rows, Tables
from pipeline.sql import sql_double

Knob = Callable[[Tables, float], None]


@dataclass(frozen=True)
class Bound:
    """A bound of a check; below: the quantity must not fall below it, so the defect is beyond at 0.9."""

    check: str
    name: str
    knob: Knob
    refusal: str = "FAIL"
    below: bool = False
    tier: str = "debug"
    promised: Callable[[float], dict[str, str]] = lambda f: {}


def injected(rows: Rows) -> Rows:
    return [row for row in rows if not row["is_control"]]


def controls(rows: Rows) -> Rows:
    return [row for row in rows if row["is_control"]]


def one_a_host(rows: Rows) -> Rows:
    return list({row["host_id"]: row for row in rows}.values())


def of_brick(rows: Rows, number: int) -> Rows:
    return [row for row in rows if row["i"] // OF_BRICK == number]


def share(rows: Rows, part: float, **changes: Any) -> None:
    """Change that part of the rows, spread over them evenly."""
    chosen = round(part * len(rows))
    for k in range(chosen):
        rows[k * len(rows) // chosen].update(changes)


def all_of(table: str, of: Callable[[Rows], Rows] = list, **changes: Any) -> Knob:
    """Set columns of all these rows: by a function of (row, f)."""

    def knob(tables: Tables, f: float) -> None:
        for row in of(tables[table]):
            row.update({name: value(row, f) for name, value in changes.items()})

    return knob


def first_of(table: str, **changes: Any) -> Knob:
    """The same in one row, an injection."""
    return all_of(table, lambda rows: [injected(rows)[3]], **changes)


def copies(tables: Tables, n: int) -> None:
    """So many times the bricks and hosts, under other names."""
    for table, rows in tables.items():
        tables[table] = [
            {**row, "brickname": f"{row['brickname']}-{k}", "host_id": f"{row['host_id']}-{k}",
             "task_id": f"{row['task_id']}-{k}"}
            for k in range(n) for row in rows
        ]  # fmt: skip


# ---------------------------------------------------------------- knobs


def noisy_brick(tables: Tables, f: float, kind: str = "") -> None:
    """Brick 1 has another noise in g, and with `kind` another release."""
    for row in of_brick(tables["metrics"], 1):
        row["sky_noise_g"] = (1.75 if kind else 1.25) ** f
        row["host_id"] = kind + row["host_id"][len(kind) :]


def scattered_brick(tables: Tables, f: float) -> None:
    """Hosts scatter by +- 0.5 in ln noise, and brick 1 lies 6 f errors of its mean beside the others."""
    for row in tables["metrics"]:
        row["sky_noise_g"] = math.exp(0.5 if row["i"] % 4 else -0.5)
    of_hosts = {row["host_id"]: [] for row in injected(of_brick(tables["metrics"], 1))}
    for row in injected(of_brick(tables["metrics"], 1)):
        of_hosts[row["host_id"]].append(math.log(row["sky_noise_g"]))
    means = [statistics.mean(values) for values in of_hosts.values()]
    for row in of_brick(tables["metrics"], 1):
        row["sky_noise_g"] *= math.exp(6 * f * statistics.stdev(means) / math.sqrt(len(means)))


def bad_closure_rows(tables: Tables, f: float) -> None:
    """As many bad rows as a clean sample may have, or one more."""
    most = closure_rates.least_bad_rows(len(tables["closure"])) - 1
    for row in tables["closure"][: most + (f > 1)]:
        row["closure_l2_r"] = 0.5


def snr_of_some_rows(tables: Tables, f: float) -> None:
    """f of a fifth of the rows beyond a factor of 1.5, to both sides, so that their mean is none."""
    rows = tables["closure"]
    beyond = 2 * round(0.1 * f * len(rows) - 0.5 + (f > 1))
    for k, row in enumerate(rows[:beyond]):
        row["closure_arc_snr"] = (-1) ** k * 1.1 * math.log(1.5)


def snr_of_all_rows(tables: Tables, f: float) -> None:
    """Every row f ln 1.5 off, to both sides."""
    for k, row in enumerate(tables["closure"]):
        row["closure_arc_snr"] = (-1) ** k * f * math.log(1.5)


def deep_controls(tables: Tables, f: float) -> None:
    """D - 0.02 of the two-sample statistic: D is the part of the controls' hosts with another depth."""
    rows = controls(tables["metrics"])
    n, m = len(rows), len({row["host_id"] for row in injected(tables["metrics"])})
    share(rows, 0.02 + 2.8 * f / math.sqrt(n * m / (n + m)), psfdepth_r=100.0)


def bright_cores(tables: Tables, f: float) -> None:
    """The area under the curve is the part of the injections whose core outshines all controls'."""
    for row in tables["metrics"]:
        row["core_flux_r_nmgy"] = 1.0 if row["is_control"] else 0.5
    share(injected(tables["metrics"]), 0.9 * f, core_flux_r_nmgy=2.0)


def bad_rows_of_a_cell(tables: Tables, f: float) -> None:
    """A tenth of a cell's ten rows is bad, or two."""
    first = injected(tables["metrics"])[0]
    kind = ("region_split", "theta_e_arcsec", "src_dmag")
    cell = [row for row in injected(tables["metrics"]) if all(row[k] == first[k] for k in kind)]
    for row in cell[: 1 + (f < 1)]:
        row["metrics_ok"] = False


def flux_beyond_noise(tables: Tables, f: float) -> None:
    """A row with noise of its light is f of 1 % and 7 of its noises too bright."""
    row = injected(tables["metrics"])[3]
    row |= dict.fromkeys((f"gain_{band}" for band in BANDS), 1e4)
    factor = 1 + f * (0.01 + 7 / math.sqrt(1e4 * row["total_injected_flux"]))
    for name in ("total_injected_flux", *(f"injected_flux_{band}_nmgy" for band in BANDS)):
        row[name] *= factor


def light_gained(slope: float) -> Knob:
    """17 copies, whose hosts' light gained grows by the slope per ln theta_E, but for a little noise."""

    def knob(tables: Tables, f: float) -> None:
        copies(tables, 17)
        for k, row in enumerate(injected(tables["metrics"])):
            row["host_id"] = str(k // 10)
            row["theta_e_arcsec"] = 1.0 + 0.1 * (k % 10)
            row["magnification"] = 10 + slope * f * math.log(row["theta_e_arcsec"]) + 1e-3 * math.sin(k)
            row["flux_in_stamp"] = 1.0
            row["total_injected_flux"] = row["src_flux_r_nmgy"] * row["magnification"]

    return knob


def near_neighbour(tables: Tables, f: float) -> None:
    """A host of another split lies f times debug's guard of 24 arcsec away."""
    a, b = tables["manifest"][5], tables["manifest"][OF_BRICK + 5]
    b |= {"ra": a["ra"], "dec": a["dec"] + 24 * f / 3600}


def noise_of_light(mean: float = 0.0, square: float = 1.0, gain: float = 0.0, loss: float = 0.0) -> Knob:
    """Every injection with noise: f of its bound in mean, square, gain or SNR lost."""

    def knob(tables: Tables, f: float) -> None:
        rows = injected(tables["metrics"])
        n = len(rows)
        z_mean = mean * f * (5 / math.sqrt(n) + 0.05)
        z2 = 1 + (square - 1) * f * (5 * math.sqrt(2 / n) + 0.05)
        for k, row in enumerate(rows):
            size = row["psfsize_r"]
            for band in BANDS:
                row[f"gain_{band}"] = night_sky.GAIN_OF_DEPTH[band] * row["psfdepth_r"] * size * size
                row[f"gain_{band}"] *= math.exp(gain * f * math.log(1.5))
            told = row["src_flux_r_nmgy"] * row["magnification"] * row["flux_in_stamp"]
            z = z_mean + (-1) ** k * math.sqrt(z2)
            row["injected_flux_r_nmgy"] = told + z * math.sqrt(told / row["gain_r"])
            row["arc_snr_sky"] = 1.1 * row["arc_snr"]
        for row in tables["closure"]:
            row["closure_snr_loss"] = loss * 0.4 * f

    return knob


def bright_tail(bound: float, errors: float) -> Knob:
    """20 copies; of the sources over 3 times, f of the bound and its binomial errors are over 6 times."""

    def knob(tables: Tables, f: float) -> None:
        copies(tables, 20)
        rows = injected(tables["metrics"])
        edge = bound + errors * math.sqrt(bound * (1 - bound) / len(rows))
        for row in rows:
            row["magnification"] = 4.0
        share(rows, f * edge, magnification=7.0)

    return knob


def no_tail(tables: Tables, f: float) -> None:
    """20 copies: f times 0.05 of the sources within 0.6 theta_E are magnified over 3 times."""
    copies(tables, 20)
    rows = injected(tables["metrics"])
    near = [r for r in rows if math.hypot(r["src_x_arcsec"], r["src_y_arcsec"]) < 0.6 * r["theta_e_arcsec"]]
    for row in rows:
        row["magnification"] = 2.0
    share(near, 0.05 * f, magnification=4.0)


def without_map(of_all: float, of_one: float) -> Knob:
    """10 copies: f of that part of all hosts, or of one brick's, has no value of the psfsize map."""

    def knob(tables: Tables, f: float) -> None:
        copies(tables, 10)
        rows = tables["metrics"]
        brick = [row for row in rows if row["brickname"] == rows[0]["brickname"]]
        share(one_a_host(brick if of_one else rows), f * (of_one or of_all), psf_source_z="brick_mean")

    return knob


def lens_shapes(tables: Tables, f: float) -> None:
    """48 cells of the grid, 72 times: lens_e begins D above 0, and is uniform from there."""
    from tests.athena_sql.synthetic import GRID

    (row,) = injected(tables["manifest"])[:1]
    n = 72 * len(GRID)
    d = 3.0 * f / (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n))
    names = ("theta_e_arcsec", "src_dmag", "src_reff_arcsec", "src_e", "shear")
    source = row["src_flux_r_nmgy"]
    colours = {"src_flux_g_nmgy": source * 10 ** (-0.4 * 0.3), "src_flux_z_nmgy": source * 10 ** (0.4 * 0.2)}
    tables["manifest"] = []
    for k in range(n):
        cell = dict(zip(names, GRID[k % len(GRID)], strict=True))
        radius = cell["theta_e_arcsec"] * math.sqrt(k * 0.618 % 1)
        tables["manifest"].append(
            {**row, **cell, **colours, "task_id": str(k), "task_seed64": k, "lens_phi_rad": math.pi * k / n,
             "src_x_arcsec": radius, "src_y_arcsec": 0.0,
             "lens_e": 0.3 * (d + (1 - d) * (k + 0.5) / n)}
        )  # fmt: skip


def one_sided_angles(tables: Tables, f: float) -> None:
    """The source's angle begins D above 0, and is uniform from there."""
    rows = injected(tables["manifest"])
    n = len(rows)
    d = 2.8 * f / (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n))
    for k, row in enumerate(rows):
        row["src_phi_rad"] = math.pi * (d + (1 - d) * (k + 0.5) / n)


def heavier_lenses(tables: Tables, f: float) -> None:
    """The lenses of train are larger than the others' by 5.5 f errors of the difference by host."""
    hosts: dict[str, dict[str, list[float]]] = {}
    rows = injected(tables["metrics"])
    for row in rows:
        of_split = hosts.setdefault(row["region_split"], {})
        of_split.setdefault(row["host_id"], []).append(row["theta_e_arcsec"])
    means = {split: [statistics.mean(x) for x in of.values()] for split, of in hosts.items()}
    errors = {split: statistics.variance(x) / len(x) for split, x in means.items()}
    for row in rows:
        if row["region_split"] == "train":
            row["theta_e_arcsec"] += 5.5 * f * math.sqrt(errors["train"] + errors["val"])


def rows_of_another_split(tables: Tables, f: float) -> None:
    """240 blocks of a row each, dealt 70 : 15 : 15 by hash, but val has f t more: Bernstein's t."""
    rows, p, logs = tables["manifest"], 0.15, math.log(6e6)
    w = 1 / len(rows)
    t = w * logs / 3 + math.sqrt((w * logs / 3) ** 2 + 2 * p * (1 - p) * w * logs)
    val, test = round((p + f * t) * len(rows)), round(p * len(rows))
    for k, row in enumerate(rows):
        row["region_split"] = "val" if k < val else "test" if k < val + test else "train"


def closure_off(column: str, bound: str) -> Bound:
    off = all_of("closure", **{column: lambda row, f: f * closure_rates.BOUNDS[bound]})
    return Bound("closure", bound, off)


def scaled(name: str, by: Callable[[float], float]) -> Any:
    return lambda row, f: row[name] * by(f)


def share_of(table: str, part: float, of: Callable[[Rows], Rows] = list, **changes: Any) -> Knob:
    return lambda tables, f: share(of(tables[table]), part * f, **changes)


def _ceiling(row: dict[str, Any]) -> float:
    concentration = math.exp(0.28 + 0.29 * row["src_n_sersic"])
    return 1 + 2.5 * concentration * row["theta_e_arcsec"] / row["src_reff_arcsec"]


def _snr(row: dict[str, Any], ratio: float) -> float:
    return float(ratio * row["total_injected_flux"] * math.sqrt(row["psfdepth_r"]))


BOUNDS = (
    Bound("brick_outliers", "1.25 of its kind", noisy_brick),
    Bound("brick_outliers", "1.75 of another kind", lambda tables, f: noisy_brick(tables, f, "8000")),
    Bound("brick_outliers", "6 errors", scattered_brick),
    Bound("brick_outliers", "0.1 arcsec",
          all_of("metrics", lambda rows: of_brick(rows, 1), host_x_arcsec=lambda row, f: 0.01 + 0.1 * f)),
    closure_off("closure_flux_g", "flux"),
    closure_off("closure_l2_r", "l2"),
    closure_off("closure_moment_z", "moment"),
    closure_off("closure_centroid_r_arcsec", "centroid_arcsec"),
    closure_off("closure_magnification", "magnification"),
    closure_off("closure_core", "core"),
    closure_off("closure_noise_g", "noise"),
    Bound("closure", "bad rows", bad_closure_rows),
    Bound("closure_snr", "ln 1.5 of the peak",
          all_of("closure", closure_arc_peak_snr=lambda row, f: f * math.log(1.5))),
    Bound("closure_snr", "a fifth of the rows", snr_of_some_rows),
    Bound("closure_snr", "ln 1.5 of a row", snr_of_all_rows),
    Bound("control_match", "2.8", deep_controls),
    Bound("control_match", "an area of 0.9", bright_cores, "WARN"),
    Bound("controls", "0.01 of the rows", lambda tables, f: None,
          promised=lambda f: {"control_fraction": sql_double(0.5 + 0.01 * f)}),
    Bound("coverage", "0.9 of a cell", bad_rows_of_a_cell, below=True),
    Bound("flux_identity", "1 %", first_of(
        "metrics", injected_flux_r_nmgy=scaled("injected_flux_r_nmgy", lambda f: 1 + 0.01 * f),
        total_injected_flux=scaled("total_injected_flux", lambda f: 1 + 0.01 * f))),
    Bound("flux_identity", "1 % and 7 noises", flux_beyond_noise),
    Bound("flux_identity", "5 % of a colour", first_of(
        "metrics", injected_flux_g_nmgy=scaled("injected_flux_g_nmgy", lambda f: 1 + 0.05 * f))),
    Bound("flux_identity", "1e-6 of the total", first_of(
        "metrics", total_injected_flux=scaled("total_injected_flux", lambda f: 1 + 1e-6 * f))),
    Bound("flux_theta_e", "2 %", all_of(
        "metrics", injected, magnification=scaled("magnification", lambda f: math.exp(0.02 * f)))),
    Bound("flux_theta_e", "half of the rows", share_of("metrics", 0.5, injected, magnification=20.0)),
    Bound("flux_theta_e", "a slope of 0.2", light_gained(0.2), below=True),
    Bound("flux_theta_e", "a slope of 0.8", light_gained(0.8)),
    Bound("host_pixels", "0.015 arcsec",
          all_of("metrics", host_x_arcsec=lambda row, f: 0.015 * f, host_y_arcsec=lambda row, f: 0.0)),
    Bound("host_pixels", "noise of 0.6 in a brick", all_of(
        "metrics", lambda rows: of_brick(rows, 1), sky_noise_r=lambda row, f: 0.6 * f), below=True),
    Bound("host_record", "0.5 % of psfsize", all_of("sky", sky_psf_g=lambda row, f: 0.005 * f)),
    Bound("orientation", "0.7", all_of("sky", sky_orientation=lambda row, f: 0.7 * f), below=True),
    Bound("sky_closure", "6 % of the light", all_of("sky", sky_light_r=lambda row, f: f * math.log(1.06))),
    Bound("sky_closure", "a sky of 0.5 in a brick", all_of(
        "sky", lambda rows: of_brick(rows, 1), sky_left_g=lambda row, f: 0.5 * f)),
    Bound("leakage", "the guard", near_neighbour, below=True),
    Bound("light_noise", "mean", noise_of_light(mean=1.0)),
    Bound("light_noise", "variance", noise_of_light(square=2.0)),
    Bound("light_noise", "gain", noise_of_light(gain=1.0)),
    Bound("light_noise", "SNR lost", noise_of_light(loss=1.0)),
    Bound("magnification", "1", first_of("metrics", magnification=lambda row, f: f), below=True),
    Bound("magnification", "ceiling", first_of("metrics", magnification=lambda row, f: f * _ceiling(row))),
    Bound("magnification_tail", "0.31", bright_tail(0.31, 4.9)),
    Bound("magnification_tail", "0.19", bright_tail(0.19, -4.9), below=True),
    Bound("magnification_tail", "0.05 of the near", no_tail, below=True),
    Bound("maskbits", "0.1 of the stamps", share_of("metrics", 0.1, bad_pixel_frac=0.3)),
    Bound("maskbits", "a fifth of the pixels", all_of("metrics", bad_pixel_frac=lambda row, f: 0.2 * f)),
    Bound("prior", "3", lens_shapes),
    Bound("psf_provenance", "0.01 of all hosts", without_map(0.01, 0.0)),
    Bound("psf_provenance", "0.25 of a brick's", without_map(0.0, 0.25)),
    Bound("psf_provenance", "2 %", first_of(
        "metrics", psf_fwhm_used_g=scaled("psf_fwhm_used_g", lambda f: 1 + 0.02 * f))),
    Bound("realism", "0.2 of the sources", share_of("metrics", 0.2, injected, src_flux_r_nmgy=9.0), "WARN"),
    Bound("realism", "r = 22", all_of(
        "metrics", injected, src_flux_r_nmgy=lambda row, f: f * 10**0.2), "WARN"),
    Bound("realism", "0.4 unresolved", share_of("metrics", 0.4, injected, theta_e_arcsec=0.1), "WARN"),
    Bound("realism", "half the FWHM", all_of(
        "metrics", injected, theta_e_arcsec=lambda row, f: 0.5 * f * row["psf_fwhm_used_r"]),
        "WARN", below=True),
    Bound("realism", "an SNR of 25", all_of("metrics", injected, arc_snr=lambda row, f: 25.0 * f), "WARN"),
    Bound("snr_depth", "0.05 of the rows", share_of("metrics", 0.05, injected, arc_snr=1e4)),
    Bound("snr_depth", "twice a point source's", all_of(
        "metrics", injected, arc_snr=lambda row, f: _snr(row, 2 * f))),
    Bound("snr_depth", "a thirtieth of it", all_of(
        "metrics", injected, arc_snr=lambda row, f: _snr(row, f / 30), arc_peak_snr=lambda row, f: 0.0),
        below=True),
    Bound("source_flux", "0.01 %", all_of(
        "manifest", lambda rows: injected(rows)[:1],
        src_flux_r_nmgy=scaled("src_flux_r_nmgy", lambda f: math.exp(1e-4 * f)))),
    Bound("source_flux", "0.1 of the hosts", share_of("metrics", 0.1, one_a_host, host_core_flux_r_nmgy=1e4)),
    Bound("source_flux", "1.5 mag", all_of("metrics", host_core_flux_r_nmgy=scaled(
        "host_core_flux_r_nmgy", lambda f: 10 ** (0.4 * (1.5 * f + 0.6))))),  # healthy: 0.6 mag fainter
    Bound("source_positions", "2.8", one_sided_angles),
    Bound("split_balance", "5.5 errors", heavier_lenses),
    Bound("split_fractions", "Bernstein's t", rows_of_another_split, tier="pilot"),
    Bound("success_rate", "0.01 of the rows", lambda tables, f: share(
        tables["metrics"], 0.01 * f + (f > 1) * 5e-4, metrics_ok=False)),
)  # fmt: skip
