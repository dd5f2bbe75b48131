"""A web server of the survey's layout, on a real socket of this machine, that fails as it is told to.

    with Portal(folder) as portal:
        portal.fail_with = lambda method, path, number: "reset" if number == 1 else None
        open_source(portal.address)

Shared by the tests and `benchmarks/staging.py`.
"""

import contextlib
import email.utils
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from survey.web import Manners

FAULTS = (
    "429",  # with Retry-After
    "503",
    "500",
    "reset",  # the connection ends without an answer
    "cut",  # the body ends in its middle
    "stall",  # the body stops in its middle and the connection stays
    "page",  # a web page with status 200
    "short",  # Content-Length and body say less than there is
    "ignore_range",  # the whole file with status 200
    "other_range",  # bytes from another place
)
"""Ways in which one answer may fail and the next be good."""

HASTY = Manners(first_pause=0.001, longest_pause=0.01, stall_timeout=1.0)
"""Pauses that a test can wait for."""

Fail = Callable[[str, str, int], str | None]
_ENDLESS = 1 << 28
_PAGE = b"<!DOCTYPE html><html><body>The portal is being maintained.</body></html>"


class Portal:
    """Serves a folder below http://127.0.0.1:port/dr10/south.

    Attributes
    ----------
    fail_with : callable
        (method, path, number of this request for the path, from 1) -> name of a fault, or None.
    seen : list of tuple
        (method, path, Range header) of every request.
    sent : int
        Bytes of files sent.
    agents : set of str
        What the clients called themselves.
    most_at_once : int
        Largest number of requests in work at one time.
    """

    def __init__(self, folder: Path, stall_seconds: float = 30.0) -> None:
        self.folder, self.stall_seconds = Path(folder), stall_seconds
        self.fail_with: Fail = lambda method, path, number: None
        self.seen: list[tuple[str, str, str | None]] = []
        self.sent = self.most_at_once = self.connections = 0
        self.agents: set[str] = set()
        self.retry_after = "0"
        self.redirect_to: str | None = None
        self.stop = threading.Event()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock, self._working = threading.Lock(), 0
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"portal": self}))
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/dr10/south"

    def __enter__(self) -> "Portal":
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def enter(self, method: str, path: str, ranges: str | None, agent: str) -> str | None:
        """Note a request; the fault that its answer shall have."""
        with self._lock:
            self.seen.append((method, path, ranges))
            self.agents.add(agent)
            self._counts[method, path] += 1
            self._working += 1
            self.most_at_once = max(self.most_at_once, self._working)
            number = self._counts[method, path]
        return self.fail_with(method, path, number)

    def leave(self) -> None:
        """Note that a request was answered."""
        with self._lock:
            self._working -= 1

    def send(self, count: int) -> None:
        """Count bytes before they go: the client may look as soon as it has them."""
        with self._lock:
            self.sent += count


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece: two would wait for the client's delayed acknowledgement
    disable_nagle_algorithm = True
    portal: Portal

    def setup(self) -> None:
        super().setup()
        self.portal.connections += 1

    def log_message(self, *_: Any) -> None:
        """Be quiet."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        relative = self.path.removeprefix("/dr10/south/")
        fault = self.portal.enter(
            self.command, relative, self.headers.get("Range"), self.headers.get("User-Agent", "")
        )
        try:
            with contextlib.suppress(ConnectionError):
                self.respond(relative, fault)
        finally:
            self.portal.leave()

    def respond(self, relative: str, fault: str | None) -> None:
        path = self.portal.folder / relative
        if fault == "reset":
            self.close_connection = True
        elif fault in ("429", "503", "500", "403"):
            extra = {"Retry-After": self.portal.retry_after} if fault == "429" else {}
            self.send(int(fault), {**extra, "Content-Type": "text/plain"}, b"not now")
        elif fault == "page":
            self.send(200, {"Content-Type": "text/html; charset=utf-8"}, _PAGE)
        elif fault == "nameless_page":
            self.send(200, {"Content-Type": "application/octet-stream"}, b"\n" + _PAGE)
        elif fault == "redirect":
            self.send(302, {"Location": self.portal.redirect_to or ""}, b"")
        elif fault == "endless_redirect":
            self.send(302, {"Location": self.portal.redirect_to or ""}, b"x" * 65536, "endless")
        elif not path.is_file():
            self.send(404, {"Content-Type": "text/html"}, _PAGE)
        else:
            self.send_file(path, fault)

    def send_file(self, path: Path, fault: str | None) -> None:
        stat = path.stat()
        headers = {
            "Content-Type": "application/fits",
            "ETag": f'"{stat.st_size:x}-{stat.st_mtime_ns:x}"',
            "Last-Modified": email.utils.formatdate(stat.st_mtime, usegmt=True),
            "Accept-Ranges": "bytes",
        }
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        valid = condition in (None, headers["ETag"], headers["Last-Modified"]) or fault == "ignore_if_range"
        start, stop, status = 0, stat.st_size, 200
        if wanted is not None and valid and fault != "ignore_range":
            start, stop = int(wanted[1]), min(int(wanted[2] or stat.st_size), stat.st_size - 1) + 1
            if start >= stat.st_size:
                self.send(416, {"Content-Range": f"bytes */{stat.st_size}"}, b"")
                return
            if fault == "other_range":
                start, stop = max(0, start - 1), stop - 1
            status = 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{stat.st_size}"
        with path.open("rb") as file:
            file.seek(start)
            body = file.read(stop - start)
        if fault == "short":
            body = body[: len(body) // 2]
        self.send(status, headers, body, fault)

    def send(self, status: int, headers: dict[str, str], body: bytes, fault: str | None = None) -> None:
        self.send_response(status)
        length = (
            {"Transfer-Encoding": "chunked"} if fault == "endless" else {"Content-Length": str(len(body))}
        )
        for name, value in {**headers, **length}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault == "endless":
            while self.portal.sent < _ENDLESS:  # or until the client hangs up
                self.portal.send(len(body))
                self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))
            return
        if fault in ("cut", "stall"):
            body = body[: len(body) // 2]
            self.close_connection = True
        self.portal.send(len(body))
        self.wfile.write(body)
        if fault == "stall":
            self.wfile.flush()
            until = time.monotonic() + self.portal.stall_seconds
            while time.monotonic() < until and not self.portal.stop.wait(0.05):
                pass
