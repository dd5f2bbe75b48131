"""Adaptive integration of a lensed source.

Cells are classified by `quadrature.choose_rules` in blocks; smooth ones go to queues by rule, the rest are
split. The deepest non-empty level is always worked on first, in blocks of at most BLOCK cells: its children
(at most 4 BLOCK) then always fit the empty level below, so no list can overflow however many cells split (an
exact ring alignment splits them all).
"""

from typing import NamedTuple

import numpy as np

from physics._jit import Array, Real, exact, inlined, vectorised
from physics.cells import BLOCK, CAPACITY, OUTSIDE, ROUND, Cells, empty_cells, enqueue, push_quarters, whole
from physics.deposit import SAMPLE_STRIDE, Tables, spread_cell, spread_nodes
from physics.gridding import MAX_RULE, NODE_LEVEL
from physics.quadrature import SPLIT_RULE, choose_rules
from physics.rays import Rays, brightness

F32 = np.float32
#: Cells at this depth are not split further: 2 px / 2^16 = 8e-6".
DEEPEST = 16
#: Cells with less light than this (units of the source's flux) are counted but not spread.
_NEGLIGIBLE = F32(1e-10)


class Scratch(NamedTuple):
    """Working memory, allocated once per call."""

    levels: Cells
    queues: Cells
    value: Array
    rule: Array
    samples: Array
    totals: Array


def scratch() -> Scratch:
    """Working memory for `drain` and `flush`."""
    value, rule = np.zeros(BLOCK + ROUND, np.float32), np.zeros(BLOCK + ROUND, np.float32)
    samples = np.zeros(MAX_RULE * MAX_RULE * SAMPLE_STRIDE, np.float32)
    return Scratch(
        empty_cells(DEEPEST + 1),
        empty_cells(MAX_RULE + 1),
        value,
        rule,
        samples,
        np.zeros(CAPACITY + ROUND, np.float32),
    )


class Job(NamedTuple):
    """What one integration needs at every step. grid: deposits, flat, `stride` per x step; tolerance: per
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
    totals[:n] = F32(0.0)
    for j in range(rule):
        for i in range(rule):
            weight = tables.weight[rule, i] * tables.weight[rule, j]
            values = samples[(j * rule + i) * SAMPLE_STRIDE :]
            for c in range(n):
                totals[c] += weight * values[c] * side[c] * side[c]


@inlined
def _flush_queue(job: Job, rule: int) -> Real:
    """Integrate and empty the queue of one rule; returns its flux."""
    q, samples, totals = job.work.queues, job.work.samples, job.work.totals
    n = q.lengths[rule]
    side = q.side[rule]
    for j in range(rule):
        for i in range(rule):
            out = samples[(j * rule + i) * SAMPLE_STRIDE :]
            shift_x, shift_y = job.tables.node[rule, i], job.tables.node[rule, j]
            brightness(q.x[rule], q.y[rule], side, shift_x, shift_y, whole(n), job.rays, out)
    _sum_nodes(rule, whole(n), side, job.tables, samples, totals)
    flux = 0.0
    for c in range(n):
        flux += totals[c]
        base = q.base[rule, c]
        if base == OUTSIDE or totals[c] < _NEGLIGIBLE:
            continue
        level, kx, ky = q.level[rule, c], q.kx[rule, c], q.ky[rule, c]
        if level <= NODE_LEVEL:
            area = side[c] * side[c]
            spread_nodes(rule, job.grid, job.stride, base, level, kx, ky, samples, c, area, job.tables)
        else:
            spread_cell(job.grid, job.stride, base, level, kx, ky, totals, c, job.tables)
    q.lengths[rule] = 0
    return flux


@exact
def flush(job: Job, limit: int) -> Real:
    """Integrate the queues with more than `limit` cells; returns their flux."""
    flux = 0.0
    for rule in range(2, MAX_RULE + 1):
        if job.work.queues.lengths[rule] > limit:
            flux += _flush_queue(job, rule)
    return flux


@inlined
def _work_block(job: Job, level: int, side: Real, ripple: Real) -> Real:
    """Classify the last block of a level and pass its cells on; returns the flux of those done at once."""
    cells, value, rules = job.work.levels, job.work.value, job.work.rule
    end = cells.lengths[level]
    first = max(end - BLOCK, 0)
    choose_rules(
        cells.x[level, first:], cells.y[level, first:], side, ripple, F32(job.tolerance), whole(end - first),
        job.rays, value, rules,
    )  # fmt: skip
    cells.lengths[level] = first
    flux = 0.0
    for k in range(end - first):
        c = first + k
        rule = int(rules[k])
        if rule == 1:
            flux += value[k]
            base = cells.base[level, c]
            if base != OUTSIDE and value[k] > _NEGLIGIBLE:
                kx, ky = cells.kx[level, c], cells.ky[level, c]
                spread_cell(job.grid, job.stride, base, level, kx, ky, value, k, job.tables)
        elif rule >= SPLIT_RULE and level < DEEPEST:
            push_quarters(cells, level, c, side)
        else:
            enqueue(job.work.queues, min(rule, MAX_RULE), cells, level, c, side)
    return flux


@inlined
def _longest(lengths: Array) -> int:
    return int(max(lengths[2], lengths[3], lengths[4]))


@exact
def drain(job: Job, first_level: int, root_side: float, ripple: float) -> Real:
    """Work off all levels, none deeper than first_level in use at the start; returns the flux of cells done.

    root_side: side of level 0, arcsec. ripple: of a level-0 cell (quadrature.choose_rules). Queues may keep
    cells: `flush` them.
    """
    lengths = job.work.levels.lengths
    flux = 0.0
    level = first_level
    while level >= 0:
        if lengths[level] == 0:
            level -= 1
            continue
        scale = 0.5**level
        flux += _work_block(job, level, F32(root_side * scale), F32(ripple * scale * scale))
        if _longest(job.work.queues.lengths) > CAPACITY - BLOCK:
            flux += flush(job, CAPACITY - BLOCK)
        if level < DEEPEST and lengths[level + 1] > 0:
            level += 1
    return flux
