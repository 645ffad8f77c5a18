"""Taking a complaint in: who may, what is accepted, and that one request makes one case."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.names import complaint_id
from api.sign_in.security import request_key
from domain.shared.actors import Actor, Role
from domain.shared.numbers import number_of, parse_number
from tests.support.api import CALL, Api, Clock, api_on_its_day, problem

pytestmark = pytest.mark.asyncio(loop_scope="session")

BEFORE_MIDNIGHT = datetime(2026, 3, 9, 15, 59, 59, tzinfo=UTC)
"""Monday 23:59:59 in Beijing."""
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def key() -> str:
    return str(uuid.uuid4())


async def test_the_number_is_the_days_and_checks_itself(on_sqlite: Api) -> None:
    before = datetime.now(UTC)
    number = (await on_sqlite.register()).json()["number"]
    assert parse_number(number) == number
    assert number[:6] in {f"{at + timedelta(hours=8):%y%m%d}" for at in (before, datetime.now(UTC))}


async def test_the_agent_on_the_line_owns_the_case(on_sqlite: Api) -> None:
    assert (await on_sqlite.register(by="li")).json()["owner"] == "li"
    assert (await on_sqlite.register({**CALL, "owner": "li"}, "li")).status_code == 201
    refused = problem(await on_sqlite.register({**CALL, "owner": "li"}, "chen"), 403, "other-owner")
    assert refused["accepted"] == ["no owner", "chen"]
    assert (await on_sqlite.register({**CALL, "owner": "li"}, "chief")).json()["owner"] == "li"


@pytest.mark.parametrize("name", ["zhou", "wu", "xu", "gao", "he"])
async def test_only_agents_register(on_sqlite: Api, name: str) -> None:
    assert problem(await on_sqlite.register(by=name), 403, "wrong-role")["accepted"] == ["admin", "agent"]


async def test_a_priority_may_be_overridden_and_moves_no_clock(on_sqlite: Api) -> None:
    usual = (await on_sqlite.register()).json()
    urgent = (await on_sqlite.register({**CALL, "priority": "P1"})).json()
    assert (usual["priority"], urgent["priority"]) == ("P2", "P1")
    assert [c["budget_seconds"] for c in usual["clocks"]] == [c["budget_seconds"] for c in urgent["clocks"]]


@pytest.mark.parametrize(
    ("change", "slug", "accepted"),
    [
        ({"service_code": "tea"}, "unknown-service", "no_water"),
        ({"location": {"district": "moon"}}, "unknown-district", "west"),
    ],
)
async def test_an_unknown_code_is_answered_with_the_known_ones(
    on_sqlite: Api, change: dict[str, Any], slug: str, accepted: str
) -> None:
    found = problem(await on_sqlite.register({**CALL, **change}), 422, slug)
    assert accepted in found["accepted"]
    assert accepted in found["detail"]


async def test_the_same_request_makes_one_case(on_sqlite: Api) -> None:
    mine = key()
    answers = await asyncio.gather(*(on_sqlite.register(key=mine) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {201}
    (number,) = {answer.json()["number"] for answer in answers}
    await on_sqlite.act(number, "dispatch", {"department": "repair"})
    again = await on_sqlite.register(key=mine)
    assert (again.status_code, again.json()["number"], again.json()["state"]) == (201, number, "dispatched")
    assert await on_sqlite.actions(number) == ["register", "dispatch"]


async def test_without_a_key_every_request_is_another_case(on_sqlite: Api) -> None:
    first, second = await on_sqlite.register(), await on_sqlite.register()
    assert first.json()["number"] != second.json()["number"]


async def test_a_key_belongs_to_whoever_sends_it(on_sqlite: Api) -> None:
    mine = key()
    first, second = await on_sqlite.register(by="chen", key=mine), await on_sqlite.register(by="li", key=mine)
    assert first.json()["number"] != second.json()["number"]


async def test_a_key_with_other_words_is_refused_and_makes_nothing(on_sqlite: Api) -> None:
    mine = key()
    await on_sqlite.register(key=mine)
    problem(await on_sqlite.register({**CALL, "description": "水黄"}, key=mine), 422, "idempotency-key-reused")


@pytest.mark.parametrize("bad", ["", "x" * 201, "a\tb"])
async def test_a_key_has_a_sensible_length_and_can_be_printed(on_sqlite: Api, bad: str) -> None:
    headers = {**on_sqlite.key("chen"), "Idempotency-Key": bad}
    answer = await on_sqlite.http.post("/v1/complaints", json=CALL, headers=headers)
    assert problem(answer, 422, "invalid-idempotency-key")["accepted"]


@pytest.mark.slow
async def test_past_midnight_a_key_finds_the_case_of_the_day_before(on_sqlite: Api) -> None:
    mine, clock = key(), Clock(BEFORE_MIDNIGHT)
    async with api_on_its_day(on_sqlite, clock) as api:
        number = (await api.register(key=mine)).json()["number"]
        clock.fixed = BEFORE_MIDNIGHT + SECOND
        tomorrow = await api.register(key=mine)
        problem(await api.register({**CALL, "priority": "P1"}, key=mine), 422, "idempotency-key-reused")
        clock.fixed = BEFORE_MIDNIGHT + DAY + SECOND
        day_after = await api.register(key=mine)
    assert number[:6] == "260309"
    assert tomorrow.json()["number"] == number
    assert day_after.json()["number"][:6] == "260311"


@pytest.mark.slow
async def test_a_number_that_another_request_has_is_left_to_it(on_sqlite: Api) -> None:
    mine, theirs, clock = key(), key(), Clock(BEFORE_MIDNIGHT)
    async with api_on_its_day(on_sqlite, clock) as api:
        me = Actor(id="chen", role=Role.AGENT)
        day = BEFORE_MIDNIGHT.date()
        taken, next_one = (number_of(day, request_key(me, mine), draw) for draw in (0, 1))
        await on_sqlite.temporal.start_workflow(
            "ComplaintWorkflow",
            id=complaint_id(taken),
            task_queue="nobody",
            memo={"request": {"key": theirs, "digest": ""}},
        )
        first = (await api.register(key=mine)).json()["number"]
        clock.fixed = BEFORE_MIDNIGHT + SECOND
        second = (await api.register(key=mine)).json()["number"]
    assert first == second == next_one


async def test_a_case_is_found_again_after_it_has_ended(on_sqlite: Api) -> None:
    mine = key()
    number = (await on_sqlite.register(key=mine)).json()["number"]
    await on_sqlite.act(number, "refuse", {"reason": "不归我们管"}, "zhou")
    handle = on_sqlite.temporal.get_workflow_handle(complaint_id(number))
    await handle.result()
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    again = await on_sqlite.register(key=mine)
    assert (again.json()["number"], again.json()["state"]) == (number, "refused")


async def test_no_personal_data_reaches_temporals_index(on_sqlite: Api) -> None:
    caller = {"name": "李婆婆", "phone": "0760 8823 7777", "account_no": "A-17"}
    number = (await on_sqlite.register({**CALL, "caller": caller})).json()["number"]
    described = await on_sqlite.temporal.get_workflow_handle(complaint_id(number)).describe()
    shown = f"{described.raw_description} {await described.static_summary()} {await described.memo()}"
    assert not [word for word in caller.values() if word in shown or word.replace(" ", "") in shown]
