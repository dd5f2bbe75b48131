"""Critical curve, caustic and cut of SIE + shear, in closed form.

The Jacobian is B - 2 kappa t t^T with B = I - Gamma and t the tangential unit vector, so that
det = det B (1 - 2 kappa t^T B^-1 t): along each direction there is exactly one critical radius,
r = theta_e sqrt(q) / sqrt(q^2 cos^2 + sin^2) t^T B^-1 t (angles from the major axis). An SIE has no radial
critical curve; its place is taken by the cut, where images vanish in the lens centre
(Kormann, Schneider & Bartelmann 1994, A&A 284, 285).
"""

import numpy as np

from physics import _validate
from physics.lens import Lens, deflection

#: Any small distance from the centre: the deflection of an SIE depends on the direction only.
_NEAR = 1e-9


def critical_curves(lens: Lens, n: int = 360) -> tuple[np.ndarray, np.ndarray]:
    """n points (x, y), arcsec in the host's frame, counter-clockwise along the tangential critical curve."""
    _validate.instance("lens", lens, Lens)
    angle = np.linspace(0.0, 2.0 * np.pi, _validate.integer("n", n, 3, 10**7), endpoint=False)
    g1 = lens.gamma * np.cos(2.0 * lens.phi_gamma)
    g2 = lens.gamma * np.sin(2.0 * lens.phi_gamma)
    tx, ty = -np.sin(angle), np.cos(angle)
    # B^-1 = [[1 + g1, g2], [g2, 1 - g1]] / (1 - gamma^2)
    stretch = ((1.0 + g1) * tx**2 + 2.0 * g2 * tx * ty + (1.0 - g1) * ty**2) / (1.0 - lens.gamma**2)
    along, across = np.cos(angle - lens.phi), np.sin(angle - lens.phi)
    radius = lens.theta_e * np.sqrt(lens.q) / np.hypot(lens.q * along, across) * stretch
    return lens.x + radius * np.cos(angle), lens.y + radius * np.sin(angle)


def caustics(lens: Lens, n: int = 360) -> tuple[np.ndarray, np.ndarray]:
    """The tangential caustic: `critical_curves` in the source plane, arcsec."""
    x, y = critical_curves(lens, n)
    alpha_x, alpha_y = deflection(x, y, lens)
    return x - alpha_x, y - alpha_y


def cut(lens: Lens, n: int = 360) -> tuple[np.ndarray, np.ndarray]:
    """n points of the cut, arcsec in the source plane: a source inside has one image more."""
    _validate.instance("lens", lens, Lens)
    angle = np.linspace(0.0, 2.0 * np.pi, _validate.integer("n", n, 3, 10**7), endpoint=False)
    centred = Lens(lens.theta_e, lens.q, lens.phi, 0.0, 0.0, 0.0, 0.0)
    alpha_x, alpha_y = deflection(_NEAR * np.cos(angle), _NEAR * np.sin(angle), centred)
    return lens.x - alpha_x, lens.y - alpha_y
