"""The survey's relative paths, built and parsed in one place.

    coadd/059/0591m305/legacysurvey-0591m305-image-g.fits.fz
    coadd/059/0591m305/legacysurvey-0591m305.sha256sum
    tractor/059/tractor-0591m305.fits

The paths are relative to the folder of a data release (".../dr10/south"). Python only.
"""

import re
from dataclasses import dataclass

from survey.errors import SurveyError

BANDS = ("g", "r", "z")
PIXEL_SCALE = 0.262
"""Arcsec per pixel of every coadd."""

BAND_KINDS = ("image", "invvar", "psfsize")
"""The files a brick needs in every band: nanomaggy, 1/nanomaggy^2, arcsec."""

MASK_KIND = "maskbits"

GIVEN = "PSFGIVEN"
"""Card of a psfsize file whose sizes nobody measured."""

MOST_FILE_BYTES = 1 << 28
"""No file of a brick is larger, whatever a server says: 3600 x 3600 pixels of 4 bytes are 52 MB."""

BRICKS_TABLE = "survey-bricks.fits.gz"
PORTAL = "https://portal.nersc.gov/cfs/cosmo/data/legacysurvey"
RELEASES = {
    "dr9-north": f"{PORTAL}/dr9/north",
    "dr9-south": f"{PORTAL}/dr9/south",
    "dr10-south": f"{PORTAL}/dr10/south",
}
"""Where the survey publishes its releases; DR10 has no north."""

RELEASE_NUMBERS = {
    "dr9-north": (9011,),
    "dr9-south": (9010, 9012),
    "dr10-south": (9999, 10000, 10002),
}
"""Values of the catalogues' column RELEASE in each release: 9012 are the 1,691 bricks of DR9 that were
processed again (legacysurvey.org/release), 10002 the 598 of DR10 (not compared with its text). 9999 is
DR10's by the survey's website repository, which marks it as to be checked."""

_BRICK = r"(?P<brick>\d{4}[pm]\d{3})"
_COADD = re.compile(
    rf"coadd/(?P<group>\d{{3}})/{_BRICK}/legacysurvey-(?P=brick)-(?P<kind>[a-z]+)(-(?P<band>[a-zA-Z]))?\.fits\.fz"
)
_SHA256 = re.compile(rf"coadd/(?P<group>\d{{3}})/{_BRICK}/legacysurvey-(?P=brick)\.sha256sum")
_RELEASE = re.compile(r"/(dr\d+)(?:/(north|south))?$")
_SWEEP = r"sweep-\d{3}[pm]\d{3}-\d{3}[pm]\d{3}"
_CATALOGUE = re.compile(rf"({_SWEEP}|tractor-{_BRICK})\.fits")
_COMPANION = re.compile(rf"{_SWEEP}-.+\.fits|tractor-i-{_BRICK}\.fits")
_TRACTOR = re.compile(rf"tractor/(?P<group>\d{{3}})/tractor-{_BRICK}\.fits")


@dataclass(frozen=True)
class SurveyPath:
    """What a relative path of the survey stands for.

    Attributes
    ----------
    kind : str
        "image", "invvar", "psfsize", "maskbits", ... for coadds; "sha256sum"; "tractor".
    brick : str
        Name of the brick.
    band : str or None
        Band of the coadd, None for files that hold all bands.
    """

    kind: str
    brick: str
    band: str | None = None

    def build(self) -> str:
        """Build the path this stands for: the inverse of `parse_path`."""
        if self.kind == "tractor":
            return tractor_path(self.brick)
        if self.kind == "sha256sum":
            return sha256_path(self.brick)
        return coadd_path(self.kind, self.brick, self.band)


def coadd_folder(brick: str) -> str:
    """Give the folder of a brick's coadds, as "coadd/059/0591m305"."""
    return f"coadd/{brick[:3]}/{brick}"


def coadd_path(kind: str, brick: str, band: str | None = None) -> str:
    """Give the path of one coadd file.

    Parameters
    ----------
    kind : str
        "image", "invvar", "psfsize" (each with a band) or "maskbits" (without).
    brick : str
        Name of the brick.
    band : str, optional
        One letter.
    """
    suffix = "" if band is None else f"-{band}"
    return f"{coadd_folder(brick)}/legacysurvey-{brick}-{kind}{suffix}.fits.fz"


def sha256_path(brick: str) -> str:
    """Give the path of the list of SHA-256 sums of a brick's coadd files."""
    return f"{coadd_folder(brick)}/legacysurvey-{brick}.sha256sum"


def sha256_paths(brick: str, release: str | None) -> list[str]:
    """List the names under which a brick's list of SHA-256 sums may stand.

    The survey's releases put their own name and the folder's into it.

    Parameters
    ----------
    brick : str
        Name of the brick.
    release : str or None
        As "dr9_south" (`release_of`).
    """
    named = f"{coadd_folder(brick)}/legacysurvey_{release}_coadd_{brick[:3]}_{brick}.sha256sum"
    return [sha256_path(brick), *([named] if release else [])]


def release_of(address: str) -> str | None:
    """Give the release that an address names ("https://host/x/dr9/south" is "dr9_south"), or None."""
    found = _RELEASE.search(address.rstrip("/"))
    return "_".join(part for part in found.groups() if part) if found else None


def is_catalogue(name: str) -> bool:
    """Say whether a file's name is that of a sweep or a tractor file."""
    return _CATALOGUE.fullmatch(name) is not None


def is_companion(name: str) -> bool:
    """Say whether a file's name is that of a table beside a sweep or tractor file, as `sweep-...-pz.fits`."""
    return _COMPANION.fullmatch(name) is not None


def release_numbers(name: str) -> tuple[int, ...]:
    """List the values of RELEASE that a release has.

    Parameters
    ----------
    name : str
        As in `RELEASE_NUMBERS`, in either case; or one of the numbers, which stands for its whole release; or
        any other number, for itself.

    Raises
    ------
    SurveyError
        If it is neither.
    """
    known = RELEASE_NUMBERS.get(name.lower())
    if known is None and name.isascii() and name.isdigit():
        own = (int(name),)
        known = next((numbers for numbers in RELEASE_NUMBERS.values() if own[0] in numbers), own)
    if known is None:
        raise SurveyError(f"{name}: no release; give {', '.join(RELEASE_NUMBERS)}, or a number of RELEASE")
    return known


def tractor_path(brick: str) -> str:
    """Give the path of a brick's source catalogue."""
    return f"tractor/{brick[:3]}/tractor-{brick}.fits"


def brick_files(brick: str) -> list[str]:
    """List the ten coadd files that cutting stamps of a brick needs, in a fixed order."""
    banded = [coadd_path(kind, brick, band) for band in BANDS for kind in BAND_KINDS]
    return [*banded, coadd_path(MASK_KIND, brick)]


def parse_path(path: str) -> SurveyPath:
    """Say what a relative path stands for; a leading folder of the release is ignored.

    Parameters
    ----------
    path : str
        For example "dr10/south/coadd/059/0591m305/legacysurvey-0591m305-image-g.fits.fz".

    Raises
    ------
    SurveyError
        If the path is none of the survey's, or its folder is not its brick's.
    """
    start = max(path.rfind("coadd/"), path.rfind("tractor/"), 0)
    for pattern, fixed_kind in ((_COADD, None), (_SHA256, "sha256sum"), (_TRACTOR, "tractor")):
        found = pattern.fullmatch(path[start:])
        if found and found["group"] == found["brick"][:3]:
            parts = found.groupdict()
            return SurveyPath(fixed_kind or parts["kind"], parts["brick"], parts.get("band"))
    raise SurveyError(f"{path}: not a path of the survey; expected coadd/AAA/BRICK/... or tractor/AAA/...")
