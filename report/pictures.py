"""Stamps as pictures: grz to colour with an asinh stretch, north up, PNG data URIs."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# The sky viewer's stretch of the Legacy Surveys (Lupton et al. 2004): weights of g, r, z before the asinh.
WEIGHTS = np.array([6.0, 3.4, 2.2])
FLOOR, SOFTENING = 0.03, 20.0
GAINS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)  # a difference is scaled by one; captions say which

Stamp = NDArray[np.float32]
Colours = NDArray[np.uint8]


def decode(data: bytes, n_pix: int) -> Stamp:
    """The bytes of `image` or `raw_image` as (3, n_pix, n_pix); ValueError where they do not fit."""
    return np.frombuffer(data, dtype="<f4").reshape(3, n_pix, n_pix)


def colours(stamp: Stamp, floor: float = FLOOR) -> Colours:
    """(n, n, 3) red-green-blue of a (g, r, z) stamp. The first row of the picture is the northern edge.

    The stamp's own row 0 is its southern edge, so rows are turned over here and nowhere else.
    """
    weighted = np.nan_to_num(stamp.astype(float)) * WEIGHTS[:, None, None] + floor
    mean = np.maximum(weighted, 0).mean(axis=0)
    stretched = np.arcsinh(SOFTENING * mean) / np.sqrt(SOFTENING)
    bands = np.clip(weighted * (stretched / np.maximum(mean, 1e-9)), 0, 1)
    rgb = bands[::-1].transpose(1, 2, 0)  # z, r, g are red, green, blue
    return np.asarray((rgb[::-1] * 255).round(), dtype=np.uint8)


def gain_of(injected: Stamp, raw: Stamp) -> float:
    """The first of GAINS that makes the brightest of the difference clearly seen; 1 where there is none."""
    change = np.nan_to_num(injected.astype(float) - raw.astype(float))
    peak = float((change * WEIGHTS[:, None, None]).mean(axis=0).max())
    return next((g for g in GAINS if g * peak >= 0.3), GAINS[-1]) if peak > 0 else 1


def difference(injected: Stamp, raw: Stamp, gain: float) -> Colours:
    """Injected minus raw, times `gain`, in the stretch of the stamps. Black is no difference."""
    change = np.nan_to_num(injected.astype(float) - raw.astype(float))
    return colours((change * gain).astype(np.float32), floor=0.0)


def stretched_grey(flux_r: float) -> float:
    """How bright (0 to 1) a pixel of the survey's mean colour is shown, by its flux in r (nmgy): the scale of
    every stamp.
    """
    mean = max(0.0, flux_r * float(WEIGHTS[1]) + FLOOR)
    return min(1.0, float(np.arcsinh(SOFTENING * mean) / np.sqrt(SOFTENING)))


def png(picture: Colours) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture, "RGB").save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def data_uri(picture: Colours) -> str:
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode("ascii")
