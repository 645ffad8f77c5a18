"""A page of 50 cases in the Temporal UI: through the API's proxy, and from the UI's server itself, in turns.

Asked is what the UI asks for when the page opens, as a browser does: some requests at once, on connections that are
kept. Once for a person who sees all cases, once for a crew, whose query the proxy narrows.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp

from api.temporal_ui.pages import RUNNING
from api.temporal_ui.rules import API
from bench.load import Hotline
from bench.measure import Round
from bench.report import Figure
from bench.server import Service, ServiceError
from hotline.settings import variable

PAGE = 50
PAGES, QUICK_PAGES = 300, 30
NOT_COUNTED = 20
MOST_MORE_MILLISECONDS = 30
DEPARTMENT = "repair"
NAMESPACE = f"{API}/namespaces/default"
QUERY = {"query": RUNNING}
ASKED: Sequence[tuple[str, Mapping[str, str]]] = (
    (f"{API}/settings", {}),
    (f"{API}/system-info", {}),
    (f"{API}/cluster-info", {}),
    (f"{API}/namespaces", {}),
    (NAMESPACE, {}),
    (f"{NAMESPACE}/search-attributes", {}),
    (f"{NAMESPACE}/workflow-count", QUERY),
    (f"{NAMESPACE}/workflows", {**QUERY, "maximumPageSize": str(PAGE)}),
)
AT_ONCE = 6
"""Connections of a browser to one server."""
SHOWN_WITHIN_SECONDS = 30.0
LOOK_EVERY_SECONDS = 0.2


@dataclass(frozen=True)
class Opened:
    """Milliseconds of a page, p50: from the UI's server and through the proxy, which narrows the query of a crew."""

    itself: float
    proxied: float
    crew: float


async def measure(service: Service, *, quick: bool) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures. Raises ServiceError if the UI does not show the cases."""
    opened = await _measured(service, QUICK_PAGES if quick else PAGES)
    figures = [
        Figure(f"a page of {PAGE} cases from the Temporal UI's server, p50", opened.itself, "ms"),
        Figure("more by the proxy, p50", opened.proxied - opened.itself, "ms", at_most=MOST_MORE_MILLISECONDS),
        Figure("the same for a crew", opened.crew - opened.itself, "ms", at_most=MOST_MORE_MILLISECONDS),
    ]
    return figures, asdict(opened)


async def _measured(service: Service, pages: int) -> Opened:
    ui = f"http://127.0.0.1:{service.settings.ui_port}"
    settings = {variable("temporal_ui_url"): ui, variable("reads_per_minute"): "0"}
    api = await service.start_further_api(**settings)
    crew = await service.hotline("key", "create", "crew-1", "--role", "crew", "--department", DEPARTMENT)
    async with AsyncExitStack() as stack:
        hotline = await stack.enter_async_context(Hotline(service.url, service.key))
        for _ in range(PAGE + 1):
            number = await hotline.register(Round())
            await hotline.act(number, "dispatch", {"department": DEPARTMENT}, Round())
        sides = {
            "itself": await stack.enter_async_context(_browser(ui)),
            "proxied": await stack.enter_async_context(_browser(api)),
            "crew": await stack.enter_async_context(_browser(api)),
        }
        await _sign_in(sides["proxied"], service.key)
        await _sign_in(sides["crew"], crew.strip())
        for side in sides.values():
            await _until_shown(side)
        sample = Round()
        for turn in range(NOT_COUNTED + pages):
            for name, side in sides.items():
                await _open(side, name, sample if turn >= NOT_COUNTED else Round())
    return Opened(**{name: sample.milliseconds(name, 0.5) for name in sides})


def _browser(url: str) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    return aiohttp.ClientSession(
        url, connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True), raise_for_status=True
    )


async def _sign_in(side: aiohttp.ClientSession, key: str) -> None:
    async with side.post("/sign-in", data={"key": key}, allow_redirects=False):
        pass


async def _open(side: aiohttp.ClientSession, name: str, sample: Round) -> None:
    with sample.timed(name):
        await asyncio.gather(*(_read(side, path, query) for path, query in ASKED))


async def _read(side: aiohttp.ClientSession, path: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
    async with side.get(path, params=query) as response:
        return await response.json()


async def _until_shown(side: aiohttp.ClientSession) -> None:
    give_up_at = time.monotonic() + SHOWN_WITHIN_SECONDS
    while len((await _read(side, *ASKED[-1]))["executions"]) < PAGE:
        if time.monotonic() > give_up_at:
            raise ServiceError(f"the Temporal UI does not show {PAGE} cases within {SHOWN_WITHIN_SECONDS:g} s")
        await asyncio.sleep(LOOK_EVERY_SECONDS)
