"""The tangent-plane (TAN) projection of the survey's coadds, in numpy alone.

Calabretta & Greisen 2002, A&A 395, 1077, sections 2.4 and 5.1.3. Pixel coordinates count from 0 at the centre
of the first pixel (FITS counts from 1). `astropy.wcs` is the oracle in the tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survey.layout import PIXEL_SCALE

_SCALE_TOLERANCE = 1e-4
_CARDS = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2")


@dataclass(frozen=True)
class TanWCS:
    """North up, east to the left, square pixels.

    Attributes
    ----------
    ra0, dec0 : float
        Tangent point (CRVAL), degrees.
    x0, y0 : float
        Pixel of the tangent point, counted from 0 (CRPIX - 1).
    scale_arcsec : float
        Pixel scale, arcsec.
    """

    ra0: float
    dec0: float
    x0: float
    y0: float
    scale_arcsec: float = PIXEL_SCALE

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "TanWCS":
        """Read the projection from a coadd's header.

        Raises
        ------
        ValueError
            If it is not a TAN projection, north up, at the survey's pixel scale.

        Notes
        -----
        The matrix is CD, or PC (by default that of no rotation) times CDELT: section 2.1.2 of paper I.
        """
        kinds = (str(header.get("CTYPE1", "")).strip(), str(header.get("CTYPE2", "")).strip())
        if kinds != ("RA---TAN", "DEC--TAN"):
            raise ValueError(f"projection {kinds} where RA---TAN, DEC--TAN is expected")
        missing = [card for card in _CARDS if card not in header]
        if missing:
            raise ValueError(f"no {', '.join(missing)} in the header")
        steps = _steps(header)
        expected = np.array([-PIXEL_SCALE, 0.0, 0.0, PIXEL_SCALE]) / 3600.0
        if not np.all(np.abs(steps - expected) < _SCALE_TOLERANCE * PIXEL_SCALE / 3600.0):
            raise ValueError(f"CD matrix {steps.tolist()} where {expected.tolist()} is expected")
        ra0, dec0, x0, y0 = (_number(header[card]) for card in _CARDS)
        if not (abs(ra0) <= 360.0 and abs(dec0) <= 90.0 and np.isfinite([x0, y0]).all()):
            raise ValueError(f"CRVAL {ra0}, {dec0}, CRPIX {x0}, {y0} where degrees and pixels are expected")
        pole = _number(header.get("LONPOLE", _DEFAULT_POLE if dec0 < 90.0 else 0.0))
        if pole != (_DEFAULT_POLE if dec0 < 90.0 else 0.0):
            raise ValueError(f"LONPOLE {pole:g} where a projection without is expected")
        return cls(ra0, dec0, x0 - 1.0, y0 - 1.0, scale_arcsec=float(steps[3]) * 3600.0)

    def to_header(self) -> dict[str, float | str]:
        """Give the header cards of this projection."""
        step = self.scale_arcsec / 3600.0
        return {
            "CTYPE1": "RA---TAN",
            "CTYPE2": "DEC--TAN",
            "CRVAL1": self.ra0,
            "CRVAL2": self.dec0,
            "CRPIX1": self.x0 + 1.0,
            "CRPIX2": self.y0 + 1.0,
            "CD1_1": -step,
            "CD1_2": 0.0,
            "CD2_1": 0.0,
            "CD2_2": step,
        }

    def close_to(self, other: "TanWCS") -> bool:
        """Say whether two projections agree to a thousandth of a pixel."""
        tight = 1e-3 * self.scale_arcsec / 3600.0
        return (
            abs(self.ra0 - other.ra0) < tight
            and abs(self.dec0 - other.dec0) < tight
            and abs(self.x0 - other.x0) < 1e-3
            and abs(self.y0 - other.y0) < 1e-3
        )

    def to_pixel(self, ra: ArrayLike, dec: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Project the sky onto pixels.

        Parameters
        ----------
        ra, dec : array_like
            Degrees. Points 90 deg or more from the tangent point give NaN.

        Returns
        -------
        x, y : ndarray
            Pixel coordinates from 0.
        """
        da = np.radians(np.asarray(ra, dtype=np.float64) - self.ra0)
        d, d0 = np.radians(np.asarray(dec, dtype=np.float64)), np.radians(self.dec0)
        depth = np.sin(d) * np.sin(d0) + np.cos(d) * np.cos(d0) * np.cos(da)
        depth = np.where(depth > 0.0, depth, np.nan)
        xi = np.cos(d) * np.sin(da) / depth
        eta = (np.sin(d) * np.cos(d0) - np.cos(d) * np.sin(d0) * np.cos(da)) / depth
        step = self._step
        return self.x0 - xi / step, self.y0 + eta / step

    def to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the sky position of pixels (counted from 0): right ascension in [0, 360) and dec, degrees."""
        step = self._step
        xi = (self.x0 - np.asarray(x, dtype=np.float64)) * step
        eta = (np.asarray(y, dtype=np.float64) - self.y0) * step
        d0 = np.radians(self.dec0)
        depth = np.cos(d0) - eta * np.sin(d0)
        ra = self.ra0 + np.degrees(np.arctan2(xi, depth))
        dec = np.degrees(np.arctan2(np.sin(d0) + eta * np.cos(d0), np.hypot(xi, depth)))
        wrapped = np.mod(ra, 360.0)
        return np.where(wrapped >= 360.0, 0.0, wrapped), dec

    @property
    def _step(self) -> float:
        """Radians a pixel; negative at CRVAL2 = 90, where the standard's LONPOLE is 0: half a turn."""
        step = float(np.radians(self.scale_arcsec / 3600.0))
        return step if self.dec0 < 90.0 else -step


_MATRIX = ((1, 1), (1, 2), (2, 1), (2, 2))
_DEFAULT_POLE = 180.0


def _steps(header: Mapping[str, Any]) -> NDArray[np.float64]:
    """Give the matrix from pixels to degrees, as (11, 12, 21, 22); elements that are absent are 0."""
    if any(f"CD{i}_{j}" in header for i, j in _MATRIX):
        return np.array([_number(header.get(f"CD{i}_{j}", 0.0)) for i, j in _MATRIX])
    if not ("CDELT1" in header and "CDELT2" in header):
        raise ValueError("no CD1_1 and no CDELT1 in the header")
    turned = ((header.get(f"PC{i}_{j}", float(i == j)), header[f"CDELT{i}"]) for i, j in _MATRIX)
    return np.array([_number(pc) * _number(delta) for pc, delta in turned])


def _number(value: Any) -> float:
    """Read a header's number; its exponent may be written with a D (FITS standard 4.0, 4.2.4)."""
    return float(str(value).upper().replace("D", "E"))
