"""Which split each brick belongs to, and which hosts stand too near to another split.

Whole HEALPix blocks of the sky are dealt, never rows. `hash`: each block by its own random number, so that a
block has the same split in every tier with the same splits.seed. `balanced`: the largest block first, to the
split that lacks most hosts: for tiers of few bricks.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from pipeline.hosts import HostIndex
from pipeline.philox import uniform
from pipeline.portable import cos_sin_turn
from pipeline.schema import SPLITS
from pipeline.settings import Splits
from survey.bricks import BRICK_SIZE_DEG, N_BRICKS, N_ROWS, columns_in_row
from survey.host_columns import REGION_NSIDE

NO_SPLIT = -1


def order(seed: int, name: str) -> bytes:
    """A random place in a row, by name."""
    return hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=16).digest()


def blocks_of(regions: NDArray[np.int64], block_nside: int) -> NDArray[np.int64]:
    """The HEALPix block (nested) that holds each region: 2 bits of the number less for each level up."""
    return regions >> 2 * (REGION_NSIDE.bit_length() - block_nside.bit_length())


def deal(index: HostIndex, settings: Splits, chosen: NDArray[np.int64]) -> NDArray[np.int8]:
    """The split (number in SPLITS) of every brick; NO_SPLIT where `balanced` was not given the brick."""
    if settings.deal == "hash":
        blocks = blocks_of(index.regions, settings.block_nside)
        bounds = np.cumsum([settings.fractions[name] for name in SPLITS])
        u = uniform(settings.seed, blocks.astype(np.uint64), 1)[0]
        split = np.minimum(np.searchsorted(bounds, u, side="right"), len(SPLITS) - 1)
        return np.asarray(split, dtype=np.int8)
    splits = np.full(len(index.bricks), NO_SPLIT, dtype=np.int8)
    size = dict.fromkeys(range(len(SPLITS)), 0)
    for own in by_block(index, settings, chosen):
        split = min(size, key=lambda k: size[k] / settings.fractions[SPLITS[k]])
        splits[own] = split
        size[split] += int(index.counts[own].sum())
    return splits


def by_block(index: HostIndex, settings: Splits, chosen: NDArray[np.int64]) -> list[list[int]]:
    """The chosen bricks of each block; blocks of more bricks first, then by hash."""
    blocks = blocks_of(index.regions, settings.block_nside)
    own: dict[int, list[int]] = {}
    for brick in chosen.tolist():
        own.setdefault(int(blocks[brick]), []).append(brick)
    return [own[b] for b in sorted(own, key=lambda b: (-len(own[b]), order(settings.seed, str(b))))]


def guarded(index: HostIndex, splits: NDArray[np.int8], guard_arcsec: float) -> NDArray[np.bool_]:
    """Hosts within the guard of their brick's edge, where a brick of another split is as near.

    Two hosts of two splits lie in two bricks; if they are closer than the guard, so is each to its edge.
    """
    exposed = np.repeat(exposed_bricks(index, splits, guard_arcsec), index.counts)
    return np.asarray(exposed & (index.edge_arcsec < guard_arcsec))


def exposed_bricks(index: HostIndex, splits: NDArray[np.int8], guard_arcsec: float) -> NDArray[np.bool_]:
    """Bricks that have a brick of another split within the guard."""
    at = np.full(N_BRICKS + 1, NO_SPLIT, dtype=np.int8)
    brickid, row, ra1, ra2, dec1, dec2 = np.array(
        [
            (b.brickid, round((b.dec + 90.0) / BRICK_SIZE_DEG), b.ra1, b.ra2, b.dec1, b.dec2)
            for b in index.bricks
        ]
    ).T
    at[brickid.astype(np.int64)] = splits
    columns = np.array([columns_in_row(r) for r in range(N_ROWS)])
    before = np.concatenate([[0], np.cumsum(columns)])
    height = np.minimum(np.maximum(np.abs(dec1), np.abs(dec2)) + guard_arcsec / 3600.0, 89.9)
    reach = guard_arcsec / 3600.0 / cos_sin_turn(height / 360.0)[0]
    exposed = np.zeros(len(index.bricks), dtype=np.bool_)
    for step in (-1, 0, 1):
        other = row.astype(np.int64) + step
        there = (other >= 0) & (other < N_ROWS)
        other = np.clip(other, 0, N_ROWS - 1)
        width = 360.0 / columns[other]
        first = np.floor((ra1 - reach) / width).astype(np.int64)
        last = np.floor((ra2 + reach) / width).astype(np.int64)
        for k in range(math.ceil(float((last - first).max())) + 1):
            column = np.minimum(first + k, last) % columns[other]
            found = at[before[other] + column + 1]
            exposed |= there & (found != NO_SPLIT) & (splits != NO_SPLIT) & (found != splits)
    return exposed
