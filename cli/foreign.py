"""Results of another pipeline: metrics with the columns that known users have, no manifest and no stamps.

What can be judged is judged, over the columns that are there; every other check is NOT_EXERCISED and says
what it lacks. So such results can be stopped, but never waved through.
"""

from __future__ import annotations

import re
import tempfile
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pipeline import checks
from pipeline.errors import InputError
from pipeline.parquet import arrow_schema
from pipeline.schema import CLOSURE, MANIFEST, METRICS, SKY, STAMPS
from pipeline.storage import NO_SPLIT, RunLayout

NEEDED = ("brickname", "ra", "dec", "is_control", "theta_e_arcsec", "cutout_ok", "metrics_ok")
ASSUMED_SERSIC = 1.0  # the earlier pipeline's sources had one Sersic index, and no column for it
_RUN_ID = "foreign"
_OWN_TABLES = (MANIFEST.name, STAMPS.name, CLOSURE.name, SKY.name)
_BY_COLUMN = ("nulls", "ranges")  # rendered for the columns that are there
_SPLIT = re.compile(r"[a-z0-9_]{1,64}")  # a split names a folder: nothing that could lead out of it
_MOST_SAID = 200  # characters of Arrow's own words in a message: they may quote a cell of any length


@dataclass(frozen=True)
class Foreign:
    """Such results, brought into the shape of `metrics` in a folder of their own; absent columns are NULL."""

    folder: Path
    layout: RunLayout
    rows: int
    present: frozenset[str]

    def lacks(self, check: checks.Check) -> str:
        """What the check reads and these results do not have; "" if it can be asked."""
        of_schema = check.name == "schema"
        tables = [name for name in _OWN_TABLES if f"${{database}}.{name}" in check.sql or of_schema]
        if tables:
            return f"the table {' and the table '.join(tables)}"
        if check.name in _BY_COLUMN:
            return ""
        words = set(re.findall(r"\w+", re.sub(r"--.*", "", check.sql)))
        columns = sorted(words & set(METRICS.names) - self.present)
        return f"the column {', '.join(columns)}" if columns else ""


def is_foreign(folder: Path) -> bool:
    """Metrics alone: no plan, no manifest, no stamps, and not all the columns of our table."""
    ours = any(any((folder / name).rglob("*.parquet")) for name in _OWN_TABLES)
    if ours or (folder / "plan.json").exists():
        return False
    return any(not set(METRICS.names) <= set(_names(folder, path)) for path in _parts(folder)[:1])


@contextmanager
def brought_in(folder: Path, tier: str) -> Iterator[Foreign]:
    """The results of `folder`; InputError names what is missing or cannot be read."""
    tables = [_in_our_shape(_read(folder, path), path) for path in _parts(folder)]
    rows = pa.concat_tables([table for table, _ in tables])
    if not len(rows):
        raise InputError(f"{folder / METRICS.name}: holds no rows; nothing can be judged")
    layout = RunLayout(tier, _RUN_ID)
    with tempfile.TemporaryDirectory() as place:
        for split in sorted(pc.unique(rows["region_split"]).to_pylist()):
            part = Path(place) / METRICS.name / f"tier={tier}/run_id={_RUN_ID}/region_split={split}"
            part.mkdir(parents=True)
            mine = rows.filter(pc.equal(rows["region_split"], split)).drop_columns(["region_split"])
            pq.write_table(mine, part / "part-00000.parquet")
        present = frozenset[str]().union(*(names for _, names in tables))
        yield Foreign(Path(place), layout, len(rows), present)


def _parts(folder: Path) -> list[Path]:
    """The files of metrics; what a writer hides behind . or _ is none of them."""
    found = (folder / METRICS.name).rglob("*.parquet")
    hidden = re.compile(r"(^|/)[._]")
    return sorted(p for p in found if p.is_file() and not hidden.search(p.relative_to(folder).as_posix()))


def _names(folder: Path, path: Path) -> list[str]:
    with _readable(path):
        return list(_dataset(folder, path).schema.names)


def _read(folder: Path, path: Path) -> pa.Table:
    """All of a part, its text checked to be text; the folders above it (name=value) are columns too."""
    with _readable(path):
        # One thread: a pool that Arrow is still starting when the process ends aborts it (exit code -6).
        rows = _dataset(folder, path).to_table(use_threads=False)
        rows.validate(full=True)
        return rows


def _dataset(folder: Path, path: Path) -> ds.Dataset:
    base = str(folder / METRICS.name)
    return ds.dataset([str(path)], format="parquet", partitioning="hive", partition_base_dir=base)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not readable as Parquet ({_said(error)}); write it again") from error


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:_MOST_SAID]


def _in_our_shape(rows: pa.Table, path: Path) -> tuple[pa.Table, frozenset[str]]:
    """A part's rows with our columns in our types and its split, and which columns carry something."""
    missing = ", ".join(name for name in NEEDED if name not in rows.column_names)
    if missing:
        raise InputError(f"{path}: column {missing} is missing; nothing can be judged")
    n = len(rows)
    columns = {
        field.name: _cast(rows[field.name], field, path)
        for field in arrow_schema(METRICS)
        if field.name in rows.column_names
    }
    if "host_id" not in columns:
        columns["host_id"] = _hosts(columns, path)
    if "src_n_sersic" not in columns:
        columns["src_n_sersic"] = pa.array([ASSUMED_SERSIC] * n, pa.float64())
    present = frozenset(columns)
    whole = {
        field.name: columns[field.name] if field.name in columns else pa.nulls(n, field.type)
        for field in arrow_schema(METRICS)
    }
    return pa.table({**whole, "region_split": _splits(rows, path)}), present


def _cast(column: pa.ChunkedArray, field: pa.Field, path: Path) -> pa.ChunkedArray:
    """The column in the field's type; InputError names the first row that does not fit."""
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        row = bisect_left(range(len(column) + 1), True, key=lambda n: not _fits(column.slice(0, n), field))
        where = f"row {row}, " if row else ""  # no row: the types themselves do not go together
        raise InputError(
            f"{path}: {where}column {field.name}: {_said(error)}; give it as {field.type}"
        ) from error


def _fits(column: pa.ChunkedArray, field: pa.Field) -> bool:
    try:
        column.cast(field.type)
    except pa.ArrowException:
        return False
    return True


def _hosts(columns: dict[str, pa.ChunkedArray], path: Path) -> pa.Array:
    """Names of hosts: a host is a place on the sky."""
    for name in ("ra", "dec"):
        nowhere = pc.invert(pc.fill_null(pc.is_finite(columns[name]), fill_value=False))
        row = pc.index(nowhere, value=True).as_py()
        if row >= 0:
            raise InputError(
                f"{path}: row {row + 1}, column {name}: no number, and no column host_id that would name the "
                f"host; give either"
            )
    places = zip(columns["ra"].to_pylist(), columns["dec"].to_pylist(), strict=True)
    return pa.array([f"{ra:.5f} {dec:+.5f}" for ra, dec in places], pa.string())


def _splits(rows: pa.Table, path: Path) -> pa.ChunkedArray | pa.Array:
    """Each row's split; NO_SPLIT where none is given."""
    if "region_split" not in rows.column_names:
        return pa.array([NO_SPLIT] * len(rows), pa.string())
    splits = _cast(rows["region_split"], pa.field("region_split", pa.string()), path)
    splits = pc.fill_null(splits, NO_SPLIT)
    for split in pc.unique(splits).to_pylist():
        if not _SPLIT.fullmatch(split):
            row = pc.index(splits, value=split).as_py() + 1
            raise InputError(
                f"{path}: row {row}, column region_split: {split[:_MOST_SAID]!r}; use 1 to 64 lower-case "
                f"letters, digits and underscores"
            )
    return splits
