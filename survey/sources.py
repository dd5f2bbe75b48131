"""Where a brick's files come from: a folder, an S3 bucket or the survey's portal, each in its layout.

One interface for all: what a brick has, a file whole, and some bytes of a file.
"""

import errno
import os
import shutil
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from survey.answers import Version
from survey.errors import BrickError, SurveyError, TransientError
from survey.layout import brick_files, coadd_folder, release_of, sha256_paths
from survey.web import Manners, Note, RangesIgnoredError, WebFiles

__all__ = ["FolderSource", "PortalSource", "RangesIgnoredError", "S3Source", "Source", "open_source"]

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GONE = frozenset({"404", "NoSuchKey", "NotFound"})
_MOST_SEEN = 64
_REFUSED = frozenset({"403", "AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


class Source(Protocol):
    """A place that holds the survey's files under their relative paths.

    Attributes
    ----------
    remote : bool
        Whether its bytes come over a network: what was fetched once is then kept, not asked for again.
    connections : int
        How many bricks may be fetched at once.
    """

    remote: bool
    connections: int

    def list_brick(self, brick: str) -> dict[str, int]:
        """Give the size in bytes of each file of a brick, by relative path; empty if it is not there."""
        ...

    def list_tractors(self) -> set[str]:
        """List the relative paths of all source catalogues (tractor files)."""
        ...

    def copy_to(self, relative: str, target: Path, head: bytes = b"") -> None:
        """Copy one file to a local path.

        Parameters
        ----------
        relative : str
            The file.
        target : Path
            Replaced if it is there.
        head : bytes
            The file's first bytes, as `read_range` gave them: they are not fetched again over a network.

        Raises
        ------
        BrickError
            reason "not_found" if the source has no such file, "web_page" if a web page stands in its place.
        SurveyError
            If the source refuses access.
        TransientError
            If another try may help.
        """
        ...

    def read_range(self, relative: str, start: int, stop: int) -> bytes:
        """Read bytes from start up to stop; fewer if the file ends before.

        Every range of a file that one object reads is of one version of it: TransientError otherwise.

        Raises
        ------
        RangesIgnoredError
            If the source serves whole files only.
        BrickError, SurveyError, TransientError
            See `copy_to`.
        """
        ...

    def address(self, relative: str) -> str:
        """Give the full address of a file, for messages."""
        ...

    def stop(self) -> None:
        """Let waiting end, and no more be asked for."""
        ...


class _Seen:
    """Of which version the files of a brick are, from its listing until it is listed again.

    Holds the last `_MOST_SEEN` bricks: more than are ever fetched at once.
    """

    def __init__(self) -> None:
        self._bricks: OrderedDict[str, dict[str, Version]] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, brick: str) -> None:
        """Forget what was seen of a brick: its files may have been replaced since."""
        with self._lock:
            self._bricks.pop(coadd_folder(brick), None)

    def note(self, relative: str, version: Version) -> None:
        """Keep the version of a file."""
        folder = relative.rpartition("/")[0]
        with self._lock:
            self._bricks.setdefault(folder, {})[relative] = version
            while len(self._bricks) > _MOST_SEEN:
                self._bricks.popitem(last=False)

    def version(self, relative: str) -> Version | None:
        """Give the version of a file, if one was seen."""
        with self._lock:
            return self._bricks.get(relative.rpartition("/")[0], {}).get(relative)


class FolderSource:
    """A local folder of a data release.

    Parameters
    ----------
    folder : str or Path
        Holds `coadd/` (and perhaps `tractor/`).

    Raises
    ------
    SurveyError
        If the folder does not exist.
    """

    remote = False
    connections = 1

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise SurveyError(f"{self.folder}: no such folder; give the folder that holds coadd/")

    def list_brick(self, brick: str) -> dict[str, int]:
        """Give the size of each file of a brick's coadd folder."""
        parent = coadd_folder(brick)
        folder = self.folder / parent
        paths = folder.iterdir() if folder.is_dir() else ()
        return {f"{parent}/{path.name}": path.stat().st_size for path in paths}

    def list_tractors(self) -> set[str]:
        """List the relative paths of all tractor files."""
        found = self.folder.glob("tractor/*/tractor-*.fits")
        return {path.relative_to(self.folder).as_posix() for path in found}

    def copy_to(self, relative: str, target: Path, head: bytes = b"") -> None:
        """Copy one file to a local path (see `Source.copy_to`)."""
        try:
            shutil.copyfile(self.folder / relative, target)
        except FileNotFoundError as error:
            raise BrickError("not_found", self.address(relative), "no such file; fetch it again") from error
        except OSError as error:
            raise _local_trouble(error, target) from error

    def read_range(self, relative: str, start: int, stop: int) -> bytes:
        """Read some bytes of a file (see `Source.read_range`)."""
        try:
            with (self.folder / relative).open("rb") as file:
                file.seek(start)
                return file.read(stop - start)
        except FileNotFoundError as error:
            raise BrickError("not_found", self.address(relative), "no such file; fetch it again") from error
        except OSError as error:
            raise _local_trouble(error, self.address(relative)) from error

    def address(self, relative: str) -> str:
        """Give the full path of a file."""
        return str(self.folder / relative)

    def stop(self) -> None:
        """Do nothing: a folder is never waited for."""


class S3Source:
    """A prefix of an S3 bucket.

    Parameters
    ----------
    bucket, prefix : str
        The release lies at s3://bucket/prefix/coadd/...
    client : boto3 S3 client
        Its own retries apply first.
    """

    remote = True
    connections = 4

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        self.client = client
        self._seen = _Seen()

    def list_brick(self, brick: str) -> dict[str, int]:
        """Give the size of each file of a brick's coadd folder."""
        self._seen.begin(brick)
        return self._list(coadd_folder(brick) + "/")

    def list_tractors(self) -> set[str]:
        """List the relative paths of all tractor files."""
        return {name for name in self._list("tractor/") if name.endswith(".fits")}

    def _list(self, parent: str) -> dict[str, int]:
        skip = len(self._key(""))
        pages = self.client.get_paginator("list_objects_v2")
        try:
            return {
                item["Key"][skip:]: item["Size"]
                for page in pages.paginate(Bucket=self.bucket, Prefix=self._key(parent))
                for item in page.get("Contents", [])
            }
        except Exception as error:
            raise self._trouble(error, parent) from error

    def copy_to(self, relative: str, target: Path, head: bytes = b"") -> None:
        """Copy one file to a local path (see `Source.copy_to`)."""
        try:
            if head:
                with target.open("wb") as file:
                    file.write(head)
                    shutil.copyfileobj(self._open(relative, f"bytes={len(head)}-"), file)
            else:
                self.client.download_file(self.bucket, self._key(relative), str(target))
        except Exception as error:
            raise self._trouble(error, relative) from error

    def read_range(self, relative: str, start: int, stop: int) -> bytes:
        """Read some bytes of a file (see `Source.read_range`)."""
        try:
            content: bytes = self._open(relative, f"bytes={start}-{stop - 1}").read(stop - start)
            return content
        except Exception as error:
            raise self._trouble(error, relative) from error

    def _open(self, relative: str, byte_range: str) -> Any:
        """Some bytes of an object, of the version that was read before."""
        known = self._seen.version(relative)
        answer = self.client.get_object(
            Bucket=self.bucket,
            Key=self._key(relative),
            Range=byte_range,
            **({"IfMatch": known.etag} if known else {}),  # type: ignore[arg-type]
        )
        self._seen.note(relative, Version(None, answer["ETag"], None))
        return answer["Body"]

    def address(self, relative: str) -> str:
        """Give the full address of a file."""
        return f"s3://{self.bucket}/{self._key(relative)}"

    def stop(self) -> None:
        """Do nothing: the client's own patience is short."""

    def _key(self, relative: str) -> str:
        return f"{self.prefix}/{relative}" if self.prefix else relative

    def _trouble(self, error: Exception, relative: str) -> Exception:
        """Sort what boto3 raised into final and worth another try."""
        if isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError):
            return _local_trouble(error, relative)
        response: Any = getattr(error, "response", None) or {}
        code = str(response.get("Error", {}).get("Code", ""))
        if code in _GONE:
            return BrickError("not_found", self.address(relative), "no such object; check the prefix")
        if code in _REFUSED:
            return SurveyError(f"{self.address(relative)}: {error}; check the bucket and the permissions")
        return TransientError(f"{self.address(relative)}: {error}")


class PortalSource:
    """A release on the survey's portal, or any web server of its layout.

    Parameters
    ----------
    address : str
        "https://host/.../dr10/south"; plain http only on this machine's loopback.
    manners : Manners, optional
        Patience and politeness.
    note : callable, optional
        Given a line for every try that failed.
    """

    remote = True

    def __init__(self, address: str, manners: Manners | None = None, note: Note | None = None) -> None:
        self.files = WebFiles(address, manners, note)
        self.connections = self.files.manners.connections
        self._release = release_of(address)
        self._seen = _Seen()

    def list_brick(self, brick: str) -> dict[str, int]:
        """Give the size of each file of a brick that staging needs, and of its list of sums.

        A web server lists no folder in a form to rely on, so each file is asked for by its name.
        """
        self._seen.begin(brick)
        sizes = {}
        for relative in [*brick_files(brick), *sha256_paths(brick, self._release)]:
            version = self.files.stat(relative)
            if version is not None:
                self._seen.note(relative, version)
                sizes[relative] = version.size or 0
        return sizes

    def list_tractors(self) -> set[str]:
        """Refuse: a web server lists no folder."""
        raise SurveyError(
            f"{self.files.base}: catalogues on a web server cannot be listed; make a host catalogue with "
            "darkhalo hosts and give it as --hosts"
        )

    def copy_to(self, relative: str, target: Path, head: bytes = b"") -> None:
        """Copy one file to a local path (see `Source.copy_to`)."""
        try:
            with target.open("wb") as file:
                self.files.download(relative, file, self._seen.version(relative), head)
        except OSError as error:
            raise _local_trouble(error, target) from error

    def read_range(self, relative: str, start: int, stop: int) -> bytes:
        """Read some bytes of a file (see `Source.read_range`)."""
        content, version = self.files.read(relative, start, stop, self._seen.version(relative))
        self._seen.note(relative, version)
        return content

    def address(self, relative: str) -> str:
        """Give the full address of a file."""
        return self.files.address(relative)

    def stop(self) -> None:
        """Let waiting end, and no more be asked for."""
        self.files.stop()


def open_source(
    address: str,
    client: "S3Client | None" = None,
    manners: Manners | None = None,
    note: Note | None = None,
) -> Source:
    """Open the source an address names.

    Parameters
    ----------
    address : str
        A folder ("/data/dr10/south", "file:///data/dr10/south"), "s3://bucket/prefix", or a release on a web
        server ("https://host/.../dr10/south").
    client : boto3 S3 client, optional
        For s3 addresses; by default one of the environment's settings.
    manners : Manners, optional
        For web servers.
    note : callable, optional
        For web servers: given a line for every try that failed.

    Raises
    ------
    SurveyError
        If the address is of no kind this version reads, or the folder does not exist.
    """
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError as error:
        raise SurveyError(f"{address}: {error}; give https://host/folder") from error
    if parts.scheme == "s3" and not parts.netloc:
        raise SurveyError(f"{address}: names no bucket; give s3://bucket/prefix")
    if parts.scheme == "s3":
        return S3Source(parts.netloc, parts.path, client or _default_client())
    if parts.scheme == "file":
        return FolderSource(unquote(parts.path))
    if parts.scheme in ("http", "https"):
        return PortalSource(address, manners, note)
    if "://" in address:
        raise SurveyError(
            f"{address}: unknown kind of source; give a folder, s3://bucket/prefix or https://host/folder"
        )
    return FolderSource(address)


def _default_client() -> "S3Client":
    import boto3

    return boto3.client("s3")


def _local_trouble(error: OSError, where: object) -> Exception:
    if error.errno in (errno.EACCES, errno.EISDIR, errno.ENOTDIR, errno.EROFS):
        return SurveyError(f"{where}: {os.strerror(error.errno)}; check the path and its permissions")
    return TransientError(f"{where}: {error}")
