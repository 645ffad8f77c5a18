"""Sealed cookies: what a browser keeps for the service, so that nobody else reads or makes it."""

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from starlette.requests import HTTPConnection
from starlette.responses import Response

from activities.sealing.keys import Seal
from domain.shared.text import Instant
from domain.shared.value import Immutable


class Kept(Immutable):
    """Content that a browser keeps for the service until `ends_at`."""

    ends_at: Instant


K = TypeVar("K", bound=Kept)


class SealedCookie(Generic[K]):
    """Cookie in which a browser keeps what the service has sealed.

    Args:
        name: name of the cookie, without the prefix that it has over TLS.
        seal: seals the content.
        model: model of the content.
        clock: returns the present instant.
        secure: browsers reach the API over TLS alone.
        strict: leave the cookie out where a page of another site leads here, as a link of a message or the issuer does.
    """

    def __init__(
        self,
        name: str,
        seal: Seal,
        model: type[K],
        clock: Callable[[], datetime],
        *,
        secure: bool,
        strict: bool = False,
    ) -> None:
        self._seal = seal
        self._model = model
        self._clock = clock
        # Browsers take this prefix from this very host alone, over TLS.
        self._name = f"__Host-{name}" if secure else name
        self.secure = secure
        samesite = "strict" if strict else "lax"
        self._attributes: dict[str, Any] = {"secure": secure, "httponly": True, "samesite": samesite, "path": "/"}

    def text(self, request: HTTPConnection) -> str:
        """Return the sealed text of the request's cookie; empty if there is none."""
        return request.cookies.get(self._name, "")

    def open(self, text: str) -> K | None:
        """Return the content of a sealed text; None if the service has not sealed it, or its time is over."""
        content = self._seal.open(text) if text else None
        try:
            found = self._model.model_validate_json(content) if content else None
        except ValidationError:  # another release has sealed it
            return None
        return found if found and self._clock() < found.ends_at else None

    def set(self, response: Response, kept: K) -> None:
        """Give the browser the cookie, until its content ends."""
        seconds = math.ceil((kept.ends_at - self._clock()).total_seconds())
        sealed = self._seal.close(kept.model_dump_json().encode())
        response.set_cookie(self._name, sealed, max_age=seconds, **self._attributes)

    def clear(self, response: Response) -> None:
        """Take the cookie from the browser."""
        response.delete_cookie(self._name, **self._attributes)
