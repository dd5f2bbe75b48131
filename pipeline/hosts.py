"""A host catalogue, read in pieces: checked row by row, then indexed by brick, in bounded memory.

What stays in memory is 12 bytes a host and a few arrays a brick. InputError names the file, the row and the
mend; nothing is planned before the whole catalogue has been read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.contracts import check_rows, check_unique
from pipeline.errors import InputError
from pipeline.parquet import conform
from pipeline.portable import cos_sin_turn
from pipeline.schema import HOST_SHAPES, HOSTS
from survey.bricks import Brick, brick_named, wrap_ra
from survey.errors import SurveyError
from survey.healpix import nested_pixel
from survey.host_columns import REGION_NSIDE

BATCH = 65_536  # rows held at a time
MAX_UNSORTED = 1_000_000  # rows that may be sorted in memory
_BORDER_DEG = 1e-6  # 24 of the survey's bricks have their centre on a border, where implementations differ


@dataclass(frozen=True)
class HostIndex:
    """A catalogue by brick, bricks in the order of their names.

    bricks: (n_bricks,) geometry; first, counts: rows of a brick; regions: its region_id. keys: a 64-bit hash
    of (seed, host_id) for each row, which orders a brick's hosts; edge_arcsec: its distance from its brick's
    edge.
    """

    bricks: list[Brick]
    first: NDArray[np.int64]
    counts: NDArray[np.int64]
    regions: NDArray[np.int64]
    keys: NDArray[np.uint64]
    edge_arcsec: NDArray[np.float32]

    def rows(self, brick: int) -> NDArray[np.int64]:
        """Row numbers of a brick's hosts, in the order of their keys."""
        rows = np.arange(self.first[brick], self.first[brick] + self.counts[brick])
        return rows[np.argsort(self.keys[rows], kind="stable")]


class HostCatalogue:
    """The Parquet file of a catalogue. `name` is what messages call it."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self._table: pa.Table | None = None
        try:
            self._file = pq.ParquetFile(path, pre_buffer=False)
        except pa.ArrowInvalid as error:
            raise InputError(f"{name}: not a Parquet file ({error}); write it again") from error
        there = self._file.schema_arrow.names
        self._columns = [c for c in (*HOSTS.names, *HOST_SHAPES.names) if c in there]

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def batches(self) -> Iterator[pa.Table]:
        """The catalogue in order, a piece at a time; the columns of HOSTS and HOST_SHAPES."""
        if self._table is not None:
            for start in range(0, len(self._table), BATCH):
                yield self._table.slice(start, BATCH)
            return
        # One thread: a pool that Arrow is still starting when the process ends aborts it (exit code -6).
        for batch in self._file.iter_batches(BATCH, columns=self._columns, use_threads=False):
            yield conform(pa.Table.from_batches([batch]), HOSTS, self.name, optional=HOST_SHAPES)

    def index(self, seed: int) -> HostIndex:
        """Read and check everything. InputError for the first row that cannot be used."""
        scan = _Scan(self.name, seed)
        try:
            for batch in self.batches():
                scan.add(batch)
        except _UnsortedError:
            self._sort()
            return self.index(seed)
        index = scan.finish()
        self._check_unique(index.keys, seed)
        return index

    def _sort(self) -> None:
        if self._table is not None or len(self) > MAX_UNSORTED:
            raise InputError(
                f"{self.name}: bricknames are not in order; sort its {len(self):,} rows by brickname, host_id"
            )
        whole = pa.concat_tables(self.batches())
        self._table = whole.sort_by([("brickname", "ascending"), ("host_id", "ascending")])

    def _check_unique(self, keys: NDArray[np.uint64], seed: int) -> None:
        ordered = np.sort(keys)
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(twice):  # the same key: the same host, or two hosts that share a hash
            same = [b.filter(pa.array(np.isin(_keys(b, seed), twice))) for b in self.batches()]
            check_unique(pa.concat_tables(same), self.name, "host_id")


class _UnsortedError(Exception):
    """The bricks of a catalogue are not in the order of their names."""


class _Scan:
    """Gathers the index from the pieces of a catalogue."""

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.seed, self.rows = name, seed, 0
        self.bricks: list[Brick] = []
        self.first: list[int] = []
        self.regions: list[int] = []
        self.keys: list[NDArray[np.uint64]] = []
        self.edges: list[NDArray[np.float32]] = []

    def add(self, batch: pa.Table) -> None:
        """Check a piece and note its bricks."""
        check_rows(batch, HOSTS, self.name, "host_id")
        check_rows(batch, HOST_SHAPES, self.name, "host_id")
        names, starts = _runs(batch["brickname"])
        lengths = np.diff(np.append(starts, len(batch)))
        bricks = [self._brick(name, batch, int(row)) for name, row in zip(names, starts, strict=True)]
        self._check_regions(batch, names, starts, lengths)
        self.edges.append(self._edges(batch, bricks, lengths))
        self.keys.append(_keys(batch, self.seed))
        for brick, row in zip(bricks, starts.tolist(), strict=True):
            if not self.bricks or brick.name != self.bricks[-1].name:
                if self.bricks and brick.name < self.bricks[-1].name:
                    raise _UnsortedError
                self.bricks.append(brick)
                self.first.append(self.rows + row)
                self.regions.append(batch["region_id"][row].as_py())
        self.rows += len(batch)

    def finish(self) -> HostIndex:
        """The index; InputError for an empty catalogue."""
        if not self.rows:
            raise InputError(f"{self.name}: holds no host; give a catalogue with rows")
        first = np.array(self.first)
        counts = np.diff(np.append(first, self.rows))
        regions = np.array(self.regions)
        self._check_pixels(regions)
        return HostIndex(
            self.bricks, first, counts, regions, np.concatenate(self.keys), np.concatenate(self.edges)
        )

    def _check_pixels(self, regions: NDArray[np.int64]) -> None:
        """Each brick's region is the pixel of its centre, or one that the centre is on the border of."""
        ra, dec = np.array([(brick.ra, brick.dec) for brick in self.bricks]).T
        around = (
            (0.0, 0.0),
            (_BORDER_DEG, 0.0),
            (-_BORDER_DEG, 0.0),
            (0.0, _BORDER_DEG),
            (0.0, -_BORDER_DEG),
        )
        pixels = [nested_pixel(REGION_NSIDE, ra + x, np.clip(dec + y, -90.0, 90.0)) for x, y in around]
        wrong = np.logical_and.reduce([regions != one for one in pixels])
        if wrong.any():
            first = int(np.argmax(wrong))
            raise InputError(
                f"{self.name}: brick {self.bricks[first].name}: region_id is {regions[first]}, but its "
                f"centre lies in HEALPix pixel {pixels[0][first]} (nside {REGION_NSIDE}, nested); give that: "
                "the splits divide the sky by it"
            )

    def _brick(self, name: str, batch: pa.Table, row: int) -> Brick:
        if self.bricks and self.bricks[-1].name == name:
            return self.bricks[-1]
        try:
            return brick_named(name)
        except SurveyError as error:
            raise InputError(f"{self.name}: row {batch['host_id'][row].as_py()}: {error}") from error

    def _check_regions(
        self, batch: pa.Table, names: list[str], starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> None:
        regions = batch["region_id"].to_numpy()
        expected = regions[starts]
        if self.bricks and len(names) and names[0] == self.bricks[-1].name:
            expected[0] = self.regions[-1]
        bad = regions != np.repeat(expected, lengths)
        if bad.any():
            brick = batch["brickname"][int(np.argmax(bad))].as_py()
            raise InputError(
                f"{self.name}: brick {brick} has more than one region_id; give each brick one, "
                "or its hosts would stand in two splits"
            )

    def _edges(self, batch: pa.Table, bricks: list[Brick], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """Distance of each host from the nearest edge of its brick, arcsec; a host outside is refused."""
        bounds = np.array([(b.ra1, b.ra2, b.dec1, b.dec2) for b in bricks])
        ra1, ra2, dec1, dec2 = np.repeat(bounds, lengths, axis=0).T
        ra, dec = wrap_ra(batch["ra"].to_numpy()), batch["dec"].to_numpy()
        outside = ~((ra >= ra1) & (ra < ra2) & (dec >= dec1) & ((dec < dec2) | (dec2 >= 90.0)))
        if outside.any():
            row = int(np.argmax(outside))
            raise InputError(
                f"{self.name}: row {batch['host_id'][row].as_py()}: ra {ra[row]:.5f}, dec {dec[row]:.5f} lie "
                f"outside brick {batch['brickname'][row].as_py()}; give each host the brick that owns it"
            )
        shrink = cos_sin_turn(np.maximum(np.abs(dec1), np.abs(dec2)) / 360.0)[0]
        sides = np.minimum(np.minimum(ra - ra1, ra2 - ra) * shrink, np.minimum(dec - dec1, dec2 - dec))
        return np.asarray(sides * 3600.0, dtype=np.float32)


def _runs(names: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """Runs of equal values: their values and where they start."""
    codes = names.combine_chunks().dictionary_encode()
    numbers = codes.indices.to_numpy()
    starts = (
        np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1])) if len(numbers) else np.zeros(0, int)
    )
    return codes.dictionary.take(pa.array(numbers[starts])).to_pylist(), starts


def _keys(batch: pa.Table, seed: int) -> NDArray[np.uint64]:
    """64 bits of a hash of (seed, host_id), in the order of their bytes."""
    prefix = f"{seed}:".encode()
    ids = pc.cast(batch["host_id"], pa.binary()).to_pylist()
    digests = b"".join([hashlib.blake2b(prefix + one, digest_size=16).digest() for one in ids])
    return np.frombuffer(digests, dtype=">u8")[::2].astype(np.uint64)
