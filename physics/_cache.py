"""Where compiled kernels are kept, and when they are out of date.

numba's own cache looks at the file that holds a function, so it keeps a kernel whose callee in another file
has changed, and it compiles again for every copy of the package. Here the key is the content of the whole
room: any edit compiles anew, and a checkout, its copies and the tasks that run from them share one cache.
"""

import hashlib
import os
import tempfile
from functools import lru_cache
from pathlib import Path

from numba.core.caching import UserProvidedCacheLocator

_ROOM = Path(__file__).resolve().parent


class RoomCacheLocator(UserProvidedCacheLocator):  # type: ignore[misc]  # numba has no types
    """Names the cache by the room's content; numba finds it through `CACHE_LOCATOR_CLASSES`."""

    def __init__(self, py_func: object, py_file: str) -> None:
        super().__init__(py_func, py_file)
        self._cache_path = str(cache_folder())

    def get_source_stamp(self) -> str:
        """What the index compares: the content, not a file's time."""
        return room_hash()

    @classmethod
    def from_function(cls, py_func: object, py_file: str) -> "RoomCacheLocator":
        """A locator for any function of the room, whether NUMBA_CACHE_DIR is set or not."""
        locator = cls(py_func, py_file)
        locator.ensure_cache_path()
        return locator


@lru_cache(maxsize=1)
def room_hash() -> str:
    """SHA-256 of the room's sources, hexadecimal."""
    digest = hashlib.sha256()
    for path in sorted(_ROOM.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@lru_cache(maxsize=1)
def cache_folder() -> Path:
    """NUMBA_CACHE_DIR, or the user's cache folder, or (where neither can be written) a temporary one."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    user = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    base = Path(named) if named else Path(user) / "darkhalo" / "numba"
    folder = base / f"physics-{room_hash()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="darkhalo-numba-"))
    return folder
