"""Handovers: all open cases of a person get another owner, once, durably, and in the name of the supervisor."""

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

import worker
from activities import bulk
from activities.cases import CaseUpdates
from activities.names import complaint_id
from api.temporal import client
from domain.case.bulk import Handover
from domain.shared.actors import Actor, Role
from readmodel.base.database import engine
from readmodel.people import workload
from tests.support.api import Api, Json, problem, running_api
from tests.support.hotline import PATIENCE_SECONDS, until
from tests.support.rows import execute
from workflows.bulk import HandoverStart, HandoverWorkflow
from workflows.clients.bulk import handover_workflow_id

pytestmark = pytest.mark.asyncio(loop_scope="session")
ORDER: Json = {"from": "chen", "to": "li", "reason": "病假两周"}


@pytest_asyncio.fixture(loop_scope="session")
async def made(temporal: Client, tmp_path: Path, database_url: str) -> AsyncIterator[Api]:
    """An API of its own on each kind of database, so that nobody else's cases are handed over."""
    async with running_api(temporal, database_url, tmp_path) as found:
        yield found


async def hand_over(made: Api, by: str = "xu", key: str | None = None, **changes: str) -> Json:
    """A handover that is done at once, or soon."""
    answer = await made.post("/v1/handovers", {**ORDER, **changes}, by, key)
    assert answer.status_code in (200, 202), answer.text
    found: Json = answer.json()
    assert answer.headers["location"] == found["links"]["self"]
    return await until(partial(progress, made, found), lambda seen: seen["state"] == "done")


async def progress(made: Api, of: Json) -> Json:
    answer = await made.get(of["links"]["self"], "xu")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def owners(made: Api, *numbers: str) -> list[str]:
    return [(await made.complaint(number))["owner"] for number in numbers]


@pytest.mark.slow
async def test_every_open_case_gets_the_new_owner_in_the_name_of_the_supervisor(made: Api) -> None:
    mine = [await made.case_in(state) for state in ("registered", "dispatched", "in_progress", "pending_reply")]
    ended = await made.case_in("refused")
    others = (await made.register(by="chief")).json()["number"]
    done = await hand_over(made)
    assert (done["from"], done["to"], done["reason"], done["by"]) == ("chen", "li", "病假两周", "xu")
    assert (done["handed_over"], done["refused"]) == (4, [])
    assert await owners(made, *mine, ended, others) == ["li"] * 4 + ["chen", "chief"]
    page = (await made.get("/v1/complaints", owner="li")).json()["items"]
    assert {item["number"] for item in page} == {*mine}
    for number in mine:
        *_, last = (await made.get(f"/v1/complaints/{number}/timeline")).json()["items"]
        assert (last["action"], last["actor"], last["role"]) == ("hand_over", "xu", "supervisor")
        assert last["data"] == {"owner": "li", "previous_owner": "chen", "note": "病假两周"}
    # The new owner has the rights of one.
    assert (await made.act(mine[3], "reply", {"message": "好了"}, "li")).status_code == 200
    assert (await hand_over(made))["handed_over"] == 0


async def test_what_a_person_is_to_do_is_listed_and_stays(made: Api) -> None:
    number = await made.case_in("dispatched")
    await made.act(number, "sign_for", {}, "wu")
    await made.act(number, "involve", {"department": "metering", "task": "核对读数"}, "chen")
    await made.act(number, "sign_for", {"department": "metering"}, "sun")
    for person, department in (("wu", "repair"), ("sun", "metering")):
        done = await hand_over(made, **{"from": person})
        assert (done["handed_over"], done["to_assign"]) == (0, [{"number": number, "department": department}])
    assert (await made.complaint(number))["assignee"] == "wu"
    ended = await made.case_in("dispatched")
    await made.act(ended, "sign_for", {}, "wu")
    await made.act(ended, "withdraw", {"reason": "自行解决"}, "chen")
    assert [work["number"] for work in (await hand_over(made, **{"from": "wu"}))["to_assign"]] == [number]


@pytest.mark.slow
async def test_sent_again_it_is_the_same_handover(made: Api) -> None:
    # Handovers of all tests are on one Temporal server.
    once, to_lin = uuid.uuid4().hex, uuid.uuid4().hex
    number = await made.case_in("registered")
    first = await hand_over(made, key=once)
    await made.act(number, "hand_over", {"owner": "chen"}, "xu")
    again = await hand_over(made, key=once)
    assert (again["id"], again["handed_over"]) == (first["id"], 1)
    assert await owners(made, number) == ["chen"]
    said = await made.post("/v1/handovers", {**ORDER, "reason": "另有原因"}, "xu", once)
    problem(said, 422, "idempotency-key-reused")
    made.directory.enter("lin", Role.AGENT)
    await until(partial(people_of, made), lambda ids: "lin" in ids)
    await hand_over(made, key=to_lin, to="lin")
    made.directory.leave("lin")
    await until(partial(people_of, made), lambda ids: "lin" not in ids)
    problem(await made.post("/v1/handovers", {**ORDER, "to": "lin"}, "xu"), 422, "unknown-owner")
    assert (await hand_over(made, key=to_lin, to="lin"))["handed_over"] == 1


async def test_cases_that_go_there_and_back_are_handed_over_again_at_once(made: Api) -> None:
    """By handovers, and by a single action; the clocks of the service may differ by a minute."""
    by_handovers, alone = await made.case_in("registered"), await made.case_in("registered")
    for owner in ("li", "chen"):
        assert (await made.act(alone, "hand_over", {"owner": owner}, "xu")).status_code == 200
    for order in ({}, {"from": "li", "to": "chen"}, {}):
        done = await hand_over(made, **order)
        assert (done["handed_over"], done["refused"]) == (2, [])
    assert await owners(made, by_handovers, alone) == ["li", "li"]


async def test_a_handover_that_was_done_and_is_started_again_changes_no_case(made: Api) -> None:
    mine = await made.case_in("registered")
    done = await hand_over(made)
    later = await made.case_in("registered")
    supervisor = Actor(id="xu", role=Role.SUPERVISOR)
    order = Handover(id=done["id"], previous_owner="chen", owner="li", reason="病假两周", actor=supervisor)
    again = await made.temporal.start_workflow(
        HandoverWorkflow.run,
        HandoverStart.of(order),
        id=handover_workflow_id(order.id),
        task_queue=made.settings.task_queue,
    )
    found = await again.result()
    assert found.handed_over == 0
    assert found.refused == {later: "This handover was done before, or SQL has lost it: order another one."}
    assert await owners(made, mine, later) == ["li", "chen"]


async def test_an_api_that_dies_before_the_start_has_begun_nothing_and_is_asked_again(
    made: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, once = await made.case_in("registered"), uuid.uuid4().hex
    with monkeypatch.context() as dying:
        away = RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
        dying.setattr(client, "start_handover", AsyncMock(side_effect=away))
        answer = await made.post("/v1/handovers", ORDER, "xu", once)
        problem(answer, 503, "temporal-unavailable")
    assert (await hand_over(made, key=once))["handed_over"] == 1
    assert await owners(made, number) == ["li"]


async def people_of(made: Api) -> list[str]:
    return [person["id"] for person in (await made.get("/v1/people")).json()["items"]]


@pytest.mark.slow
async def test_who_has_left_hands_over_and_gets_nothing(made: Api) -> None:
    made.tokens["kang"] = made.directory.enter("kang", Role.AGENT)
    number = (await made.register(by="kang")).json()["number"]
    made.directory.leave("kang")
    await until(partial(people_of, made), lambda ids: "kang" not in ids)
    assert (await hand_over(made, **{"from": "KANG"}))["from"] == "kang"
    assert await owners(made, number) == ["li"]
    for to in ("kang", "wu", "nobody"):
        problem(await made.post("/v1/handovers", {**ORDER, "to": to}, "xu"), 422, "unknown-owner")
    problem(await made.post("/v1/handovers", {**ORDER, "to": "chen"}, "xu"), 422, "same-owner")
    problem(await made.post("/v1/handovers", {**ORDER, "from": "nobody"}, "xu"), 422, "unknown-owner")


@pytest.mark.slow
async def test_two_handovers_at_once_refuse_nothing(made: Api) -> None:
    mine = [await made.case_in("registered") for _ in range(5)]
    done = await asyncio.gather(*(hand_over(made) for _ in range(3)))
    assert [each["refused"] for each in done] == [[], [], []]
    assert sum(each["handed_over"] for each in done) >= len(mine)
    assert await owners(made, *mine) == ["li"] * len(mine)


@pytest.mark.slow
async def test_of_three_handovers_at_once_one_moves_a_case(made: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """All have read the owner before any moves a case; the others name the case with its owner."""
    persons = ("li", "xu", "chief")
    numbers, read, asked = [await made.case_in("registered") for _ in range(3)], workload.owners, threading.Barrier(3)

    def at_once(*arguments: Any) -> Any:
        found = read(*arguments)
        asked.wait(PATIENCE_SECONDS)
        return found

    monkeypatch.setattr(bulk, "owners", at_once)
    done = await asyncio.gather(*(hand_over(made, to=person) for person in persons))
    now = await owners(made, *numbers)
    assert [each["handed_over"] for each in done] == [now.count(person) for person in persons]
    for person, each in zip(persons, done, strict=True):
        others = {number: owner for number, owner in zip(numbers, now, strict=True) if owner != person}
        why = {case["number"]: case["why"] for case in each["refused"]}
        assert why == {number: f"It belongs to {owner} now." for number, owner in others.items()}
    assert [await made.actions(number) for number in numbers] == [["register", "hand_over"]] * 3


async def test_a_case_is_handed_over_only_from_the_owner_who_is_named(made: Api) -> None:
    number = await made.case_in("registered")
    of_another, of_owner = ({"owner": "li", "previous_owner": person} for person in ("xu", "CHEN"))
    found = problem(await made.act(number, "hand_over", of_another, "xu"), 409, "owner-changed")
    assert found["detail"] == "It belongs to chen now."
    assert found["accepted"] == ["no former owner", "chen as the former owner"]
    assert (await made.act(number, "hand_over", of_owner, "xu")).status_code == 200


@pytest.mark.slow
async def test_free_text_that_owns_cases_hands_them_over(made: Api) -> None:
    number = (await made.register({"service_code": "no_water", "description": "停水", "owner": "老陈"}, "chief")).json()
    assert (await hand_over(made, **{"from": "老陈"}))["handed_over"] == 1
    assert await owners(made, number["number"]) == ["li"]


@pytest.mark.parametrize("by", ["chen", "zhou", "wu", "gao", "he"])
async def test_only_a_supervisor_hands_over(on_sqlite: Api, by: str) -> None:
    problem(await on_sqlite.post("/v1/handovers", ORDER, by), 403, "wrong-role")


async def test_what_is_not_there_is_said(on_sqlite: Api) -> None:
    problem(await on_sqlite.get(f"/v1/handovers/{uuid.uuid4().hex}", "xu"), 404, "handover-not-found")
    problem(await on_sqlite.get("/v1/handovers/rollout", "xu"), 422, "invalid-request")


@pytest.mark.slow
async def test_without_a_worker_it_is_durable_and_goes_on_with_one(
    temporal: Client, tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "HANDOVER_WAIT_SECONDS", 0.05)
    async with running_api(temporal, sqlite_url, tmp_path, at_work=False, update_timeout_seconds=1.0) as made:
        number = (await made.register()).json()["number"]
        answer = await made.post("/v1/handovers", ORDER, "xu")
        assert (answer.status_code, answer.json()["state"], answer.json()["handed_over"]) == (202, "running", 0)
        async with worker.running(temporal, made.settings):
            done = await until(partial(progress_or_none, made, answer.json()), lambda seen: seen.get("state") == "done")
            assert (done["handed_over"], await owners(made, number)) == (1, ["li"])


async def progress_or_none(made: Api, of: Json) -> Json:
    answer = await made.get(of["links"]["self"], "xu")
    return answer.json() if answer.is_success else {}


@pytest.mark.slow
async def test_an_attempt_that_died_is_made_up_for_and_each_case_is_asked_once(
    made: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second case's answer is lost; the next attempt gets the same answer again."""
    numbers = [await made.case_in("registered") for _ in range(3)]
    send, lost = CaseUpdates.send, list[str]()

    async def dying(cases: CaseUpdates, number: str, *rest: Any) -> Any:
        answer = await send(cases, number, *rest)
        if number == numbers[1] and not lost:
            lost.append(number)
            raise TimeoutError
        return answer

    monkeypatch.setattr(CaseUpdates, "send", dying)
    done = await hand_over(made)
    assert (done["handed_over"], done["refused"], lost) == (3, [], [numbers[1]])
    assert [await made.actions(number) for number in numbers] == [["register", "hand_over"]] * 3


@pytest.mark.slow
async def test_a_case_that_is_not_handed_over_is_named_with_the_reason(made: Api, temporal: Client) -> None:
    """One is closed, which SQL does not know yet; the workflow of another was ended by hand; a third was moved."""
    closed = await made.case_in("pending_reply")
    ended, moved, usual = [await made.case_in("registered") for _ in range(3)]
    await made.act(closed, "reply", {"message": "好了"}, "chen")
    await made.act(closed, "follow_up", {"outcome": "satisfied"}, "he")
    await made.act(moved, "hand_over", {"owner": "chief"}, "xu")
    await temporal.get_workflow_handle(f"complaint-{ended}").terminate()
    database = engine(made.settings.database_url)
    execute(database, "UPDATE cases SET state = 'pending_follow_up' WHERE number = :number", number=closed)
    database.dispose()
    done = await hand_over(made)
    assert done["handed_over"] == 1
    why = {item["number"]: item["why"] for item in done["refused"]}
    assert why.keys() == {closed, ended}
    assert why[ended] == "Its workflow has ended."
    assert "closed" in why[closed]
    assert await owners(made, usual, moved) == ["li", "chief"]


async def test_a_handover_that_was_ended_by_hand_says_so(
    temporal: Client, tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "HANDOVER_WAIT_SECONDS", 0.05)
    async with running_api(temporal, sqlite_url, tmp_path) as made:
        await made.case_in("registered")
        monkeypatch.setattr(CaseUpdates, "send", never)
        begun = (await made.post("/v1/handovers", ORDER, "xu", key="ended by hand")).json()
        await until(partial(progress_or_none, made, begun), lambda seen: seen.get("state") == "running")
        await temporal.get_workflow_handle(handover_workflow_id(begun["id"])).terminate()
        ended = await until(partial(progress_or_none, made, begun), lambda seen: seen.get("state") == "ended")
        assert ended["handed_over"] == 0
        again = await made.post("/v1/handovers", ORDER, "xu", key="ended by hand")
        assert (again.status_code, again.json()["state"]) == (202, "ended")
        monkeypatch.undo()
        assert (await hand_over(made))["handed_over"] == 1


@pytest.mark.slow
async def test_cases_that_have_lost_their_workflows_are_named(made: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers of every page count, here of one case each."""
    begun = HandoverStart.of
    monkeypatch.setattr(HandoverStart, "of", lambda order: begun(order).model_copy(update={"page": 1}))
    *lost, found = [await made.case_in("in_progress") for _ in range(3)]
    for number in lost:
        await made.temporal.get_workflow_handle(complaint_id(number)).terminate()
    done = await hand_over(made)
    why = "Its workflow has ended."
    assert (done["handed_over"], done["refused"]) == (1, [{"number": number, "why": why} for number in sorted(lost)])
    assert await owners(made, *lost, found) == ["chen", "chen", "li"]


@pytest.mark.slow
async def test_only_work_that_can_be_assigned_is_listed(made: Api) -> None:
    at_work, _ = [await made.case_in(state) for state in ("in_progress", "pending_reply")]
    done = await hand_over(made, **{"from": "wu"})
    assert done["to_assign"] == [{"number": at_work, "department": "repair"}]


async def never(*_: Any) -> Any:
    raise TimeoutError
