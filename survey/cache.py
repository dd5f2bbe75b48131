"""Phase 4b: bring a brick's files from a source into a folder, verified.

A file is put in place only once it is known to be good, so a folder never holds a file that was not checked;
fetching again keeps what is there and good.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from survey.errors import BrickError, SurveyError
from survey.fitsfile import check_fits
from survey.layout import brick_files, sha256_path
from survey.sources import FolderSource, S3Source, Source, open_source

__all__ = [
    "CachedFile",
    "FolderSource",
    "S3Source",
    "Source",
    "fetch_brick",
    "open_source",
    "read_sha256sums",
]

_CHUNK = 1 << 20


@dataclass(frozen=True)
class CachedFile:
    """One verified file of a brick.

    Attributes
    ----------
    path : Path
        Where it lies.
    relative : str
        Its path in the survey's layout.
    bytes : int
        Its size.
    sha256 : str
        Its SHA-256, hexadecimal.
    """

    path: Path
    relative: str
    bytes: int
    sha256: str


def fetch_brick(source: Source, brick: str, into_folder: Path) -> list[CachedFile]:
    """Bring the ten coadd files of a brick into a folder.

    Each file is verified against the survey's list of SHA-256 sums if the source has it, and always as a FITS
    file (length, checksums). Files already in place and good are kept.

    Parameters
    ----------
    source : Source
        Where from.
    brick : str
        Name of the brick.
    into_folder : Path
        Root of the copy; files land under their relative paths.

    Returns
    -------
    list of CachedFile
        In the order of `survey.layout.brick_files`.

    Raises
    ------
    BrickError
        reason "not_found" (brick not in the source), "missing_band" (some files absent), "hash_mismatch",
        "truncated" or "corrupt".
    TransientError
        If another try may help.
    """
    present = source.list_brick(brick)
    _check_complete(source, brick, present)
    sums = _fetch_sums(source, brick, present, into_folder)
    return [_fetch_file(source, relative, sums, into_folder) for relative in brick_files(brick)]


def read_sha256sums(path: Path) -> dict[str, str]:
    """Read a list of SHA-256 sums.

    Parameters
    ----------
    path : Path
        Lines of "<hexadecimal sum>  <file name>", as the `sha256sum` command writes.

    Returns
    -------
    dict
        Sum by file name.

    Raises
    ------
    BrickError
        reason "corrupt" if a line is not of that form.
    """
    sums: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        parts = line.split(maxsplit=1)
        if len(parts) != 2 or len(parts[0]) != 64 or set(parts[0].lower()) - set("0123456789abcdef"):
            raise BrickError("corrupt", path, f"line {number} is no SHA-256 sum; fetch the file again")
        sums[parts[1].strip().lstrip("*").rsplit("/", 1)[-1]] = parts[0].lower()
    return sums


def _check_complete(source: Source, brick: str, present: set[str]) -> None:
    wanted = brick_files(brick)
    absent = [path for path in wanted if path not in present]
    if len(absent) == len(wanted):
        raise BrickError("not_found", source.address(absent[0]), f"brick {brick} is not there; leave it out")
    if absent:
        names = ", ".join(Path(path).name for path in absent)
        raise BrickError(
            "missing_band", source.address(absent[0]), f"absent: {names}; leave brick {brick} out"
        )


def _fetch_sums(source: Source, brick: str, present: set[str], into_folder: Path) -> dict[str, str]:
    relative = sha256_path(brick)
    if relative not in present:
        return {}
    target = into_folder / relative
    _copy(source, relative, target)
    return read_sha256sums(target)


def _fetch_file(source: Source, relative: str, sums: dict[str, str], into_folder: Path) -> CachedFile:
    target = into_folder / relative
    expected = sums.get(target.name)
    if target.is_file():
        try:
            return _verified(target, relative, expected, str(target))
        except SurveyError:
            target.unlink()
    part = _part(target)
    source.copy_to(relative, part)
    try:
        good = _verified(part, relative, expected, source.address(relative))
    except SurveyError:
        part.unlink()
        raise
    part.replace(target)
    return CachedFile(target, relative, good.bytes, good.sha256)


def _verified(path: Path, relative: str, expected: str | None, address: str) -> CachedFile:
    found = sha256_of(path)
    if expected is not None and found != expected:
        message = f"SHA-256 {found[:12]}... where the survey's list has {expected[:12]}...; fetch it again"
        raise BrickError("hash_mismatch", address, message)
    check_fits(path, address)
    return CachedFile(path, relative, path.stat().st_size, found)


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _copy(source: Source, relative: str, target: Path) -> None:
    part = _part(target)
    source.copy_to(relative, part)
    part.replace(target)


def _part(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(target.name + ".part")
