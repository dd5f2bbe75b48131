"""Connections to a web server: HTTPS, or on this machine; through the proxy that the environment names."""

import ipaddress
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from survey.errors import SurveyError

USER_AGENT = "dark-halo-scope (staging of Legacy Survey coadds; python-urllib3)"


def open_pool(address: str, connections: int, timeout: urllib3.Timeout) -> urllib3.PoolManager:
    """Give connections that are kept.

    Parameters
    ----------
    address : str
        Where to.
    connections : int
        At most so many.
    timeout : urllib3.Timeout
        To connect, and without a byte.

    Raises
    ------
    SurveyError
        If the address names no host, or is plain http to another machine.
    """
    _check_address(address)
    settings: dict[str, Any] = {
        "num_pools": 1,
        "maxsize": connections,
        "block": True,
        "timeout": timeout,
        "retries": False,
        "headers": {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
    }
    parts = urlsplit(address)
    proxy = getproxies().get(parts.scheme)
    if proxy and not _is_loopback(parts.hostname or "") and not proxy_bypass(parts.hostname or ""):
        return urllib3.ProxyManager(proxy, **settings)
    return urllib3.PoolManager(**settings)


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.username or parts.password or parts.query or parts.fragment:  # not repeated: it may be a secret
        host = f"{parts.scheme}://{parts.hostname}"
        raise SurveyError(f"{host}: give the address without a name, password, ? or #: https://host/folder")
    if not parts.hostname:
        raise SurveyError(f"{address}: names no host; give https://host/folder")
    if parts.scheme == "https" or _is_loopback(parts.hostname):
        return
    raise SurveyError(f"{address}: plain http can be altered on its way; give https://")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
