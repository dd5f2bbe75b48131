"""The run's folder as this page reads it: verdict.json, plan.json and column projections of the tables.

What is missing or unreadable becomes a sentence on the page. Only without a verdict there is no page.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.schema import BY_NAME, PARTITION_KEYS
from pipeline.trust import run_folder, standing

STATUSES = ("FAIL", "INCONCLUSIVE", "WARN", "NOT_EXERCISED", "PASS")  # in the order of the page
MEND = "the run did not reach its verdict; run the tier again with the same --run-id"
VERDICT = "verdict.json"
NO_LONGER = "The GO that is stored here does not hold."
MOST_ROWS = 500_000  # read at most about this many of a table: the page stays quick and small
HIVE = ds.partitioning(pa.schema([(key, pa.string()) for key in PARTITION_KEYS]), flavor="hive")


@dataclass(frozen=True)
class Check:
    """One check of the gate, as verdict.json has it."""

    name: str
    status: str
    critical: bool
    statistic: float | None
    bound: float | None
    n: float | None
    message: str


@dataclass(frozen=True)
class Verdict:
    """A verdict, NO-GO where it does not hold; `rest` holds the keys that this page does not know.

    doubts: why a stored verdict does not hold.
    """

    verdict: str
    run_id: str
    tier: str
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]
    rows: int | None
    rest: dict[str, Any] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    @property
    def go(self) -> bool:
        return self.verdict == "GO"

    def having(self, status: str) -> list[Check]:
        return [check for check in self.checks if check.status == status]


def load_verdict(run_dir: Path) -> Verdict:
    """The run's stored verdict; InputError names the file and what is wrong with it.

    A GO that does not hold, or of a run that was not published, is a NO-GO here and says why.
    """
    path = run_dir / VERDICT
    verdict = verdict_in(json_object(path), path)
    if not verdict.go:
        return verdict
    found = standing(*run_folder(run_dir), published=True)
    if found.go:
        return verdict
    doubts = tuple(f"{VERDICT} says GO, and that does not hold: {doubt}." for doubt in found.doubts)
    return replace(verdict, verdict="NO-GO", reasons=(NO_LONGER,), doubts=doubts)


def verdict_in(record: dict[str, Any], path: Path) -> Verdict:
    """The verdict that a record holds; InputError names `path` and what is wrong with it."""
    if record.get("verdict") not in ("GO", "NO-GO"):
        raise InputError(f"{path}: verdict is {record.get('verdict')!r}, not GO or NO-GO; {MEND}")
    for key in ("reasons", "checks"):
        if not isinstance(record.get(key), list):
            raise InputError(f"{path}: {key} is missing or not a list; {MEND}")
    known = {"verdict", "run_id", "tier", "reasons", "checks", "rows", "judged", "canaries"}
    return Verdict(
        verdict=record["verdict"],
        run_id=str(record.get("run_id") or path.resolve().parent.name),
        tier=str(record.get("tier") or "not given"),
        reasons=tuple(str(reason) for reason in record["reasons"]),
        checks=tuple(_check(path, i, item) for i, item in enumerate(record["checks"])),
        rows=int(rows) if (rows := _number(record.get("rows"))) is not None else None,
        rest={key: value for key, value in record.items() if key not in known},
    )


def load_plan(run_dir: Path) -> tuple[dict[str, Any], str]:
    """(plan.json, "") or ({}, a sentence that says why it is not shown)."""
    try:
        return json_object(run_dir / "plan.json"), ""
    except InputError as error:
        return {}, f"The plan is not shown: {error}."


def json_object(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: not there; {MEND}") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); {MEND}") from error
    if not isinstance(record, dict):
        raise InputError(f"{path}: holds a {type(record).__name__}, not an object; {MEND}")
    return record


def _check(path: Path, position: int, item: Any) -> Check:
    if not isinstance(item, dict) or "name" not in item or item.get("status") not in STATUSES:
        raise InputError(f"{path}: checks[{position}] needs a name and a status of {STATUSES}; {MEND}")
    numbers = {key: _number(item.get(key)) for key in ("statistic", "bound", "n")}
    message = str(item.get("message") or "")
    return Check(str(item["name"]), item["status"], bool(item.get("critical")), message=message, **numbers)


def _number(value: Any) -> float | None:
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    return None


class Frame:
    """Some columns of a table as arrays. A column that is not there reads as all NULL."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._codes: dict[str, tuple[NDArray[np.int64], list[str]]] = {}

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def has(self, name: str) -> bool:
        return name in self.table.column_names

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Values, NaN where NULL (or where the column is not there, or is no number)."""
        try:
            column = pc.cast(self.table.column(name), pa.float64())
        except (KeyError, pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return np.full(len(self), np.nan)
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)

    def flags(self, name: str) -> NDArray[np.bool_]:
        """True where the value is true: NULL is false."""
        return np.asarray(self.numbers(name) == 1)

    def codes(self, name: str) -> tuple[NDArray[np.int64], list[str]]:
        """(each row's place in the list of distinct strings, -1 where NULL; that list, sorted)."""
        if name not in self._codes:
            self._codes[name] = self._encode(name)
        return self._codes[name]

    def _encode(self, name: str) -> tuple[NDArray[np.int64], list[str]]:
        if not self.has(name):
            return np.full(len(self), -1, dtype=np.int64), []
        column = pc.cast(self.table.column(name), pa.string())
        values = sorted(v for v in pc.unique(column).to_pylist() if v is not None)
        if not values:
            return np.full(len(self), -1, dtype=np.int64), []
        places = pc.fill_null(pc.index_in(column, value_set=pa.array(values, pa.string())), -1)
        return np.asarray(places.to_numpy(zero_copy_only=False), dtype=np.int64), values

    def where(self, mask: NDArray[np.bool_]) -> Frame:
        return Frame(self.table.filter(pa.array(mask)))


@dataclass(frozen=True)
class TableRead:
    """What was read of one table.

    rows: in the whole table, None if it cannot be read; read: the files read, relative to the table's folder;
    note: a sentence on what is wrong.
    """

    name: str
    frame: Frame
    rows: int | None
    files: int = 0
    read: tuple[str, ...] = ()
    note: str = ""

    @property
    def there(self) -> bool:
        return bool(self.rows)


def table_files(run_dir: Path, name: str) -> list[Path]:
    return sorted((run_dir / name).rglob("*.parquet"))


def read_table(run_dir: Path, name: str, columns: tuple[str, ...], most_rows: int | None = None) -> TableRead:
    """These columns, and region_split. Above `most_rows` (MOST_ROWS), evenly spaced files."""
    files = table_files(run_dir, name)
    if not files:
        return TableRead(name, Frame(pa.table({})), None, note=f"There is no {name} table in this folder.")
    try:
        return _read_files(run_dir, name, columns, files, most_rows or MOST_ROWS)
    except (pa.ArrowException, OSError) as error:
        return _unreadable(name, files, error)


def count_table(run_dir: Path, name: str) -> TableRead:
    """The number of its rows, from the files' footers, and nothing else."""
    files = table_files(run_dir, name)
    if not files:
        return TableRead(name, Frame(pa.table({})), None, note=f"There is no {name} table in this folder.")
    try:
        rows = _dataset(run_dir, name, files).count_rows()
    except (pa.ArrowException, OSError) as error:
        return _unreadable(name, files, error)
    return TableRead(name, Frame(pa.table({})), rows, len(files), note=_note(name, rows, (), []))


def _unreadable(name: str, files: list[Path], error: Exception) -> TableRead:
    first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
    note = f"The {name} table cannot be read: {first_line}"
    return TableRead(name, Frame(pa.table({})), None, len(files), note=note)


def _read_files(
    run_dir: Path, name: str, columns: tuple[str, ...], files: list[Path], most_rows: int
) -> TableRead:
    rows = _dataset(run_dir, name, files).count_rows()
    step = max(1, math.ceil(rows / most_rows))
    dataset = _dataset(run_dir, name, files[::step])
    names = [c for c in (*columns, "region_split") if c in dataset.schema.names]
    frame = Frame(dataset.to_table(columns=names))
    read = tuple(file.relative_to(run_dir / name).as_posix() for file in files[::step])
    return TableRead(name, frame, rows, len(files), read, _note(name, rows, columns, names))


def _note(name: str, rows: int, columns: tuple[str, ...], names: list[str]) -> str:
    if not rows:
        return f"The {name} table is there but holds no rows."
    missing = [c for c in columns if c not in names and c in BY_NAME[name].names]
    return f"Columns missing from {name}: {', '.join(missing)}." if missing else ""


def _dataset(run_dir: Path, name: str, files: list[Path]) -> ds.Dataset:
    base = str(run_dir / name)
    paths = [str(file) for file in files]
    return ds.dataset(paths, format="parquet", partitioning=HIVE, partition_base_dir=base)
