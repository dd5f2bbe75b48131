"""Results of another pipeline: metrics with the columns that known users have, no manifest and no stamps.

What can be judged is judged, over the columns that are there; every other check is NOT_EXERCISED and says
what it lacks. So such results can be stopped, but never waved through.
"""

from __future__ import annotations

import re
import tempfile
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
from pipeline.schema import CLOSURE, MANIFEST, METRICS, STAMPS
from pipeline.storage import NO_SPLIT, RunLayout

NEEDED = ("brickname", "ra", "dec", "is_control", "theta_e_arcsec", "cutout_ok", "metrics_ok")
ASSUMED_SERSIC = 1.0  # the earlier pipeline's sources had one Sersic index, and no column for it
_RUN_ID = "foreign"
_OWN_TABLES = (MANIFEST.name, STAMPS.name, CLOSURE.name)
_BY_COLUMN = ("nulls", "ranges")  # rendered for the columns that are there


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
    if (folder / "plan.json").exists() or not any((folder / METRICS.name).rglob("*.parquet")):
        return False
    if any(any((folder / name).rglob("*.parquet")) for name in _OWN_TABLES):
        return False
    return not set(METRICS.names) <= set(_dataset(folder).schema.names)


@contextmanager
def brought_in(folder: Path, tier: str) -> Iterator[Foreign]:
    """The results of `folder`; InputError names a column that nothing can be judged without."""
    rows = _dataset(folder).to_table()
    missing = [name for name in NEEDED if name not in rows.column_names]
    if missing:
        names = ", ".join(missing)
        raise InputError(f"{folder / METRICS.name}: column {names} is missing; nothing can be judged")
    rows, present = _in_our_shape(rows, str(folder / METRICS.name))
    layout = RunLayout(tier, _RUN_ID)
    with tempfile.TemporaryDirectory() as place:
        for split in sorted(set(rows["region_split"].to_pylist())):
            part = Path(place) / METRICS.name / f"tier={tier}/run_id={_RUN_ID}/region_split={split}"
            part.mkdir(parents=True)
            mine = rows.filter(pc.equal(rows["region_split"], split)).drop_columns(["region_split"])
            pq.write_table(mine, part / "part-00000.parquet")
        yield Foreign(Path(place), layout, len(rows), present)


def _dataset(folder: Path) -> ds.Dataset:
    try:
        return ds.dataset(folder / METRICS.name, format="parquet", partitioning="hive")
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{folder / METRICS.name}: not readable as Parquet ({error})") from error


def _in_our_shape(rows: pa.Table, name: str) -> tuple[pa.Table, frozenset[str]]:
    """Our columns in our types, and which of them carry something."""
    n = len(rows)
    made = {}
    if "host_id" not in rows.column_names:  # a host is a place on the sky
        places = zip(rows["ra"].to_pylist(), rows["dec"].to_pylist(), strict=True)
        made["host_id"] = pa.array([f"{ra:.5f} {dec:+.5f}" for ra, dec in places])
    if "src_n_sersic" not in rows.column_names:
        made["src_n_sersic"] = pa.array([ASSUMED_SERSIC] * n)
    columns = {}
    for field in arrow_schema(METRICS):
        given = made.get(field.name)
        if given is None and field.name in rows.column_names:
            given = rows[field.name]
        try:
            columns[field.name] = pa.nulls(n, field.type) if given is None else given.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InputError(f"{name}: column {field.name}: {error}; give it as {field.type}") from error
    given_split = "region_split" in rows.column_names
    splits = rows["region_split"].cast(pa.string()) if given_split else pa.array([NO_SPLIT] * n, pa.string())
    present = frozenset(name for name in METRICS.names if name in rows.column_names or name in made)
    return pa.table({**columns, "region_split": splits}), present
