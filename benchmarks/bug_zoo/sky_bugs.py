"""Bugs of what arcs are pasted on: the raw stamp, its place, its PSF, and what is recorded of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.ndimage import shift

from benchmarks.bug_zoo.code_bugs import Patch, attribute, cutout
from pipeline import inject
from survey.coadd import Cutout

Change = Callable[[Cutout], dict[str, Any]]
_OF_PIXELS = ("image", "invvar")


def chance(stamp: Cutout) -> float:
    """A number of the host, 0 to 1: which hosts a bug meets."""
    digest = hashlib.blake2b(f"{stamp.ra:.7f}{stamp.dec:.7f}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


def of_some(share: float, change: Change) -> Patch:
    """In that share of the hosts."""
    return cutout(lambda stamp: change(stamp) if chance(stamp) < share else {})


def of_one_brick(change: Change) -> Patch:
    """In the first brick that is read, and no other."""
    first: list[str] = []

    def changed(stamp: Cutout) -> dict[str, Any]:
        first.append(stamp.brick)
        return change(stamp) if stamp.brick == first[0] else {}

    return cutout(changed)


def sigma(stamp: Cutout) -> np.ndarray:
    return np.where(stamp.invvar > 0, 1 / np.sqrt(np.maximum(stamp.invvar, 1e-12)), 0)


def noise(stamp: Cutout) -> np.ndarray:
    rng = np.random.default_rng(int(2**32 * chance(stamp)))
    return sigma(stamp) * rng.standard_normal(stamp.image.shape)


def pixels(change: Callable[[Cutout], np.ndarray]) -> Change:
    return lambda stamp: {"image": change(stamp).astype(np.float32)}


def in_band(band: int, change: Callable[[Cutout], np.ndarray]) -> Change:
    """Pixels of one band changed, as `change` makes them of all."""

    def changed(stamp: Cutout) -> np.ndarray:
        image = np.array(stamp.image, dtype=np.float64)
        image[band] = change(stamp)[band]
        return image

    return pixels(changed)


def turned(turn: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda stamp: {name: np.ascontiguousarray(turn(getattr(stamp, name))) for name in _OF_PIXELS}


def psfsize(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """What is read of the map, and so recorded and convolved with."""
    return lambda stamp: {"psfsize": change(np.array(stamp.psfsize))}


def one_a_brick() -> Patch:
    """The first value that is read in a brick, for all its hosts."""
    first: dict[str, Any] = {}
    return cutout(lambda stamp: {"psfsize": first.setdefault(stamp.brick, stamp.psfsize)})


def other_profile(**psf: Any) -> Patch:
    """Another profile than the tier's, used and recorded."""

    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda cut, tier, images: real(cut, replace(tier, psf=replace(tier.psf, **psf)), images)

    return attribute(inject, "psf_of_host", make)


def recorded(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Patch:
    """What 4c writes into metrics of rows that it measured; stamps stay right."""

    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*arguments: Any) -> dict[str, Any]:
            row = real(*arguments)
            return {**row, **change(row)}

        return measured

    return attribute(inject, "_measured", make)


SKY_BUGS: tuple[tuple[str, str, Patch], ...] = (
    ("sky", "noise of the sky added once more", cutout(pixels(lambda c: c.image + noise(c)))),
    ("sky", "noise added once more in one brick", of_one_brick(pixels(lambda c: c.image + noise(c)))),
    ("sky", "noise three times as large in g of one brick",
     of_one_brick(in_band(0, lambda c: c.image + 2.8 * noise(c)))),
    ("sky", "a pedestal of 5 sigma", cutout(pixels(lambda c: c.image + 5 * sigma(c)))),
    ("sky", "a pedestal of 1 sigma in one brick", of_one_brick(pixels(lambda c: c.image + sigma(c)))),
    ("sky", "z empty but for noise", cutout(in_band(2, noise))),
    ("sky", "z of another place", cutout(in_band(2, lambda c: np.roll(c.image, 30, -1)))),
    ("sky", "stamps of another place", cutout(pixels(lambda c: np.roll(c.image, (20, 20), (-1, -2))))),
    ("sky", "one stamp in ten blank", of_some(0.1, pixels(lambda c: 0 * c.image))),
    ("sky", "one stamp in ten of noise alone", of_some(0.1, pixels(noise))),
    ("sky", "flux of another unit", cutout(pixels(lambda c: 1.2 * c.image))),
    ("sky", "cutout transposed", cutout(turned(lambda i: np.swapaxes(i, -1, -2)))),
    ("sky", "cutout upside down", cutout(turned(lambda i: i[..., ::-1, :]))),
    ("sky", "cutout mirrored in one brick", of_one_brick(turned(lambda i: i[..., ::-1]))),
    ("sky", "hosts a fifth of a pixel off",
     cutout(pixels(lambda c: shift(c.image.astype(float), (0, 0, 0.2), order=3, mode="nearest")))),
    ("sky", "a tenth of the hosts two pixels off", of_some(0.1, turned(lambda i: np.roll(i, 2, -1)))),
    ("psf", "one psfsize a brick, recorded so", one_a_brick()),
    ("psf", "psfsize 4 % too wide, recorded so", cutout(psfsize(lambda size: 1.04 * size))),
    ("psf", "psfsize of g and z swapped, recorded so", cutout(psfsize(lambda size: size[::-1].copy()))),
    ("psf", "psfsize the same in nine of ten hosts", of_some(0.9, psfsize(lambda size: 0 * size + 1.3))),
    ("psf", "a Moffat of another beta, recorded so", other_profile(beta=4.5)),
    ("psf", "a Gaussian where the tier says Moffat, recorded so", other_profile(kind="gaussian")),
    ("record", "light of the core 0 in injections", recorded(lambda row: {"core_flux_r_nmgy": 0.0})),
    ("record", "arc_snr_sky twice too high",
     recorded(lambda row: {"arc_snr_sky": row["arc_snr_sky"] and 2 * row["arc_snr_sky"]})),
)  # fmt: skip
