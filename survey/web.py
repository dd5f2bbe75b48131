"""Files over HTTP from a server that may throttle, stall, cut off or answer something else.

One request after another on connections that are kept. Every answer is checked before its bytes count: its
status, its length, its place in the file (Content-Range), that the file is still the same one (ETag or
Last-Modified), and that it is no web page. What may pass is tried again with growing, random pauses; the
server's Retry-After is obeyed, by all threads.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, NameResolutionError, SSLError

from survey.answers import (
    Fault,
    Version,
    check_same,
    content_range,
    existing,
    refuse_page,
    sort_status,
    version_of,
    whole_version,
)
from survey.connections import open_pool
from survey.errors import BrickError, SurveyError, TransientError
from survey.layout import MOST_FILE_BYTES

T = TypeVar("T")
Note = Callable[[str], object]
_PIECE = 1 << 18
_MAX_REDIRECTS = 3
_IGNORED = 3  # times that a server must ignore a range before it is believed to serve none
_NAME_TRIES = 3  # of a host whose name is unknown: most likely it is mistyped


@dataclass(frozen=True)
class Manners:
    """How patient and how polite a client is. Times in seconds.

    Attributes
    ----------
    connections : int
        Requests at once.
    attempts : int
        Tries of a request before it is given up.
    first_pause, longest_pause : float
        The pause before try n + 1 is random, up to first_pause * 2^(n - 1), at most longest_pause.
    longest_retry_after : float
        A server that asks for a longer pause ends the work for now.
    connect_timeout, stall_timeout : float
        To connect; without a byte.
    slowest : float
        Bytes a second; an answer that stays below for `stall_timeout` is given up as stalled.
    page_attempts : int
        Tries of a file whose answer is a web page.
    """

    connections: int = 4
    attempts: int = 10
    first_pause: float = 0.5
    longest_pause: float = 60.0
    longest_retry_after: float = 300.0
    connect_timeout: float = 10.0
    stall_timeout: float = 30.0
    slowest: float = 2000.0
    page_attempts: int = 4

    def pause(self, failures: int) -> float:
        """Give the pause after so many failures in a row, at least half of its bound."""
        bound = min(self.first_pause * 2.0 ** (failures - 1), self.longest_pause)
        return bound * random.uniform(0.5, 1.0)  # noqa: S311 - spreads clients, guards nothing


class RangesIgnoredError(Exception):
    """The server answers a range with the whole file."""


@dataclass
class _Partial:
    """A file that arrives: what is here so far, and of which version it is."""

    file: IO[bytes]
    version: Version


class WebFiles:
    """Files below one address.

    Parameters
    ----------
    address : str
        "https://host/folder"; plain http only on this machine's loopback.
    manners : Manners, optional
        Patience and politeness.
    note : callable, optional
        Given a line for every try that failed, and one if the server serves no ranges.

    Raises
    ------
    SurveyError
        If the address is plain http to another machine.
    """

    def __init__(self, address: str, manners: Manners | None = None, note: Note | None = None) -> None:
        self.base = address.rstrip("/") + "/"
        self.manners = manners or Manners()
        self._note = note or (lambda line: None)
        self._ranges: bool | None = None  # whether it serves them; None: not known yet
        self._not_before = 0.0
        self._lock = threading.Lock()
        self.requests = 0
        self.bytes = 0
        self._stopped = threading.Event()
        limits = urllib3.Timeout(connect=self.manners.connect_timeout, read=self.manners.stall_timeout)
        self._pool = open_pool(address, self.manners.connections, limits)

    def address(self, relative: str) -> str:
        """Give the full address of a file."""
        return self.base + quote(relative)

    def stop(self) -> None:
        """End pauses and answers that arrive, and ask for nothing more: TransientError in every thread."""
        self._stopped.set()

    def stat(self, relative: str) -> Version | None:
        """Ask for a file's size and version; None if there is no such file.

        Raises
        ------
        SurveyError, TransientError, BrickError
            See `download`.
        """

        def ask() -> Version | None:
            with self._request("HEAD", relative, {}) as response:
                return None if response is None else whole_version(response)

        return self._patiently(relative, ask)

    def download(
        self, relative: str, target: IO[bytes], expected: Version | None = None, head: bytes = b""
    ) -> Version:
        """Bring a whole file, taken up again where a try broke off.

        Parameters
        ----------
        relative : str
            Path below the address.
        target : file
            Open for writing; what it holds is replaced.
        expected : Version, optional
            What is known of the file.
        head : bytes
            Its first bytes, of the expected version: they are not asked for if the server can tell.

        Raises
        ------
        BrickError
            reason "not_found" or "web_page".
        SurveyError
            If the server refuses access or redirects elsewhere.
        TransientError
            If all tries failed.
        """
        target.truncate(0)
        target.write(head)
        partial = _Partial(target, expected or Version(None, None, None))
        self._patiently(relative, lambda: self._continue(relative, partial))
        return partial.version

    def read(
        self, relative: str, start: int, stop: int, expected: Version | None = None
    ) -> tuple[bytes, Version]:
        """Read some bytes of a file; fewer if it ends before.

        Parameters
        ----------
        relative : str
            Path below the address.
        start, stop : int
            First byte, and the one after the last.
        expected : Version, optional
            Of which version they must be.

        Raises
        ------
        RangesIgnoredError
            If the server sends the whole file instead.
        BrickError, SurveyError, TransientError
            See `download`.
        """

        ignored = 0
        if self._ranges is False:
            raise RangesIgnoredError(self.address(relative))

        def ask() -> tuple[bytes, Version]:
            nonlocal ignored
            with self._request("GET", relative, {"Range": f"bytes={start}-{stop - 1}"}) as response:
                response = existing(response, self.address(relative))
                if response.status == 200:
                    refuse_page(response.headers, b"")
                    ignored += 1
                    if ignored == _IGNORED:
                        self._believe_no_ranges()
                        raise RangesIgnoredError(self.address(relative))
                    raise Fault("the whole file where a range was asked for")
                self._ranges = True
                first, last, size = content_range(response.headers)
                if (first, last) != (start, min(stop, size) - 1):
                    raise Fault(f"bytes {first}-{last} where {start}-{stop - 1} were asked for")
                version = version_of(response.headers, size)
                check_same(version, expected)
                content = b"".join(self._pieces(response, last + 1 - first))
            if len(content) != last + 1 - first:
                raise Fault(f"{len(content)} bytes where {last + 1 - first} were announced")
            return content, version

        return self._patiently(relative, ask)

    def _believe_no_ranges(self) -> None:
        """Ask for no range any more, unless the server has served one before: then it did not this once."""
        with self._lock:
            first, self._ranges = self._ranges is None, bool(self._ranges)
        if first:
            self._note(f"{self.base}: the server ignores ranges; files are fetched whole")

    def _continue(self, relative: str, partial: _Partial) -> None:
        """One try: from where the file ends so far, if the server can tell that it is still the same one."""
        have, validator = partial.file.seek(0, 2), partial.version.validator
        headers = {"Range": f"bytes={have}-", "If-Range": validator} if have and validator else {}
        with self._request("GET", relative, headers) as response:
            response = existing(response, self.address(relative))
            if response.status == 206:
                first, last, size = content_range(response.headers)
                version = version_of(response.headers, size)
            else:
                version = whole_version(response)
                first, last = 0, (version.size or 0) - 1
                partial.file.truncate(partial.file.seek(0))
                have = 0
            before, partial.version = partial.version, version
            if not version.agrees(before):
                partial.file.truncate(0)
                raise Fault(f"another version of the file: {version.size} bytes, before {before.size}")
            if first != have or last != (version.size or 0) - 1:
                partial.file.truncate(0)
                raise Fault(
                    f"bytes {first}-{last} of {version.size} where the rest from {have} on was asked for"
                )
            if (version.size or 0) > MOST_FILE_BYTES:
                raise _too_large(self.address(relative))
            for piece in self._pieces(response, MOST_FILE_BYTES + _PIECE):
                if have + len(piece) > MOST_FILE_BYTES:  # of a length that was not announced
                    raise _too_large(self.address(relative))
                if have == 0:
                    refuse_page(response.headers, piece)
                have += partial.file.write(piece)
            if version.size is not None and have != version.size:
                partial.file.truncate(have if have < version.size else 0)
                raise Fault(f"{have} bytes where {version.size} were announced")

    def _pieces(self, response: urllib3.BaseHTTPResponse, most: int) -> Iterator[bytes]:
        """The body, of at most so many bytes: a server that announces no length might never end."""
        started, count = time.monotonic(), 0
        for piece in response.stream(_PIECE):
            count += len(piece)
            if count > most:
                raise Fault(f"more than the {most:,} bytes that it may have")
            self._pause(0.0)
            with self._lock:
                self.bytes += len(piece)
            elapsed = time.monotonic() - started
            if elapsed > self.manners.stall_timeout and count < self.manners.slowest * elapsed:
                raise Fault(f"only {count} bytes in {elapsed:.0f} s")
            yield piece

    @contextmanager
    def _request(
        self, method: str, relative: str, headers: Mapping[str, str]
    ) -> Iterator[urllib3.BaseHTTPResponse | None]:
        """Ask once; None for a file that is not there. The connection is kept if all was read."""
        response = self._follow(method, self.address(relative), headers)
        try:
            sort_status(response, self.address(relative))
            yield None if response.status in (404, 410) else response
            if response.length_remaining != 0:  # None: not announced; what is left unread is not worth it
                response.close()
        except BaseException:
            response.close()
            raise
        finally:
            response.release_conn()

    def _follow(self, method: str, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        for _ in range(1 + _MAX_REDIRECTS):
            self._pause(max(0.0, self._not_before - time.monotonic()))
            with self._lock:
                self.requests += 1
            response = self._pool.request(
                method,
                url,
                headers={**self._pool.headers, **headers},
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            if response.status not in (301, 302, 303, 307, 308):
                return response
            response.close()  # whatever it has to say besides
            response.release_conn()
            there = urljoin(url, response.headers.get("Location", ""))
            if urlsplit(there)[:2] != urlsplit(url)[:2]:
                raise SurveyError(f"{url}: redirects to {there}; give that address if you trust it")
            url = there
        raise SurveyError(f"{url}: redirects in a circle; check the address")

    def _patiently(self, relative: str, ask: Callable[[], T]) -> T:
        """Try until it works, with pauses; final errors pass through."""
        failures = pages = 0
        while True:
            try:
                return ask()
            except SSLError as error:
                message = f"{self.address(relative)}: {error}; check the address and the machine's clock"
                raise SurveyError(message) from error
            except (Fault, HTTPError, ConnectionError, TimeoutError) as error:
                failures += 1
                pages += isinstance(error, Fault) and error.page
                self._give_up_or_wait(relative, error, failures, pages)

    def _give_up_or_wait(self, relative: str, error: Exception, failures: int, pages: int) -> None:
        address, manners = self.address(relative), self.manners
        if pages >= manners.page_attempts:
            raise BrickError(
                "web_page", address, "the server sends a web page instead; check the address"
            ) from error
        unknown = isinstance(error, NameResolutionError)
        tries = min(_NAME_TRIES if unknown else manners.attempts, manners.attempts)
        if failures >= tries:
            mend = "; check the address and the network" if unknown else ""
            message = f"{address}: {failures} tries failed, the last one: {error}{mend}"
            raise TransientError(message) from error
        asked = error.wait if isinstance(error, Fault) else None
        if asked is not None and asked > manners.longest_retry_after:
            raise TransientError(f"{address}: {error}, and asks to come back in {asked:.0f} s") from error
        if asked is not None:  # the server speaks for all requests, not for this one alone
            with self._lock:
                self._not_before = max(self._not_before, time.monotonic() + asked)
        pause = manners.pause(failures)
        wait = max(pause, self._not_before - time.monotonic())
        number, last = (pages, manners.page_attempts) if pages == failures else (failures, tries)
        self._note(f"{address}: {error}; try {number + 1} of {last} in {wait:.1f} s")
        self._pause(pause)

    def _pause(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise TransientError(f"{self.base}: stopped")


def _too_large(address: str) -> BrickError:
    message = f"more than {MOST_FILE_BYTES:,} bytes, as no file of the survey has; check the address"
    return BrickError("corrupt", address, message)
