"""The closure test's section: how far the stamps are from the independent renderer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.closure_rates import BOUNDS
from pipeline.schema import BANDS, CLOSURE
from report.charts import distribution
from report.findings import Section
from report.folder import Frame, TableRead
from report.stats import Floats
from report.words import HtmlTable, number

COLUMNS = ("task_id", *(name for name in CLOSURE.names if name.startswith("closure_")))
# quantity: words, unit
QUANTITIES = {
    "flux": ("Flux over the reference's, minus 1", ""),
    "l2": ("Norm of the difference over the reference's", ""),
    "moment": ("Second moment over the reference's, minus 1", ""),
    "centroid_arcsec": ("Distance of the centroids", " arcsec"),
    "magnification": ("Magnification over the reference's, minus 1", ""),
    "noise": ("Part of the light noise's variance that its law does not explain", ""),
}


def closure(table: TableRead) -> Section:
    """The worst band of each sampled row, by quantity, against its bound."""
    if not table.there:
        return Section(notes=(table.note or "No row was rendered again.",))
    worst = {quantity: _worst(table, quantity) for quantity in QUANTITIES}
    noiseless = not np.isfinite(worst["noise"]).any()
    rows = tuple(
        (words, number(_at(worst[q], 50)), number(_at(worst[q], 100)), f"{BOUNDS[q]:g}{unit}",
         f"{int((~(worst[q] <= BOUNDS[q])).sum()):,}")
        for q, (words, unit) in QUANTITIES.items() if not (q == "noise" and noiseless)
    )  # fmt: skip
    caption = f"Largest of the bands, over the {len(table.frame):,} rows of the sample"
    header = ("Quantity", "median", "largest", "bound", "rows beyond or without")
    charts = [
        distribution(f"Closure: {quantity.split('_')[0]}", worst[quantity], "largest of the bands (log)",
                     log=True, marks=((BOUNDS[quantity], "bound"),))
        for quantity in ("l2", "flux", "noise")
    ]  # fmt: skip
    notes = ("No row of the sample has noise of its light, so there is none to explain.",)
    table_of_all = HtmlTable(caption, header, rows)
    return Section(tuple(c for c in charts if c), (table_of_all,), notes if noiseless else ())


def l2_of(metrics: Frame, table: TableRead) -> Floats:
    """The closure's norm of the difference of each metrics row, the worst band's; NaN outside the sample."""
    if not (table.there and table.frame.has("task_id") and metrics.has("task_id")):
        return np.full(len(metrics), np.nan)
    sampled = table.frame.table["task_id"].cast(pa.string())
    place = pc.fill_null(pc.index_in(metrics.table["task_id"].cast(pa.string()), value_set=sampled), -1)
    # the last place stands for "not in the sample"
    return np.append(_worst(table, "l2"), np.nan)[place.to_numpy(zero_copy_only=False)]


def _worst(table: TableRead, quantity: str) -> Floats:
    """Absolute, the largest of the bands; NaN where one is absent."""
    if quantity == "magnification":
        names = ["closure_magnification"]
    elif quantity == "centroid_arcsec":
        names = [f"closure_centroid_{band}_arcsec" for band in BANDS]
    else:
        names = [f"closure_{quantity}_{band}" for band in BANDS]
    return np.abs(np.stack([table.frame.numbers(name) for name in names])).max(axis=0)


def _at(values: Floats, percent: float) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.percentile(known, percent)) if len(known) else None
