"""Integrals over the image plane by cells that are split until they are resolved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: x, y (arcsec) -> surface brightness (flux / arcsec^2), and the place in the source plane: x, y from the
#: source's centre in half-light radii.
Brightness = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
MOST_SPLITS = 16
_LIGHT = 8.0  # half-light radii from the source's centre, beyond which nothing small is bright
_RESOLVED = 1.0  # half-light radii that a cell's nodes may span where there is light
_BATCH = 60_000  # cells at once: 13 rays each stay below 100 MB


@dataclass(frozen=True)
class Nodes:
    """Points of the quadrature: positions in arcsec, and the flux that each stands for."""

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray


def integrate(brightness: Brightness, x: np.ndarray, y: np.ndarray, side: float, tolerance: float) -> Nodes:
    """Quadrature nodes of the squares of side `side` (arcsec) around x, y.

    Gauss-Legendre 2x2 and 3x3: a cell is split in four while they differ by more than `tolerance` (flux), or
    while light could hide between the nodes. It could where the nodes, traced to the source plane, span more
    than a half-light radius and one of them lies within that span of the light: in a cell at a singular lens
    centre the span is as wide as the Einstein ring, however small the cell. Cells are given up after
    MOST_SPLITS.
    """
    done: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for depth in range(MOST_SPLITS + 1):
        left_x, left_y = [], []
        for start in range(0, x.size, _BATCH):
            cells = slice(start, start + _BATCH)
            open_, nodes = _resolve(brightness, x[cells], y[cells], side, tolerance)
            if depth == MOST_SPLITS:
                open_ = np.zeros_like(open_)
            done.append(tuple(part[~open_].ravel() for part in nodes))
            left_x.append(x[cells][open_])
            left_y.append(y[cells][open_])
        x, y = np.concatenate(left_x), np.concatenate(left_y)
        if not x.size:
            break
        side /= 2
        x = np.concatenate([x + s * side / 2 for s in (-1, -1, 1, 1)])
        y = np.concatenate([y + s * side / 2 for s in (-1, 1, -1, 1)])
    return Nodes(*(np.concatenate(parts) for parts in zip(*done, strict=True)))


def _resolve(
    brightness: Brightness, x: np.ndarray, y: np.ndarray, side: float, tolerance: float
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(cells still open, nodes of the 3x3 rule)."""
    coarse = _rule(brightness, x, y, side, 2)[2]
    px, py, flux, u, v = _rule(brightness, x, y, side, 3)
    differs = np.abs(flux.sum(1) - coarse.sum(1)) > tolerance
    span = np.hypot(np.ptp(u, axis=1), np.ptp(v, axis=1))
    hides = (span > _RESOLVED) & (np.hypot(u, v).min(axis=1) < _LIGHT + span)
    return differs | hides, (px, py, flux)


def _rule(
    brightness: Brightness, x: np.ndarray, y: np.ndarray, side: float, order: int
) -> tuple[np.ndarray, ...]:
    """x, y, flux and x, y in the source of the order x order nodes of each cell, shape (cell, node)."""
    points, weights = np.polynomial.legendre.leggauss(order)
    dx, dy = (0.5 * side * part.ravel() for part in np.meshgrid(points, points))
    px, py = x[:, None] + dx, y[:, None] + dy
    value, u, v = (part.reshape(px.shape) for part in brightness(px.ravel(), py.ravel()))
    return px, py, value * (np.outer(weights, weights).ravel() * side**2 / 4), u, v
