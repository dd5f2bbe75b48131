"""Where a brick's files come from: a folder or an S3 bucket laid out as the survey's releases are."""

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from survey.errors import BrickError, SurveyError, TransientError
from survey.layout import coadd_folder

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GONE = frozenset({"404", "NoSuchKey", "NotFound"})
_REFUSED = frozenset({"403", "AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


class Source(Protocol):
    """A place that holds the survey's files under their relative paths."""

    def list_brick(self, brick: str) -> set[str]:
        """List the relative paths of a brick's coadd folder; empty if the brick is not there."""
        ...

    def list_tractors(self) -> set[str]:
        """List the relative paths of all source catalogues (tractor files)."""
        ...

    def copy_to(self, relative: str, target: Path) -> None:
        """Copy one file to a local path.

        Raises
        ------
        BrickError
            reason "not_found" if the source has no such file.
        SurveyError
            If the source refuses access.
        TransientError
            If another try may help.
        """
        ...

    def address(self, relative: str) -> str:
        """Give the full address of a file, for messages."""
        ...


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

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise SurveyError(f"{self.folder}: no such folder; give the folder that holds coadd/")

    def list_brick(self, brick: str) -> set[str]:
        """List the relative paths of a brick's coadd folder."""
        parent = coadd_folder(brick)
        folder = self.folder / parent
        return {f"{parent}/{path.name}" for path in folder.iterdir()} if folder.is_dir() else set()

    def list_tractors(self) -> set[str]:
        """List the relative paths of all tractor files."""
        found = self.folder.glob("tractor/*/tractor-*.fits")
        return {path.relative_to(self.folder).as_posix() for path in found}

    def copy_to(self, relative: str, target: Path) -> None:
        """Copy one file to a local path (see `Source.copy_to`)."""
        try:
            shutil.copyfile(self.folder / relative, target)
        except FileNotFoundError as error:
            raise BrickError("not_found", self.address(relative), "no such file; fetch it again") from error
        except OSError as error:
            raise _local_trouble(error, target) from error

    def address(self, relative: str) -> str:
        """Give the full path of a file."""
        return str(self.folder / relative)


class S3Source:
    """A prefix of an S3 bucket.

    Parameters
    ----------
    bucket, prefix : str
        The release lies at s3://bucket/prefix/coadd/...
    client : boto3 S3 client
        Its own retries apply first.
    """

    def __init__(self, bucket: str, prefix: str, client: "S3Client") -> None:
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        self.client = client

    def list_brick(self, brick: str) -> set[str]:
        """List the relative paths of a brick's coadd folder."""
        return self._list(coadd_folder(brick) + "/")

    def list_tractors(self) -> set[str]:
        """List the relative paths of all tractor files."""
        return {name for name in self._list("tractor/") if name.endswith(".fits")}

    def _list(self, parent: str) -> set[str]:
        skip = len(self._key(""))
        pages = self.client.get_paginator("list_objects_v2")
        try:
            found = [
                item["Key"][skip:]
                for page in pages.paginate(Bucket=self.bucket, Prefix=self._key(parent))
                for item in page.get("Contents", [])
            ]
        except Exception as error:
            raise self._trouble(error, parent) from error
        return set(found)

    def copy_to(self, relative: str, target: Path) -> None:
        """Copy one file to a local path (see `Source.copy_to`)."""
        try:
            self.client.download_file(self.bucket, self._key(relative), str(target))
        except Exception as error:
            raise self._trouble(error, relative) from error

    def address(self, relative: str) -> str:
        """Give the full address of a file."""
        return f"s3://{self.bucket}/{self._key(relative)}"

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


def open_source(address: str, client: "S3Client | None" = None) -> Source:
    """Open the source an address names.

    Parameters
    ----------
    address : str
        A folder ("/data/dr10/south", "file:///data/dr10/south") or "s3://bucket/prefix".
    client : boto3 S3 client, optional
        For s3 addresses; by default one of the environment's settings.

    Raises
    ------
    SurveyError
        If the address is of no kind this version reads, or the folder does not exist.
    """
    parts = urlsplit(address)
    if parts.scheme == "s3":
        return S3Source(parts.netloc, parts.path, client or _default_client())
    if parts.scheme == "file":
        return FolderSource(unquote(parts.path))
    if parts.scheme in ("http", "https"):
        raise SurveyError(f"{address}: the survey's portal cannot be read yet; give a folder or s3:// mirror")
    if "://" in address:
        raise SurveyError(f"{address}: unknown kind of source; give a folder, file:// or s3://bucket/prefix")
    return FolderSource(address)


def _default_client() -> "S3Client":
    import boto3

    return boto3.client("s3")


def _local_trouble(error: OSError, where: object) -> Exception:
    if error.errno in (errno.EACCES, errno.EISDIR, errno.ENOTDIR, errno.EROFS):
        return SurveyError(f"{where}: {os.strerror(error.errno)}; check the path and its permissions")
    return TransientError(f"{where}: {error}")
