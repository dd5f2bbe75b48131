"""What an answer over HTTP says, and whether it can be believed: its status, place, version and kind."""

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import urllib3

from survey.errors import BrickError, SurveyError

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_LENGTH = re.compile(r"[0-9]{1,18}")
_PAGE_STARTS = (b"<!doctype", b"<html", b"<?xml", b"<head")


@dataclass(frozen=True)
class Version:
    """Which version of a file a server has: its size, and what tells two versions apart."""

    size: int | None
    etag: str | None
    modified: str | None

    def agrees(self, other: "Version") -> bool:
        """Say whether both can be one version; what a server does not say agrees with anything."""
        pairs = ((self.size, other.size), (self.etag, other.etag), (self.modified, other.modified))
        return all(a is None or b is None or a == b for a, b in pairs)

    @property
    def validator(self) -> str | None:
        """Give the value of If-Range: a strong ETag, else the time of the last change."""
        strong = self.etag if self.etag and not self.etag.startswith("W/") else None
        return strong or self.modified


class Fault(Exception):
    """An answer that another try may mend; `wait`: seconds that the server asks for, `page`: it is HTML."""

    def __init__(self, message: str, wait: float | None = None, page: bool = False) -> None:
        super().__init__(message)
        self.wait, self.page = wait, page


def sort_status(response: urllib3.BaseHTTPResponse, address: str) -> None:
    """Let pass what is an answer; Fault for what may pass, SurveyError for what is final."""
    status = response.status
    if status in (200, 206, 404, 410):
        return
    if status in (401, 403):
        raise SurveyError(f"{address}: the server refuses access (status {status}); check the address")
    if status == 416:
        raise Fault("the file is shorter than it was (status 416)")
    if status in (408, 425, 429) or status >= 500:
        raise Fault(f"status {status}", wait=_retry_after(response.headers))
    raise SurveyError(f"{address}: status {status}; check the address")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After, seconds or a date (RFC 9110, 10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def existing(response: urllib3.BaseHTTPResponse | None, address: str) -> urllib3.BaseHTTPResponse:
    """The answer, if there is such a file; BrickError "not_found" otherwise."""
    if response is None:
        raise BrickError("not_found", address, "no such file (status 404); leave the brick out")
    return response


def version_of(headers: Mapping[str, str], size: int | None) -> Version:
    """Which version of a file of that size an answer is of."""
    return Version(size, headers.get("ETag"), headers.get("Last-Modified"))


def whole_version(response: urllib3.BaseHTTPResponse) -> Version:
    """Which version an answer is of that holds, or describes, the whole file."""
    refuse_page(response.headers, b"")
    length = response.headers.get("Content-Length", "")
    return version_of(response.headers, int(length) if _LENGTH.fullmatch(length) else None)


def check_same(version: Version, expected: Version | None) -> None:
    """Fault if an answer is of another version than expected."""
    if expected is not None and not version.agrees(expected):
        raise Fault("the file changed while it was read")


def content_range(headers: Mapping[str, str]) -> tuple[int, int, int]:
    """First and last byte of a partial answer, and the size of the file."""
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if found is None:
        raise Fault(f"Content-Range {headers.get('Content-Range')!r} of a partial answer")
    return int(found[1]), int(found[2]), int(found[3])


def refuse_page(headers: Mapping[str, str], start: bytes) -> None:
    """No file of the survey is HTML: neither by what the server says nor by how it begins."""
    kind = headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml") or start.lstrip()[:16].lower().startswith(_PAGE_STARTS):
        raise Fault("a web page instead of the file", page=True)
