"""Is a fetched file what its name says: this brick, this kind, this band, whole, in the survey's units?"""

from collections.abc import Iterable
from pathlib import Path

from survey.errors import BrickError
from survey.layout import parse_path
from survey.openfile import CoaddFile, open_coadd


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
    coadd = open_coadd(path, named.kind, address)
    expected = {"BRICKNAM": named.brick, "IMTYPE": named.kind}
    if named.band:
        expected["FILTER"] = named.band
    for card, value in expected.items():
        said = coadd.header.get(card, value).strip()
        # FILTER is "z", or "z DECam SDSS c0004 9260.0 1520.0", or "zd DECam k1038"
        if (said[:1] if card == "FILTER" else said) != value:
            raise BrickError("wrong_file", address, f"{card} is {said!r}, not {value!r}; fetch it again")
    return coadd


def check_agreement(coadds: Iterable[CoaddFile], reference: CoaddFile) -> None:
    """Check that the files of a brick are of one shape and projection.

    Parameters
    ----------
    coadds : iterable of CoaddFile
        Checked files.
    reference : CoaddFile
        The one that the others are compared with.

    Raises
    ------
    BrickError
        reason "wrong_shape" or "bad_wcs".
    """
    short = Path(reference.name).name
    for coadd in coadds:
        if coadd.shape != reference.shape:
            message = f"shape {coadd.shape} where {short} has {reference.shape}; fetch both again"
            raise BrickError("wrong_shape", coadd.name, message)
        if not coadd.wcs.close_to(reference.wcs):
            raise BrickError(
                "bad_wcs", coadd.name, f"projection differs from that of {short}; fetch both again"
            )
