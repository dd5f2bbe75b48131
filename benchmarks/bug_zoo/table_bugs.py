"""Bugs in what was written: each changes the tables of a clean run, as if the code had written them so."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.bug_zoo.world import Tables
from pipeline.schema import METRICS

WRITTEN = ("manifest", "metrics", "stamps")
Change = Callable[[Tables], Tables]
Rows = Callable[[pa.Table], np.ndarray]  # which rows of a table, as a mask


def every(n: int) -> Rows:
    """One row of n, by the hash of its id."""
    return lambda t: np.array([int(i[:8], 16) % n == 0 for i in t["task_id"].to_pylist()])


def of_brick(number: int) -> Rows:
    return lambda t: np.array(t["brickname"].to_pylist()) == sorted(set(t["brickname"].to_pylist()))[number]


def where(column: str, test: Callable[[Any], bool]) -> Rows:
    return lambda t: np.array([test(value) for value in t[column].to_pylist()])


def everywhere(t: pa.Table) -> np.ndarray:
    return np.ones(len(t), dtype=bool)


def put(table: str, values: dict[str, Any], rows: Rows = everywhere) -> Change:
    """Columns of the chosen rows set to a value, or to a function of the column's values."""

    def change(tables: Tables) -> Tables:
        changed, chosen = tables[table], rows(tables[table])
        for name, value in values.items():
            old = changed[name].combine_chunks()
            new = value(old.to_numpy(zero_copy_only=False)) if callable(value) else None
            made = old.to_pylist()
            for i in np.flatnonzero(chosen):
                made[i] = value if new is None else new[i].item() if hasattr(new[i], "item") else new[i]
            field = changed.schema.field(name)
            changed = changed.set_column(
                changed.column_names.index(name), pa.field(name, field.type), pa.array(made, field.type)
            )
        return {**tables, table: changed}

    return change


def both(*changes: Change) -> Change:
    def change(tables: Tables) -> Tables:
        for one in changes:
            tables = one(tables)
        return tables

    return change


def rows_of(table: str, choose: Callable[[pa.Table], pa.Table]) -> Change:
    return lambda tables: {**tables, table: choose(tables[table])}


def drop(rows: Rows) -> Callable[[pa.Table], pa.Table]:
    return lambda t: t.filter(pa.array(~rows(t)))


def doubled(rows: Rows) -> Callable[[pa.Table], pa.Table]:
    return lambda t: pa.concat_tables([t, t.filter(pa.array(rows(t)))])


def in_all(values: dict[str, Any], rows: Rows) -> Change:
    """The same in manifest and metrics: a planner's bug, not a writer's."""
    return both(put("manifest", values, rows), put("metrics", values, rows))


def with_controls(tables: Tables) -> Tables:
    """Controls beside the injections, twelve on each host, as a tier with paired controls writes them."""
    truth = [c.name for c in METRICS.columns if c.nullable and c.name in tables["manifest"].column_names
             and not c.name.startswith("psfdepth")]  # fmt: skip
    arcs = ("magnification", "flux_in_stamp", "arc_snr", "arc_snr_sky", "arc_peak_snr", "total_injected_flux",
            *(f"injected_flux_{b}_nmgy" for b in "grz"))  # fmt: skip
    label = {
        "is_control": True, "lens_model": "CONTROL",
        "task_id": lambda ids: np.array([i[::-1] for i in ids], dtype=object),
    }  # fmt: skip
    quarter = pc.and_(
        pc.equal(tables["manifest"]["src_dmag"], 1.0), pc.equal(tables["manifest"]["shear"], 0.0)
    )
    ids = tables["manifest"].filter(quarter)["task_id"].combine_chunks()
    own = {name: tables[name].filter(pc.is_in(tables[name]["task_id"], ids)) for name in WRITTEN}
    own = both(
        put("manifest", {**label, **dict.fromkeys(truth)}),
        put("metrics", {**label, **dict.fromkeys((*truth, *arcs))}),
        put("stamps", {name: label[name] for name in ("is_control", "task_id")}),
        copied("stamps", "raw_hash", "image_hash"),
        copied("metrics", "host_core_flux_r_nmgy", "core_flux_r_nmgy"),
    )(own)
    return {**tables, **{name: added(tables[name], own[name]) for name in WRITTEN}}


def added(table: pa.Table, more: pa.Table) -> pa.Table:
    return pa.concat_tables([table, more.cast(table.schema)])


def copied(table: str, column: str, to: str) -> Change:
    def change(tables: Tables) -> Tables:
        old = tables[table]
        return {**tables, table: old.set_column(old.column_names.index(to), to, old[column])}

    return change


CONTROLS = where("is_control", bool)


def some_controls(t: pa.Table) -> np.ndarray:
    chosen: np.ndarray = CONTROLS(t) & every(3)(t)
    return chosen


def small(t: pa.Table) -> np.ndarray:
    return np.nan_to_num(t["theta_e_arcsec"].to_numpy(zero_copy_only=False)) == 0.3


def in_split(name: str) -> Rows:
    return lambda t: np.array(t["region_split"].to_pylist()) == name


def split_by_row(tables: Tables) -> Tables:
    """The split drawn for each row."""
    names = np.array(["train", "val", "test"], dtype=object)

    def drawn(t: pa.Table) -> np.ndarray:
        return names[[hashlib.blake2b(i.encode()).digest()[0] % 3 for i in t["task_id"].to_pylist()]]

    for table in WRITTEN:
        split = drawn(tables[table])
        tables = put(table, {"region_split": lambda _, split=split: split})(tables)
    return tables


def host_in_two_splits(tables: Tables) -> Tables:
    host = tables["manifest"]["host_id"][0].as_py()
    rows = lambda t: (np.array(t["host_id"].to_pylist()) == host) & every(2)(t)  # noqa: E731
    for table in WRITTEN:
        here = tables[table]["region_split"][0].as_py()
        tables = put(table, {"region_split": "val" if here != "val" else "test"}, rows)(tables)
    return tables


def neighbours_across(tables: Tables) -> Tables:
    """A host of another split under another id, half an arcsecond away."""
    manifest = tables["manifest"]
    first = manifest.slice(0, 1).to_pylist()[0]
    others = manifest.filter(pc.not_equal(manifest["region_split"], first["region_split"]))
    twin = others["host_id"][0].as_py()
    values = {"ra": first["ra"], "dec": first["dec"] + 0.5 / 3600}
    return in_all(values, lambda t: np.array(t["host_id"].to_pylist()) == twin)(tables)


def confounded(tables: Tables) -> Tables:
    """The training split lost its small lenses, in the plan and in what follows from it."""
    lost = _small_ids(tables)
    cut = drop(lambda t: in_split("train")(t) & lost(t))
    return both(*(rows_of(name, cut) for name in WRITTEN))(tables)


def swapped_shares(tables: Tables) -> Tables:
    """A brick of val among those of train: no leak, but 50/17/33 where thirds were asked for."""
    manifest = tables["manifest"]
    own = manifest.filter(pc.equal(manifest["region_split"], "val"))["brickname"].unique().to_pylist()
    rows = lambda t: np.array([name == min(own) for name in t["brickname"].to_pylist()])  # noqa: E731
    return both(*(put(name, {"region_split": "train"}, rows) for name in WRITTEN))(tables)


def in_every_table(split: str, rows: Rows) -> Change:
    """The chosen rows in another split, consistently: what is planned, measured and stored agrees."""
    return both(*(put(name, {"region_split": split}, rows) for name in WRITTEN))


def steep(tables: Tables) -> Tables:
    """Arcs of large lenses too bright in flux and magnification alike, by theta_E squared."""
    theta_e = tables["metrics"]["theta_e_arcsec"].to_numpy()
    wrong = {name: lambda v: v * (1 + 2 * theta_e**2) for name in (*FLUXES, "magnification")}
    return put("metrics", wrong)(tables)


def _small_ids(tables: Tables) -> Rows:
    ids = set(tables["metrics"].filter(pa.array(small(tables["metrics"])))["task_id"].to_pylist())
    return lambda t: np.array([i in ids for i in t["task_id"].to_pylist()])


def retyped(table: str, column: str, kind: pa.DataType) -> Change:
    def change(tables: Tables) -> Tables:
        old = tables[table]
        place = old.column_names.index(column)
        return {**tables, table: old.set_column(place, column, old[column].cast(kind))}

    return change


FLUXES = ("total_injected_flux", "injected_flux_g_nmgy", "injected_flux_r_nmgy", "injected_flux_z_nmgy")

# family, name, change, with controls
BUGS: tuple[tuple[str, str, Change, bool], ...] = (
    ("data", "1 % of the rows twice", rows_of("metrics", doubled(every(100))), False),
    ("data", "a part read by every worker", rows_of("metrics", lambda t: pa.concat_tables([t] * 2)), False),
    (
        "data",
        "a brick missing",
        both(rows_of("metrics", drop(of_brick(0))), rows_of("stamps", drop(of_brick(0)))),
        False,
    ),
    ("data", "a write that stopped half-way", rows_of("stamps", lambda t: t.slice(0, len(t) // 2)), False),
    ("data", "NaN replaced by 0 in 1 %", put("metrics", dict.fromkeys(FLUXES, 0.0), every(100)), False),
    ("data", "NaN in 0.1 %", put("metrics", {"arc_snr": float("nan")}, every(1000)), False),
    ("data", "3 % failed without a word", put("metrics", {"metrics_ok": False}, every(33)), False),
    ("data", "parameters of another row", put("metrics", {"theta_e_arcsec": lambda v: np.roll(v, 1)}), False),
    (
        "data",
        "one band scaled by 2 %",
        put(
            "metrics", {"injected_flux_r_nmgy": lambda v: v * 0.98, "total_injected_flux": lambda v: v * 0.98}
        ),
        False,
    ),
    ("data", "every worker's stamps are one host's", put("stamps", {"raw_hash": "0" * 16}), False),
    ("data", "radians that are degrees", put("metrics", {"lens_phi_rad": lambda v: np.degrees(v)}), False),
    (
        "data",
        "small lenses lost",
        both(put("metrics", {"metrics_ok": False}, lambda t: small(t) & every(2)(t))),
        False,
    ),
    ("data", "psfsize 0 in one brick", put("metrics", {"psfsize_r": 0.0}, of_brick(0)), False),
    ("data", "a default PSF everywhere", put("metrics", {f"psfsize_{b}": 1.3 for b in "grz"}), False),
    (
        "data",
        "brick mean PSF in one brick",
        put("metrics", {"psf_source_g": "brick_mean"}, of_brick(0)),
        False,
    ),
    (
        "data",
        "one brick's arcs ten times too bright",
        put(
            "metrics", {name: lambda v: v * 10 for name in (*FLUXES, "arc_snr", "arc_peak_snr")}, of_brick(0)
        ),
        False,
    ),
    (
        "data",
        "noise of one brick three times the map's",
        put("metrics", {f"sky_noise_{b}": lambda v: v * 3 for b in "grz"}, of_brick(0)),
        False,
    ),
    (
        "geometry",
        "hosts of one brick a pixel off",
        put("metrics", {"host_x_arcsec": lambda v: v + 0.262}, of_brick(0)),
        False,
    ),
    ("physics", "light gained too steep in theta_E", steep, False),
    ("splits", "split drawn for each row", split_by_row, False),
    ("splits", "a host in two splits", host_in_two_splits, False),
    ("splits", "one galaxy under two ids, in two splits", neighbours_across, False),
    (
        "splits",
        "a region dealt twice",
        in_all({"region_id": 7}, lambda t: of_brick(0)(t) | of_brick(2)(t) | of_brick(4)(t)),
        False,
    ),
    ("splits", "split confounded with theta_E", confounded, False),
    ("splits", "shares of the splits swapped", swapped_shares, False),
    ("splits", "no row of one split", in_every_table("train", in_split("val")), False),
    ("splits", "a brick in no split", in_every_table("all", of_brick(0)), False),
    ("splits", "one split alone", put("manifest", {"region_split": "train"}), False),
    (
        "controls",
        "a third of the controls resampled",
        put("stamps", {"image_hash": "0" * 16}, some_controls),
        True,
    ),
    ("controls", "controls that carry the truth", put("metrics", {"theta_e_arcsec": 1.0}, CONTROLS), True),
    (
        "controls",
        "labels swapped in 1 %",
        put("metrics", {"is_control": lambda v: ~v.astype(bool)}, every(100)),
        True,
    ),
    (
        "controls",
        "injections that added nothing",
        put("stamps", {"image_hash": lambda v: v, "raw_hash": "a" * 16}, every(50)),
        True,
    ),
    (
        "controls",
        "fewer controls than planned",
        both(rows_of("metrics", drop(some_controls)), rows_of("stamps", drop(some_controls))),
        True,
    ),
    (
        "controls",
        "controls of brighter galaxies",
        put("manifest", {"host_mag_r": lambda v: v - 1}, CONTROLS),
        True,
    ),
    ("masks", "a third of the stamps inside masks", put("metrics", {"bad_pixel_frac": 0.6}, every(3)), False),
    ("masks", "fractions above 1", put("metrics", {"bad_pixel_frac": lambda v: v * 100 + 2}), False),
    ("storage", "a column in single precision", retyped("metrics", "ra", pa.float32()), False),
    (
        "storage",
        "a column missing",
        lambda t: {**t, "metrics": t["metrics"].drop_columns(["arc_snr"])},
        False,
    ),
    ("storage", "an empty table", rows_of("stamps", lambda t: t.slice(0, 0)), False),
    (
        "storage",
        "one closure row copied",
        rows_of("closure", lambda t: pa.concat_tables([t.slice(0, 1)] * len(t))),
        False,
    ),
    (
        "storage",
        "closure of another run",
        put("closure", {"task_id": lambda ids: np.array([i[::-1] for i in ids], dtype=object)}),
        False,
    ),
    ("storage", "no closure table", rows_of("closure", lambda t: t.slice(0, 0)), False),
    ("storage", "numbers stored as text", retyped("metrics", "theta_e_arcsec", pa.string()), False),
)
