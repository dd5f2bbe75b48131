"""Images of lensed sources as the survey would see them: one system, or columns of them.

Error bounds for theta_E to 5", shear to 0.12, n of 0.3 to 8, r_eff of 0.02 to 1" and effective PSFs of FWHM
0.6 to 2.5" on pixels of 0.262", Moffat beta 2.5 to 4 or Gaussian (tests/physics, benchmarks/accuracy.py):
flux 5e-4, pixels 1e-3 of the image's peak, magnification 1e-3; of a stamp with less than 1 % of the light, of
that 1 %. The largest errors found are in benchmarks/README.md. More is accepted: there the bounds are aims.
With PSF images they hold for what the images show of the PSF.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from physics import _validate, far, lens, limits, pixel_psf, psf, sersic
from physics._batch import TOLERANCE, render_rows, row_constants
from physics.geometry import FAR_PAD, MAX_PIXELS, PADS, geometry
from physics.gridding import DENSITY_FLOOR, density
from physics.lens import Lens
from physics.psf import DEFAULT_BETA, Psf
from physics.sersic import Source

#: An effective PSF narrower than this many pixels (FWHM) is under-sampled, one wider than this fraction of
#: the stamp runs into the Fourier period: both are refused.
MIN_FWHM_PIXELS = 2.0
MAX_FWHM_STAMPS = 0.25
#: Integrated again: a stamp that holds less than LITTLE of the light, whose errors count against its own flux
#: and peak, to FAINT of TOLERANCE times the square of what it holds (at least LEAST). Of the PSF only GRID of
#: what is usually left out is then left out: on the deposit grid that goes with the light beside the stamp.
LITTLE, LEAST, FAINT = 0.4, 0.01, 0.025
GRID = 0.01
#: A source with an r_eff (arcsec) beyond BROAD has no bright pixel: its tolerance falls as its brightness
#: does, down to FAINTEST. One with n < 1 has an edge, along which errors are far from its peak: BROAD_EDGED.
BROAD, BROAD_EDGED, FAINTEST = 0.25, 0.06, 4e-5
#: A cuspy source (n > CUSPY) flatter than RIDGE has a ridge of many cells, each of little light, whose errors
#: have one sign where the ridge lies along their edges: its tolerance falls with the cube of its axis ratio,
#: down to RIDGED.
CUSPY, RIDGE, RIDGED = 1.0, 0.55, 0.05
_PIXEL_SCALE_RANGE = (0.01, 2.0)
_CENTER_RANGE = (-100.0, 100.0)


@dataclass(frozen=True)
class Rendered:
    """One rendered system.

    image: float32 [band, n_pix, n_pix], nanomaggies per pixel; row j is y, column i is x.
    magnification: image-plane flux over intrinsic flux, whole plane, no PSF; the same in all bands.
    flux_in_stamp: float64 [band], the part of the image-plane flux that the stamp holds, after the PSF.
    """

    image: np.ndarray
    magnification: float
    flux_in_stamp: np.ndarray


@dataclass(frozen=True)
class RenderedBatch:
    """Rendered systems.

    image: float32 [n, band, n_pix, n_pix], nanomaggies per pixel. magnification: float64 [n].
    flux_in_stamp: float64 [n, band]. As in `Rendered`.
    """

    image: np.ndarray
    magnification: np.ndarray
    flux_in_stamp: np.ndarray


def render(
    lens: Lens | None,
    source: Source,
    psf: Psf,
    *,
    n_pix: int = 64,
    pixel_scale: float = 0.262,
    center: tuple[float, float] = (0.0, 0.0),
) -> Rendered:
    """Image of one lensed source. Bit for bit what `render_batch` gives for the same row.

    lens: None for no lensing. n_pix: pixels per side. pixel_scale: arcsec per pixel.
    center: (cx, cy), the host's offset from the stamp's middle, arcsec: pixel (j, i) lies at
        x = (i - (n_pix - 1) / 2) pixel_scale - cx, y = (j - (n_pix - 1) / 2) pixel_scale - cy
        in the frame of lens and source.

    Raises ValueError (argument and value named) for anything outside the documented ranges; see limits.py.
    """
    if lens is not None:
        _validate.instance("lens", lens, Lens)
    _validate.instance("source", source, Source)
    _validate.instance("psf", psf, Psf)
    center = _validate.pair("center", center, *_CENTER_RANGE)
    pixel_scale = _validate.number("pixel_scale", pixel_scale, *_PIXEL_SCALE_RANGE)
    if psf.pixel_scale is not None and psf.pixel_scale != pixel_scale:
        raise ValueError(
            f"pixel_scale must be that of the PSF images, {psf.pixel_scale:g}, got {pixel_scale!r}"
        )
    deflector = Lens.none() if lens is None else lens
    batch = render_batch(
        theta_e=[deflector.theta_e], q=[deflector.q], phi=[deflector.phi],
        gamma=[deflector.gamma], phi_gamma=[deflector.phi_gamma], lens_x=[deflector.x], lens_y=[deflector.y],
        flux=[source.flux], r_eff=[source.r_eff], n_sersic=[source.n_sersic],
        src_q=[source.q], src_phi=[source.phi], src_x=[source.x], src_y=[source.y],
        psf_fwhm=[psf.fwhm] if psf.images is None else None, psf_image=psf.images,
        kind=psf.kind, beta=psf.beta, center_x=[center[0]], center_y=[center[1]],
        n_pix=n_pix, pixel_scale=pixel_scale,
    )  # fmt: skip
    return Rendered(batch.image[0], float(batch.magnification[0]), batch.flux_in_stamp[0])


def render_batch(
    *,
    theta_e: Any,
    q: Any,
    phi: Any,
    gamma: Any,
    phi_gamma: Any,
    lens_x: Any,
    lens_y: Any,
    flux: Any,
    r_eff: Any,
    n_sersic: Any,
    src_q: Any,
    src_phi: Any,
    src_x: Any,
    src_y: Any,
    psf_fwhm: Any = None,
    center_x: Any,
    center_y: Any,
    psf_image: Any = None,
    kind: str = "moffat",
    beta: Any = DEFAULT_BETA,
    n_pix: int = 64,
    pixel_scale: float = 0.262,
) -> RenderedBatch:
    """Images of n systems, from columns of length n.

    Lens: theta_e arcsec, q, phi rad, gamma, phi_gamma rad, lens_x, lens_y arcsec (see `Lens`).
    Source: flux [n, band] nanomaggies, r_eff arcsec, n_sersic, src_q, src_phi rad, src_x, src_y arcsec (see
    `Source`).
    PSF: psf_fwhm [n, band] arcsec, kind "moffat" or "gaussian" for all, beta a number or a column (see
    `Psf`); or psf_image [band, side, side], the same for all rows (see `Psf.from_images`).
    center_x, center_y: arcsec (see `render`).

    The GIL is released and no thread is started. Rows do not influence each other: any split of the columns
    gives the same bytes. Rows with the same PSF next to each other are faster.

    Raises ValueError (column, row and value named) for anything outside the documented ranges, and for a
    source too far from its lens; warns of slow rows (limits.py).
    """
    n_pix = _validate.integer("n_pix", n_pix, 8, MAX_PIXELS)
    pixel_scale = _validate.number("pixel_scale", pixel_scale, *_PIXEL_SCALE_RANGE)
    _validate.choice("kind", kind, psf.KINDS)
    n = _length("theta_e", theta_e)
    position, angle = lens.LENS_POSITION_RANGE, _validate.ANGLE_RANGE
    lens_columns = {
        "theta_e": (theta_e, lens.THETA_E_RANGE),
        "q": (q, lens.LENS_AXIS_RATIO_RANGE),
        "phi": (phi, angle),
        "gamma": (gamma, lens.GAMMA_RANGE),
        "phi_gamma": (phi_gamma, angle),
        "lens_x": (lens_x, position),
        "lens_y": (lens_y, position),
    }
    source_columns = {
        "r_eff": (r_eff, sersic.R_EFF_RANGE),
        "n_sersic": (n_sersic, sersic.N_SERSIC_RANGE),
        "src_q": (src_q, sersic.AXIS_RATIO_RANGE),
        "src_phi": (src_phi, angle),
        "src_x": (src_x, sersic.POSITION_RANGE),
        "src_y": (src_y, sersic.POSITION_RANGE),
    }
    center_columns = {"center_x": (center_x, _CENTER_RANGE), "center_y": (center_y, _CENTER_RANGE)}
    bands = _bands("flux", flux)
    fluxes = _validate.column("flux", flux, (n, bands), *sersic.FLUX_RANGE)
    if (psf_fwhm is None) == (psf_image is None):
        raise ValueError("psf_fwhm must be given, or psf_image, and not both")
    systems = _Systems(
        _matrix(lens_columns, n), _matrix(source_columns, n), _matrix(center_columns, n), fluxes, n_pix,
        pixel_scale,
    )  # fmt: skip
    limits.refuse_far_sources(systems.lenses, systems.sources)
    if psf_image is not None:
        return _render_images(systems, _psf_images(psf_image, bands))
    widths = _validate.column(
        "psf_fwhm", psf_fwhm, (n, bands), MIN_FWHM_PIXELS * pixel_scale, MAX_FWHM_STAMPS * n_pix * pixel_scale
    )
    betas = _validate.column(
        "beta", np.broadcast_to(beta, (n,)) if np.ndim(beta) == 0 else beta, (n,), *psf.BETA_RANGE
    )
    return _render(systems, _Psfs(widths, kind, betas))


def _length(name: str, values: Any) -> int:
    if np.ndim(values) != 1:
        raise ValueError(f"{name} must be a column (one dimension), got shape {np.shape(values)}")
    return len(values)


def _bands(name: str, values: Any) -> int:
    shape = np.shape(values)
    if len(shape) != 2 or shape[1] == 0:
        raise ValueError(f"{name} must have shape (n, band), got {shape}")
    return int(shape[1])


def _matrix(columns: dict[str, tuple[Any, tuple[float, float]]], n: int) -> np.ndarray:
    """Validated columns side by side, float64 [n, column]."""
    checked = [_validate.column(name, values, (n,), *limits) for name, (values, limits) in columns.items()]
    return np.stack(checked, axis=1)


def _psf_images(values: Any, bands: int) -> np.ndarray:
    images = psf.psf_images("psf_image", values)
    if len(images) != bands:
        raise ValueError(f"psf_image must have one image for each of {bands} bands, got {len(images)}")
    return images


class _Systems(NamedTuple):
    """Validated columns: lenses, sources, centers as in `rays.prepare` and `render`, fluxes [n, band]."""

    lenses: np.ndarray
    sources: np.ndarray
    centers: np.ndarray
    fluxes: np.ndarray
    n_pix: int
    pixel_scale: float

    def empty(self) -> RenderedBatch:
        """Room for their images."""
        n, bands = self.fluxes.shape
        image = np.empty((n, bands, self.n_pix, self.n_pix), np.float32)
        return RenderedBatch(image, np.empty(n), np.empty((n, bands)))


class _Psfs(NamedTuple):
    """Validated: the PSF of each row and band."""

    widths: np.ndarray
    kind: str
    betas: np.ndarray


#: Renders the rows of a mask, each to its tolerance, with this part of what the PSF usually leaves out, and
#: adds up the rays of each.
_Pass = Callable[[np.ndarray, np.ndarray, float, np.ndarray], None]


def _tolerances(sources: np.ndarray) -> np.ndarray:
    """Of each source, in units of its flux: see BROAD and RIDGE."""
    r_eff, n_sersic, q = sources[:, 0], sources[:, 1], sources[:, 2]
    broad = np.where(n_sersic < 1.0, BROAD_EDGED, BROAD)
    ridge = np.where(n_sersic > CUSPY, np.clip((q / RIDGE) ** 3, RIDGED, 1.0), 1.0)
    return np.asarray(TOLERANCE * np.clip((broad / r_eff) ** 2, FAINTEST, 1.0) * ridge)


def _in_two_passes(render_within: _Pass, systems: _Systems, result: RenderedBatch) -> None:
    """Render all systems, then those again whose errors weigh more than most (see LITTLE)."""
    tolerances = _tolerances(systems.sources)
    shot = np.zeros(len(tolerances), np.int64)
    render_within(np.ones(len(tolerances), bool), tolerances, 1.0, shot)
    share = result.flux_in_stamp.min(axis=1)
    faint = share < LITTLE
    if faint.any():
        render_within(faint, tolerances * FAINT * np.clip(share, LEAST, 1.0) ** 2, GRID, shot)
    limits.warn_of_slow_rows(shot)


def _render_images(systems: _Systems, images: np.ndarray) -> RenderedBatch:
    result = systems.empty()
    g = geometry(systems.n_pix, pixel_psf.STEPS, pixel_psf.pad_of(images))
    constants = row_constants(g, systems.pixel_scale)

    def render_within(chosen: np.ndarray, tolerances: np.ndarray, _: float, shot: np.ndarray) -> None:
        pixel_psf.render_pixel_rows(
            np.flatnonzero(chosen), *systems[:4], images, g, constants, tolerances, result.image,
            result.magnification, result.flux_in_stamp, shot,
        )  # fmt: skip

    _in_two_passes(render_within, systems, result)
    return result


def _render(systems: _Systems, psfs: _Psfs) -> RenderedBatch:
    result = systems.empty()
    reach = _reach(systems.lenses, systems.sources, systems.centers) / systems.pixel_scale

    def render_within(chosen: np.ndarray, tolerances: np.ndarray, left_out: float, shot: np.ndarray) -> None:
        _render_within(chosen, tolerances, left_out, systems, psfs, reach, result, shot)

    _in_two_passes(render_within, systems, result)
    if psfs.kind == "moffat":
        limit = 0.5 * systems.n_pix + FAR_PAD
        for row in np.flatnonzero(reach > limit).tolist():
            _add_far_light(row, limit * systems.pixel_scale, systems, psfs, result)
    return result


def _render_within(
    chosen: np.ndarray,
    tolerances: np.ndarray,
    left_out: float,
    systems: _Systems,
    psfs: _Psfs,
    reach: np.ndarray,
    result: RenderedBatch,
    shot: np.ndarray,
) -> None:
    """Render the chosen rows (a mask) into the result, each to its tolerance.

    left_out: part of what of the PSF is usually left out. reach: `_reach` in pixels. shot: rays, added up.
    """
    (widths, kind, betas), n_pix, pixel_scale = psfs, systems.n_pix, systems.pixel_scale
    extent = _extent(systems.sources) / pixel_scale
    moffat = kind == "moffat"
    for beta in np.unique(betas[chosen]) if moffat else betas[:1]:
        mine = chosen & (betas == beta) if moffat else chosen
        scales = psf.fourier_scale(kind, widths, float(beta))
        floor = left_out * DENSITY_FLOOR
        densities, pads = _groups(kind, float(beta), scales / pixel_scale, reach, extent, n_pix, floor)
        wrapped = np.empty(scales.shape)
        for steps, pad in sorted(set(zip(densities[mine].tolist(), pads[mine].tolist(), strict=True))):
            g = geometry(n_pix, steps, pad)
            rows = np.flatnonzero(mine & (densities == steps) & (pads == pad))
            wrapped[rows] = psf.wrapped_flux(kind, scales[rows], float(beta), g.period * pixel_scale)
            render_rows(
                rows, *systems[:4], scales, wrapped, kind, float(beta), g, row_constants(g, pixel_scale),
                tolerances, left_out, result.image, result.magnification, result.flux_in_stamp, shot,
            )  # fmt: skip


def _add_far_light(row: int, limit: float, systems: _Systems, psfs: _Psfs, result: RenderedBatch) -> None:
    """Add to a row what an image farther than `limit` (arcsec) from the stamp's middle scatters into it."""
    place = far.far_image(systems.lenses[row], systems.sources[row], systems.centers[row], limit)
    if place is None:
        return
    for band, flux in enumerate(systems.fluxes[row]):
        fwhm, beta = float(psfs.widths[row, band]), float(psfs.betas[row])
        stray = far.wing(place, fwhm, beta, systems.n_pix, systems.pixel_scale)
        result.image[row, band] += (flux * result.magnification[row] * stray).astype(np.float32)
        result.flux_in_stamp[row, band] += stray.sum()


def _reach(lenses: np.ndarray, sources: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """How far from the stamp's middle the bulk of the light may lie along an axis, arcsec.

    The source's distance, and from there the deflection, at most 1.3 theta_e, and what the shear, whose
    origin is the lens, makes of both.
    """
    gamma, position = lenses[:, 3], sources[:, 4:6]
    away = np.abs(position + centers).max(axis=1)
    moved = gamma * np.hypot(*(position - lenses[:, 5:7]).T) + 1.3 * lenses[:, 0]
    return np.asarray(away + moved / (1.0 - gamma))


def _extent(sources: np.ndarray) -> np.ndarray:
    """Two half-light radii along the major axis, arcsec."""
    return np.asarray(2.0 * sources[:, 0] / np.sqrt(sources[:, 2]))


def _groups(
    kind: str,
    beta: float,
    scales: np.ndarray,
    reach: np.ndarray,
    extent: np.ndarray,
    n_pix: int,
    floor: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Density and pad of each row: its sharpest band decides on the one, its broadest on the other, which
    images beside the stamp make wider, and a Moffat's wings widest.

    scales: `psf.fourier_scale` in pixels, [n, band]. reach, extent: `_reach`, `_extent` in pixels. floor: see
    gridding.DENSITY_FLOOR.
    """
    cutoff = psf.cutoff(kind, beta, floor) / (2.0 * np.pi * scales.min(axis=1))
    broadest = scales.max(axis=1)
    pads = np.zeros(len(scales), np.int64)
    for pad, most_wrapped, beside in reversed(PADS):
        wrapped = psf.wrapped_flux(kind, broadest, beta, n_pix + 3.0 * pad)
        pads[(wrapped <= most_wrapped) & (reach + extent < 0.5 * n_pix + beside)] = pad
    pads[reach > 0.5 * n_pix] = FAR_PAD if kind == "moffat" else PADS[-1][0]
    return density(cutoff), pads
