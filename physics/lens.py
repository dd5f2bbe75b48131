"""The lens: singular isothermal ellipsoid plus external shear, in double precision.

beta = theta - alpha(theta - lens) - Gamma (theta - lens),  Gamma = [[g1, g2], [g2, -g1]],
g1 = gamma cos 2 phi_gamma, g2 = gamma sin 2 phi_gamma.
kappa = theta_e / (2 sqrt(q x'^2 + y'^2 / q)), x' along the major axis: the area with kappa >= 1/2, the mean
convergence 1 inside it and the tangential critical curve all give pi theta_e^2 (Kormann, Schneider &
Bartelmann 1994, A&A 284, 285, with f = q and this normalisation).
"""

import math
from dataclasses import dataclass

import numpy as np

from physics import _validate
from physics._jit import exact

#: Accepted values; render.py says for which its error bounds hold.
THETA_E_RANGE = (0.0, 60.0)
LENS_AXIS_RATIO_RANGE = (0.1, 1.0)
GAMMA_RANGE = (0.0, 0.5)
LENS_POSITION_RANGE = (-1000.0, 1000.0)


@dataclass(frozen=True)
class Lens:
    """SIE plus external shear. `Lens.none()` (theta_e = 0, gamma = 0) leaves the source as it is.

    theta_e: Einstein radius, arcsec; the tangential critical curve encloses pi theta_e^2.
    q: axis ratio minor / major of the convergence.
    phi: position angle of its major axis, radians counter-clockwise from +x.
    gamma, phi_gamma: external shear, dimensionless, and its angle in radians; its origin is the lens centre.
    x, y: lens centre in the host's frame, arcsec.
    """

    theta_e: float
    q: float
    phi: float
    gamma: float
    phi_gamma: float
    x: float
    y: float

    def __post_init__(self) -> None:
        _validate.number("theta_e", self.theta_e, *THETA_E_RANGE)
        _validate.number("q", self.q, *LENS_AXIS_RATIO_RANGE)
        _validate.number("phi", self.phi, *_validate.ANGLE_RANGE)
        _validate.number("gamma", self.gamma, *GAMMA_RANGE)
        _validate.number("phi_gamma", self.phi_gamma, *_validate.ANGLE_RANGE)
        _validate.number("x", self.x, *LENS_POSITION_RANGE)
        _validate.number("y", self.y, *LENS_POSITION_RANGE)

    @classmethod
    def none(cls) -> "Lens":
        """No lensing at all."""
        return cls(theta_e=0.0, q=1.0, phi=0.0, gamma=0.0, phi_gamma=0.0, x=0.0, y=0.0)


@exact
def arctan_over(z: float) -> float:
    """atan(z) / z, 1 at z = 0."""
    return 1.0 - z * z / 3.0 if abs(z) < 1e-4 else math.atan(z) / z


@exact
def arctanh_over(z: float) -> float:
    """atanh(z) / z, 1 at z = 0."""
    return 1.0 + z * z / 3.0 if abs(z) < 1e-4 else math.atanh(z) / z


@exact
def sie_deflection(u: float, v: float, theta_e: float, q: float) -> tuple[float, float]:
    """Deflection (arcsec) of the SIE in its own frame, u along the major axis (Kormann et al. 1994, eq. 27a).

    alpha_u = theta_e sqrt(q)/f atan(f u / psi), alpha_v = theta_e sqrt(q)/f atanh(f v / psi),
    psi = sqrt(q^2 u^2 + v^2), f = sqrt(1 - q^2). Zero at the centre, by symmetry.
    """
    psi = math.sqrt(q * q * u * u + v * v)
    if psi == 0.0:
        return 0.0, 0.0
    f = math.sqrt(1.0 - q * q)
    k = theta_e * math.sqrt(q) / psi
    # f |v| / psi <= f < 1 up to rounding, which matters on the v axis for q near 0
    return k * u * arctan_over(f * u / psi), k * v * arctanh_over(f * v / psi)


@exact
def _deflect(
    x: np.ndarray, y: np.ndarray, lens: tuple[float, ...], alpha_x: np.ndarray, alpha_y: np.ndarray
) -> None:
    """alpha + Gamma theta (arcsec) at x, y relative to the lens, arcsec; error 1e-12 theta_e.

    lens: see `_parameters`.
    """
    theta_e, q, phi, g1, g2 = lens
    c, s = math.cos(phi), math.sin(phi)
    for i in range(x.size):
        au, av = sie_deflection(c * x[i] + s * y[i], c * y[i] - s * x[i], theta_e, q)
        alpha_x[i] = c * au - s * av + g1 * x[i] + g2 * y[i]
        alpha_y[i] = s * au + c * av + g2 * x[i] - g1 * y[i]


@exact
def _jacobian_determinant(x: np.ndarray, y: np.ndarray, lens: tuple[float, ...], det: np.ndarray) -> None:
    """det(I - Gamma - 2 kappa t t^T), t the tangential unit vector: an SIE is sheared tangentially only
    (Kormann et al. 1994, eq. 23). x, y relative to the lens, arcsec; rounding 1e-15 of the largest term.
    """
    theta_e, q, phi, g1, g2 = lens
    c, s = math.cos(phi), math.sin(phi)
    for i in range(x.size):
        r2 = x[i] ** 2 + y[i] ** 2
        u, v = c * x[i] + s * y[i], c * y[i] - s * x[i]
        psi = math.sqrt(q * q * u * u + v * v)
        k = theta_e * math.sqrt(q) / (psi * r2) if psi > 0.0 else math.inf
        jxx = 1.0 - g1 - k * y[i] ** 2
        jyy = 1.0 + g1 - k * x[i] ** 2
        jxy = -g2 + k * x[i] * y[i]
        det[i] = jxx * jyy - jxy * jxy if psi > 0.0 else -math.inf


def _parameters(lens: Lens) -> tuple[float, float, float, float, float]:
    g1 = lens.gamma * math.cos(2.0 * lens.phi_gamma)
    g2 = lens.gamma * math.sin(2.0 * lens.phi_gamma)
    return float(lens.theta_e), float(lens.q), float(lens.phi), g1, g2


def _relative(x: np.ndarray, y: np.ndarray, lens: Lens) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    _validate.instance("lens", lens, Lens)
    x, y = _validate.reals("x", x), _validate.reals("y", y)
    try:
        x, y = np.broadcast_arrays(x, y)
    except ValueError:
        raise ValueError(f"x and y must have one shape, got {x.shape} and {y.shape}") from None
    return x.ravel() - lens.x, y.ravel() - lens.y, x.shape


def deflection(x: np.ndarray, y: np.ndarray, lens: Lens) -> tuple[np.ndarray, np.ndarray]:
    """theta - beta in arcsec at image positions x, y (arcsec, host's frame): SIE and shear together.

    It is the reduced deflection angle. Exact to rounding (1e-12 theta_e).
    """
    dx, dy, shape = _relative(x, y, lens)
    alpha_x, alpha_y = np.empty_like(dx), np.empty_like(dx)
    _deflect(dx, dy, _parameters(lens), alpha_x, alpha_y)
    return alpha_x.reshape(shape), alpha_y.reshape(shape)


def point_magnification(x: np.ndarray, y: np.ndarray, lens: Lens) -> np.ndarray:
    """Signed magnification 1 / det(d beta / d theta) at image positions x, y (arcsec, host's frame).

    Negative at saddle points, 0 at the lens centre, infinite on a critical curve.
    """
    dx, dy, shape = _relative(x, y, lens)
    det = np.empty_like(dx)
    _jacobian_determinant(dx, dy, _parameters(lens), det)
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / det).reshape(shape)
