"""Stamps and labels of a published run, batch by batch, without holding a split in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds

from pipeline.errors import InputError
from pipeline.schema import BANDS, SPLITS, STAMPS
from pipeline.trust import confirmed_go, run_folder


@dataclass(frozen=True)
class Batch:
    """Images, nmgy, shape (n, band, n_pix, n_pix), row 0 south; label 1 where a lens was injected."""

    task_id: tuple[str, ...]
    image: np.ndarray
    label: np.ndarray


def load_batches(run_dir: Path, split: str, batch_size: int = 256) -> Iterator[Batch]:
    """The stamps of one split of a run, in storage order.

    Raises InputError for an unknown split, and for a run that was not published with a GO or whose tables
    changed since: a network must not be trained on what the gate has not let through.
    """
    if split not in SPLITS:
        raise InputError(f"split {split!r}: there are {', '.join(SPLITS)}")
    if not (run_dir / "_SUCCESS.json").is_file():
        raise InputError(f"{run_dir}: has no _SUCCESS.json, so no GO; train on a published run")
    store, layout = run_folder(run_dir)
    confirmed_go(store, layout, "train on a published run", published=True)
    stamps = ds.dataset(run_dir / STAMPS.name, format="parquet", partitioning="hive")
    scanner = stamps.scanner(
        columns=["task_id", "is_control", "n_pix", "image"],
        filter=ds.field("region_split") == split,
        batch_size=batch_size,
    )
    for rows in scanner.to_batches():
        if len(rows):
            yield _batch(rows.to_pydict())


def _batch(rows: dict[str, list]) -> Batch:
    n_pix = rows["n_pix"][0]
    images = [np.frombuffer(data, "<f4").reshape(len(BANDS), n_pix, n_pix) for data in rows["image"]]
    label = np.array([not control for control in rows["is_control"]], dtype=np.int8)
    return Batch(tuple(rows["task_id"]), np.stack(images), label)
