"""Where a run's objects live: an S3 bucket, or a folder of the same layout.

Every write is conditional: a key is created once; the same bytes again are a no-op, other bytes are
refused. That makes every retry safe.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, Protocol

from pipeline.errors import InputError, StorageConflictError
from pipeline.storage import RunLayout

_CONFLICT_TRIES = 5
_TEMPORARY = ".publishing-"  # files of a folder that are not objects yet


@dataclass(frozen=True)
class ObjectInfo:
    """A stored object: key and size in bytes."""

    key: str
    size: int


class Store(Protocol):
    """What the pipeline asks of storage."""

    def get(self, key: str) -> bytes:
        """The object's bytes; InputError if there is none."""
        ...

    def download(self, key: str, path: Path) -> None:
        """The object into a file, in bounded memory; InputError if there is none."""
        ...

    def exists(self, key: str) -> bool: ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects under a prefix, in key order."""
        ...

    def publish_file(self, key: str, path: Path) -> str:
        """Create the object from a file, once; its SHA-256. StorageConflictError if other bytes are there."""
        ...

    def sha256(self, key: str) -> str:
        """SHA-256 of the object's bytes, hexadecimal; whoever wrote it cannot say another."""
        ...

    def uri(self, key: str) -> str: ...


def publish(store: Store, key: str, data: bytes) -> str:
    """Create the object from bytes, once; its SHA-256. StorageConflictError if other bytes are there."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return store.publish_file(key, Path(file.name))


def publish_json(store: Store, key: str, value: Any) -> str:
    """Create a JSON object, sorted and indented so that equal values are equal bytes."""
    return publish(store, key, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())


def get_json(store: Store, key: str) -> Any:
    """A JSON object's value; InputError names a key that is absent or no JSON."""
    try:
        return json.loads(store.get(key))
    except ValueError as error:  # no JSON, or no text
        raise InputError(
            f"{store.uri(key)}: not JSON ({error}); run the step that writes it again"
        ) from error


def sha256_of(file: IO[bytes]) -> str:
    """SHA-256 of a file from its start, hexadecimal; the position is put back to the start."""
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0)
    return digest


def _base64(sha256: str) -> str:
    """A SHA-256 as S3 writes it; sha256: hexadecimal."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()


class S3Store:
    """A bucket. Conditional writes by If-None-Match; S3 sums what it receives, and keeps the SHA-256."""

    def __init__(self, bucket: str, client: Any = None) -> None:
        if client is None:
            import boto3

            client = boto3.client("s3")
        self.bucket = bucket
        self._s3 = client

    def get(self, key: str) -> bytes:
        return bytes(self._body(key).read())

    def _body(self, key: str) -> Any:
        try:
            return self._s3.get_object(Bucket=self.bucket, Key=key)["Body"]
        except self._s3.exceptions.NoSuchKey as error:
            raise InputError(f"{self.uri(key)}: no such object; run the step that writes it") from error

    def download(self, key: str, path: Path) -> None:
        body = io.BufferedReader(self._body(key))
        with path.open("wb") as file:
            shutil.copyfileobj(body, file, 1 << 20)

    def exists(self, key: str) -> bool:
        found = self._s3.list_objects_v2(Bucket=self.bucket, Prefix=key, MaxKeys=1).get("Contents", [])
        return any(item["Key"] == key for item in found)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                yield ObjectInfo(item["Key"], item["Size"])

    def publish_file(self, key: str, path: Path) -> str:
        with path.open("rb") as file:
            sha256 = sha256_of(file)
            for attempt in range(_CONFLICT_TRIES):
                file.seek(0)
                try:
                    self._s3.put_object(
                        Bucket=self.bucket, Key=key, Body=file, IfNoneMatch="*",
                        ChecksumAlgorithm="SHA256", ChecksumSHA256=_base64(sha256),
                    )  # fmt: skip
                    break
                except self._s3.exceptions.ClientError as error:
                    code = error.response["Error"]["Code"]
                    if code in ("PreconditionFailed", "412"):
                        self._refuse_other_content(key, sha256)
                        break
                    # Two writers at once: S3 asks to try again, and then one of them gets the 412.
                    if code != "ConditionalRequestConflict" or attempt + 1 == _CONFLICT_TRIES:
                        raise
        return sha256

    def sha256(self, key: str) -> str:
        head = self._s3.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
        summed = str(head.get("ChecksumSHA256", ""))
        # Objects that came by other means have another sum, or one of the sums of their parts ("...-2").
        if not summed or "-" in summed or head.get("ChecksumType") == "COMPOSITE":
            return hashlib.sha256(self.get(key)).hexdigest()
        return base64.b64decode(summed).hex()

    def _refuse_other_content(self, key: str, sha256: str) -> None:
        there = self.sha256(key)
        if there != sha256:
            raise StorageConflictError(
                f"{self.uri(key)} already holds other content (sha256 {there}, ours {sha256}); "
                "use another run id, or find out why a rerun gives another result"
            )

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"


class FolderStore:
    """A folder of the bucket's layout, for a laptop."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """The file of a key."""
        return self.root / key

    def get(self, key: str) -> bytes:
        try:
            return self.path(key).read_bytes()
        except FileNotFoundError as error:
            raise InputError(f"{self.uri(key)}: no such file; run the step that writes it") from error

    def download(self, key: str, path: Path) -> None:
        if not self.exists(key):
            raise InputError(f"{self.uri(key)}: no such file; run the step that writes it")
        shutil.copyfile(self.path(key), path)

    def exists(self, key: str) -> bool:
        return self.path(key).is_file()

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        top = self.root / prefix.rpartition("/")[0]
        files = ((p.relative_to(self.root).as_posix(), p) for p in top.rglob("*") if p.is_file())
        for key, path in sorted(files):
            if key.startswith(prefix) and not path.name.startswith(_TEMPORARY):
                yield ObjectInfo(key, path.stat().st_size)

    def publish_file(self, key: str, path: Path) -> str:
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as file:
            sha256 = sha256_of(file)
            with tempfile.NamedTemporaryFile(dir=target.parent, prefix=_TEMPORARY, delete=False) as copy:
                shutil.copyfileobj(file, copy)
        Path(copy.name).chmod(0o644)
        try:
            os.link(copy.name, target)  # fails if the key exists: the folder's If-None-Match
        except FileExistsError:
            with target.open("rb") as there:
                if sha256_of(there) != sha256:
                    raise StorageConflictError(
                        f"{target} already holds other content; use another run id or folder"
                    ) from None
        finally:
            Path(copy.name).unlink()
        return sha256

    def sha256(self, key: str) -> str:
        path = self.path(key)
        status = path.stat()
        return _sha256_of_file(path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def uri(self, key: str) -> str:
        return f"{self.path(key)}{'/' if key.endswith('/') else ''}"


@cache
def _sha256_of_file(path: Path, *as_it_is: int) -> str:
    """SHA-256 of a file's bytes; of a file that was not touched since (`as_it_is`) they are read once."""
    with path.open("rb") as file:
        return sha256_of(file)


class RunFolder(FolderStore):
    """The folder of one run, wherever it was copied to: its files are the keys below runs/<run_id>/."""

    def __init__(self, folder: Path, layout: RunLayout) -> None:
        super().__init__(folder)
        self._prefix = layout.prefix

    def path(self, key: str) -> Path:
        return self.root / key.removeprefix(self._prefix)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        for item in super().list(prefix.removeprefix(self._prefix)):
            yield ObjectInfo(self._prefix + item.key, item.size)
