"""Is a fetched file what its name says: this brick, this kind, this band, whole, in the survey's units?"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits

from survey.errors import BrickError
from survey.layout import parse_path
from survey.openfile import CoaddFile, open_coadd
from survey.tiles import TiledImage


def check_coadd(path: Path, relative: str, address: str) -> CoaddFile:
    """Check one coadd file against the name it was published under.

    Parameters
    ----------
    path : Path
        Local copy.
    relative : str
        Its path in the survey's layout.
    address : str
        What errors call it.

    Raises
    ------
    BrickError
        reason "truncated", "corrupt", "bad_layout", "wrong_unit", "bad_wcs" or "wrong_file".
    """
    named = parse_path(relative)
    try:
        coadd = open_coadd(path, named.kind)
    except BrickError as error:
        message = str(error).removeprefix(f"{path}: ").removesuffix(f" [{error.reason}]")
        raise BrickError(error.reason, address, message) from error
    said = {
        "BRICKNAM": (named.brick, str(coadd.header.get("BRICKNAM", named.brick)).strip()),
        "IMTYPE": (named.kind, str(coadd.header.get("IMTYPE", named.kind)).strip()),
        # "z", or "z DECam SDSS c0004 9260.0 1520.0", or "zd DECam k1038"
        "FILTER": (
            named.band,
            str(coadd.header.get("FILTER", named.band)).strip()[:1] if named.band else None,
        ),
    }
    for card, (expected, found) in said.items():
        if found != expected:
            message = f"{card} is {found!r}, by its name {expected!r}; fetch it again"
            raise BrickError("wrong_file", address, message)
    return coadd


def check_agreement(coadds: Mapping[str, CoaddFile], reference: str, address: Callable[[str], str]) -> None:
    """Check that the files of a brick are of one shape and projection.

    Parameters
    ----------
    coadds : mapping
        Checked files by relative path.
    reference : str
        The one that the others are compared with.
    address : callable
        Relative path -> what errors call it.

    Raises
    ------
    BrickError
        reason "wrong_shape" or "bad_wcs".
    """
    first = coadds[reference]
    for relative, coadd in coadds.items():
        if coadd.shape != first.shape:
            message = f"shape {coadd.shape} where {Path(reference).name} has {first.shape}; fetch both again"
            raise BrickError("wrong_shape", address(relative), message)
        if not coadd.wcs.close_to(first.wcs):
            message = f"projection differs from that of {Path(reference).name}; fetch both again"
            raise BrickError("bad_wcs", address(relative), message)


def check_tiles(path: Path, image: TiledImage, tiles: Iterable[int], address: str) -> None:
    """Decode some tiles of a file and see that their pixels are finite.

    Parameters
    ----------
    path : Path
        A file that has these tiles.
    image : TiledImage
        Its layout.
    tiles : iterable of int
        Numbers of tiles.
    address : str
        What errors call the file.

    Raises
    ------
    BrickError
        reason "corrupt".
    """
    try:
        with fits.open(path, memmap=False) as hdus:
            for tile in tiles:
                top, bottom, left, right = image.box_of(tile)
                if not np.isfinite(hdus[1].section[top:bottom, left:right]).all():
                    raise ValueError(f"tile {tile} holds pixels that are not finite")
    except Exception as error:  # the decoders of damaged tiles raise errors of many kinds
        raise BrickError("corrupt", address, f"a tile cannot be decoded ({error}); fetch it again") from error
