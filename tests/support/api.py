"""The API for tests: the real application behind a real HTTP server, on a real Temporal server, with a real worker."""

import asyncio
import json
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp
from temporalio.client import Client

import worker
from activities.sealing.keys import Links
from api.__main__ import server_config
from api.app import Backend, create_app
from api.temporal.server import ClockCheck
from domain.case.lifecycle import State
from domain.shared.actors import STAFF_ROLES, Actor, Role
from domain.shared.value import exhaustive
from hotline.settings import DEFAULT_CATALOGUE, Settings
from readmodel.people.people import PeopleScope
from tests.support.build import MONDAY, case_in
from tests.support.directory import Directory
from tests.support.rings import ring_at

Json = dict[str, Any]

KEPT = httpx.Limits(keepalive_expiry=2)
"""The server lets go of a connection that was idle for 5 s, and so would the client: a request at that very moment is
lost. Whoever lets go well before never sends one into a connection that is about to be closed."""

LONGEST_ANSWER = 100
"""Seconds that a client of the tests waits: more than the longest settings below take together."""
PATIENT: Json = {"update_timeout_seconds": 60.0, "sql_wait_seconds": 30.0}
"""Settings for a busy machine. With the usual ones, what Temporal does in more than 8 s is answered 503. What SQL takes
in more than 2 s is done, but lists do not show it yet, and the page of a new case is answered 503."""

PEOPLE: Mapping[str, tuple[Role, str | None]] = {
    "chen": (Role.AGENT, None),
    "li": (Role.AGENT, None),
    "zhou": (Role.DISPATCHER, None),
    "wu": (Role.CREW, "repair"),
    "sun": (Role.CREW, "metering"),
    "xu": (Role.SUPERVISOR, None),
    "gao": (Role.MANAGER, None),
    "he": (Role.FOLLOW_UP, None),
    "pbx": (Role.TELEPHONY, None),
    "chief": (Role.ADMIN, None),
}
"""Everybody who has a key, with role and department."""
exhaustive("PEOPLE of tests.support.api", STAFF_ROLES, {role for role, _ in PEOPLE.values()})

CALL: Json = {"service_code": "no_water", "description": "家里没水", "location": {"district": "west"}}
"""The shortest sensible call."""

ROAD: Mapping[str, tuple[tuple[str, str, Json], ...]] = {
    "registered": (),
    "dispatched": (("zhou", "dispatch", {"department": "repair"}),),
    "in_progress": (("zhou", "dispatch", {"department": "repair"}), ("wu", "sign_for", {})),
    "pending_reply": (
        ("zhou", "dispatch", {"department": "repair"}),
        ("wu", "sign_for", {}),
        ("wu", "complete", {"result": "好了"}),
    ),
    "refused": (("zhou", "refuse", {"reason": "不归我们管"}),),
}
"""Steps that bring a case of Chen's to each state: person, action and fields."""


@dataclass
class Clock:
    """The API's clock: the real one until a test sets it."""

    fixed: datetime | None = None

    def __call__(self) -> datetime:
        return self.fixed or datetime.now(UTC)


@dataclass
class Api:
    """A running API, and everybody's way in."""

    url: str
    app: FastAPI
    settings: Settings
    temporal: Client
    clock: Clock
    directory: Directory
    backend: Backend
    tokens: dict[str, str]
    http: httpx.AsyncClient
    registered: list[str] = field(default_factory=list)

    def key(self, name: str) -> dict[str, str]:
        """The header that lets somebody in."""
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    def session(self, name: str, scope: PeopleScope = "all") -> dict[str, str]:
        """The header of a browser in which somebody has signed in."""
        member, answer = self.backend.people.get(name), Response()
        assert member
        self.backend.sessions.begin(answer, member.actor, scope)
        return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}

    async def get(self, path: str, by: str = "chief", **params: Any) -> httpx.Response:
        return await self.http.get(path, headers=self.key(by), params=params)

    async def post(self, path: str, body: Any, by: str = "chief", key: str | None = None) -> httpx.Response:
        named = {"Idempotency-Key": key} if key else {}
        headers = {**self.key(by), **named, "Content-Type": "application/json"}
        return await self.http.post(path, content=json.dumps(body), headers=headers)

    async def register(self, body: Json | None = None, by: str = "chen", key: str | None = None) -> httpx.Response:
        return await self.post("/v1/complaints", CALL if body is None else body, by, key)

    async def act(
        self, number: str, action: str, body: Json | None = None, by: str = "chief", key: str | None = None
    ) -> httpx.Response:
        return await self.post(f"/v1/complaints/{number}/actions/{action}", body or {}, by, key)

    def link(self, number: str, cycle: int = 1, at: datetime | None = None) -> str:
        """The path of a link, as the caller gets it."""
        links = Links(ring_at(self.settings.keys_file))
        return f"/c/{links.make(number, cycle, at or datetime.now(UTC))}"

    async def case_in(self, state: str, **changes: Any) -> str:
        """The number of a new case of Chen's that has come to this state."""
        answer = await self.register({**CALL, **changes})
        number: str = answer.json()["number"]
        for by, action, body in ROAD[state]:
            answer = await self.act(number, action, body, by)
            assert answer.is_success, answer.text
        assert answer.json()["state"] == state
        return number

    async def complaint(self, number: str, by: str = "chief") -> Json:
        """The case as it reads now."""
        found: Json = (await self.get(f"/v1/complaints/{number}", by)).json()
        return found

    async def actions(self, number: str) -> list[str]:
        """Return the actions of the case, as its timeline tells; empty if the timeline cannot be read."""
        answer = await self.get(f"/v1/complaints/{number}/timeline")
        return [item["action"] for item in answer.json()["items"]] if answer.is_success else []


def whenever(actions: list[str]) -> list[str]:
    """The actions whose time is no matter of the hour at which the test runs.

    An extension is asked a working day before the expiry: of a promise of 24 hours, that is over at once while the
    office is open, and not before it is. tests/unit/test_case_requests.py holds the rule to exact instants.
    """
    return [action for action in actions if action != "request_extension"]


def offered(by: str, state: str) -> list[str]:
    """The actions that the domain offers this person in this state, if the caller left no telephone for a link."""
    role, department = PEOPLE[by]
    actions = case_in(State(state)).available_actions(Actor(id=by, role=role, department=department), MONDAY)
    return whenever([action for action in actions if action != "send_link"])


def problem(answer: httpx.Response, status: int, slug: str) -> Json:
    """The problem that the answer must be: its type, and words that say what would be accepted."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    found: Json = answer.json()
    assert (answer.status_code, found["type"]) == (status, f"urn:hotline:problem:{slug}"), answer.text
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    return found


@asynccontextmanager
async def running_api(
    temporal: Client, database_url: str, folder: Path, *, at_work: bool = True, **changes: Any
) -> AsyncIterator[Api]:
    """The API on this server and database, and a worker, unless nobody is to be `at_work`."""
    # Tests ask more of a person than people do.
    unlimited = {"reads_per_minute": 0, "writes_per_minute": 0, "incidents_per_hour": 0}
    usual = unlimited | {"courier_poll_seconds": 30.0, "catalogue": DEFAULT_CATALOGUE}
    # What tests write is thrown away, and a busy disk takes seconds.
    usual |= {"unknown_people": "allow", "unsafe_at_power_loss": True}
    queue = f"hotline-{uuid.uuid4().hex}"
    settings = Settings(data_dir=folder, database_url=database_url, **{"task_queue": queue, **usual, **changes})
    directory = Directory(database_url)
    tokens = directory.enter_all(PEOPLE)
    clock = Clock()
    ring_at(settings.keys_file)
    backend = Backend(settings, temporal, clock)
    app = create_app(backend)
    async with AsyncExitStack() as stack:
        if at_work:
            await stack.enter_async_context(worker.running(temporal, settings))
        url = await stack.enter_async_context(served(app, settings))
        client = httpx.AsyncClient(base_url=url, timeout=LONGEST_ANSWER, trust_env=False, limits=KEPT)
        http = await stack.enter_async_context(client)
        yield Api(url, app, settings, temporal, clock, directory, backend, tokens, http)


class Agreed(ClockCheck):
    """A check by which Temporal's clock agrees with any other."""

    def __init__(self) -> None:
        """Take no clock."""

    async def offset(self) -> timedelta:
        """Return nothing."""
        return timedelta()

    async def close(self) -> None:
        """Do nothing."""


@asynccontextmanager
async def further_api(
    made: Api, clock: Callable[[], datetime], check: ClockCheck | None = None, **changes: Any
) -> AsyncIterator[Api]:
    """Another API process of the same service, with a clock of its own; keywords replace settings."""
    settings = made.settings.model_copy(update=changes)
    backend = Backend(settings, made.temporal, clock, check)
    app = create_app(backend)
    async with (
        served(app, settings) as url,
        httpx.AsyncClient(base_url=url, timeout=LONGEST_ANSWER, trust_env=False, limits=KEPT) as http,
    ):
        yield replace(made, url=url, app=app, backend=backend, settings=settings, http=http)


def api_on_its_day(made: Api, clock: Callable[[], datetime]) -> AbstractAsyncContextManager[Api]:
    """Another API process, on a day of the test's choice, which is Temporal's as far as this process can tell.

    Its cases and incidents wait for a worker that never comes: it would find that they are of another day.
    """
    return further_api(made, clock, Agreed(), task_queue="nobody", sql_wait_seconds=0.1)


class _Server(uvicorn.Server):
    """A server that leaves signals to the tests."""

    @staticmethod
    def capture_signals() -> Any:
        return nullcontext()


@asynccontextmanager
async def served(
    app: ASGIApp,
    settings: Settings | None = None,
    config: Callable[[ASGIApp, Settings], uvicorn.Config] = server_config,
) -> AsyncIterator[str]:
    """The application behind a real HTTP server; its URL."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = _Server(config(app, settings or Settings()))
        task = asyncio.create_task(server.serve([listening]))
        while not server.started:
            assert not task.done(), task
            await asyncio.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


def models_of(schema: Json) -> list[str]:
    """The models that a body may be of."""
    return [each["$ref"].rpartition("/")[2] for each in schema.get("anyOf", [schema])]
