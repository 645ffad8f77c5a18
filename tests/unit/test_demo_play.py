"""The demo against a hotline of the pure domain behind a faulty line: nothing may be lost, nothing done twice."""

import io
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from rich.console import Console

import demo.__main__
import demo.client
import demo.play
from api.reference import services
from demo.__main__ import CATALOGUE as DEMO
from demo.__main__ import DemoOptions, perform
from demo.calls import LEAST_CASES
from demo.client import Hotline, Rejected, Unreachable
from demo.people import Person
from domain.case.actions import COMMANDS
from domain.case.actions.register import Registration
from domain.case.case import Case
from domain.case.intake import Intake
from domain.case.lifecycle import Event
from domain.case.views import view_case
from domain.kit.event import Command
from domain.shared.actors import Actor, Role
from domain.shared.errors import Refused
from hotline.files.catalogue import load_catalogue
from tests.support.demo import item_of

CATALOGUE = load_catalogue(DEMO)
BEGAN = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
STEP = timedelta(seconds=0.5)
CHECK_STEP = timedelta(seconds=5)
"""Between two looks of the check, which alone reads timelines, and waits for promises to be missed."""
ADMIN_KEY = "admin"


@dataclass
class Kept:
    """One case of the fake, with a clock of its own: it goes on by a step whenever somebody looks at the case."""

    case: Case
    events: list[Event]
    now: datetime = BEGAN
    answers: dict[str, tuple[bytes, int]] = field(default_factory=dict)

    def later(self, step: timedelta = STEP) -> None:
        self.now += step
        self.events += self.case.advance(self.now)

    def shown(self) -> dict[str, Any]:
        number = self.case.number
        return {
            **view_case(self.case, self.now).model_dump(mode="json"),
            "links": {"self": f"/v1/complaints/{number}", "timeline": "-", "temporal_ui": f"/case/{number}"},
        }


class FakeHotline:
    """Answers as the API does. `faults` is the share of requests that go wrong, half of them after they were obeyed."""

    def __init__(self, faults: float = 0.0) -> None:
        self.faults = faults
        self.cases: dict[str, Kept] = {}
        self.numbers: dict[str, str] = {}
        self.incidents: dict[str, str] = {}
        self.requests = 0
        self.step = STEP
        self.doubles = self.loses = 0
        """Cases that the list has twice, and not at all."""
        self.refuses = ""
        """Action that nobody may take."""
        self.actors: dict[str, Actor] = {ADMIN_KEY: Actor(id="admin", role=Role.ADMIN)}
        self._luck = random.Random(7)  # noqa: S311 - luck that can be repeated

    def make_keys(self, people: Sequence[Person]) -> dict[str, str]:
        tokens = {person.name: f"key-{place}" for place, person in enumerate(people)}
        for person in people:
            actor = Actor(id=person.name, role=person.role, department=person.department)
            self.actors[tokens[person.name]] = actor
        return tokens

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        fault = self._luck.random() / self.faults if self.faults else 1.0
        if fault < 0.25:
            raise httpx.ConnectError("refused")
        if fault < 0.5:
            return httpx.Response(
                503, headers={"Retry-After": "1"}, json={"type": "urn:hotline:problem:temporal-unavailable"}
            )
        response = self._obey(request)
        if fault < 1.0:
            raise httpx.ReadError("reset")
        return response

    def _obey(self, request: httpx.Request) -> httpx.Response:  # noqa: PLR0911 - one for each address
        parts = request.url.path.removeprefix("/v1/").split("/")
        key = request.headers.get("Idempotency-Key", "")
        match parts:
            case ["services"]:
                return httpx.Response(200, json=services(CATALOGUE).model_dump(mode="json"))
            case ["calls", *_]:
                return httpx.Response(200, json={})
            case ["incidents"] if request.method == "POST":
                assert self._actor(request).role in (Role.DISPATCHER, Role.ADMIN)
                return httpx.Response(201, json={"number": self.incidents.setdefault(key, "i26030247119")})
            case ["complaints"] if request.method == "POST":
                return self._register(request, key)
            case ["complaints"]:
                shown = [kept.shown() for kept in self.cases.values()]
                twins = [case | {"number": "2603029999999"} for case in shown[: self.doubles]]
                return self._list(shown[self.loses :] + twins)
            case ["complaints", number]:
                self.cases[number].later(self.step)
                return httpx.Response(200, json=self.cases[number].shown())
            case ["complaints", number, "timeline"]:
                self.cases[number].later(max(self.step, CHECK_STEP))
                return self._list([item_of(event) for event in self.cases[number].events])
            case ["complaints", _, "actions", self.refuses]:
                return httpx.Response(403, json={"type": "urn:hotline:problem:forbidden", "detail": "not today"})
            case ["complaints", number, "actions", action]:
                return self._act(self.cases[number], action, request, key)
        return httpx.Response(404, json={"type": "urn:hotline:problem:not-found"})

    def _list(self, items: list[dict[str, Any]]) -> httpx.Response:
        return httpx.Response(200, json={"items": items, "next_cursor": None})

    def _register(self, request: httpx.Request, key: str) -> httpx.Response:
        if key in self.numbers:
            return httpx.Response(201, json=self.cases[self.numbers[key]].shown())
        body = json.loads(request.content)
        number = f"260302{len(self.cases):07d}"
        owner = body.pop("owner")
        body.pop("priority", None)
        case, events = Case.register(
            Registration(
                number=number,
                at=BEGAN,
                actor=self._actor(request),
                owner=owner,
                intake=Intake.model_validate(body),
                terms=CATALOGUE.terms(body["service_code"], body["location"]["district"], BEGAN),
            )
        )
        self.numbers[key] = number
        self.cases[number] = Kept(case, [*events])
        return httpx.Response(201, json=self.cases[number].shown())

    def _act(self, kept: Kept, action: str, request: httpx.Request, key: str) -> httpx.Response:
        if key in kept.answers:
            content, version = kept.answers[key]
            assert content == request.content, "the same key for other words"
            return httpx.Response(200, json={**kept.shown(), "version": version})
        at = kept.now + self.step
        body = COMMANDS[action].body.model_validate_json(request.content)
        command: Command[Any] = Command(actor=self._actor(request), body=body)
        try:
            kept.events += kept.case.apply(command, at)
        except Refused as refused:
            problem = {"type": f"urn:hotline:problem:{refused.code.replace('_', '-')}", "detail": refused.message}
            return httpx.Response({"forbidden": 403, "conflict": 409, "invalid": 422}[refused.kind], json=problem)
        kept.now = at
        kept.answers[key] = (request.content, kept.case.version)
        return httpx.Response(202, json=kept.shown())

    def _actor(self, request: httpx.Request) -> Actor:
        return self.actors[request.headers["Authorization"].removeprefix("Bearer ")]


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody thinks, nobody waits."""
    monkeypatch.setattr(demo.play, "THINKING_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(demo.play, "LOOK_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(demo.client, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(demo.play, "LOOK_AGAIN_SECONDS", 0.0)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeHotline:
    fake = FakeHotline()
    real = httpx.AsyncClient

    def client(**options: Any) -> httpx.AsyncClient:
        return real(transport=httpx.MockTransport(fake.answer), base_url=options["base_url"])

    monkeypatch.setattr(httpx, "AsyncClient", client)
    return fake


def options(**changes: Any) -> DemoOptions:
    usual: dict[str, Any] = {
        "url": "http://127.0.0.1:1",
        "admin_key": ADMIN_KEY,
        "cases": LEAST_CASES,
        "seed": 1,
        "day_seconds": 0.0,
        "deadline": 60.0,
    }
    return DemoOptions(**{**usual, **changes})


@pytest.fixture
def console() -> Console:
    return Console(record=True, width=160, file=io.StringIO())


@pytest.mark.slow
class TestPerform:
    async def test_all_goes_as_planned(self, fake: FakeHotline, console: Console) -> None:
        assert await perform(options(cases=120), console)
        assert "All 120 cases are in the states they were planned for" in console.export_text()
        assert len(fake.cases) == 120

    async def test_people_act_under_their_own_names(self, fake: FakeHotline, console: Console) -> None:
        assert await perform(options(make_keys=fake.make_keys), console)
        actors = {event.actor for kept in fake.cases.values() for event in kept.events}
        assert "admin" not in actors
        assert len(actors) > 30

    async def test_a_faulty_line_loses_and_doubles_nothing(self, fake: FakeHotline, console: Console) -> None:
        fake.faults = 0.3
        assert await perform(options(), console)

    async def test_the_next_run_has_cases_of_its_own(
        self, fake: FakeHotline, console: Console, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(demo.__main__, "new_id", iter(("first", "second")).__next__)
        assert await perform(options(), console)
        assert await perform(options(), console)
        assert len(fake.cases) == 2 * LEAST_CASES

    async def test_what_time_refuses_has_a_way_on(self, fake: FakeHotline, console: Console) -> None:
        """A minute passes before every request, as if the service had been away: returns come too late."""
        fake.step = timedelta(minutes=1)
        assert await perform(options(), console)

    async def test_a_doubled_case_is_found(self, fake: FakeHotline, console: Console) -> None:
        fake.doubles = 1
        assert not await perform(options(deadline=0.0), console)
        assert "taken a second time" in console.export_text()

    async def test_a_lost_case_is_found(self, fake: FakeHotline, console: Console) -> None:
        fake.loses = 1
        assert not await perform(options(deadline=0.0), console)
        assert "has no case" in console.export_text()

    async def test_what_is_refused_is_a_difference_of_its_case(self, fake: FakeHotline, console: Console) -> None:
        fake.refuses = "arrive"
        assert not await perform(options(deadline=0.0), console)
        assert "403 forbidden" in console.export_text()


class TestHotline:
    async def test_gives_up_at_the_deadline(self, fake: FakeHotline) -> None:
        fake.faults = 1e9  # everything fails
        async with Hotline.at("http://127.0.0.1:1", ADMIN_KEY, deadline=0.05) as hotline:
            with pytest.raises(Unreachable, match="no answer"):
                await hotline.get("/services")
        assert hotline.traffic.retries > 1

    async def test_a_refusal_is_not_sent_again(self, fake: FakeHotline) -> None:
        async with Hotline.at("http://127.0.0.1:1", ADMIN_KEY, deadline=60) as hotline:
            with pytest.raises(Rejected, match="404 not-found"):
                await hotline.get("/nothing")
        assert fake.requests == 1

    async def test_what_conflicts_may_be_done_already(self, fake: FakeHotline) -> None:
        admin = Person("admin", Role.ADMIN)
        body = {"service_code": "leak", "owner": "何静怡", "location": {"district": "west"}, "description": "漏水。"}
        async with Hotline.at("http://127.0.0.1:1", ADMIN_KEY, deadline=60) as hotline:
            case = await hotline.post("/complaints", body, by=admin, key="register")
            path = f"/complaints/{case['number']}/actions/arrive"
            assert await hotline.post(path, {}, by=admin, key="arrive", unless_done=True) == {}
            with pytest.raises(Rejected, match="409 out-of-turn"):
                await hotline.post(path, {}, by=admin, key="again")
        assert fake.requests == 3
