"""What is refused although each of its numbers is in range, and what is warned of."""

import warnings

import numpy as np

#: A source farther from its lens than this many of its minor half-light radii is refused: rays are float32
#: from the lens on, and its magnification would be off by up to 1e-3.
FARTHEST = 12_000.0
#: A row that takes more rays is warned of: a hundred times the usual, 10 ms and more.
MANY_RAYS = 1_000_000


def refuse_far_sources(lenses: np.ndarray, sources: np.ndarray) -> None:
    """Raise ValueError for the first row whose source lies beyond FARTHEST. Rows as in `rays.prepare`."""
    away = np.hypot(*(sources[:, 4:6] - lenses[:, 5:7]).T) + lenses[:, 0]
    radius = sources[:, 0] * np.sqrt(sources[:, 2])
    for row in np.flatnonzero(away > FARTHEST * radius)[:1].tolist():
        raise ValueError(
            f"r_eff[{row}] sqrt(src_q) must be at least 1/{FARTHEST:g} of the distance from the lens "
            f"plus theta_e, {away[row]:.6g} arcsec, got {radius[row]:.3g}: rays are traced from the lens in "
            "single precision. Bring the source nearer (where nothing deflects, the lens to the source)"
        )


def warn_of_slow_rows(shot: np.ndarray) -> None:
    """RuntimeWarning where a row took more than MANY_RAYS. shot: rays of each row."""
    slow = np.flatnonzero(shot > MANY_RAYS)
    if slow.size:
        row = int(shot.argmax())
        warnings.warn(
            f"{slow.size} of {shot.size} rows took more than {MANY_RAYS:,} rays, row {row} the most, "
            f"{shot[row]:,}: compact sources on a caustic, and sources far broader than the stamp, are slow",
            RuntimeWarning,
            stacklevel=5,
        )
