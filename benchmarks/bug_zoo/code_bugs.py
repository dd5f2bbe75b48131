"""Bugs in code: each is a patch of the pipeline under which a small run is made and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np

from pipeline import inject, rows
from survey.coadd import BrickReader, Cutout

Arguments = dict[str, Any]
Patch = Callable[[], Any]
QUARTER = np.pi / 2
PIXEL = 0.262


class NotPlantedError(Exception):
    """The code that a bug changes was never called: the bug shows nothing of the gate."""


@contextmanager
def replaced(owner: Any, name: str, make: Callable[[Any], Callable[..., Any]]) -> Iterator[None]:
    """make(the real one) in its place; NotPlantedError if nobody called it."""
    wrong, calls = make(getattr(owner, name)), []

    def counted(*arguments: Any, **named: Any) -> Any:
        calls.append(None)
        return wrong(*arguments, **named)

    with mock.patch.object(owner, name, counted):
        yield
    if not calls:
        raise NotPlantedError(f"{name} was never called; plant the bug where the code is now")


def attribute(owner: Any, name: str, make: Callable[[Any], Callable[..., Any]]) -> Patch:
    """Another function in the place of one of ours."""
    return lambda: replaced(owner, name, make)


def into_renderer(change: Callable[[Arguments], Arguments]) -> Patch:
    """What the renderer is given is changed; the manifest and the records stay right."""
    return attribute(inject, "render_batch", lambda real: lambda **a: real(**{**a, **change(a)}))


def out_of_renderer(change: Callable[[Any, Arguments], dict[str, np.ndarray]]) -> Patch:
    """What the renderer returns is changed: image (task, band, y, x), magnification, flux_in_stamp."""

    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def wrong(**arguments: Any) -> Any:
            arcs = real(**arguments)
            return replace(arcs, **change(arcs, arguments))

        return wrong

    return attribute(inject, "render_batch", make)


def image(change: Callable[[np.ndarray], np.ndarray]) -> Patch:
    return out_of_renderer(lambda arcs, _: {"image": np.ascontiguousarray(change(arcs.image))})


def cutout(change: Callable[[Cutout], dict[str, Any]]) -> Patch:
    """What is read from the sky is changed."""

    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def wrong(self: BrickReader, *arguments: Any) -> Iterator[tuple[int, Any]]:
            for index, stamp in real(self, *arguments):
                cut = isinstance(stamp, Cutout)
                yield index, replace(stamp, **change(stamp)) if cut else stamp

        return wrong

    return attribute(BrickReader, "cut_all", make)


def with_noise(patch: Patch) -> Patch:
    """The same on light that has Poisson noise, which the small tier's has not."""

    @contextmanager
    def both() -> Iterator[None]:
        real = inject.tier_of
        noisy = mock.patch.object(
            inject, "tier_of", lambda request: replace(real(request), poisson_noise=True)
        )
        with noisy, patch():
            yield

    return both


def of_noise(name: str, make: Callable[[Any], Any]) -> Patch:
    """Another function in the place of one of those that make the noise, on light that has it."""
    return with_noise(attribute(inject, name, make))


def _scattered(arcs: Any, _: Arguments) -> dict[str, np.ndarray]:
    """Pixel-centre sampling: light off by a factor that depends on the sub-pixel phase, as if by chance."""
    factor = np.exp(np.random.default_rng(1).normal(0, 0.17, len(arcs.magnification)))
    return {"image": arcs.image * factor[:, None, None, None], "magnification": arcs.magnification * factor}


def _renormalised(arcs: Any, _: Arguments) -> dict[str, np.ndarray]:
    return {"image": arcs.image / arcs.magnification[:, None, None, None]}


def _proxy(arcs: Any, a: Arguments) -> dict[str, np.ndarray]:
    return {"magnification": np.full_like(arcs.magnification, 1 / (1 - 1 / 1.1))}


def _undersampled(arcs: Any, _: Arguments) -> dict[str, np.ndarray]:
    factor = np.random.default_rng(1).uniform(0.1, 2, len(arcs.magnification))
    return {"magnification": arcs.magnification * factor}


def _clipped(images: np.ndarray) -> np.ndarray:
    out = images.copy()
    out[::50, :, :, 36:] = 0
    return out


def _pixel_twice(images: np.ndarray) -> np.ndarray:
    """A box of a pixel has the second moment 1/12 px^2 on each axis: [1, 22, 1] / 24."""
    for axis in (-1, -2):
        images = 22 / 24 * images + (np.roll(images, 1, axis) + np.roll(images, -1, axis)) / 24
    return images


def _half_precision(images: np.ndarray) -> np.ndarray:
    scale = np.abs(images).max() / 100  # int8 of the largest pixel of the batch
    return np.rint(images / scale) * scale


def source_fluxes(change: Callable[[np.ndarray], np.ndarray]) -> Patch:
    """What the planner makes of the sources' magnitudes is changed, in every band."""

    def wrong(real: Callable[..., Any]) -> Callable[..., Any]:
        def parameters(*arguments: Any) -> Arguments:
            made = real(*arguments)
            return {n: change(v) if n.startswith("src_flux_") else v for n, v in made.items()}

        return parameters

    return attribute(rows, "_parameters", wrong)


def _dmag_subtracted(real: Callable[..., Any]) -> Callable[..., Any]:
    def brightness(
        axes: Arguments, drawn: Arguments, hosts: Any, host: Any, mag_r: Any, tier: Any
    ) -> Arguments:
        return {"src_dmag": axes["src_dmag"], "src_mag_r": mag_r[host] - axes["src_dmag"]}

    return brightness


def _uniform_in_radius(real: Callable[..., Any]) -> Callable[..., Any]:
    def draws(*arguments: Any) -> dict[str, Any]:
        drawn = real(*arguments)
        factor = np.hypot(drawn["src_x_arcsec"], drawn["src_y_arcsec"]) / drawn["theta_e_arcsec"]
        return {**drawn, **{name: drawn[name] * factor for name in ("src_x_arcsec", "src_y_arcsec")}}

    return draws


def _rounder(real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: {**real(*arguments), "lens_e": real(*arguments)["lens_e"] / 2}


def _colour_sign(real: Callable[..., Any]) -> Callable[..., Any]:
    def draws(*arguments: Any) -> dict[str, Any]:
        drawn = real(*arguments)
        return {**drawn, "src_color_r_z": -drawn["src_color_r_z"]}

    return draws


def _frozen(real: Callable[..., Any]) -> Callable[..., Any]:
    def draws(*arguments: Any) -> dict[str, Any]:
        drawn = real(*arguments)
        return {**drawn, "lens_phi_rad": drawn["lens_phi_rad"] / 2, "src_phi_rad": drawn["src_phi_rad"] / 2}

    return draws


def _one_sided(real: Callable[..., Any]) -> Callable[..., Any]:
    def draws(*arguments: Any) -> dict[str, Any]:
        drawn = real(*arguments)
        return {**drawn, "src_x_arcsec": abs(drawn["src_x_arcsec"])}

    return draws


def _noise(stamp: Cutout) -> dict[str, Any]:
    rng = np.random.default_rng(int(1e6 * abs(stamp.ra)))
    sigma = np.where(stamp.invvar > 0, 1 / np.sqrt(np.maximum(stamp.invvar, 1e-12)), 0)
    return {"image": (stamp.image + 3 * sigma * rng.standard_normal(stamp.image.shape)).astype(np.float32)}


def _transposed(stamp: Cutout) -> dict[str, Any]:
    names = ("image", "invvar")
    return {n: np.ascontiguousarray(np.swapaxes(np.roll(getattr(stamp, n), 3, -1), -1, -2)) for n in names}


def _snr_times(factor: float) -> Callable[[Any], Callable[..., Any]]:
    return lambda real: lambda *a: {name: factor * value for name, value in real(*a).items()}


def _pixels_lost(real: Callable[..., Any]) -> Callable[..., Any]:
    """In a hundredth of the rows."""

    def row(task: dict[str, Any], *arguments: Any) -> dict[str, Any]:
        made = real(task, *arguments)
        lost = task["task_seed64"] % 100 == 0
        return {**made, "image": bytes(len(made["image"]))} if lost else made

    return row


def _nan_in_a_corner(real: Callable[..., Any]) -> Callable[..., Any]:
    def pixels(image: np.ndarray) -> bytes:
        spoiled = image.copy()
        spoiled[0, 0, :5] = np.nan
        return bytes(real(spoiled))

    return pixels


def _of_this_run(images: np.ndarray) -> np.ndarray:
    """Noise whose seed is the clock's: a millionth of the light, which no other check can see."""
    return images * (1 + 1e-6 * np.random.default_rng().standard_normal(images.shape))


# What shows on a second run alone: the first one is made without it.
RERUN_BUGS: tuple[tuple[str, str, Patch], ...] = (
    ("noise", "random numbers seeded by the clock", image(_of_this_run)),
)
BRICKS = {"masks of zeros": 9}  # bugs that need more bricks than the rest, by the check's stated power

# family, name, patch
BUGS: tuple[tuple[str, str, Patch], ...] = (
    ("physics", "pixel-centre sampling", out_of_renderer(_scattered)),
    ("physics", "flux renormalised after lensing", out_of_renderer(_renormalised)),
    ("physics", "magnification from a proxy at 1.1 theta_E", out_of_renderer(_proxy)),
    ("physics", "magnification undersampled", out_of_renderer(_undersampled)),
    ("physics", "no lensing", into_renderer(lambda a: {"theta_e": 0 * a["theta_e"] + 1e-3})),
    ("physics", "shear sign", into_renderer(lambda a: {"phi_gamma": (a["phi_gamma"] + QUARTER) % np.pi})),
    ("physics", "shear dropped", into_renderer(lambda a: {"gamma": 0 * a["gamma"]})),
    ("physics", "shear angle not doubled", into_renderer(lambda a: {"phi_gamma": a["phi_gamma"] / 2})),
    ("physics", "lens angle + 90 degrees", into_renderer(lambda a: {"phi": (a["phi"] + QUARTER) % np.pi})),
    ("physics", "lens ellipticity ignored", into_renderer(lambda a: {"q": 0 * a["q"] + 1})),
    ("physics", "e taken as 1 - q", into_renderer(lambda a: {"q": 1 - (1 - a["q"]) / (1 + a["q"])})),
    ("physics", "SIE without sqrt(q)", into_renderer(lambda a: {"theta_e": a["theta_e"] / np.sqrt(a["q"])})),
    ("physics", "source angle + 90 degrees", into_renderer(lambda a: {"src_phi": a["src_phi"] + QUARTER})),
    (
        "physics",
        "r_eff on the major axis",
        into_renderer(lambda a: {"r_eff": a["r_eff"] * np.sqrt(a["src_q"])}),
    ),
    ("physics", "Sersic index 4 for 1", into_renderer(lambda a: {"n_sersic": 0 * a["n_sersic"] + 4})),
    ("physics", "Gaussian PSF for a Moffat", into_renderer(lambda a: {"kind": "gaussian"})),
    ("physics", "pixel response twice", image(_pixel_twice)),
    ("physics", "PSF that sums to 0.95", image(lambda i: 0.95 * i)),
    ("physics", "another band's PSF", into_renderer(lambda a: {"psf_fwhm": np.roll(a["psf_fwhm"], 1, 1)})),
    (
        "units",
        "lens angle in degrees taken as radians",
        into_renderer(lambda a: {"phi": np.degrees(a["phi"]) % np.pi}),
    ),
    ("units", "theta_E in pixels", into_renderer(lambda a: {"theta_e": a["theta_e"] * PIXEL})),
    ("units", "r_eff in pixels", into_renderer(lambda a: {"r_eff": a["r_eff"] / PIXEL})),
    (
        "units",
        "source offsets in pixels",
        into_renderer(lambda a: {"src_x": a["src_x"] / PIXEL, "src_y": a["src_y"] / PIXEL}),
    ),
    ("units", "FWHM taken as sigma", into_renderer(lambda a: {"psf_fwhm": a["psf_fwhm"] * 2.3548})),
    ("units", "psfsize taken as FWHM", into_renderer(lambda a: {"psf_fwhm": a["psf_fwhm"] / 0.76})),
    ("units", "FWHM in pixels", into_renderer(lambda a: {"psf_fwhm": a["psf_fwhm"] / PIXEL})),
    ("units", "flux per arcsec^2 for flux per pixel", image(lambda i: i / PIXEL**2)),
    ("units", "gain of 0.98", image(lambda i: 0.98 * i)),
    ("units", "zero point 25", source_fluxes(lambda flux: flux * 10)),
    ("units", "sign of dmag", attribute(rows, "_grid_brightness", _dmag_subtracted)),
    (
        "units",
        "host flux without zero point",
        attribute(rows, "log10", lambda real: lambda x: real(x) - 1),
    ),
    ("geometry", "half a pixel", into_renderer(lambda a: {"center_x": a["center_x"] + PIXEL / 2})),
    (
        "geometry",
        "host's sub-pixel offset ignored",
        into_renderer(lambda a: {"center_x": 0 * a["center_x"], "center_y": 0 * a["center_y"]}),
    ),
    (
        "geometry",
        "offset with the wrong sign",
        into_renderer(lambda a: {"center_x": -a["center_x"], "center_y": -a["center_y"]}),
    ),
    ("geometry", "x and y of the arcs swapped", image(lambda i: np.swapaxes(i, -1, -2))),
    ("geometry", "arcs upside down", image(lambda i: i[..., ::-1, :])),
    (
        "geometry",
        "source x and y swapped",
        into_renderer(lambda a: {"src_x": a["src_y"], "src_y": a["src_x"]}),
    ),
    (
        "geometry",
        "world coordinates off by a pixel",
        cutout(lambda c: {n: np.roll(getattr(c, n), 1, -1) for n in ("image", "invvar")}),
    ),
    ("geometry", "cutout transposed and shifted", cutout(_transposed)),
    ("geometry", "2 % of the stamps clipped", image(_clipped)),
    ("data", "bands swapped", image(lambda i: i[:, [2, 1, 0]])),
    ("data", "injected twice", image(lambda i: 2 * i)),
    ("data", "every arc the first one", image(lambda i: np.broadcast_to(i[:1], i.shape))),
    ("data", "arcs of the next row", image(lambda i: np.roll(i, 1, axis=0))),
    ("data", "arcs in r alone", image(lambda i: i * np.array([0, 1, 0])[:, None, None])),
    ("data", "position angles over half their range", attribute(rows, "_grid_draws", _frozen)),
    ("data", "sources on one side", attribute(rows, "_grid_draws", _one_sided)),
    ("data", "source radius uniform in r", attribute(rows, "_grid_draws", _uniform_in_radius)),
    ("data", "lenses rounder than the prior's", attribute(rows, "_grid_draws", _rounder)),
    ("data", "sign of the colour r - z", attribute(rows, "_grid_draws", _colour_sign)),
    ("masks", "bits inverted", attribute(inject, "flagged", lambda real: lambda *a: ~real(*a))),
    ("masks", "masks of zeros", cutout(lambda c: {"maskbits": 0 * c.maskbits})),
    ("masks", "no mask read", attribute(inject, "flagged", lambda real: lambda *a: 0 * real(*a) > 1)),
    ("noise", "invvar taken as sigma", cutout(lambda c: {"invvar": np.sqrt(c.invvar)})),
    (
        "noise",
        "invvar taken as variance",
        cutout(lambda c: {"invvar": np.where(c.invvar > 0, 1 / np.maximum(c.invvar, 1e-9), 0)}),
    ),
    ("noise", "noise added to the sky", cutout(_noise)),
    (
        "noise",
        "SNR of the whole stamp",
        attribute(inject, "matched_filter_snr", lambda real: lambda s, v, g: 30 * real(s, v, g)),
    ),
    ("noise", "every SNR halved", attribute(inject, "_snr", _snr_times(0.5))),
    ("noise", "every SNR doubled", attribute(inject, "_snr", _snr_times(2.0))),
    ("storage", "pixels lost after they were hashed", attribute(inject, "_stamp_row", _pixels_lost)),
    ("storage", "NaN in the stamps", attribute(inject, "_pixels", _nan_in_a_corner)),
    ("storage", "arcs quantised to 8 bits", image(_half_precision)),
    ("noise", "light's noise missing", of_noise("noisy", lambda real: lambda light, *a: light)),
    (
        "noise",
        "light's noise doubled",
        of_noise("noisy", lambda real: lambda light, *a: np.float32(2) * real(light, *a) - light),
    ),
    (
        "noise",
        "light's noise of 0.8 of the gain",
        of_noise("noisy", lambda real: lambda light, gain, seed: real(light, 0.8 * gain, seed)),
    ),
    (
        "noise",
        "light's noise of another band's gain",
        of_noise("noisy", lambda real: lambda light, gain, seed: real(light, np.roll(gain, 1), seed)),
    ),
    (
        "noise",
        "light's gain from invvar taken as sigma",
        of_noise("effective_gain", lambda real: lambda invvar: real(np.sqrt(invvar))),
    ),
    (
        "noise",
        "light's gain of the sky per arcsec^2",
        of_noise("effective_gain", lambda real: lambda invvar: real(invvar) / PIXEL**2),
    ),
    (
        "noise",
        "one noise for the light of every row",
        of_noise("noisy", lambda real: lambda light, gain, _: real(light, gain, 1)),
    ),
    (
        "noise",
        "light's noise not in invvar",
        of_noise("updated_invvar", lambda real: lambda invvar, *_: invvar),
    ),
    (
        "noise",
        "light's noise twice in invvar",
        of_noise("updated_invvar", lambda real: lambda invvar, light, gain: real(invvar, 2 * light, gain)),
    ),
    (
        "storage",
        "hash of other bytes",
        attribute(inject, "_hash64", lambda real: lambda data: real(data[::-1])),
    ),
    (
        "storage",
        "pixels stored big-endian",
        attribute(inject, "_pixels", lambda real: lambda i: i.astype(">f4").tobytes()),
    ),
    (
        "storage",
        "rows and columns stored in Fortran order",
        attribute(inject, "_pixels", lambda real: lambda i: real(np.swapaxes(i, -1, -2))),
    ),
)
