"""Spreading rays over a regular grid so that their exact positions survive.

A ray of flux f at grid position g adds f phi(g - k) to the grid points k. The Fourier transform of the grid,
divided by that of phi, is that of the rays themselves up to aliases, so the convolution sees every ray where
it is and not at a bin's centre (the non-uniform FFT; Dutt & Rokhlin 1993; Beatty, Nishimura & Pauly 2005,
IEEE TMI 24, 799, for this window).
phi(x) = I_0(b sqrt(1 - (2x/W)^2)) / I_0(b), |x| < W/2. A root cell of `steps` grid steps and a window of
W = 9 - steps reach 8 grid points, whatever the density: sharper PSFs get a denser grid and a narrower window.
Largest error of a star's image, over its peak, with all aliases at their worst phase and the frequencies
beyond the grid's Nyquist frequency lost: 4e-4 for the PSFs that `density` gives to 2 and 3 steps, 1e-3 at
4 steps for a Moffat of beta 2.5 and FWHM 2.3 px (4e-4 at 2.6 px, 5e-4 for beta 4 at 2.3 px).
"""

from functools import lru_cache

import numpy as np

from physics.geometry import DENSITIES, WINDOW

#: b of each density: the least error weighted with the PSFs that it serves; textbook values weigh all
#: frequencies alike.
_SHAPE = {2: 11.75, 3: 12.0, 4: 10.25}

#: What a PSF passes at the frequency by which `density` chooses.
DENSITY_FLOOR = 1e-4

#: Deepest level whose cells keep the position of each node, and deepest with its own cell centres;
#: a cell of the first is 1/16 px, of the second 1/256 px wide.
NODE_LEVEL = 5
CENTRE_LEVEL = 9
#: Largest Gauss-Legendre rule per axis.
MAX_RULE = 4


def density(cutoff: np.ndarray) -> np.ndarray:
    """Steps per root cell for PSFs that pass less than DENSITY_FLOOR beyond cutoff (cycles / pixel)."""
    return np.array(DENSITIES)[np.searchsorted(0.25 * np.array(DENSITIES[:-1]), cutoff)]


def width(steps: int) -> float:
    """W, in grid steps."""
    return float(WINDOW + 1 - steps)


def window(x: np.ndarray, steps: int) -> np.ndarray:
    """phi at a distance of x grid steps."""
    w, b = width(steps), _SHAPE[steps]
    inside = np.clip(1.0 - (2.0 * x / w) ** 2, 0.0, None)
    return np.where(np.abs(x) < 0.5 * w, np.i0(b * np.sqrt(inside)) / np.i0(b), 0.0)


def window_transform(frequency: np.ndarray, steps: int) -> np.ndarray:
    """Fourier transform of phi at frequencies in cycles per grid step, |frequency| <= 1/2."""
    w, b = width(steps), _SHAPE[steps]
    argument = np.sqrt((b**2 - (np.pi * w * frequency) ** 2).astype(np.complex128))
    return np.asarray((w * np.sinh(argument) / argument).real / np.i0(b))


def gauss_legendre(rule: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [-1/2, 1/2]."""
    nodes, weights = np.polynomial.legendre.leggauss(rule)
    return 0.5 * nodes, 0.5 * weights


@lru_cache(maxsize=1)
def node_tables() -> tuple[np.ndarray, np.ndarray]:
    """(positions, quadrature weights), float32 [MAX_RULE + 1, MAX_RULE], of the rules 1..MAX_RULE."""
    positions = np.zeros((MAX_RULE + 1, MAX_RULE), np.float32)
    weights = np.zeros((MAX_RULE + 1, MAX_RULE), np.float32)
    for rule in range(1, MAX_RULE + 1):
        positions[rule, :rule], weights[rule, :rule] = gauss_legendre(rule)
    return positions, weights


@lru_cache(maxsize=3)
def deposit_tables(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows, start): what each quadrature node in a root cell gives to the WINDOW points around the root.

    Cell k (of 2^level per axis) at `level` with `rule` nodes owns rows start[level, rule] + k rule + node;
    a row is (quadrature weight) x phi. The levels of a rule follow each other. `start` is -1 where no rows
    exist (deeper than NODE_LEVEL with rule > 1).
    """
    points = np.arange(WINDOW) - 0.5 * (WINDOW - 1)
    start = np.full((CENTRE_LEVEL + 1, MAX_RULE + 1), -1, np.int64)
    rows: list[np.ndarray] = []
    count = 0
    for rule in range(1, MAX_RULE + 1):
        nodes, weights = gauss_legendre(rule)
        for level in range((CENTRE_LEVEL if rule == 1 else NODE_LEVEL) + 1):
            cells = 2**level
            centres = steps * ((np.arange(cells) + 0.5) / cells - 0.5)
            where = centres[:, None] + steps / cells * nodes[None, :]
            phi = weights[None, :, None] * window(points[None, None, :] - where[:, :, None], steps)
            rows.append(phi.reshape(-1, WINDOW))
            start[level, rule] = count
            count += cells * rule
    return np.concatenate(rows).astype(np.float32), start
