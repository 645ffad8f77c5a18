"""Calls over HTTP: reports of the telephone system, their faults, and lists."""

import asyncio
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select
from temporalio.client import Client

from api.calls import CALLS, MOST_CALLS, NEW_CALL, CallItem
from api.responses import Page
from domain.shared.actors import Role
from readmodel.base.database import Imported, engine
from readmodel.calls.calls import save_calls
from readmodel.calls.tables import calls
from tests.support.api import Api, Json, further_api, problem, running_api
from tests.support.outage import down

pytestmark = pytest.mark.asyncio(loop_scope="session")


def a_call(**changes: Any) -> Json:
    """An answered call with an id of its own; None leaves a field out."""
    given: Json = NEW_CALL | {"call_id": f"{uuid4()}", "agent": "chen"} | changes
    return {name: value for name, value in given.items() if value is not None}


async def report(api: Api, *given: Json, by: str = "pbx") -> Json:
    answer = await api.post(CALLS, given[0] if len(given) == 1 else {"items": given}, by)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def listed(api: Api, by: str = "chen", **params: Any) -> list[Json]:
    """The items of a page, in the documented shape."""
    answer = await api.get(CALLS, by, **params)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    assert Page[CallItem].model_validate(found).model_dump(mode="json") == found
    items: list[Json] = found["items"]
    return items


def count(api: Api) -> int:
    database = engine(api.settings.database_url)
    with database.connect() as connection:
        found = connection.scalar(select(func.count()).select_from(calls))
    database.dispose()
    return found or 0


async def test_a_call_is_kept_once_however_often_it_is_reported(on_both: Api) -> None:
    call = a_call()
    assert await report(on_both, call) == {"added": 1, "changed": 0, "unchanged": 0}
    assert await report(on_both, call) == {"added": 0, "changed": 0, "unchanged": 1}
    other = a_call(queue=None, recording_url=None)
    assert await report(on_both, call, other) == {"added": 1, "changed": 0, "unchanged": 1}
    assert await report(on_both, other | {"queue": "vip"}, call) == {"added": 0, "changed": 1, "unchanged": 1}


async def test_a_call_is_reported_while_it_lasts_and_afterwards(on_sqlite: Api) -> None:
    call = a_call(queue=uuid4().hex)
    begun = call | {"answered_at": None, "ended_at": None, "agent": None}
    assert await report(on_sqlite, begun) == {"added": 1, "changed": 0, "unchanged": 0}
    (shown,) = await listed(on_sqlite, queue=call["queue"])
    assert (shown["outcome"], shown["ended_at"], shown["wait_seconds"]) == ("under_way", None, None)
    assert await report(on_sqlite, call) == {"added": 0, "changed": 1, "unchanged": 0}
    assert await report(on_sqlite, begun) == {"added": 0, "changed": 0, "unchanged": 1}
    (shown,) = await listed(on_sqlite, queue=call["queue"])
    assert (shown["outcome"], shown["wait_seconds"], shown["talk_seconds"]) == ("answered", 12.5, 87.5)
    assert (shown["started_at"], shown["agent"]) == ("2026-08-03T04:00:00Z", "chen")


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "answered"),
        ({"answered_at": None}, "abandoned"),
        ({"answered_at": None, "ended_at": "2026-08-03T12:00:04+08:00"}, "short_abandoned"),
        ({"answered_at": None, "asked_call_back": True}, "call_back_asked"),
    ],
)
async def test_a_call_has_the_outcome_of_what_was_reported(on_sqlite: Api, changes: Json, outcome: str) -> None:
    call = a_call(queue=uuid4().hex, **changes)
    await report(on_sqlite, call)
    (shown,) = await listed(on_sqlite, queue=call["queue"], outcome=outcome)
    assert (shown["call_id"], shown["outcome"]) == (call["call_id"], outcome)


async def test_calls_of_several_outcomes_are_listed_together(on_both: Api) -> None:
    queue = uuid4().hex
    ended = {"answered_at": None, "ended_at": "2026-08-03T12:00:30+08:00"}
    answered, gone, asked = (a_call(queue=queue, **more) for more in ({}, ended, {**ended, "asked_call_back": True}))
    await report(on_both, answered, gone, asked)

    async def of(*outcomes: str) -> set[str]:
        return {call["outcome"] for call in await listed(on_both, queue=queue, outcome=[*outcomes])}

    assert await of("answered", "abandoned") == {"answered", "abandoned"}
    assert await of("abandoned") == {"abandoned"}
    assert await of() == {"answered", "abandoned", "call_back_asked"}
    problem(await on_both.get(CALLS, "chen", outcome=["answered", "lost"]), 422, "invalid-request")


FAULTS: list[tuple[Json, str, str, str]] = [
    ({"ended_at": "2026-08-03T11:59:59+08:00"}, "invalid-call", "ended_at", "Before started_at"),
    ({"answered_at": "2026-08-03T11:59:59+08:00"}, "invalid-call", "answered_at", "Before started_at"),
    ({"ended_at": "2026-08-03T12:00:12+08:00"}, "invalid-call", "ended_at", "Before answered_at"),
    ({"ended_at": "2999-01-01T00:00:00Z"}, "invalid-call", "ended_at", "In the future"),
    ({"complaint": "2608034711005"}, "invalid-number", "complaint", "The check digit does not fit"),
    ({"complaint": "4711"}, "invalid-number", "complaint", "A case number has 13 digits"),
    ({"call_id": "with space"}, "invalid-request", "call_id", "visible ASCII"),
    ({"call_id": "x" * 81}, "invalid-request", "call_id", "visible ASCII"),
    ({"call_id": "."}, "invalid-request", "call_id", "not . or .."),
    ({"call_id": ".."}, "invalid-request", "call_id", "not . or .."),
    ({"call_id": None}, "invalid-request", "call_id", "Field required"),
    ({"started_at": None}, "invalid-request", "started_at", "Field required"),
    ({"started_at": "2026-08-03T12:00:00"}, "invalid-request", "started_at", "RFC 3339"),
    ({"caller_phone": "anonymous"}, "invalid-request", "caller_phone", "A telephone number"),
    ({"recording_url": "ftp://pbx/1.wav"}, "invalid-request", "recording_url", "An address of http or https"),
    ({"recording_url": "https://pbx/\x00"}, "invalid-request", "recording_url", "An address of http or https"),
    ({"recording_url": "https://pbx/" + "x" * 500}, "invalid-request", "recording_url", "at most 500"),
    ({"extra": 1}, "invalid-request", "extra", "accepted: call_id, queue"),
]


@pytest.mark.parametrize(("changes", "kind", "field", "told"), FAULTS)
async def test_a_faulty_call_is_refused_with_the_field_and_the_reason(
    on_sqlite: Api, changes: Json, kind: str, field: str, told: str
) -> None:
    before = count(on_sqlite)
    refused = problem(await on_sqlite.post(CALLS, a_call(**changes), "pbx"), 422, kind)
    assert [fault["field"] for fault in refused["errors"]] == [f"body.{field}"]
    assert told in refused["detail"]
    assert count(on_sqlite) == before


async def test_all_faults_of_all_calls_are_named_and_nothing_is_kept(on_sqlite: Api) -> None:
    before = count(on_sqlite)
    items = [a_call(), *(a_call(**changes) for changes, *_ in FAULTS)]
    refused = problem(await on_sqlite.post(CALLS, {"items": items}, "pbx"), 422, "invalid-request")
    assert [fault["field"] for fault in refused["errors"]] == [
        f"body.items.{place}.{field}" for place, (_, _, field, _) in enumerate(FAULTS, start=1)
    ]
    assert count(on_sqlite) == before


async def test_an_agent_whom_nobody_knows_is_refused(on_sqlite: Api) -> None:
    await report(on_sqlite, a_call(call_id="by-nobody", agent="13812345678"))
    items = (await on_sqlite.get(CALLS, agent="13812345678")).json()["items"]
    assert [item["agent"] for item in items] == ["138****5678"]  # it may be a telephone
    async with further_api(on_sqlite, on_sqlite.clock, unknown_people="refuse") as made:
        refused = problem(await made.post(CALLS, a_call(agent="nobody"), "pbx"), 422, "unknown-agent")
        assert refused["errors"][0]["field"] == "body.agent"
        assert "the id of a person at work" in refused["accepted"]
        items = [a_call(), a_call(agent="nobody"), a_call(ended_at="2026-08-03T11:00:00+08:00")]
        refused = problem(await made.post(CALLS, {"items": items}, "pbx"), 422, "unknown-agent")
        assert [fault["field"] for fault in refused["errors"]] == ["body.items.1.agent", "body.items.2.ended_at"]
    # By the setting `allow`, as for assignees.
    await report(on_sqlite, a_call(agent="分机8001"))


async def test_an_agent_is_named_by_id_or_name_also_who_has_left(on_sqlite: Api) -> None:
    on_sqlite.directory.enter("10077", Role.AGENT, name="邝小燕")
    on_sqlite.directory.enter("10078", Role.AGENT, name="邝大燕")
    on_sqlite.directory.leave("10078")
    await on_sqlite.backend.people.read_anew()
    queue = uuid4().hex
    await report(on_sqlite, *(a_call(agent=agent, queue=queue) for agent in ("邝小燕", "10077", "10078")))
    assert sorted(call["agent"] for call in await listed(on_sqlite, queue=queue)) == ["10077", "10077", "10078"]
    assert len(await listed(on_sqlite, queue=queue, agent="邝小燕")) == 2


async def test_a_clock_of_the_telephone_system_may_be_a_minute_ahead(on_sqlite: Api) -> None:
    now = on_sqlite.clock()
    soon, later = (now + timedelta(seconds=seconds) for seconds in (50, 70))
    await report(on_sqlite, a_call(started_at=soon.isoformat(), answered_at=None, ended_at=None))
    late = a_call(started_at=later.isoformat(), answered_at=None, ended_at=None)
    problem(await on_sqlite.post(CALLS, late, "pbx"), 422, "invalid-call")


async def test_a_thousand_calls_of_full_length_are_taken_and_no_more(on_sqlite: Api) -> None:
    full = {"queue": "队" * 80, "recording_url": "https://" + "x" * 492, "caller_phone": "+" + "1" * 25}
    items = [a_call(call_id=f"{uuid4()}".ljust(80, "x"), **full) for _ in range(MOST_CALLS)]
    assert await report(on_sqlite, *items) == {"added": MOST_CALLS, "changed": 0, "unchanged": 0}
    refused = problem(await on_sqlite.post(CALLS, {"items": [*items, a_call()]}, "pbx"), 422, "invalid-request")
    assert "at most 1000" in refused["detail"]
    problem(await on_sqlite.post(CALLS, {"items": []}, "pbx"), 422, "invalid-request")


async def test_only_the_telephone_system_reports_calls(on_sqlite: Api) -> None:
    for by in ("chen", "zhou", "wu", "xu", "gao", "he"):
        problem(await on_sqlite.post(CALLS, a_call(), by), 403, "wrong-role")
    for path in (CALLS, "/v1/complaints", "/v1/people"):
        problem(await on_sqlite.get(path, "pbx"), 403, "wrong-role")


async def test_lists_are_newest_first_and_their_pages_follow_each_other(on_both: Api) -> None:
    queue, begin = uuid4().hex, on_both.clock() - timedelta(hours=1)
    # Two at a time, whose ids are in no order.
    times = [(begin + timedelta(seconds=place // 2)).isoformat() for place in range(9)]
    given = [a_call(queue=queue, started_at=at, answered_at=at, ended_at=at) for at in times]
    await report(on_both, *given)
    expected = sorted(((call["started_at"], call["call_id"]) for call in given), reverse=True)
    seen, cursor = list[str](), None
    while not seen or cursor:
        page = (await on_both.get(CALLS, "chen", queue=queue, limit=2, **({"cursor": cursor} if cursor else {}))).json()
        seen, cursor = [*seen, *(item["call_id"] for item in page["items"])], page["next_cursor"]
    assert seen == [call_id for _, call_id in expected]
    found = await listed(on_both, queue=queue, **{"from": times[2], "to": times[6]})
    assert [call["call_id"] for call in found] == [call_id for at, call_id in expected if times[2] <= at < times[6]]
    problem(await on_both.get(CALLS, "chen", cursor="x"), 422, "invalid-cursor")
    problem(await on_both.get(CALLS, "chen", **{"from": times[6], "to": times[6]}), 422, "invalid-period")
    assert len(await listed(on_both, queue=queue, agent="me")) == 9
    assert await listed(on_both, "li", queue=queue, agent="me") == []


async def test_recordings_and_telephones_are_shown_to_those_who_need_them(on_sqlite: Api) -> None:
    call = a_call(queue=uuid4().hex, call_id=f"13800138000-{uuid4()}")
    await report(on_sqlite, call)
    clear, masked_phone = call["caller_phone"], "**********77"
    for by, phone, url, masked in (
        ("xu", clear, call["recording_url"], []),
        ("chief", clear, call["recording_url"], []),
        ("chen", clear, None, ["recording_url"]),
        ("he", clear, None, ["recording_url"]),
        ("gao", masked_phone, None, ["caller_phone", "recording_url"]),
    ):
        (shown,) = await listed(on_sqlite, by, queue=call["queue"])
        assert (shown["caller_phone"], shown["recording_url"], shown["masked"]) == (phone, url, masked)
        assert CallItem.model_validate(shown).call_id == call["call_id"]


async def test_with_sql_down_a_report_is_sent_again(temporal: Client, tmp_path: Path, postgresql_url: str) -> None:
    async with running_api(temporal, postgresql_url, tmp_path, at_work=False) as made:
        call, database = a_call(), engine(postgresql_url)
        await report(made, a_call())
        with down(database):
            answer = await made.post(CALLS, call, "pbx")
            assert "Send the same again" in problem(answer, 503, "read-model-unavailable")["detail"]
            assert int(answer.headers["retry-after"]) > 0
        database.dispose()
        again: httpx.Response = await made.post(CALLS, call, "pbx")
        assert again.json() == {"added": 1, "changed": 0, "unchanged": 0}


async def test_imports_wait_for_each_other(on_both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six at once take longer together than one may; none is refused."""
    monkeypatch.setattr("api.sql.ANSWER_SECONDS", 3.0)
    taken = threading.Lock()

    def slow(*args: Any) -> Imported:
        with taken:
            # Work of some length, as that of 1,000 calls.
            threading.Event().wait(0.6)
        return save_calls(*args)

    monkeypatch.setattr("api.calls.stored.save_calls", slow)
    given = [a_call() for _ in range(6)]
    before = count(on_both)
    answers = await asyncio.gather(*(on_both.post(CALLS, call, "pbx") for call in given))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert count(on_both) == before + 6


async def test_imports_that_wait_for_one_without_an_answer_are_refused_with_it(
    on_both: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.sql.DIRECT_WRITE_SECONDS", 0.3)
    answers = threading.Event()

    def hung(*args: Any) -> Imported:
        answers.wait()
        return save_calls(*args)

    monkeypatch.setattr("api.calls.stored.save_calls", hung)
    refused = await asyncio.gather(*(on_both.post(CALLS, a_call(), "pbx") for _ in range(3)))
    answers.set()
    for answer in refused:
        problem(answer, 503, "read-model-unavailable")
        assert int(answer.headers["retry-after"]) > 0
    monkeypatch.undo()
    assert (await on_both.post(CALLS, a_call(), "pbx")).status_code == 200
