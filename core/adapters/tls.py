"""The certificates this process trusts."""

import ssl
from functools import cache

import httpx


@cache
def trusted() -> ssl.SSLContext:
    """Return what to give an HTTP client as `verify`: read once a process, since it costs 50 ms of a core.

    These are certifi's, or those of `SSL_CERT_FILE` or `SSL_CERT_DIR` where one of them is set.
    """
    return httpx.create_ssl_context()
