"""Adaptive integration of a lensed source.

The cells on top of the stack are classified by `quadrature.choose_rules`, a block at a time; smooth ones go
to queues by rule, the quarters of the rest back on the stack. What a block leaves is halved at least once
more often than what lies below it: no more than three blocks wait for each halving, and the stack cannot
overflow however many cells split (an exact ring alignment splits them all).
"""

from typing import NamedTuple

import numpy as np

from physics._jit import Array, Real, exact, inlined, vectorised
from physics.cells import (
    BLOCK,
    NEGLIGIBLE,
    OUTSIDE,
    QUEUE,
    ROUND,
    STACK,
    Cells,
    append,
    empty_cells,
    push_quarters,
    whole,
)
from physics.deposit import NODE_PLACES, SAMPLE_STRIDE, Tables, spread_cell, spread_nodes
from physics.gridding import MAX_RULE
from physics.quadrature import SPLIT_RULE, choose_rules
from physics.rays import Rays, brightness

F32 = np.float32
#: Cells of this part of a root cell are not split further: 2 px / 2^16 = 8e-6".
SMALLEST = 2.0**-16


class Scratch(NamedTuple):
    """Working memory, see `_memory`.

    value, lost, rule: of one block. order, counts: its cells by rule, and how many. shot: rays, so far.
    """

    stack: Cells
    parents: Cells
    queue2: Cells
    queue3: Cells
    queue4: Cells
    value: Array
    lost: Array
    rule: Array
    order: Array
    counts: Array
    samples: Array
    totals: Array
    shot: Array


def scratch() -> Scratch:
    """Working memory for `drain` and `flush`."""
    return Scratch(
        empty_cells(STACK),
        empty_cells(BLOCK),
        empty_cells(QUEUE),
        empty_cells(QUEUE),
        empty_cells(QUEUE),
        np.zeros(BLOCK + ROUND, np.float32),
        np.zeros(BLOCK + ROUND, np.float32),
        np.zeros(BLOCK + ROUND, np.int32),
        np.zeros((SPLIT_RULE + 1) * BLOCK, np.uint32),
        np.zeros(SPLIT_RULE + 1, np.int64),
        np.zeros(MAX_RULE * MAX_RULE * SAMPLE_STRIDE, np.float32),
        np.zeros(QUEUE + ROUND, np.float32),
        np.zeros(1, np.int64),
    )


class Job(NamedTuple):
    """What one integration needs at every step. grid: deposits, flat, `stride` per y step; tolerance: per
    cell.
    """

    rays: Rays
    tables: Tables
    work: Scratch
    grid: Array
    stride: int
    tolerance: float


@vectorised
def _sum_nodes(rule: int, n: int, side: Array, tables: Tables, samples: Array, totals: Array) -> None:
    """totals[c] = flux of cell c from its samples."""
    for c in range(n):
        totals[c] = F32(0.0)
    for j in range(rule):
        for i in range(rule):
            weight = tables.weight[rule, i] * tables.weight[rule, j]
            values = samples[(j * rule + i) * SAMPLE_STRIDE :]
            for c in range(n):
                totals[c] += weight * values[c] * side[c] * side[c]


@inlined
def _flush_queue(job: Job, q: Cells, rule: int) -> Real:
    """Integrate and empty the queue of one rule; returns its flux."""
    samples, totals, n = job.work.samples, job.work.totals, q.length[0]
    job.work.shot[0] += n * rule * rule
    negligible = F32(NEGLIGIBLE * job.tolerance)
    brightness(q.x, q.y, q.side, whole(n), job.tables.node, rule, job.rays, samples, SAMPLE_STRIDE)
    _sum_nodes(rule, whole(n), q.side, job.tables, samples, totals)
    flux = 0.0
    for c in range(n):
        flux += totals[c]
        home, place = q.home[c], q.place[c]
        if home == OUTSIDE or totals[c] < negligible:
            continue
        if place < NODE_PLACES:
            area = q.side[c] * q.side[c]
            spread_nodes(rule, job.grid, job.stride, home, place, samples, c, area, job.tables)
        else:
            spread_cell(job.grid, job.stride, home, place, totals, c, job.tables)
    q.length[0] = 0
    return flux


@exact
def flush(job: Job) -> Real:
    """Integrate and empty the queues; returns their flux."""
    flux = _flush_queue(job, job.work.queue2, 2)
    flux += _flush_queue(job, job.work.queue3, 3)
    return flux + _flush_queue(job, job.work.queue4, 4)


@inlined
def classify(job: Job, first: int, n: int, smallest: Real, ripple: Real) -> None:
    """Value and rule of n cells of the stack, from number `first` on. Arguments as in `choose_rules`."""
    stack = job.work.stack
    job.work.shot[0] += n
    x, y, side, home = stack.x[first:], stack.y[first:], stack.side[first:], stack.home[first:]
    choose_rules(
        x, y, side, home, F32(smallest), F32(ripple), F32(job.tolerance), whole(n), job.rays, job.work.value,
        job.work.lost, job.work.rule,
    )  # fmt: skip


@inlined
def sort_by_rule(n: int, least: int, rule: Array, order: Array, counts: Array) -> None:
    """order[r BLOCK + k]: the k-th of the n cells with rule r >= least, k < counts[r]."""
    counts[:] = 0
    for c in range(n):
        r = rule[c]
        if r >= least:
            order[r * BLOCK + counts[r]] = c
            counts[r] += 1


@inlined
def pass_on(job: Job, first: int) -> Real:
    """Send the sorted cells that need more than one ray on: to queues, or in quarters to the stack, whose
    cells from number `first` on they replace. Returns the flux of queues flushed.
    """
    w = job.work
    append(w.stack, first, w.order[2 * BLOCK :], w.counts[2], w.queue2)
    append(w.stack, first, w.order[3 * BLOCK :], w.counts[3], w.queue3)
    append(w.stack, first, w.order[4 * BLOCK :], w.counts[4], w.queue4)
    append(w.stack, first, w.order[SPLIT_RULE * BLOCK :], w.counts[SPLIT_RULE], w.parents)
    w.stack.length[0] = first
    push_quarters(w.parents, w.stack)
    longest = max(w.queue2.length[0], w.queue3.length[0], w.queue4.length[0])
    return flush(job) if longest > QUEUE - BLOCK else 0.0


@vectorised
def _regain(value: Array, lost: Array, n: int) -> None:
    """value += lost. Root cells keep theirs apart: on a regular grid, each at its own place, it is not theirs
    but their neighbours' (plane.integrate_plane).
    """
    for c in range(n):
        value[c] += lost[c]


@inlined
def _spread_done(job: Job, first: int) -> Real:
    """Spread the cells of one ray; returns their flux."""
    w, stack = job.work, job.work.stack
    flux, negligible = 0.0, F32(NEGLIGIBLE * job.tolerance)
    for k in range(w.counts[1]):
        c = w.order[BLOCK + k]
        flux += w.value[c]
        home = stack.home[first + c]
        if home != OUTSIDE and w.value[c] > negligible:
            spread_cell(job.grid, job.stride, home, stack.place[first + c], w.value, c, job.tables)
    return flux


@exact
def drain(job: Job, smallest: Real, ripple: Real) -> Real:
    """Work off the stack; returns the flux of cells done. Queues may keep cells: `flush` them."""
    w = job.work
    flux = 0.0
    while w.stack.length[0] > 0:
        n = min(w.stack.length[0], BLOCK)
        first = w.stack.length[0] - n
        classify(job, first, n, smallest, ripple)
        _regain(w.value, w.lost, whole(n))
        sort_by_rule(n, 1, w.rule, w.order, w.counts)
        flux += _spread_done(job, first)
        flux += pass_on(job, first)
    return flux
