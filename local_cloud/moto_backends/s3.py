"""S3: every object's bytes are a file, storage/<bucket>/<key>. moto keeps the names, we keep the bytes."""

from __future__ import annotations

import hashlib
import mmap
import re
import threading
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

import flask
from moto.s3.exceptions import MissingKey, PreconditionFailed, S3ClientError
from moto.s3.models import FakeBucket, FakeKey, S3Backend

from local_cloud import host
from local_cloud.moto_backends.s3_index import BucketIndex

_CHUNK = 1 << 20


class UnsupportedKey(S3ClientError):
    """A key that cannot be a file's path below its bucket's folder."""

    code = "InvalidRequest"

    def __init__(self, key: object, reason: str) -> None:
        super().__init__(f"local_cloud keeps objects as files and cannot store the key {key!r}: {reason}")


class VersioningNotEmulated(S3ClientError):
    """Versioning would need a place for old bytes; nothing here uses it."""

    code = "NotImplemented"

    def __init__(self) -> None:
        super().__init__("local_cloud does not emulate bucket versioning")


def object_path(storage: Path, bucket: str, key: str) -> Path:
    """The file of an object. Keys that are no plain relative path are refused, `..` above all."""
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise UnsupportedKey(key, "every part between slashes needs a name")
    if "\0" in key or "\\" in key or any(len(part.encode()) > 255 for part in parts):
        raise UnsupportedKey(key, "a part is too long, or has a character that no file name may have")
    return storage / bucket / PurePosixPath(key)


class FileKey(FakeKey):
    """moto's key with its bytes in a file, opened only while they are read or written."""

    _etag: str | None
    checksum_algorithm: str | None
    checksum_value: str | None

    def __init__(self, name: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        bucket = kwargs.get("bucket_name")
        running = host.current()
        self._upload_part = bucket is None
        if self._upload_part:
            self.path = running.private / "parts" / str(uuid4())
        else:
            self.path = object_path(running.storage, str(bucket), str(name))
        super().__init__(name, value, *args, **kwargs)
        self._value_buffer.close()

    @property
    def value(self) -> Any:
        """The bytes; for a GET of a range only a view of the file, of which moto takes the slice."""
        try:
            with self.path.open("rb") as file:
                if _asks_for_range(self.contentsize):
                    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                return file.read()
        except FileNotFoundError:
            raise MissingKey(str(self.name)) from None

    @value.setter
    def value(self, new_value: Any) -> None:
        if isinstance(new_value, Path):  # a file that is already in place
            self.contentsize = new_value.stat().st_size
            return
        body = new_value.encode() if isinstance(new_value, str) else new_value
        self.contentsize = len(body)
        self._write(body)

    def _write(self, body: bytes) -> None:
        """All or nothing, so that no reader ever sees half an object."""
        partial = host.current().private / "partial" / str(uuid4())
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(body)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(self.path)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            partial.unlink()
            raise UnsupportedKey(
                self.name, "another key is a folder of its path, or the other way round"
            ) from None

    @property
    def etag(self) -> str:
        if self._etag is None:
            digest = hashlib.md5(usedforsecurity=False)
            with self.path.open("rb") as file:
                while block := file.read(_CHUNK):
                    digest.update(block)
            self._etag = digest.hexdigest()
        return f'"{self._etag}"'

    def dispose(self, garbage: bool = False) -> None:
        """Parts of an upload go with it. An object's file goes only with DeleteObject."""
        if getattr(self, "_upload_part", False):
            self.path.unlink(missing_ok=True)
        self.disposed = True


class LocalS3(S3Backend):
    """moto's backend over files. A bucket that is created again finds the objects of earlier sessions."""

    __module__ = S3Backend.__module__  # moto finds a service's urls.py by its backend's module name

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._writing = threading.RLock()
        self._indices: dict[str, BucketIndex] = {}

    def create_bucket(self, bucket_name: str, *args: Any, **kwargs: Any) -> FakeBucket:
        if bucket_name in (".", "..") or "/" in bucket_name or bucket_name.startswith("."):
            raise UnsupportedKey(bucket_name, "it is no bucket name")
        bucket = super().create_bucket(bucket_name, *args, **kwargs)
        running = host.current()
        (running.storage / bucket_name).mkdir(parents=True, exist_ok=True)
        self._indices[bucket_name] = BucketIndex(running.private / "index" / f"{bucket_name}.jsonl")
        self._indices[bucket_name].compact(running.storage / bucket_name)
        self.adopt_files(bucket_name)
        return bucket

    def adopt_files(self, bucket_name: str) -> None:
        """Make objects of files that were put into a bucket's folder by other means than S3."""
        bucket, root = self.buckets[bucket_name], host.current().storage / bucket_name
        known = self._indices[bucket_name].load(root)
        with self._writing:
            for path in sorted(file for file in root.rglob("*") if file.is_file()):
                name = path.relative_to(root).as_posix()
                if name not in bucket.keys:
                    bucket.keys.setlist(name, [self._existing(bucket_name, name, path, known.get(name, {}))])

    def _existing(self, bucket: str, name: str, path: Path, known: dict[str, Any]) -> FileKey:
        key = FileKey(name, path, self.account_id, self.region_name, bucket_name=bucket, version_id="null")
        key._etag = known.get("etag")
        key.set_metadata(dict(known.get("metadata", {})))
        key.checksum_algorithm, key.checksum_value = (
            known.get("checksum_algorithm"),
            known.get("checksum_value"),
        )
        return key

    def put_object(self, bucket_name: str, key_name: str, value: Any, *args: Any, **kwargs: Any) -> FakeKey:
        with self._writing:
            if _must_be_new() and self.get_object(bucket_name, key_name) is not None:
                raise PreconditionFailed("If-None-Match")
            return super().put_object(bucket_name, key_name, value, *args, **kwargs)

    def copy_object(self, src_key: FakeKey, dest_bucket_name: str, dest_key_name: str, **kwargs: Any) -> None:
        super().copy_object(src_key, dest_bucket_name, dest_key_name, **kwargs)
        self._indices[dest_bucket_name].add(self.get_object(dest_bucket_name, dest_key_name))

    def put_object_tagging(self, key: FakeKey, tags: dict[str, str] | None) -> FakeKey:
        """The last thing moto does with an uploaded object: its metadata and checksum are set by now."""
        result = super().put_object_tagging(key, tags)
        self._indices[str(key.bucket_name)].add(key)
        return result

    def delete_object(self, bucket_name: str, key_name: str, *args: Any, **kwargs: Any) -> tuple[bool, dict]:
        with self._writing:
            result = super().delete_object(bucket_name, key_name, *args, **kwargs)
            if key_name not in self.get_bucket(bucket_name).keys:
                self._remove_file(bucket_name, key_name)
        return result

    @staticmethod
    def _remove_file(bucket: str, key: str) -> None:
        """Remove an object's file, and the folders it leaves empty: they would block a key of their name."""
        root = host.current().storage
        path = object_path(root, bucket, key)
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == root / bucket or any(folder.iterdir() if folder.is_dir() else ()):
                break
            folder.rmdir()

    def put_bucket_versioning(self, bucket_name: str, status: str) -> None:
        if status == "Enabled":
            raise VersioningNotEmulated
        super().put_bucket_versioning(bucket_name, status)


def _asks_for_range(size: int) -> bool:
    """Whether the request is a GET of one range that lies in a file of `size` bytes."""
    if not flask.has_request_context() or flask.request.method != "GET" or not size:
        return False
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", flask.request.headers.get("Range", ""))
    return match is not None and int(match[1]) < size and (not match[2] or int(match[1]) <= int(match[2]))


def _must_be_new() -> bool:
    """Whether the request is conditional on the key's absence. moto checks that too, but not atomically."""
    return flask.has_request_context() and flask.request.headers.get("If-None-Match") == "*"
