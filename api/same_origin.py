"""Requests that a page of another site makes a browser send."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import Request

from api.problems import ProblemError, declare

FOREIGN_REQUEST = declare("foreign-request", HTTPStatus.FORBIDDEN, "Request of another site")
READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


def require_same_origin(request: Request, *, secure: bool) -> None:
    """Raise ProblemError 403 for a request that may change something and comes from a page of another site."""
    if request.method not in READING and is_from_another_site(request.headers, secure=secure):
        raise ProblemError(FOREIGN_REQUEST, "A page of another site has sent this; accepted: a page of this service.")


def is_from_another_site(headers: Headers, *, secure: bool) -> bool:
    """Return True if a browser says so; `secure`: pages of this site come over TLS alone.

    Programs, which send neither header, are no page's tool.
    """
    if site := headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")
    # Browsers leave that header out where HTTP is not encrypted, and older ones always.
    origin = headers.get("origin")
    if origin is None:
        return False
    scheme, _, host = origin.partition("://")
    # Whoever answers in the network for HTTP without TLS has this site's name as well.
    return host != headers.get("host") or (secure and scheme != "https")
