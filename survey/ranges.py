"""Byte-range staging: of a compressed image only the tiles that stamps touch, when that is cheaper.

The rule (`Rule`). A request is charged as so many bytes, about what a connection carries while it waits for
an answer. Needed tiles with less than that between them are fetched in one range, gap included. The ranges
are taken if they and their charges come to at most half of the whole file and its charge; otherwise the file
is fetched whole, since only a whole file can be compared with the survey's SHA-256.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from survey.errors import BrickError, TransientError
from survey.layout import parse_path
from survey.sources import Source
from survey.tiles import FIRST_BYTES, Box, TiledImage, bytes_needed, read_tiles, some_tiles
from survey.wcs import TanWCS

KINDS = ("image", "invvar")
"""Nearly all of a brick's bytes. Mask bits and PSF sizes are read as a whole (BAILOUT, mean size)."""

_MARGIN = 2  # pixels around a stamp, against the rounding of another WCS code
_MOST_HEAD = 1 << 24


@dataclass(frozen=True)
class Rule:
    """When ranges are cheaper than the whole file.

    Attributes
    ----------
    request_bytes : int
        What a request is charged as, bytes.
    worth_it : float
        Largest share of the whole file's cost at which ranges are taken.
    """

    request_bytes: int = 1 << 16
    worth_it: float = 0.5

    def prefers(self, range_bytes: int, requests: int, whole_bytes: int) -> bool:
        """Say whether so many requests of so many bytes in all are taken instead of the whole file."""
        cost = range_bytes + requests * self.request_bytes
        return cost <= self.worth_it * (whole_bytes + self.request_bytes)


@dataclass(frozen=True)
class Targets:
    """The stamps that will be cut from a brick.

    Attributes
    ----------
    positions : tuple of (ra, dec)
        Hosts, degrees.
    n_pix : int
        Width of the stamps, pixels.
    rule : Rule
        When ranges are taken.
    """

    positions: tuple[tuple[float, float], ...]
    n_pix: int
    rule: Rule = Rule()

    def boxes(self, wcs: TanWCS) -> Iterator[Box]:
        """Give the pixels of each stamp, with a margin."""
        for ra, dec in self.positions:
            x, y = wcs.to_pixel(ra, dec)
            if math.isfinite(x) and math.isfinite(y):
                half = self.n_pix / 2 + _MARGIN
                rows = math.floor(y - half), math.ceil(y + half) + 1
                yield *rows, math.floor(x - half), math.ceil(x + half) + 1


@dataclass(frozen=True, eq=False)
class RangePlan:
    """Which bytes of a file to fetch.

    Attributes
    ----------
    relative : str
        The file.
    head : bytes
        Its first bytes.
    image : TiledImage
        Its layout.
    tiles : list of int
        The tiles that stamps touch.
    ranges : list of (start, stop)
        Bytes behind the first ones that hold them.
    taken : bool
        Whether that is cheaper than the whole file; the first bytes are fetched already.
    """

    relative: str
    head: bytes
    image: TiledImage
    tiles: list[int]
    ranges: list[tuple[int, int]]
    taken: bool

    @property
    def fetched_bytes(self) -> int:
        """All bytes that are asked for."""
        return len(self.head) + sum(stop - start for start, stop in self.ranges)

    def fetch(self, source: Source) -> bytes:
        """Fetch the tiles; a FITS file that holds only them.

        Raises
        ------
        BrickError, SurveyError, TransientError
            See `survey.sources.Source.read_range`.
        """
        found = self.image.cut_tiles(self.tiles, 0, self.head)
        for start, stop in self.ranges:
            content = source.read_range(self.relative, start, stop)
            if len(content) != stop - start:
                raise TransientError(f"{source.address(self.relative)}: ends at byte {start + len(content)}")
            if start == len(self.head):  # a tile may begin in the first bytes
                start, content = 0, self.head + content
            found |= self.image.cut_tiles(self.tiles, start, content)
        return some_tiles(self.head, self.image, found)


def plan_ranges(source: Source, relative: str, size: int, targets: Targets) -> RangePlan | None:
    """Plan what to fetch of a file by ranges; None if it is better fetched whole by its kind and size alone.

    Parameters
    ----------
    source : Source
        Where from.
    relative : str
        The file.
    size : int
        Its size, bytes.
    targets : Targets
        The stamps.

    Raises
    ------
    RangesIgnoredError
        If the source serves whole files only.
    BrickError, SurveyError, TransientError
        See `survey.sources.Source.read_range`, `survey.tiles.read_tiles`.
    """
    rule = targets.rule
    if parse_path(relative).kind not in KINDS or not rule.prefers(FIRST_BYTES, 2, size):
        return None
    address = source.address(relative)
    head = _head(source, relative, address)
    image = read_tiles(head, address)
    if image.span.end > size:
        message = f"its headers need {image.span.end} bytes, it has {size}; fetch it again"
        raise BrickError("truncated", address, message)
    try:
        wcs = TanWCS.from_header(image.span.cards)
    except ValueError as error:
        raise BrickError("bad_wcs", address, f"{error}; not a coadd of the survey?") from error
    tiles = image.touched(targets.boxes(wcs))
    known = len(head)
    ranges = image.byte_ranges(tiles, gap=rule.request_bytes)
    ranges = [(max(start, known), stop) for start, stop in ranges if stop > known]
    needed = known + sum(stop - start for start, stop in ranges)
    return RangePlan(relative, head, image, tiles, ranges, taken=rule.prefers(needed, 1 + len(ranges), size))


def _head(source: Source, relative: str, address: str) -> bytes:
    head, needed = b"", FIRST_BYTES
    while len(head) < needed:
        if needed > _MOST_HEAD:
            raise BrickError("corrupt", address, "its header does not end; fetch it again")
        more = source.read_range(relative, len(head), needed)
        if not more:
            raise BrickError("truncated", address, "it ends within its headers; fetch it again")
        head += more
        needed = bytes_needed(head, address)
    return head
