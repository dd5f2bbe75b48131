"""An independent renderer to test against: own rays and profile, integrated adaptively. Nothing of physics/.

One quadtree covers the plane. Each cell's source plane span is bounded by its side times the largest stretch
of the lens map inside it, so no source is ever missed between samples: a cell is one ray if even the
brightest point it can hold is faint, resolved if its span is below half of its distance from the source's
cusp, and otherwise split. Resolved cells are split until Gauss-Legendre rules of 3x3 and 4x4 nodes agree, and
until they are small enough for any PSF. The nodes in and around the stamp go on a grid of 1/4 px by cubic
B-splines and are convolved with the PSF, sampled in real space, by a Fourier transform with room for every
lag. What lies farther out, where a PSF is smooth, is gathered in lumps and its wings are added one by one.

Error, tested by tightening everything tenfold (tests/physics/test_oracle.py): flux and magnification 1e-5,
pixels 1e-5 of the peak. lenstronomy gives the same rays to 3e-9" and brightness to 3e-8, same test.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.special import gamma, gammainccinv, gammaincinv

#: Grid points per pixel, and pixels around the stamp whose light the PSF may scatter into it.
FINE = 4
PAD = 64
#: Beyond: lumps of this many pixels, each kept if it holds at least this part of the source's flux.
LUMP, LEAST_LUMP = 4.0, 1e-7
#: Light of a cell (units of the source's flux) below which it is one ray, and difference of rules allowed.
TOLERANCE = 1e-6
_ROOTS = 8
_MOST_DEPTH = 40
_MARGIN = 4
#: Cells worked on, and nodes deposited, at once.
_BLOCK, _NODES = 4096, 200_000


@dataclass(frozen=True)
class Light:
    """A lensed source of unit flux on the fine grid.

    spectrum: transform of the deposits over that of the B-spline. n_pix, pixel_scale: the stamp.
    lumps: (x, y, flux) of the light outside the grid, pixels from the stamp's middle.
    magnification: whole plane. rays: how many were shot.
    """

    spectrum: np.ndarray
    lumps: np.ndarray
    n_pix: int
    pixel_scale: float
    magnification: float
    rays: int


@dataclass(frozen=True)
class Oracle:
    """image: unit-flux stamp. magnification: whole plane."""

    image: np.ndarray
    magnification: float


def source_plane(x, y, lens):
    """Source position relative to the lens, for x, y relative to the lens, arcsec (Kormann et al. 1994)."""
    c, s = np.cos(lens.phi), np.sin(lens.phi)
    u, v = c * x + s * y, c * y - s * x
    f = np.sqrt(1.0 - lens.q**2)
    psi = np.maximum(np.hypot(lens.q * u, v), 1e-300)
    if f < 1e-6:
        au, av = lens.theta_e * u / psi, lens.theta_e * v / psi
    else:
        strength = lens.theta_e * np.sqrt(lens.q) / f
        au, av = strength * np.arctan(f * u / psi), strength * np.arctanh(f * v / psi)
    g1, g2 = lens.gamma * np.cos(2 * lens.phi_gamma), lens.gamma * np.sin(2 * lens.phi_gamma)
    return x - (c * au - s * av) - g1 * x - g2 * y, y - (s * au + c * av) - g2 * x + g1 * y


def sersic_radius(x, y, lens, source):
    """R / r_eff of rays at x, y (relative to the lens)."""
    bx, by = source_plane(x, y, lens)
    dx, dy = bx - (source.x - lens.x), by - (source.y - lens.y)
    c, s = np.cos(source.phi), np.sin(source.phi)
    along, across = c * dx + s * dy, c * dy - s * dx
    return np.hypot(np.sqrt(source.q) * along, across / np.sqrt(source.q)) / source.r_eff


def sersic(radius, source):
    """Surface brightness (1/arcsec^2) of a source of unit flux at R / r_eff."""
    n = source.n_sersic
    b = gammaincinv(2 * n, 0.5)
    central = b ** (2 * n) / (2 * np.pi * n * source.r_eff**2 * gamma(2 * n))
    return central * np.exp(-b * radius ** (1 / n))


def _span(x, y, side, lens, source):
    """Largest distance in R / r_eff between the centre of a cell and any of its points: a bound."""
    c, s = np.cos(lens.phi), np.sin(lens.phi)
    reach = side * np.sqrt(0.5)
    psi = np.hypot(lens.q * (c * x + s * y), c * y - s * x)
    with np.errstate(divide="ignore", invalid="ignore"):
        twice_kappa = lens.theta_e * np.sqrt(lens.q) / np.maximum(psi - reach, 0.0)
    # eigenvalues of the map without shear: 1 and 1 - 2 kappa
    stretch = lens.gamma + (np.maximum(1.0, twice_kappa - 1.0) if lens.theta_e > 0 else 1.0)
    return stretch * reach / (np.sqrt(source.q) * source.r_eff)


def _rule(order):
    nodes, weights = np.polynomial.legendre.leggauss(order)
    gx, gy = np.meshgrid(0.5 * nodes, 0.5 * nodes)
    return gx.ravel(), gy.ravel(), 0.25 * np.outer(weights, weights).ravel()


def _integrate(rule, x, y, side, lens, source):
    gx, gy, w = rule
    px, py = x[:, None] + side[:, None] * gx, y[:, None] + side[:, None] * gy
    flux = side[:, None] ** 2 * w * sersic(sersic_radius(px, py, lens, source), source)
    return px, py, flux


def adaptive_nodes(x, y, side, *fixed):
    """Nodes (x, y, flux) that integrate the cells, and the number of rays.

    All positions are relative to the lens. fixed: lens, source, pixel (arcsec), inner: (x, y, half width) of
    the square that a PSF will smear, tolerance.
    """
    rules = _rule(3), _rule(4)
    done, rays = [], 0
    levels = [np.stack([x, y, side])]
    while levels:  # depth first, so that a ring of millions of cells is never held at once
        cells, levels[-1] = levels[-1][:, -_BLOCK:], levels[-1][:, :-_BLOCK]
        nodes, used, split = _work_block(rules, cells, len(levels) > _MOST_DEPTH, *fixed)
        done += nodes
        rays += used
        if split.size:
            levels.append(_quarters(split))
        while levels and levels[-1].shape[1] == 0:
            levels.pop()
    return tuple(np.concatenate(part) for part in zip(*done, strict=True)), rays


def _work_block(rules, cells, last, lens, source, pixel, inner, tolerance):
    """Nodes of the cells that are done, rays used, and the cells to be split."""
    x, y, side = cells
    radius = sersic_radius(x, y, lens, source)
    span = _span(x, y, side, lens, source)
    faint = side**2 * sersic(np.maximum(radius - span, 0.0), source) < tolerance
    ready = ~faint & ((span < 0.5 * radius) | last)
    nodes = [(x[faint], y[faint], side[faint] ** 2 * sersic(radius[faint], source))]
    split = ~faint & ~ready
    k = np.flatnonzero(ready)
    if k.size:
        coarse = _integrate(rules[0], *cells[:, k], lens, source)[2].sum(1)
        px, py, flux = _integrate(rules[1], *cells[:, k], lens, source)
        total = flux.sum(1)
        smeared = np.maximum(np.abs(x[k] - inner[0]), np.abs(y[k] - inner[1])) < inner[2]
        ripple = np.where(smeared, 1e-7 * total * (side[k] / pixel) ** 8, 0.0)
        keep = ((np.abs(total - coarse) < tolerance) & (ripple < 0.1 * tolerance)) | last
        point = keep & (side[k] < pixel / 256)  # too small for its nodes to matter one by one
        nodes.append((x[k[point]], y[k[point]], total[point]))
        wide = keep & ~point
        nodes.append((px[wide].ravel(), py[wide].ravel(), flux[wide].ravel()))
        split[k[~keep]] = True
    return nodes, x.size + 25 * k.size, cells[:, split]


def _quarters(cells):
    x, y, side = np.repeat(cells, 4, axis=1)
    side = 0.5 * side
    count = cells.shape[1]
    x = x + 0.5 * side * np.tile((-1, 1, -1, 1), count)
    return np.stack([x, y + 0.5 * side * np.tile((-1, -1, 1, 1), count), side])


def _roots(lens, source, middle, width):
    """Cells (x, y, side) of the whole plane: the square of this width, and rings of squares around it."""
    x, y, side = [], [], []

    def add(cells, step, hole):
        k = (np.arange(cells) - 0.5 * (cells - 1)) * step
        gx, gy = (m.ravel() for m in np.meshgrid(k, k))
        keep = np.maximum(np.abs(gx), np.abs(gy)) >= hole
        x.append(middle[0] + gx[keep])
        y.append(middle[1] + gy[keep])
        side.append(np.full(keep.sum(), step))

    add(_ROOTS, width / _ROOTS, 0.0)
    n = source.n_sersic
    extent = source.r_eff * (gammainccinv(2 * n, 1e-8) / gammaincinv(2 * n, 0.5)) ** n / np.sqrt(source.q)
    away = np.hypot(source.x - lens.x, source.y - lens.y)
    # shear moves the farthest light out by 1 / (1 - gamma), the lens by a few theta_e
    reach = (away + extent) / (1 - lens.gamma) + 4 * lens.theta_e / np.sqrt(lens.q) + np.hypot(*middle)
    while width < 2 * reach:
        add(3, width, 0.5 * width)
        width *= 3
    return tuple(np.concatenate(part) for part in (x, y, side))


def _cubic(d):
    """Cubic B-spline at distances -1-d, -d, 1-d, 2-d of the four points around, 0 <= d < 1."""
    e = 1 - d
    return e**3 / 6, (3 * d**3 - 6 * d**2 + 4) / 6, (3 * e**3 - 6 * e**2 + 4) / 6, d**3 / 6


def _deposit(gx, gy, flux, size):
    """Nodes at fine-grid coordinates, spread over the grid [y, x]."""
    grid = np.zeros(size * size)
    step = np.arange(4) - 1
    around = (step[:, None] * size + step)[:, :, None]
    for k in range(0, flux.size, _NODES):
        x, y = gx[k : k + _NODES], gy[k : k + _NODES]
        i, j = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        wx, wy = np.array(_cubic(x - i)), np.array(_cubic(y - j)) * flux[k : k + _NODES]
        index = j * size + i + around
        grid += np.bincount(index.ravel(), (wy[:, None] * wx).ravel(), minlength=size * size)
    return grid.reshape(size, size)


def _lumps(gx, gy, flux):
    """(x, y, flux) of squares of LUMP pixels that hold light; x, y: its centroid."""
    squares, home = np.unique(np.floor(np.stack([gx, gy]) / LUMP), axis=1, return_inverse=True)
    total, x, y = (np.bincount(home, flux * v, squares.shape[1]) for v in (1.0, gx, gy))
    keep = total > LEAST_LUMP
    return np.stack([x[keep] / total[keep], y[keep] / total[keep], total[keep]])


def light(lens, source, n_pix=64, pixel_scale=0.262, center=(0.0, 0.0), tolerance=TOLERANCE, fine=FINE):
    """Integrate one system. Everything but the PSF."""
    width = (n_pix + 2 * PAD) * pixel_scale
    middle = (-center[0] - lens.x, -center[1] - lens.y)
    roots = _roots(lens, source, middle, width)
    inner = (*middle, 0.5 * width)
    (x, y, flux), rays = adaptive_nodes(*roots, lens, source, pixel_scale, inner, tolerance)
    gx, gy = (x - middle[0]) / pixel_scale, (y - middle[1]) / pixel_scale
    near = np.maximum(np.abs(gx), np.abs(gy)) < 0.5 * n_pix + PAD
    size = fine * next_fast_len(2 * (n_pix + PAD), real=True)
    first = 0.5 * (n_pix - 1) + PAD
    grid = _deposit(
        fine * (gx[near] + first) + _MARGIN, fine * (gy[near] + first) + _MARGIN, flux[near], size
    )
    window = np.sinc(np.fft.fftfreq(size)) ** 4
    spectrum = rfft2(grid) / (window[:, None] * window[: size // 2 + 1])
    lumps = _lumps(gx[~near], gy[~near], flux[~near])
    return Light(spectrum, lumps, n_pix, pixel_scale, float(flux.sum()), rays)


def psf_density(r2, fwhm, kind, beta):
    """The PSF at squared distance r2, unit integral over the plane."""
    if kind == "gaussian":
        sigma2 = (fwhm / 2.3548200450309493) ** 2
        return np.exp(-0.5 * r2 / sigma2) / (2 * np.pi * sigma2)
    a2 = fwhm**2 / (4 * (2 ** (1 / beta) - 1))
    return (beta - 1) / (np.pi * a2) * (1 + r2 / a2) ** -beta


@lru_cache(maxsize=2)
def _psf_spectrum(size, fine, fwhm_pix, kind, beta):
    lag = np.fft.fftfreq(size, 1 / size)[: size // 2 + 1] / fine
    quarter = psf_density(lag[:, None] ** 2 + lag**2, fwhm_pix, kind, beta)
    mirror = np.concatenate([np.arange(size // 2 + 1), np.arange(size - size // 2 - 1, 0, -1)])
    return rfft2(quarter[np.ix_(mirror, mirror)])


def convolve(seen, fwhm, kind, beta):
    """Unit-flux image of one band."""
    size = seen.spectrum.shape[0]
    fine = size // next_fast_len(2 * (seen.n_pix + PAD), real=True)
    passed = _psf_spectrum(size, fine, fwhm / seen.pixel_scale, kind, beta)
    plane = irfft2(seen.spectrum * passed, s=(size, size))[_MARGIN % fine :: fine, _MARGIN % fine :: fine]
    first = PAD + _MARGIN // fine
    image = plane[first : first + seen.n_pix, first : first + seen.n_pix]
    return image + _wings(seen, fwhm, kind, beta)


def _wings(seen, fwhm, kind, beta):
    """What the lumps scatter into the stamp."""
    k, wings = np.arange(seen.n_pix) - 0.5 * (seen.n_pix - 1), np.zeros((seen.n_pix, seen.n_pix))
    for x, y, flux in seen.lumps.T:
        r2 = ((k - x) ** 2 + (k[:, None] - y) ** 2) * seen.pixel_scale**2
        wings += flux * seen.pixel_scale**2 * psf_density(r2, fwhm, kind, beta)
    return wings


def render_oracle(
    lens, source, fwhm, kind, beta, n_pix=64, pixel_scale=0.262, center=(0.0, 0.0), tolerance=TOLERANCE
):
    """Unit-flux image and magnification of one system, one band."""
    seen = light(lens, source, n_pix, pixel_scale, center, tolerance)
    return Oracle(convolve(seen, fwhm, kind, beta), seen.magnification)
