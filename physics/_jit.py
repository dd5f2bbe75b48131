"""Every numba option of the room, once, with its reason.

`cache=True`        compile once per machine and state of the sources (see `physics._cache`).
`nogil=True`        callers may run several renders in threads; nothing here starts one.
`error_model=numpy` a division by zero gives inf instead of raising: the test for it keeps loops scalar.
`_nrt=False`        no reference counts of arrays: each tuple of arrays passed on or picked apart costs an
                    atomic count of every array in it, which took 60 % of the integration's time. Such a
                    function can allocate nothing and return no view; whoever calls it holds the arrays.
`fastmath`          only in ray loops, and only flags that do not reorder sums. `reassoc` is left out on
                    purpose: it merges `x - lens` with later terms and loses the digits near a cusp.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.core import config

from physics import _cache, _targets

#: For annotations: a number inside a kernel (float or np.float32; mypy cannot follow numba's types) and an
#: array.
Real = Any
Array = np.ndarray

_targets.use_baked(_cache.cache_folder())

_COMMON: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}


def _jit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """numba.njit with the room's own cache; other packages' functions keep theirs."""

    def decorate(function: Callable[..., Any]) -> Any:
        before = config.CACHE_LOCATOR_CLASSES
        config.CACHE_LOCATOR_CLASSES = "physics._cache.RoomCacheLocator"
        try:
            return numba.njit(**options)(function)
        finally:
            config.CACHE_LOCATOR_CLASSES = before

    return decorate


#: Double-precision set-up and bookkeeping: IEEE arithmetic as written.
exact = _jit(**_COMMON)

#: Loops over rays and pixels in float32. No NaN or infinity reaches them: arguments are validated,
#: and every division has a positive denominator.
_FAST = {"contract", "nsz", "arcp", "nnan", "ninf"}
vectorised = _jit(fastmath=_FAST, **_COMMON)

#: A formula used inside such a loop. It must be inlined, or the loop around it stays scalar.
formula = _jit(fastmath=_FAST, forceinline=True, **_COMMON)

#: Bookkeeping per cell. Called for real, each array it is handed would cost a struct copy and a reference
#: count.
inlined = _jit(forceinline=True, **_COMMON)
