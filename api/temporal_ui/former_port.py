"""The port that the Temporal UI has in bookmarks: it leads to the UI's place on the API."""

from collections.abc import Collection
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.middleware import HostCheck
from api.temporal_ui.rules import PREFIX

PAGES = b"/ui/"
"""Path below which the pages beside the UI were: they stand at the root now."""


def former_port(api: str, hosts: Collection[str]) -> ASGIApp:
    """Return the application that leads each request for one of these hosts to the API at this address."""

    async def lead(scope: Scope, receive: Receive, send: Send) -> None:
        path, query = scope["raw_path"], scope["query_string"]
        target = path[len(PAGES) - 1 :] if path.startswith(PAGES) else PREFIX.encode() + path
        location = api.encode() + target + (b"?" + query if query else b"")
        response = Response(status_code=HTTPStatus.TEMPORARY_REDIRECT)
        response.raw_headers.append((b"location", location))
        await response(scope, receive, send)

    return HostCheck(lead, hosts)
