"""The table of outages in docs/when-something-is-wrong.md: every cell, and what follows when everything is back."""

import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import pytest_asyncio
from temporalio.client import Client

import worker
from readmodel.base.database import engine
from tests.support.api import Api, Json, problem, running_api
from tests.support.hotline import until
from tests.support.outage import down, unanswering
from tests.support.proxy import relay
from tests.support.sealing import SEALING
from tools.docs.outages import OUTAGES, Part, Request, name

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

MARGIN_SECONDS = 1.0
"""Time beyond the bound of a cell for all that runs."""
TRIES = 4
"""Requests of which one is within its bound and the margin: others may be late, as the machine runs other tests."""
SHORT = {"sql_wait_seconds": 0.2, "update_timeout_seconds": 1.0}
READY = {Part.SQL: "sql", Part.LOCK: "sql", Part.WORKER: "worker", Part.TEMPORAL: "temporal", Part.FROZEN: "temporal"}
"""Part of `/readyz` that names each part that is down."""


class Scene(NamedTuple):
    """Parts that are down, and the kind of the read model's database."""

    down: frozenset[Part]
    database: str

    def __str__(self) -> str:
        return f"{name(self.down)}, {self.database}"


SCENES = [Scene(parts, "sqlite") for parts in OUTAGES] + [
    Scene(parts, "postgresql") for parts in OUTAGES if Part.SQL in parts
]


@dataclass(frozen=True)
class Outage:
    """A service of which parts are down. `number` is a case that was registered before."""

    scene: Scene
    api: Api
    number: str
    workers: AsyncExitStack
    down: AsyncExitStack

    async def end(self) -> None:
        """Bring everything back."""
        await self.down.aclose()
        if Part.WORKER in self.scene.down:
            await self.workers.enter_async_context(worker.running(self.api.temporal, self.api.settings))

    async def send(self, request: Request) -> httpx.Response:
        """Send a request. Raises TimeoutError if none of a few is answered within the bound of its cell."""
        bound = OUTAGES[self.scene.down][request].within(self.api.settings)
        for _ in range(TRIES):
            began = time.monotonic()
            answer = await SEND[request](self)
            if time.monotonic() - began <= bound + MARGIN_SECONDS:
                return answer
        raise TimeoutError(f"{request}: not within {bound} s")


async def dispatch(outage: Outage, key: str | None = None) -> httpx.Response:
    return await outage.api.act(outage.number, "dispatch", {"department": "repair"}, "zhou", key)


SEND: Mapping[Request, Callable[[Outage], Awaitable[httpx.Response]]] = {
    Request.REGISTER: lambda outage: outage.api.register(),
    Request.ACT: lambda outage: dispatch(outage, "once"),  # a further try repeats it
    Request.READ: lambda outage: outage.api.get(f"/v1/complaints/{outage.number}"),
    Request.LIST: lambda outage: outage.api.get("/v1/complaints"),
    Request.TIMELINE: lambda outage: outage.api.get(f"/v1/complaints/{outage.number}/timeline"),
    Request.READY: lambda outage: outage.api.http.get("/readyz"),
}


def shows(outage: Outage, request: Request, body: Json) -> bool:
    """Return True if the body is that of the request: its case, in the state that it should have."""
    if request is Request.REGISTER:
        return bool(body["state"] == "registered" and body["number"] != outage.number)
    if request is Request.ACT:
        return bool(body["state"] == "dispatched")
    if request is Request.READ:
        return bool(body["number"] == outage.number)
    key, value = ("number", outage.number) if request is Request.LIST else ("action", "register")
    return value in [item[key] for item in body["items"]]


@asynccontextmanager
async def begun(scene: Scene, temporal: Client, url: str, folder: Path) -> AsyncIterator[Outage]:
    """Take the parts of a running service away."""
    database = engine(url)
    async with relay(temporal.service_client.config.target_host) as way:
        client = await Client.connect(f"127.0.0.1:{way.port}", **SEALING)
        async with (
            running_api(client, url, folder, at_work=False, **SHORT) as api,
            AsyncExitStack() as workers,
            AsyncExitStack() as gone,
        ):
            number = await api.case_in("registered")
            # One that stops is noticed after 75 s only; this one has not begun.
            if Part.WORKER not in scene.down:
                await workers.enter_async_context(worker.running(client, api.settings))
            if Part.SQL in scene.down:
                gone.enter_context(unanswering(database))
            if Part.LOCK in scene.down:
                gone.enter_context(down(database))
            if Part.TEMPORAL in scene.down:
                gone.push_async_callback(way.mend)
                await way.cut()
            if Part.FROZEN in scene.down:
                gone.callback(way.thaw)
                way.freeze()
            yield Outage(scene, api, number, workers, gone)
    database.dispose()


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=SCENES, ids=str)
async def outage(
    request: pytest.FixtureRequest, temporal: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Outage]:
    """An outage that lasts for all cells of its row."""
    folder = tmp_path_factory.mktemp("outage")
    on_sqlite = request.param.database == "sqlite"
    url = f"sqlite:///{folder / 'hotline.db'}" if on_sqlite else request.getfixturevalue("postgresql_module_url")
    async with begun(request.param, temporal, url, folder) as made:
        yield made


@pytest.mark.parametrize("asked", Request, ids=lambda kind: kind.name.lower())
async def test_each_cell_is_answered_within_its_bound(outage: Outage, asked: Request) -> None:
    expected = OUTAGES[outage.scene.down][asked]
    answer = await outage.send(asked)
    assert answer.status_code == expected.status, answer.text
    if expected.problems:
        slug = answer.json()["type"].rpartition(":")[2]
        assert slug in expected.problems
        problem(answer, expected.status, slug)
        assert int(answer.headers["retry-after"]) > 0
    elif asked is Request.READY:
        found = answer.json()
        assert found["status"] == ("degraded" if answer.is_success else "unavailable")
        assert [READY[part] for part in outage.scene.down if found[READY[part]]["ok"]] == []
        if Part.TEMPORAL in outage.scene.down:
            assert found["courier"]["remedy"] == "See the part `temporal`."
    else:
        assert shows(outage, asked, answer.json())


@pytest.mark.parametrize("scene", SCENES, ids=str)
async def test_when_it_is_back_202_is_listed_unasked_and_503_repeated_is_done_once(
    scene: Scene, temporal: Client, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url: str = request.getfixturevalue(f"{scene.database}_url")
    mine, theirs = uuid.uuid4().hex, uuid.uuid4().hex
    async with begun(scene, temporal, url, tmp_path) as made:
        registered, acted = await made.api.register(key=mine), await dispatch(made, theirs)
        await made.end()
        if registered.is_success:
            listed = await until(lambda: made.api.actions(registered.json()["number"]), lambda found: found != [])
            assert listed == ["register"]
        if acted.is_success:
            await until(lambda: made.api.actions(made.number), lambda found: len(found) == 2)
        again = await until(lambda: made.api.register(key=mine), lambda answer: answer.status_code == 201)
        await until(lambda: dispatch(made, theirs), lambda answer: answer.status_code == 200)
        if registered.is_success:
            assert again.json()["number"] == registered.json()["number"]
        page = (await made.api.get("/v1/complaints")).json()["items"]
        assert sorted(item["number"] for item in page) == sorted([made.number, again.json()["number"]])
        assert await made.api.actions(made.number) == ["register", "dispatch"]
