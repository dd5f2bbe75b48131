"""A manifest counted while it is written: rows by split and kind, cross-tables, match of controls."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.choice import UNPAIRED
from pipeline.controls import Match
from pipeline.schema import SPLITS
from pipeline.tier import Tier

KINDS = ("injection", "paired control", "unpaired control")
_PARAMETERS = ("theta_e_arcsec", "src_dmag", "src_reff_arcsec", "src_e", "shear")
_BINS = {"theta_e_arcsec": 0.5, "src_dmag": 1.0, "src_reff_arcsec": 0.2, "src_e": 0.2, "shear": 0.02}


class Tally:
    """Adds up chunks, in any order and from several threads."""

    def __init__(self, tier: Tier) -> None:
        self._exact = set(tier.axes) & set(_PARAMETERS)
        self._kinds: Counter[tuple[str, str]] = Counter()
        self._cells: dict[str, Counter[tuple[str, float]]] = {name: Counter() for name in _PARAMETERS}
        self._match = Match()
        self._lock = threading.Lock()

    def add(self, split: str, rows: pa.Table, hosts: pa.Table, roles: NDArray[np.int8]) -> None:
        """Count a chunk: its rows, and the hosts behind them."""
        with self._lock:
            n_controls = pc.sum(rows["is_control"]).as_py() or 0
            unpaired = int((roles == UNPAIRED).sum())
            counted = (len(rows) - n_controls, n_controls - unpaired, unpaired)
            for kind, n in zip(KINDS, counted, strict=True):
                self._kinds[split, kind] += n
            for name, cells in self._cells.items():
                for value, n in self._counted(name, rows):
                    cells[split, value] += n
            self._match.add(hosts, roles == UNPAIRED)

    def _counted(self, name: str, rows: pa.Table) -> list[tuple[float, int]]:
        values = rows[name].drop_null().to_numpy()
        if name not in self._exact:
            values = np.floor(values / _BINS[name]) * _BINS[name]
        found, counts = np.unique(np.round(values, 6), return_counts=True)
        return list(zip(found.tolist(), counts.tolist(), strict=True))

    def as_json(self) -> dict[str, Any]:
        """rows_by_kind, cross_tables (a bin is named by its lower edge) and control_match."""
        return {
            "rows_by_kind": {s: {kind: self._kinds[s, kind] for kind in KINDS} for s in SPLITS},
            "cross_tables": {name: _table(cells) for name, cells in self._cells.items()},
            "control_match": self._match.as_json(),
        }


def _table(cells: Counter[tuple[str, float]]) -> dict[str, dict[str, int]]:
    values = sorted({value for _, value in cells})
    return {split: {f"{value:g}": cells[split, value] for value in values} for split in SPLITS}
