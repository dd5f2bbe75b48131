"""Refuse a bad argument with its name and value. Every public function goes through here."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

#: Position angles, radians. Beyond, none is meant, and their sine is that of rounding.
ANGLE_RANGE = (-1000.0, 1000.0)


def number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite real number in [low, high], as float."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ValueError(f"{name} must be a number, got {value!r}")
    x = float(value)
    if not math.isfinite(x):
        raise ValueError(f"{name} must be finite, got {value!r}")
    if not low <= x <= high:
        raise ValueError(f"{name} must lie in [{low:g}, {high:g}], got {value!r}")
    return x


def integer(name: str, value: Any, low: int, high: int) -> int:
    """An integer in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name} must be an integer, got {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} must lie in [{low}, {high}], got {value!r}")
    return int(value)


def bands(name: str, values: Any, low: float, high: float) -> tuple[float, ...]:
    """A non-empty tuple of numbers in [low, high], one per band."""
    if isinstance(values, str) or not isinstance(values, (Sequence, np.ndarray)) or len(values) == 0:
        raise ValueError(f"{name} must be a sequence with one number per band, got {values!r}")
    if np.ma.is_masked(values):
        raise ValueError(f"{name} must not have masked values, got {values!r}")
    return tuple(number(f"{name}[{i}]", v, low, high) for i, v in enumerate(values))


def choice(name: str, value: Any, allowed: Sequence[str]) -> str:
    """One of the allowed words."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return str(value)


def instance(name: str, value: Any, kind: type) -> None:
    """An object of that class."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be a {kind.__name__}, got {value!r}")


def pair(name: str, value: Any, low: float, high: float) -> tuple[float, float]:
    """Two numbers in [low, high]."""
    two = bands(name, value, low, high)
    if len(two) != 2:
        raise ValueError(f"{name} must be two numbers, got {value!r}")
    return two[0], two[1]


def _real_array(name: str, values: Any) -> np.ndarray:
    """An array of real numbers, none of them masked."""
    if np.ma.is_masked(values):
        where = ", ".join(str(int(k)) for k in np.argwhere(np.ma.getmaskarray(values))[0])
        raise ValueError(f"{name}[{where}] is masked: fill it, or leave its row out")
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    return array


def reals(name: str, values: Any) -> np.ndarray:
    """A float64 array of finite real numbers, of any shape."""
    array = _real_array(name, values)
    finite = np.isfinite(array)
    if not finite.all():
        raise ValueError(f"{name} must be finite, got {float(array[~finite][0])!r}")
    return np.asarray(array, dtype=np.float64)


def column(name: str, values: Any, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
    """A float64 array of the given shape with every element in [low, high]."""
    array = _real_array(name, values)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    array = np.ascontiguousarray(array, dtype=np.float64)
    bad = ~((array >= low) & (array <= high) & np.isfinite(array))
    if bad.any():
        where = tuple(int(k) for k in np.argwhere(bad)[0])
        index = ", ".join(map(str, where))
        raise ValueError(
            f"{name}[{index}] must be finite and lie in [{low:g}, {high:g}], got {float(array[where])!r}"
        )
    return array
