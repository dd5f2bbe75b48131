"""Phase 4b: bring a brick's files from a source into a folder, verified.

A file is put in place only once it is known to be good, so a folder never holds a file that was not checked;
fetching again keeps what is there and good.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from survey.errors import BrickError, SurveyError
from survey.layout import MASK_KIND, MOST_FILE_BYTES, brick_files, coadd_folder, coadd_path
from survey.openfile import CoaddFile, refuse_incomplete
from survey.ranges import RangePlan, Targets, plan_ranges
from survey.sources import FolderSource, RangesIgnoredError, S3Source, Source, open_source
from survey.verify import check_agreement, check_coadd

__all__ = [
    "CachedFile",
    "FolderSource",
    "S3Source",
    "Source",
    "Targets",
    "fetch_brick",
    "open_source",
    "read_sha256sums",
]

_CHUNK = 1 << 20
_MOST_SUMS_BYTES = 1 << 20
"""A list of sums is not larger: a survey's has about 60 lines of 100 bytes."""
_WORTH_A_SECOND_TRY = frozenset({"hash_mismatch", "truncated", "corrupt"})


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
    verified : str
        By what, beside its structure and that each tile decodes: "sha256" (the survey's list of sums names
        it), "fits" (no list does: FITS checksums, if it has them), "tiles" (some tiles of the file: the
        survey's sums are of the whole file and say nothing about it).
    source_bytes, fetched_bytes : int
        Size of the whole file at the source, and how much of it was asked for.
    negative_pixels : int
        Pixels of an invvar that are below 0, and read as 0.
    """

    path: Path
    relative: str
    bytes: int
    sha256: str
    verified: str
    source_bytes: int
    fetched_bytes: int
    negative_pixels: int


def fetch_brick(
    source: Source, brick: str, into_folder: Path, targets: Targets | None = None
) -> list[CachedFile]:
    """Bring the ten coadd files of a brick into a folder.

    Each whole file is verified against the survey's list of SHA-256 sums if the source has it, and always as
    a FITS file of this brick, kind and band (length, checksums, projection, unit). A file that fails is
    fetched once more, with the list. Files already in place and good are kept.

    Parameters
    ----------
    source : Source
        Where from.
    brick : str
        Name of the brick.
    into_folder : Path
        Root of the copy; files land under their relative paths.
    targets : Targets, optional
        Fetch of images and inverse variances only the tiles that these stamps touch, where it is cheaper.

    Returns
    -------
    list of CachedFile
        In the order of `survey.layout.brick_files`.

    Raises
    ------
    BrickError
        reason "not_found" (brick not in the source), "missing_band", "missing_file", "hash_mismatch",
        "truncated", "corrupt", "web_page", "wrong_file", "bad_layout", "wrong_unit", "bad_wcs", "wrong_shape"
        or "absent_tile".
    TransientError
        If another try may help.
    """
    present = source.list_brick(brick)
    _check_complete(source, brick, present)
    fetch = _Fetch(source, brick, into_folder, present, targets)
    files = [fetch.file(relative) for relative in brick_files(brick)]
    check_agreement(fetch.opened.values(), fetch.opened[coadd_path(MASK_KIND, brick)])
    return files


def read_sha256sums(path: Path, name: object = None) -> dict[str, str]:
    """Read a list of SHA-256 sums.

    Parameters
    ----------
    path : Path
        Lines of "<hexadecimal sum>  <file name>", as the `sha256sum` command writes.
    name : object, optional
        What errors call the file, if not its path.

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
    if path.stat().st_size > _MOST_SUMS_BYTES:
        message = f"{path.stat().st_size:,} bytes are too many for a list of sums; fetch the file again"
        raise BrickError("corrupt", name or path, message)
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        parts = line.split(maxsplit=1)
        if len(parts) != 2 or len(parts[0]) != 64 or set(parts[0].lower()) - set("0123456789abcdef"):
            message = f"line {number} is no SHA-256 sum; fetch the file again"
            raise BrickError("corrupt", name or path, message)
        sums[parts[1].strip().lstrip("*").rsplit("/", 1)[-1]] = parts[0].lower()
    return sums


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _check_complete(source: Source, brick: str, present: Mapping[str, int]) -> None:
    wanted = brick_files(brick)
    refuse_incomplete(brick, [path for path in wanted if path not in present], source.address)
    for path in wanted:
        if present[path] > MOST_FILE_BYTES:
            message = f"{present[path]:,} bytes are more than any file of the survey has; leave the brick out"
            raise BrickError("corrupt", source.address(path), message)


@dataclass
class _Fetch:
    """The fetching of one brick."""

    source: Source
    brick: str
    folder: Path
    present: Mapping[str, int]
    targets: Targets | None
    sums: dict[str, str] = field(default_factory=dict)
    opened: dict[str, CoaddFile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._read_sums()

    def file(self, relative: str) -> CachedFile:
        """One file, in place and verified."""
        target = self.folder / relative
        if target.is_file():
            try:
                return self._verified(target, relative, str(target))
            except SurveyError:
                target.unlink()
        return self._by_ranges(relative) or self._whole_or_once_more(relative)

    def _whole_or_once_more(self, relative: str, head: bytes = b"") -> CachedFile:
        """The whole file; of its first bytes, `head` is here already."""
        try:
            return self._whole(relative, head)
        except BrickError as error:
            if error.reason not in _WORTH_A_SECOND_TRY:
                raise
        # The survey replaces bricks: sizes, list and file may be of different times.
        self.present = self.source.list_brick(self.brick)
        self._read_sums()
        return self._whole(relative)

    def _whole(self, relative: str, head: bytes = b"") -> CachedFile:
        part = _part(self.folder / relative)
        try:
            self.source.copy_to(relative, part, head)
            good = self._verified(part, relative, self.source.address(relative))
            part.replace(self.folder / relative)
        finally:
            part.unlink(missing_ok=True)
        return _placed(good, self.folder / relative)

    def _by_ranges(self, relative: str) -> CachedFile | None:
        """Some tiles of the file, or the whole of it if that is cheaper; None if ranges cannot be had."""
        if self.targets is None:
            return None
        try:
            plan = plan_ranges(self.source, relative, self.present[relative], self.targets)
            if plan is not None and plan.taken:
                return self._some_tiles(relative, plan)
            return self._whole_or_once_more(relative, plan.head if plan else b"")
        except RangesIgnoredError:
            self.targets = None  # this server sends whole files only
        except BrickError as error:
            if error.reason not in _WORTH_A_SECOND_TRY:
                raise
        return None

    def _some_tiles(self, relative: str, plan: RangePlan) -> CachedFile:
        part, address = _part(self.folder / relative), self.source.address(relative)
        try:
            part.write_bytes(plan.fetch(self.source))
            coadd = self.opened[relative] = check_coadd(part, relative, address)
            found = CachedFile(
                path=part,
                relative=relative,
                bytes=part.stat().st_size,
                sha256=sha256_of(part),
                verified="tiles",
                source_bytes=self.present[relative],
                fetched_bytes=plan.fetched_bytes,
                negative_pixels=coadd.check(plan.tiles),
            )
            part.replace(self.folder / relative)
        finally:
            part.unlink(missing_ok=True)
        return _placed(found, self.folder / relative)

    def _verified(self, path: Path, relative: str, address: str) -> CachedFile:
        found, expected = sha256_of(path), self.sums.get(Path(relative).name)
        if expected is not None and found != expected:
            message = (
                f"SHA-256 {found[:12]}... where the survey's list has {expected[:12]}...; fetch it again"
            )
            raise BrickError("hash_mismatch", address, message)
        coadd = self.opened[relative] = check_coadd(path, relative, address)
        size, by = path.stat().st_size, "fits" if expected is None else "sha256"
        # A right sum says that the bytes are the survey's, decoding alone that 4c can read them.
        return CachedFile(path, relative, size, found, by, size, size, negative_pixels=coadd.check())

    def _read_sums(self) -> None:
        """Read the lists of sums that lie beside the brick's files, whatever release their names name."""
        folder = coadd_folder(self.brick)
        for relative in sorted(self.present):
            inside = relative.startswith(folder) and "/" not in relative[len(folder) :].lstrip("/")
            if inside and relative.endswith(".sha256sum"):
                try:
                    self.sums |= self._sums(relative)
                except BrickError as error:
                    if error.reason not in _WORTH_A_SECOND_TRY:
                        raise
                    self.sums |= self._sums(relative)

    def _sums(self, relative: str) -> dict[str, str]:
        part = _part(self.folder / relative)
        try:
            self.source.copy_to(relative, part)
            sums = read_sha256sums(part, self.source.address(relative))
            part.replace(self.folder / relative)
        finally:
            part.unlink(missing_ok=True)
        return sums


def _placed(file: CachedFile, target: Path) -> CachedFile:
    return CachedFile(**{**vars(file), "path": target})


def _part(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(target.name + ".part")
