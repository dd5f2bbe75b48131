"""A real Trino here: fetched with Maven, started on a free loopback port over an S3 server, stopped.

Put together from the server's libraries and the Hive plugin, for Maven Central lacks the archive of 435.
Hadoop's file systems are no part of it: tables and metastore lie in S3, as Athena's do.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DEPENDENCY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
HIVE = "io.trino:trino-hive:435:zip"
# SHA-256; Maven itself checks the SHA-1 of everything else it fetches.
PINNED = {
    "trino-main-435.jar": "8e772ee881ad02ff89257b5aa4d128ffafc1f7333f9f445b4176bc4c5fabfb42",
    "trino-hive-435.zip": "c3a64f7536e573df951807f0d142417806cab48a50033653abdfc7e0410ef09e",
}
START_SECONDS = 300
LEAST_JAVA = 17


class TrinoError(Exception):
    """Trino refused or failed a statement."""


def missing_tools() -> list[str]:
    """What has to be installed before Trino can run."""
    missing = [tool for tool in ("mvn", "java") if shutil.which(tool) is None]
    if "java" not in missing and _java() < LEAST_JAVA:
        missing.append(f"Java {LEAST_JAVA} (this is {_java()})")
    return missing


def _java() -> int:
    """The major version of `java`; 0 if it does not say."""
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    return int(version[1]) if version else 0


def fetch(folder: Path) -> None:
    """Libraries into folder/lib and the Hive plugin into folder/plugin/hive, once; ValueError if altered."""
    if (folder / "done").is_file():
        return
    lib, zips = folder / "lib", folder / "zips"
    _maven(f"{DEPENDENCY}:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={lib}",
           "-Dmodule=trino-main", "-f", str(HERE / "pom.xml"))  # fmt: skip
    _maven(f"{DEPENDENCY}:copy", f"-Dartifact={HIVE}", f"-DoutputDirectory={zips}")
    for path in (lib / "trino-main-435.jar", zips / "trino-hive-435.zip"):
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != PINNED[path.name]:
            raise ValueError(f"{path}: SHA-256 is {found}, not the pinned one; do not use it")
    with zipfile.ZipFile(zips / "trino-hive-435.zip") as archive:
        archive.extractall(folder / "unpacked")
    (folder / "plugin").mkdir(exist_ok=True)
    (folder / "unpacked" / "trino-hive-435").rename(folder / "plugin" / "hive")
    (folder / "done").touch()


def main(folder: str) -> int:
    """Fetch; 1 and a line on stderr where it cannot be done here."""
    if missing := missing_tools():
        print(f"no Trino here: {', '.join(missing)} not found", file=sys.stderr)
        return 1
    try:
        fetch(Path(folder).resolve())
    except (subprocess.CalledProcessError, OSError, zipfile.BadZipFile) as error:
        print(f"no Trino here: it cannot be fetched ({error})", file=sys.stderr)
        return 1
    return 0


def _maven(goal: str, *options: str) -> None:
    subprocess.run(["mvn", "--quiet", "--batch-mode", goal, *options], check=True)


class Trino:
    """A running server: `execute` runs one statement."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def execute(self, sql: str, catalog: str = "hive", schema: str = "darkhalo") -> list[list[Any]]:
        """The rows; doubles as floats. TrinoError with Trino's own words."""
        headers = {"X-Trino-User": "test", "X-Trino-Catalog": catalog, "X-Trino-Schema": schema}
        answer = self._call(f"{self._url}/v1/statement", headers, sql.encode())
        rows: list[list[Any]] = []
        while True:
            if "error" in answer:
                raise TrinoError(answer["error"]["message"])
            rows += answer.get("data", [])
            if "nextUri" not in answer:
                return rows
            answer = self._call(answer["nextUri"], headers)

    def is_up(self) -> bool:
        try:
            return not self._call(f"{self._url}/v1/info", {})["starting"]
        except OSError:
            return False

    @staticmethod
    def _call(url: str, headers: dict[str, str], body: bytes | None = None) -> Any:
        request = urllib.request.Request(url, body, headers)  # noqa: S310 (loopback)
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            return json.load(answer)


@contextmanager
def running(programs: Path, work: Path, s3_endpoint: str, bucket: str) -> Iterator[Trino]:
    """A server over a bucket, its own files in `work`; stopped at the end, whatever happens."""
    port = _free_port()
    _configure(work, port, s3_endpoint, bucket)
    defines = {
        "config": work / "config.properties", "node.environment": "test", "node.id": "one",
        "node.data-dir": work / "data", "node.bind-ip": "127.0.0.1", "node.internal-address": "127.0.0.1",
        "plugin.dir": programs / "plugin", "catalog.config-dir": work / "catalog",
        "jdk.attach.allowAttachSelf": "true",
    }  # fmt: skip
    command = ["java", "-Xmx2G", *(f"-D{name}={value}" for name, value in defines.items()),
               "-cp", f"{programs / 'lib'}/*", str(HERE / "Launch.java")]  # fmt: skip
    with (work / "trino.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=work)
        try:
            trino = Trino(port)
            _wait(trino, process, work / "trino.log")
            yield trino
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _configure(work: Path, port: int, s3_endpoint: str, bucket: str) -> None:
    (work / "catalog").mkdir(parents=True)
    (work / "config.properties").write_text(
        "coordinator=true\nnode-scheduler.include-coordinator=true\ncatalog.management=static\n"
        f"http-server.http.port={port}\ndiscovery.uri=http://127.0.0.1:{port}\n"
        "query.max-memory=1GB\nquery.max-memory-per-node=1GB\n"
    )
    (work / "catalog" / "hive.properties").write_text(
        "connector.name=hive\nhive.metastore=file\n"
        f"hive.metastore.catalog.dir=s3://{bucket}/metastore\n"
        "fs.hadoop.enabled=false\nfs.native-s3.enabled=true\n"
        f"s3.endpoint={s3_endpoint}\ns3.region=us-east-1\ns3.path-style-access=true\n"
        "s3.aws-access-key=test\ns3.aws-secret-key=test\n"
    )


def _wait(trino: Trino, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not trino.is_up():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"Trino did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
