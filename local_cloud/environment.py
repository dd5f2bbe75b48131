"""Environment variables: nothing of the user's AWS configuration gets in, and all is as it was afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_PASSED_ON = (
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH",
    "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
)  # fmt: skip
"""What a process needs of this machine; a container would not inherit more."""

_LOCAL = "127.0.0.1,localhost"


def aws_variables(endpoint_url: str, region: str) -> dict[str, str]:
    """Credentials that are none, and an endpoint that is ours for every service."""
    return {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": _no_proxy("NO_PROXY"),
        "no_proxy": _no_proxy("no_proxy"),
    }


def _no_proxy(name: str) -> str:
    given = os.environ.get(name, "")
    return f"{given},{_LOCAL}" if given else _LOCAL


def child_environment(endpoint_url: str, region: str, extra: dict[str, str]) -> dict[str, str]:
    """What tasks and Lambdas find in their environment, before their own variables."""
    inherited = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**inherited, **aws_variables(endpoint_url, region), **extra}


@contextmanager
def only(variables: dict[str, str]) -> Iterator[None]:
    """`variables` instead of every AWS_* variable of this process; all as it was afterwards."""
    before = dict(os.environ)
    for name in _aws_names():
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in {*_aws_names(), *variables}:
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]
        os.environ.update({name: value for name, value in before.items() if name.startswith("AWS_")})


def _aws_names() -> list[str]:
    return [name for name in os.environ if name.startswith("AWS_")]
