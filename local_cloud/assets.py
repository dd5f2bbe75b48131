"""Assets of a cloud assembly: what `cdk-assets` would upload, and where an image's build context lies."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Image:
    """A container image as its build context, with the entry point and command of its Dockerfile."""

    directory: Path
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileAsset:
    """One upload: a folder to zip, or a file as it is."""

    bucket: str
    key: str
    path: Path
    zipped: bool

    def body(self) -> bytes:
        """The bytes to upload."""
        return zip_folder(self.path) if self.zipped else self.path.read_bytes()


def file_assets(manifest: Path, account: str, region: str) -> Iterator[FileAsset]:
    """The file assets of a stack, with the placeholders of their destinations filled in."""
    for asset in json.loads(manifest.read_text()).get("files", {}).values():
        source = asset["source"]
        for place in asset["destinations"].values():
            bucket, key = (_fill(place[name], account, region) for name in ("bucketName", "objectKey"))
            yield FileAsset(bucket, key, manifest.parent / source["path"], source.get("packaging") == "zip")


def image_assets(manifest: Path, account: str, region: str) -> Iterator[tuple[str, Image]]:
    """(tag, image) of a stack's container images."""
    for asset in json.loads(manifest.read_text()).get("dockerImages", {}).values():
        source = asset["source"]
        if "directory" not in source:
            raise ValueError(
                f"image asset {source} has no build context: only images built from a folder run here"
            )
        directory = manifest.parent / source["directory"]
        image = _image(directory, source.get("dockerFile", "Dockerfile"))
        for place in asset["destinations"].values():
            yield _fill(place["imageTag"], account, region), image


def _fill(text: str, account: str, region: str) -> str:
    values = {"AccountId": account, "Region": region, "Partition": "aws"}
    return re.sub(r"\$\{AWS::(\w+)\}", lambda match: values[match[1]], text)


def zip_folder(folder: Path) -> bytes:
    """A folder as an uncompressed zip, without bytecode."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


def _image(directory: Path, dockerfile: str) -> Image:
    """Only ENTRYPOINT and CMD in exec form are read: everything else of an image is not emulated."""
    path = directory / dockerfile
    text = re.sub(r"\\\r?\n", " ", path.read_text()) if path.exists() else ""
    return Image(directory.resolve(), _instruction(text, "ENTRYPOINT"), _instruction(text, "CMD"))


def _instruction(text: str, name: str) -> tuple[str, ...]:
    found = re.findall(rf"^\s*{name}\s+(\[.*\])\s*$", text, re.MULTILINE | re.IGNORECASE)
    words: Any = json.loads(found[-1]) if found else []
    return tuple(words)
