"""How a tier's bricks become chunks: by estimated seconds, so that no task of the fan-out is a straggler."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.choice import LENS, PAIRED, UNPAIRED, UNUSED, Choice
from pipeline.cost import BRICK_SECONDS, ROW_SECONDS
from pipeline.errors import InputError
from pipeline.hosts import HostIndex
from pipeline.schema import SPLITS
from pipeline.tier import Tier

MAX_CHUNKS = 9_000  # children of one distributed Map: 10,000
MAX_BRICKS = 200  # a chunk's record travels in a task's environment, of which ECS takes 8 KiB


@dataclass(frozen=True, slots=True)
class Piece:
    """Hosts of one brick that one chunk works on: rows start to stop of the catalogue, those with a role."""

    brick: int
    start: int
    stop: int
    tasks: int

    @property
    def seconds(self) -> float:
        return BRICK_SECONDS + self.tasks * ROW_SECONDS


@dataclass(frozen=True)
class Chunk:
    """Work of one task: pieces of one split. `part` counts within the split."""

    split: str
    part: int
    pieces: tuple[Piece, ...]

    @property
    def tasks(self) -> int:
        return sum(piece.tasks for piece in self.pieces)

    @property
    def seconds(self) -> float:
        return sum(piece.seconds for piece in self.pieces)


def cut(index: HostIndex, choice: Choice, tier: Tier) -> list[Chunk]:
    """The chunks, split by split, bricks in the order of their names.

    A chunk is full when the next piece would take it over tier.task_seconds; a brick that alone would is
    divided. InputError for more chunks than a distributed Map takes.
    """
    open_: dict[int, list[Piece]] = {number: [] for number in range(len(SPLITS))}
    spent = dict.fromkeys(open_, 0.0)
    done: dict[int, list[Chunk]] = {number: [] for number in open_}

    def close(number: int) -> None:
        if open_[number]:
            done[number].append(Chunk(SPLITS[number], len(done[number]), tuple(open_[number])))
        open_[number], spent[number] = [], 0.0

    tasks = np.add.reduceat(tasks_of(choice.roles, tier), index.first)
    for brick in np.flatnonzero((choice.splits >= 0) & (tasks > 0)).tolist():
        number = int(choice.splits[brick])
        for piece in _pieces(index, choice, tier, brick, int(tasks[brick])):
            if spent[number] + piece.seconds > tier.task_seconds or len(open_[number]) == MAX_BRICKS:
                close(number)
            open_[number].append(piece)
            spent[number] += piece.seconds
    for number in open_:
        close(number)
    chunks = [chunk for number in open_ for chunk in done[number]]
    if len(chunks) > MAX_CHUNKS:
        raise InputError(
            f"tier {tier.name}: {len(chunks):,} tasks of {tier.task_seconds:g} s are more than the "
            f"{MAX_CHUNKS:,} of a distributed Map; give a larger task_seconds"
        )
    return chunks


def _pieces(index: HostIndex, choice: Choice, tier: Tier, brick: int, tasks: int) -> Iterator[Piece]:
    """A brick whole, or its hosts in as few equal pieces as keep each within task_seconds."""
    start, stop = int(index.first[brick]), int(index.first[brick] + index.counts[brick])
    room = max(tier.task_seconds - BRICK_SECONDS, ROW_SECONDS)
    n_pieces = math.ceil(tasks * ROW_SECONDS / room)
    if n_pieces <= 1:
        yield Piece(brick, start, stop, tasks)
        return
    rows = start + np.flatnonzero(choice.roles[start:stop] != UNUSED)
    for own in np.array_split(rows, min(len(rows), n_pieces)):
        yield Piece(brick, int(own[0]), int(own[-1]) + 1, int(tasks_of(choice.roles[own], tier).sum()))


def tasks_of(roles: NDArray[np.int8], tier: Tier) -> NDArray[np.int64]:
    """Rows of the manifest of each host."""
    per_role = np.zeros(4, dtype=np.int64)
    per_role[LENS] = tier.injections_per_host
    per_role[PAIRED] = tier.injections_per_host + 1
    per_role[UNPAIRED] = 1
    return per_role[roles]
