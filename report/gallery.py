"""Which stamps to show, and reading only those: by row group and task_id, a batch at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from report.folder import Frame, table_files
from report.pictures import Stamp, decode
from report.stats import Floats, Groups

MOST_FILES = 48  # stamps are looked for in this many evenly spaced files
BATCH_ROWS = 64
DETECTED_SNR = 5.0
RANDOM_EACH = 3
SEED = 13
WORST = "worst by closure"


@dataclass(frozen=True)
class Place:
    """Where a stamp lies: a file, a row group of it, a row of that."""

    file: int
    group: int
    row: int


@dataclass(frozen=True)
class Pick:
    """One stamp of the gallery: its row in the metrics, its group, and why it was chosen."""

    metrics_row: int
    group: int
    role: str
    place: Place


@dataclass(frozen=True)
class StampIndex:
    """Every stamp's place, found from the task_id column and the row groups' sizes alone."""

    files: tuple[Path, ...]
    task_ids: pa.Array
    file: NDArray[np.int64]
    group: NDArray[np.int64]
    row: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.task_ids)

    def place(self, position: int) -> Place:
        return Place(int(self.file[position]), int(self.group[position]), int(self.row[position]))


def index_stamps(run_dir: Path, like: Collection[str] = ()) -> StampIndex:
    """The places of all stamps (of evenly spaced files, where there are more than MOST_FILES).

    `like`: the files of metrics that were read; stamps lie in files of the same names, where these exist.
    """
    files = table_files(run_dir, "stamps")
    files = [f for f in files if f.relative_to(run_dir / "stamps").as_posix() in like] or files
    files = files[:: max(1, -(-len(files) // MOST_FILES))]
    ids: list[pa.Array] = [pa.array([], pa.string())]
    where: list[tuple[int, int, int]] = []
    for number, path in enumerate(files):
        with pq.ParquetFile(path) as parquet:
            sizes = [parquet.metadata.row_group(g).num_rows for g in range(parquet.num_row_groups)]
            ids.extend(parquet.read(columns=["task_id"])["task_id"].cast(pa.string()).chunks)
        where.extend((number, group, size) for group, size in enumerate(sizes))
    repeat = [size for _, _, size in where]
    return StampIndex(
        tuple(files),
        pa.concat_arrays(ids),
        np.repeat(np.array([w[0] for w in where], dtype=np.int64), repeat),
        np.repeat(np.array([w[1] for w in where], dtype=np.int64), repeat),
        np.concatenate([np.arange(0), *(np.arange(size) for size in repeat)]).astype(np.int64),
    )


def choose(metrics: Frame, theta: Groups, index: StampIndex, l2: Floats) -> list[Pick]:
    """For each group of theta_E: the worst by closure, some by SNR (`_by_role`), and a random few.

    l2: of each row, how far the closure test found it from its reference; NaN where it was not sampled.
    """
    position = index_of(metrics, index)
    snr = metrics.numbers("arc_snr")
    usable = (position >= 0) & ~metrics.flags("is_control") & np.isfinite(snr)
    chosen: list[Pick] = []
    for group in range(len(theta)):
        rows = np.flatnonzero(usable & theta.rows(group))
        rows = rows[np.argsort(snr[rows], kind="stable")]
        for role, row in _by_role(rows, snr, l2):
            chosen.append(Pick(row, group, role, index.place(int(position[row]))))
    return chosen + _random_few(chosen, usable, theta, index, position)


def index_of(metrics: Frame, index: StampIndex) -> NDArray[np.int64]:
    """Position of each metrics row's stamp in the index, -1 where it has none."""
    if not metrics.has("task_id") or not len(index):
        return np.full(len(metrics), -1, dtype=np.int64)
    ids = metrics.table["task_id"].cast(pa.string())
    found = pc.fill_null(pc.index_in(ids, value_set=index.task_ids), -1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


def _by_role(rows: NDArray[np.intp], snr: NDArray[np.float64], l2: Floats) -> list[tuple[str, int]]:
    """(role, row), each row once, of rows sorted by SNR: its ends, its middle, the worst by closure."""
    if not len(rows):
        return []
    roles = [(WORST, int(rows[np.nanargmax(l2[rows])]))] if np.isfinite(l2[rows]).any() else []
    roles += [("brightest", int(rows[-1])), ("median", int(rows[len(rows) // 2])), ("faintest", int(rows[0]))]
    detected = rows[snr[rows] >= DETECTED_SNR]
    if len(detected):
        roles.append(("faintest detected", int(detected[0])))
    unique: dict[int, str] = {}
    for role, row in roles:
        unique.setdefault(row, role)
    return [(role, row) for row, role in unique.items()]


def _random_few(
    chosen: list[Pick],
    usable: NDArray[np.bool_],
    theta: Groups,
    index: StampIndex,
    position: NDArray[np.int64],
) -> list[Pick]:
    """A few more of each group, from the row groups that are read anyway."""
    opened = {(pick.place.file, pick.place.group) for pick in chosen}
    taken = {pick.metrics_row for pick in chosen}
    rows = np.setdiff1d(np.flatnonzero(usable), list(taken))
    key = index.file[position[rows]] * 1_000_000 + index.group[position[rows]]
    near = rows[np.isin(key, [file * 1_000_000 + group for file, group in opened])]
    random = np.random.Generator(np.random.Philox(SEED))
    picks: list[Pick] = []
    for group in range(len(theta)):
        few = random.permutation(near[theta.index[near] == group])[:RANDOM_EACH]
        picks.extend(Pick(int(r), group, "random", index.place(int(position[r]))) for r in few)
    return picks


def read_pairs(index: StampIndex, places: Iterable[Place]) -> dict[Place, tuple[Stamp, Stamp]]:
    """(injected, raw) of each place. A row group is read once, in batches, up to the last wanted row."""
    wanted: dict[tuple[int, int], set[int]] = defaultdict(set)
    for place in places:
        wanted[place.file, place.group].add(place.row)
    pairs: dict[Place, tuple[Stamp, Stamp]] = {}
    for (file, group), rows in sorted(wanted.items()):
        for row, pair in _read_rows(index.files[file], group, rows).items():
            pairs[Place(file, group, row)] = pair
    return pairs


def _read_rows(path: Path, group: int, rows: set[int]) -> dict[int, tuple[Stamp, Stamp]]:
    found: dict[int, tuple[Stamp, Stamp]] = {}
    start = 0
    with pq.ParquetFile(path, read_dictionary=["raw_image"], pre_buffer=False) as parquet:
        columns = ["n_pix", "image", "raw_image"]
        for batch in parquet.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns):
            for row in sorted(r for r in rows if start <= r < start + len(batch)):
                found[row] = _pair(batch.slice(row - start, 1))
            start += len(batch)
            if start > max(rows):
                break
    return found


def _pair(row: pa.RecordBatch) -> tuple[Stamp, Stamp]:
    n_pix = row.column("n_pix")[0].as_py()
    image, raw = (row.column(name)[0].as_py() for name in ("image", "raw_image"))
    return decode(image, n_pix).copy(), decode(raw, n_pix).copy()
