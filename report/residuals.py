"""The closure test's section: how far the stamps are from the independent renderer."""

from __future__ import annotations

import numpy as np

from pipeline.closure_rates import BOUNDS
from pipeline.schema import BANDS, CLOSURE
from report.charts import distribution
from report.findings import Section
from report.folder import TableRead
from report.stats import Floats
from report.words import HtmlTable, number

COLUMNS = tuple(name for name in CLOSURE.names if name.startswith("closure_"))
# quantity: words, unit
QUANTITIES = {
    "flux": ("Flux over the reference's, minus 1", ""),
    "l2": ("Norm of the difference over the reference's", ""),
    "moment": ("Second moment over the reference's, minus 1", ""),
    "centroid_arcsec": ("Distance of the centroids", " arcsec"),
    "magnification": ("Magnification over the reference's, minus 1", ""),
}


def closure(table: TableRead) -> Section:
    """The worst band of each sampled row, by quantity, against its bound."""
    if not table.there:
        return Section(notes=(table.note or "No row was rendered again.",))
    worst = {quantity: _worst(table, quantity) for quantity in QUANTITIES}
    rows = tuple(
        (words, number(_at(worst[q], 50)), number(_at(worst[q], 100)), f"{BOUNDS[q]:g}{unit}",
         f"{int((~(worst[q] <= BOUNDS[q])).sum()):,}")
        for q, (words, unit) in QUANTITIES.items()
    )  # fmt: skip
    caption = f"Largest of the bands, over the {len(table.frame):,} rows of the sample"
    header = ("Quantity", "median", "largest", "bound", "rows beyond or without")
    charts = [
        distribution(f"Closure: {quantity.split('_')[0]}", worst[quantity], "largest of the bands (log)",
                     log=True, marks=((BOUNDS[quantity], "bound"),))
        for quantity in ("l2", "flux")
    ]  # fmt: skip
    return Section(tuple(c for c in charts if c), (HtmlTable(caption, header, rows),))


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
