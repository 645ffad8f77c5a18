"""Door to the Temporal UI: decides on every request under `/temporal` before the UI's server gets it."""

import re
from base64 import b64encode
from hashlib import sha256
from http import HTTPStatus

import httpx
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.problems import ProblemError, declare
from api.temporal_ui.ui_server import ANSWERED, PATH, RENDER, UiServer, token_in

NO_UI = declare("no-temporal-ui", HTTPStatus.NOT_FOUND, "No Temporal UI")
SCRIPTS = f"{PATH}/_app/immutable/"
FOR_EVER = "private, max-age=31536000, immutable"
"""Of scripts and styles, whose names change with their content."""
FRAME = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self';"
    " sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
)
"""What the page of a text may do: be shown in a frame of the UI, and open links."""
PAGE = (
    "default-src 'self'; script-src 'self'{}; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""What a page of the UI may do, with the digests of the scripts that stand in it."""
_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


class Door:
    """Application under `/temporal`, before the UI's server at an address; None if there is none."""

    path = PATH

    def __init__(self, address: str | None) -> None:
        self._ui = UiServer(address) if address else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        # For metrics: no path or query becomes a label.
        scope["route"] = self
        if self._ui is None:
            raise ProblemError(NO_UI, "No Temporal UI is set: HOTLINE_TEMPORAL_UI_URL is its address.")
        request = Request(scope, receive)
        if request.url.path == PATH:
            await Response(status_code=HTTPStatus.TEMPORARY_REDIRECT, headers={"Location": f"{PATH}/"})(
                scope, receive, send
            )
            return
        async with self._ui.asked(request, scope["query_string"], await request.body()) as answer:
            await (await _passed_on(request, answer))(scope, receive, send)

    async def close(self) -> None:
        """Close the connections to the UI's server."""
        if self._ui:
            await self._ui.close()


async def _passed_on(request: Request, answer: httpx.Response) -> Response:
    """Return the answer of the UI's server with our own policy, and without cookies but its token."""
    response: Response
    if answer.headers.get("content-type", "").startswith("text/html"):
        page = await answer.aread()
        response = Response(page, answer.status_code, {"Content-Type": "text/html; charset=utf-8"})
        response.headers["Content-Security-Policy"] = PAGE.format(_digests(page))
    else:
        response = StreamingResponse(answer.aiter_raw(), answer.status_code)
        response.raw_headers = [(n, v) for n, v in answer.headers.raw if n.decode().lower() in ANSWERED]
        response.headers["Content-Security-Policy"] = PAGE.format("")
    if "location" in answer.headers:
        response.headers["Location"] = answer.headers["location"]
    if request.url.path == RENDER:
        response.headers["Content-Security-Policy"] = FRAME
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
    elif request.url.path.startswith(SCRIPTS) and answer.is_success:
        response.headers["Cache-Control"] = FOR_EVER
    if token := token_in(answer.headers.get("set-cookie", "")):
        secure = "; Secure" if request.url.scheme == "https" else ""
        response.headers["Set-Cookie"] = f"_csrf={token}; Path={PATH}; SameSite=Strict{secure}"
    return response


def _digests(page: bytes) -> str:
    """Return the sources of a policy that let the scripts of this page run, which is no larger than a few KB."""
    return "".join(f" 'sha256-{b64encode(sha256(script).digest()).decode()}'" for script in _SCRIPT.findall(page))
