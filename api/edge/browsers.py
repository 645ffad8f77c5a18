"""Pages, sealed cookies and forms: the service in browsers, apart from pages of other sites."""

import math
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, Response

from activities.sealing.keys import Seal
from api.edge.problems import ProblemError, declare
from domain.shared.value import Immutable, Instant

FOREIGN_REQUEST = declare("foreign-request", HTTPStatus.FORBIDDEN, "Request of another site")
READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
_API = Path(__file__).parents[1]
_FOLDERS = ("pages", "temporal_ui/pages", "desk/pages", "exports/templates")
TEMPLATES = Environment(
    loader=FileSystemLoader([_API / folder for folder in _FOLDERS]),
    undefined=StrictUndefined,
    autoescape=True,
    trim_blocks=True,
)
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)
K = TypeVar("K", bound="CookieContent")


class CookieContent(Immutable):
    """Content that a browser keeps for the service until `ends_at`."""

    ends_at: Instant


@dataclass(frozen=True)
class SealedCookie(Generic[K]):
    """Cookie in which a browser keeps what the service has sealed; `secure`: browsers reach the API over TLS alone.

    A `strict` one is left out where a page of another site leads here, as a link of a message or the issuer does.
    """

    name: str
    seal: Seal
    model: type[K]
    clock: Callable[[], datetime]
    secure: bool
    samesite: Literal["lax", "strict"] = "lax"

    @property
    def _attributes(self) -> dict[str, Any]:
        # Browsers take this prefix from this very host alone, over TLS.
        key = f"__Host-{self.name}" if self.secure else self.name
        return {"key": key, "secure": self.secure, "httponly": True, "samesite": self.samesite, "path": "/"}

    def text(self, request: HTTPConnection) -> str:
        """Empty if there is no cookie."""
        return request.cookies.get(self._attributes["key"], "")

    def open(self, text: str) -> K | None:
        """None if the service has not sealed the text, or its time is over."""
        content = self.seal.open(text) if text else None
        try:
            found = self.model.model_validate_json(content) if content else None
        except ValidationError:  # another release has sealed it
            return None
        return found if found and self.clock() < found.ends_at else None

    def set(self, response: Response, kept: K) -> None:
        seconds = math.ceil((kept.ends_at - self.clock()).total_seconds())
        sealed = self.seal.close(kept.model_dump_json().encode())
        response.set_cookie(value=sealed, max_age=seconds, **self._attributes)

    def clear(self, response: Response) -> None:
        response.delete_cookie(**self._attributes)


def page(
    name: str,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    **fields: Any,  # noqa: ANN401 - of a template
) -> Response:
    text = TEMPLATES.get_template(name).render(**fields)
    sources = {"script": "", "style": ""}
    for kind, content in _INLINE.findall(text):
        sources[kind] += source(content.encode())
    nothing = " 'none'"
    allowed = "; ".join(f"{kind}-src{digests or nothing}" for kind, digests in sources.items())
    # What a script of the page reads is of this site.
    allowed += "; connect-src 'self'" if sources["script"] else ""
    policy = f"default-src 'none'; {allowed}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    return HTMLResponse(text, status, {"Content-Security-Policy": policy, **(headers or {})})


def source(content: bytes) -> str:
    """Source of a policy that lets a script or style of the page itself run."""
    return f" 'sha256-{b64encode(sha256(content).digest()).decode()}'"


async def form_of(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode(errors="replace")))


def require_same_origin(request: Request, *, secure: bool) -> None:
    """Raise ProblemError 403 for a request that may change something and comes from a page of another site."""
    if request.method not in READING and is_from_another_site(request.headers, secure=secure):
        raise ProblemError(FOREIGN_REQUEST, "A page of another site has sent this; accepted: a page of this service.")


def is_from_another_site(headers: Headers, *, secure: bool) -> bool:
    """Return True if a browser says so; programs say nothing. `secure`: pages of this site come over TLS alone."""
    if site := headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")
    # Browsers leave that header out where HTTP is not encrypted, and older ones always.
    origin = headers.get("origin")
    if origin is None:
        return False
    scheme, _, host = origin.partition("://")
    # Whoever answers in the network for HTTP without TLS has this site's name as well.
    return host != headers.get("host") or (secure and scheme != "https")
