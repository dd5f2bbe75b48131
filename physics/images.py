"""Images of a point source behind SIE + shear: all of them, from one equation in one unknown.

The SIE's deflection depends on the direction t = (cos phi, sin phi) from the lens only, so theta = r t solves
  r B t = beta + alpha(t),  B = I - Gamma,
where beta is the source relative to the lens. The cross product with B t leaves F(phi) = 0, and each root
with r > 0 is an image (Kormann, Schneider & Bartelmann 1994, A&A 284, 285, section 3, for gamma = 0).
"""

from collections.abc import Callable

import numpy as np

from physics import _validate
from physics.lens import Lens, deflection, point_magnification

_DIRECTIONS = 4096
#: An SIS with its source behind the centre, up to this part of theta_e: a ring, not images.
RING = 1e-12
_GOLDEN = 0.5 * (3.0 - np.sqrt(5.0))

Function = Callable[[np.ndarray], np.ndarray]


def image_positions(source_x: float, source_y: float, lens: Lens) -> tuple[np.ndarray, np.ndarray]:
    """Image positions (x, y), arcsec in the host's frame, brightest first; the lens centre is never one.

    source_x, source_y: the unlensed position, arcsec in the host's frame. Error below 1e-9 theta_e away from
    caustics, where two images merge: a pair closer than 1e-8 theta_e may be missed or given once.

    Raises ValueError for a source exactly behind the centre of a round lens without shear: its image is a
    ring.
    """
    _validate.instance("lens", lens, Lens)
    bx = _validate.number("source_x", source_x) - lens.x
    by = _validate.number("source_y", source_y) - lens.y
    if lens.q == 1.0 and lens.gamma == 0.0 and lens.theta_e > 0.0 and np.hypot(bx, by) <= RING * lens.theta_e:
        raise ValueError("source_x, source_y lie behind the centre of a round lens: the image is a ring")
    if lens.theta_e == 0.0:
        return _unlensed(bx, by, lens)

    def both(phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """F and r."""
        tx, ty = np.cos(phi), np.sin(phi)
        ax, ay = deflection(lens.x + tx, lens.y + ty, lens)
        mx, my = _straight(tx, ty, lens)
        vx, vy = bx + ax - (tx - mx), by + ay - (ty - my)  # t - B t = Gamma t is in the deflection too
        return mx * vy - my * vx, (mx * vx + my * vy) / (mx * mx + my * my)

    phi = _roots(lambda p: both(p)[0], _directions(lens))
    r = both(phi)[1]
    phi, r = phi[r > 0], r[r > 0]
    x, y = lens.x + r * np.cos(phi), lens.y + r * np.sin(phi)
    order = np.argsort(-np.abs(point_magnification(x, y, lens)), kind="stable")
    return x[order], y[order]


def _straight(x: np.ndarray, y: np.ndarray, lens: Lens) -> tuple[np.ndarray, np.ndarray]:
    """(I - Gamma) (x, y)."""
    g1, g2 = lens.gamma * np.cos(2 * lens.phi_gamma), lens.gamma * np.sin(2 * lens.phi_gamma)
    return (1 - g1) * x - g2 * y, -g2 * x + (1 + g1) * y


def _unlensed(bx: float, by: float, lens: Lens) -> tuple[np.ndarray, np.ndarray]:
    g1, g2 = lens.gamma * np.cos(2 * lens.phi_gamma), lens.gamma * np.sin(2 * lens.phi_gamma)
    det = 1.0 - lens.gamma**2
    x, y = ((1 + g1) * bx + g2 * by) / det, (g2 * bx + (1 - g1) * by) / det
    return np.array([lens.x + x]), np.array([lens.y + y])


def _directions(lens: Lens) -> np.ndarray:
    """Directions around the lens, denser where a flat lens deflects in quick succession (its major axis)."""
    even = 2.0 * np.pi * (np.arange(_DIRECTIONS) + 0.5) / _DIRECTIONS
    turned = np.arctan2(np.sqrt(lens.q) * np.sin(even), np.cos(even)) + lens.phi
    return np.sort(np.mod(turned, 2.0 * np.pi))


def _roots(f: Function, grid: np.ndarray) -> np.ndarray:
    """All roots of a smooth periodic f: sign changes on the grid, and pairs hidden between its points."""
    a, b = grid, np.append(grid[1:], grid[0] + 2.0 * np.pi)
    fa, fb = f(a), f(b)
    before = np.append(a[-1] - 2.0 * np.pi, a[:-1])
    dip = (np.abs(fa) <= np.abs(np.roll(fa, 1))) & (np.abs(fa) <= np.abs(fb))
    dip &= (fa * fb > 0) & (fa * np.roll(fa, 1) > 0)
    lowest = _minimum(f, before[dip], b[dip], np.sign(fa[dip]))
    hidden = f(lowest) * fa[dip] <= 0
    change = (fa * fb < 0) | (fa == 0)
    left = np.concatenate([a[change], before[dip][hidden], lowest[hidden]])
    right = np.concatenate([b[change], lowest[hidden], b[dip][hidden]])
    return _bisect(f, left, right)


def _minimum(f: Function, a: np.ndarray, b: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Where sign f is smallest in [a, b], by golden section."""
    for _ in range(60):
        p, q = a + _GOLDEN * (b - a), b - _GOLDEN * (b - a)
        lower = sign * f(p) < sign * f(q)
        a, b = np.where(lower, a, p), np.where(lower, q, b)
    return np.asarray(0.5 * (a + b))


def _bisect(f: Function, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    fa = f(a)
    for _ in range(60):
        middle = 0.5 * (a + b)
        fm = f(middle)
        same = np.sign(fm) == np.sign(fa)
        a, b = np.where(same, middle, a), np.where(same, b, middle)
    return np.asarray(np.where(fa == 0, a, 0.5 * (a + b)))
