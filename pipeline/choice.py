"""Which hosts of a catalogue carry a tier's tasks, and as what: lens, paired control, unpaired control."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.hosts import HostIndex
from pipeline.schema import SPLITS
from pipeline.splits import NO_SPLIT, by_block, deal, guarded, order
from pipeline.tier import Tier

UNUSED, LENS, PAIRED, UNPAIRED = range(4)  # PAIRED: a lens host with a control of its own besides


@dataclass(frozen=True)
class Choice:
    """splits: of each brick of the index, NO_SPLIT where it is not used; roles: of each row of the catalogue.

    left_out: hosts within the guard of another split.
    """

    splits: NDArray[np.int8]
    roles: NDArray[np.int8]
    left_out: int

    @property
    def n_bricks(self) -> int:
        return int((self.splits != NO_SPLIT).sum())

    @property
    def n_hosts(self) -> int:
        return int((self.roles != UNUSED).sum())


def choose(index: HostIndex, tier: Tier, name: str) -> Choice:
    """The tier's hosts. InputError if the catalogue cannot carry the tier; `name` is what it is called."""
    drawn = _bricks_in_order(index, tier)
    if tier.hosts.per_split:
        return _by_split(index, tier, drawn)
    return _by_brick(index, tier, drawn, name)


def hosts_left_out(index: HostIndex, choice: Choice, tier: Tier) -> dict[str, int]:
    """Hosts of the catalogue that carry no task, by the reason; with `n_hosts` they are all of them."""
    other = choice.splits == NO_SPLIT
    short = other & (index.counts < max(tier.hosts.per_brick, 1))
    lost = {
        "in_bricks_with_too_few": int(index.counts[short].sum()),
        "in_bricks_not_taken": int(index.counts[other & ~short].sum()),
        "near_another_split": choice.left_out,
    }
    rest = int(index.counts.sum()) - choice.n_hosts - sum(lost.values())
    return {**lost, "over_the_tiers_share": rest}


def _bricks_in_order(index: HostIndex, tier: Tier) -> NDArray[np.int64]:
    """Bricks in the order in which they are drawn: by the hash of their names."""
    places = [order(tier.seed, brick.name) for brick in index.bricks]
    return np.array(sorted(range(len(places)), key=places.__getitem__))


def _by_split(index: HostIndex, tier: Tier, drawn: NDArray[np.int64]) -> Choice:
    """per_split hosts of each split, spread over its bricks: the first of each, then the second, ..."""
    if len(drawn) < tier.n_bricks:
        raise _too_few(tier, len(drawn), "bricks with hosts")
    own = drawn[: tier.n_bricks]
    splits = deal(index, tier.splits, own)
    splits[drawn[tier.n_bricks :]] = NO_SPLIT
    near = guarded(index, splits, tier.splits.guard_arcsec)
    roles = np.zeros(len(index.keys), dtype=np.int8)
    in_order = [brick for block in by_block(index, tier.splits, own) for brick in block]
    for number, split in enumerate(SPLITS):
        queues = [rows[~near[rows]] for b in in_order if splits[b] == number for rows in [index.rows(b)]]
        deepest = max((len(queue) for queue in queues), default=0)
        spread = [queue[depth] for depth in range(deepest) for queue in queues if depth < len(queue)]
        if len(spread) < tier.hosts.per_split:
            raise InputError(
                f"tier {tier.name} needs {tier.hosts.per_split} hosts in split {split}, the catalogue has "
                f"{len(spread)} there over {len(queues)} bricks; give more of the sky, or fewer --bricks"
            )
        roles[spread[: tier.hosts.per_split]] = LENS
    return Choice(splits, roles, int(near.sum()))


def _by_brick(index: HostIndex, tier: Tier, drawn: NDArray[np.int64], name: str) -> Choice:
    """The first n_bricks that have enough hosts, and of each the hosts that come first by their keys."""
    wanted = tier.hosts.per_brick
    able = drawn[index.counts[drawn] >= max(wanted, 1)]
    splits = deal(index, tier.splits, able[: tier.n_bricks])
    near = guarded(index, splits, tier.splits.guard_arcsec)
    brick_of_row = np.repeat(np.arange(len(index.bricks), dtype=np.int32), index.counts)
    eligible = np.bincount(brick_of_row[~near], minlength=len(index.bricks))
    able = able[(eligible[able] >= max(wanted, 1)) & (splits[able] != NO_SPLIT)][: tier.n_bricks]
    if len(able) < tier.n_bricks:
        raise _too_few(tier, len(able), f"bricks with {max(wanted, 1)} hosts or more")
    kept = np.full(len(splits), NO_SPLIT, dtype=np.int8)
    kept[able] = splits[able]
    _refuse_empty_split(kept, tier, name)
    used = (
        np.isin(brick_of_row, able) if len(able) < len(index.bricks) else np.ones(len(near), dtype=np.bool_)
    )
    roles = _assign(index, tier, brick_of_row, used & ~near, eligible)
    return Choice(kept, roles, int((near & used).sum()))


def _assign(
    index: HostIndex, tier: Tier, brick_of_row: NDArray[np.int32], usable: NDArray[np.bool_],
    eligible: NDArray[np.int64],
) -> NDArray[np.int8]:  # fmt: skip
    """The role of each row by its place among the usable hosts of its brick."""
    rows = np.flatnonzero(usable)
    rows = rows[np.lexsort((index.keys[rows], brick_of_row[rows]))]
    bricks = brick_of_row[rows]
    place = np.arange(len(rows)) - np.searchsorted(bricks, bricks, side="left")
    takes = np.full(len(index.bricks), tier.hosts.per_brick) if tier.hosts.per_brick else eligible
    limits = {n: tier.roles(n) for n in set(takes.tolist())}
    lenses, paired, hosts = (
        np.array([getattr(limits[n], what) for n in takes.tolist()])[bricks]
        for what in ("lenses", "paired", "hosts")
    )
    role = np.where(place < paired, PAIRED, np.where(place < lenses, LENS, UNPAIRED))
    roles = np.zeros(len(index.keys), dtype=np.int8)
    roles[rows] = np.where(place < hosts, role, UNUSED)
    return roles


def _refuse_empty_split(splits: NDArray[np.int8], tier: Tier, name: str) -> None:
    counts = Counter(splits.tolist())
    for number, split in enumerate(SPLITS):
        if not counts[number]:
            raise InputError(
                f"{name}: no brick is left for split {split} of tier {tier.name} "
                f"({counts.total() - counts[NO_SPLIT]} bricks used); give more of the sky, or other splits"
            )


def _too_few(tier: Tier, there: int, what: str) -> InputError:
    fewer = f", or --bricks {there}" if there >= len(SPLITS) else ""
    return InputError(
        f"tier {tier.name} needs {tier.n_bricks} {what}, the catalogue has {there}; "
        f"give more of the sky{fewer}"
    )
