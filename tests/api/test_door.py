"""Door to the Temporal UI: what it passes on to the UI's server, and what of its answers."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from tests.support.api import Api, further_api, problem, served

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORKFLOWS = "/temporal/api/v1/namespaces/default/workflows"


@dataclass
class Ui:
    """Stands in for the UI's server: it keeps what it is sent, and its answer pauses in the middle."""

    asked: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    answers: dict[str, Response] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        target = f"{scope['raw_path'].decode()}?{scope['query_string'].decode()}"
        self.asked.append((request.method, target, await request.body(), dict(request.headers)))
        response = self.answers.get(request.url.path) or StreamingResponse(self._halves(), 201)
        headers = MutableHeaders(raw=response.raw_headers)
        headers.append("Set-Cookie", "hotline=forged; Path=/")
        headers.append("Set-Cookie", "_csrf=a1b2; Path=/; SameSite=Strict")
        await response(scope, receive, send)

    async def _halves(self) -> AsyncIterator[bytes]:
        yield b"first"
        await self.goes_on.wait()
        yield b"last"


@asynccontextmanager
async def door(made: Api) -> AsyncIterator[tuple[Ui, httpx.AsyncClient]]:
    """Run an API before a stand-in for the UI's server."""
    ui = Ui()
    async with (
        served(Starlette(routes=[Mount("/", ui)])) as address,
        further_api(made, made.clock, temporal_ui_url=address) as api,
    ):
        yield ui, api.http


async def test_without_a_ui_the_answer_names_the_setting(on_sqlite: Api) -> None:
    answer = problem(await on_sqlite.http.get("/temporal/"), 404, "no-temporal-ui")
    assert "HOTLINE_TEMPORAL_UI_URL" in answer["detail"]


async def test_an_answer_is_passed_on_while_it_comes(on_sqlite: Api) -> None:
    async with door(on_sqlite) as (ui, http), http.stream("GET", WORKFLOWS) as answer:
        parts = answer.aiter_raw()
        assert await anext(parts) == b"first"
        ui.goes_on.set()
        assert await anext(parts) == b"last"


async def test_a_compressed_answer_passes_as_it_is(on_sqlite: Api) -> None:
    async with door(on_sqlite) as (ui, http):
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json", "X-Other": "1"}
        ui.answers[WORKFLOWS] = Response(gzip.compress(b"{}"), headers=headers)
        answer = await http.get(WORKFLOWS, headers={"Accept-Encoding": "gzip"})
    assert (answer.headers["content-encoding"], answer.text, "x-other" in answer.headers) == ("gzip", "{}", False)


async def test_no_cookie_passes_but_the_uis_token(on_sqlite: Api) -> None:
    async with door(on_sqlite) as (ui, http):
        ui.goes_on.set()
        sent = {"Cookie": "hotline=secret; _csrf=a1; other=1", "X-Csrf-Token": "a1", "Authorization": "Bearer hk_x"}
        answer = await http.get(WORKFLOWS, headers=sent | {"Grpc-Metadata-Caller-Name": "x"})
    [(_, _, _, headers)] = ui.asked
    assert (headers["cookie"], headers["x-csrf-token"]) == ("_csrf=a1", "a1")
    assert not {"authorization", "grpc-metadata-caller-name"} & headers.keys()
    assert answer.headers.get_list("set-cookie") == ["_csrf=a1b2; Path=/temporal; SameSite=Strict"]


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example/temporal/", "/temporalx", "/sign-out"])
async def test_no_redirect_of_the_uis_server_leads_elsewhere(on_sqlite: Api, to: str) -> None:
    async with door(on_sqlite) as (ui, http):
        ui.answers[WORKFLOWS] = Response(status_code=302, headers={"Location": to})
        problem(await http.get(WORKFLOWS), 503, "temporal-ui-unavailable")


async def test_without_its_server_the_door_says_so(on_sqlite: Api) -> None:
    async with further_api(on_sqlite, on_sqlite.clock, temporal_ui_url="http://127.0.0.1:9") as api:
        problem(await api.http.get("/temporal/"), 503, "temporal-ui-unavailable")
