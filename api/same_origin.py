"""Requests that a page of another site makes a browser send."""

from starlette.datastructures import Headers

READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


def is_from_another_site(headers: Headers) -> bool:
    """Return True if a browser says so. Programs, which send neither header, are no page's tool."""
    if site := headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")
    # Browsers leave that header out where HTTP is not encrypted, and older ones always.
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")
