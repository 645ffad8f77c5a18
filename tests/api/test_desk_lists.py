"""Lists of a desk: filters, orders and counts, on both databases."""

import csv
import io
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.shared.numbers import number_of
from tests.api.test_reading import numbers, owner, registered
from tests.support.api import CALL, Api, problem
from tests.support.batches import call, project
from tests.support.batches import published as batches_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN = ["registered", "dispatched", "in_progress", "pending_reply"]


def instant(at: datetime) -> str:
    return at.isoformat()


async def test_me_is_who_asks(on_sqlite: Api) -> None:
    mine, word = await on_sqlite.case_in("in_progress"), uuid.uuid4().hex
    others = await on_sqlite.register({**CALL, "description": word}, "li")
    assert mine in await numbers(on_sqlite, owner="chen", limit=200)
    for params in ({"owner": "me"}, {"assignee": "me"}):
        by = "chen" if "owner" in params else "wu"
        page = (await on_sqlite.get("/v1/complaints", by, limit=200, **params)).json()
        assert mine in [item["number"] for item in page["items"]]
        name = next(iter(params))
        assert {item[name] for item in page["items"]} == {by}
    found = (await on_sqlite.get("/v1/complaints", "li", owner="me", q=word)).json()["items"]
    assert [item["number"] for item in found] == [others.json()["number"]]
    assert (await on_sqlite.get("/v1/complaints", "chen", owner="me", q=word)).json()["items"] == []


async def test_the_filters_of_a_desk_narrow_together(on_both: Api) -> None:
    mine = owner()
    (called,) = await registered(on_both, mine, 1, priority="P1")
    (wrote,) = await registered(
        on_both, mine, 1, channel="wechat", service_code="leak", description="阀门漏水 at the gate"
    )
    await on_both.act(wrote, "dispatch", {"department": "repair", "assignee": "wu"})
    await on_both.act(called, "supervise", {}, "xu")
    case = await on_both.complaint(wrote)
    at, due = (datetime.fromisoformat(case[name]) for name in ("registered_at", "next_due_at"))
    wanted: list[tuple[dict[str, Any], list[str]]] = [
        ({"state": OPEN}, [wrote, called]),
        ({"assignee": "wu"}, [wrote]),
        ({"assignee": "sun"}, []),
        ({"priority": "P1"}, [called]),
        ({"channel": "wechat"}, [wrote]),
        ({"sla": "on_time"}, [wrote, called]),
        ({"sla": "missed"}, []),
        ({"flag": "supervised"}, [called]),
        ({"flag": "supervised", "channel": "wechat"}, []),
        ({"registered_from": instant(at)}, [wrote]),
        ({"registered_to": instant(at)}, [called]),
        ({"registered_from": instant(at), "registered_to": instant(at + timedelta(seconds=9))}, [wrote]),
        ({"due_before": instant(due), "assignee": "wu"}, []),
        ({"due_before": instant(due + timedelta(microseconds=1)), "assignee": "wu"}, [wrote]),
        ({"q": "漏"}, [wrote]),
        ({"q": "门漏水"}, [wrote]),
        ({"q": "GATE"}, [wrote]),
        ({"q": "家里 没水"}, [called]),
        ({"q": "gate 没水"}, []),
    ]
    assert [(params, await numbers(on_both, owner=mine, **params)) for params, _ in wanted] == wanted


@pytest.mark.parametrize(
    ("params", "field", "accepted"),
    [
        ({"priority": "1"}, "query.priority", "P1"),
        ({"channel": "fax"}, "query.channel", "wechat"),
        ({"sla": "late"}, "query.sla", "at_risk"),
        ({"flag": "supervise"}, "query.flag", "supervised"),
        ({"sort": "newest"}, "query.sort", "registered"),
        ({"format": "pdf"}, "query.format", "csv"),
        ({"due_before": "tonight"}, "query.due_before", "RFC 3339"),
        ({"due_before": "2026-12-01"}, "query.due_before", "2026-12-01T00:00:00+08:00"),
        ({"registered_from": "1764550800"}, "query.registered_from", "RFC 3339"),
    ],
)
async def test_a_wrong_filter_is_refused_with_what_is_accepted(
    on_sqlite: Api, params: dict[str, Any], field: str, accepted: str
) -> None:
    (fault,) = problem(await on_sqlite.get("/v1/complaints", **params), 422, "invalid-request")["errors"]
    assert fault["field"] == field
    assert accepted in fault["message"]


@pytest.mark.parametrize("path", ["/v1/complaints", "/v1/complaints/counts"])
async def test_a_period_that_ends_before_it_begins_is_refused(on_sqlite: Api, path: str) -> None:
    period = {"registered_from": "2026-12-02T00:00:00Z", "registered_to": "2026-12-02T08:00:00+08:00"}
    assert "later than registered_from" in problem(await on_sqlite.get(path, **period), 422, "invalid-period")["detail"]


@pytest.mark.slow
async def test_every_order_has_its_cursors(on_both: Api) -> None:
    mine = owner()
    first, second = await registered(on_both, mine, 2)
    (urgent,) = await registered(on_both, mine, 1, service_code="burst_main", priority="P1")
    (slow,) = await registered(on_both, mine, 1, service_code="inquiry", priority="P5")
    await on_both.act(second, "withdraw", {"reason": "有水了"})
    due = {number: (await on_both.complaint(number))["next_due_at"] for number in (first, urgent, slow)}
    orders = {
        "registered": [slow, urgent, second, first],
        "due": [*sorted(due, key=lambda number: (due[number], number)), second],
        "priority": [urgent, first, second, slow],
    }
    for sort, wanted in orders.items():
        for limit in (1, 3, 4, 50):
            assert await numbers(on_both, owner=mine, sort=sort, limit=limit) == wanted, sort
    for sort in orders:
        page = (await on_both.get("/v1/complaints", owner=mine, sort=sort, limit=1)).json()
        for other in {*orders} - {sort}:
            answer = await on_both.get("/v1/complaints", owner=mine, sort=other, cursor=page["next_cursor"])
            assert "no cursor" in problem(answer, 422, "invalid-cursor")["accepted"]


async def test_counts_are_those_of_the_list(on_both: Api) -> None:
    mine = owner()
    waiting, sent, gone = await registered(on_both, mine, 3)
    await on_both.act(sent, "dispatch", {"department": "repair"})
    await on_both.act(gone, "withdraw", {"reason": "有水了"})
    counts = (await on_both.get("/v1/complaints/counts", owner=mine)).json()
    assert (counts["total"], counts["department"], counts["no_department"]) == (3, {"repair": 1}, 2)
    assert {state: many for state, many in counts["state"].items() if many} == dict.fromkeys(
        ("registered", "dispatched", "withdrawn"), 1
    )
    assert counts["sla"] == {"on_time": 3, "at_risk": 0, "missed": 0, "paused": 0}
    for params, total in (({"state": OPEN}, 2), ({"q": waiting}, 1), ({"q": "家里没水", "department": "repair"}, 1)):
        found = (await on_both.get("/v1/complaints/counts", owner=mine, **params)).json()
        assert found["total"] == len(await numbers(on_both, owner=mine, **params)) == total
    problem(await on_both.get("/v1/complaints/counts", limit=5), 422, "invalid-request")


async def test_counts_reach_no_further_than_lists(on_sqlite: Api) -> None:
    number, phone = await on_sqlite.case_in("dispatched", caller={"phone": "13911112222"}), "13911112222"
    counts = {by: (await on_sqlite.get("/v1/complaints/counts", by)).json() for by in ("wu", "sun")}
    assert set(counts["wu"]["department"]) == {"repair"}
    assert "repair" not in counts["sun"]["department"]
    problem(await on_sqlite.get("/v1/complaints/counts", "sun", department="repair"), 403, "other-department")
    for by, total in (("chen", 1), ("wu", 1), ("sun", 0), ("zhou", 0)):
        assert (await on_sqlite.get("/v1/complaints/counts", by, q=phone)).json()["total"] == total
    problem(await on_sqlite.get("/v1/complaints/counts", "gao", q=phone), 403, "masked-search")
    assert (await on_sqlite.get("/v1/complaints/counts", "gao", q=number)).json()["total"] == 1


async def test_a_search_of_descriptions_confirms_no_masked_mobile_number(on_sqlite: Api) -> None:
    word, phone = f"w{uuid.uuid4().hex}", "13922223333"
    number = await on_sqlite.case_in("dispatched", description=f"{word} 请打{phone}找我")
    for by, q, found in (
        ("chen", phone, True),
        ("zhou", word, True),
        ("zhou", f"{word} 找我", True),
        ("zhou", phone, False),
        ("zhou", f"{word} {phone}", False),
        ("wu", phone, True),
        ("sun", word, False),
    ):
        items = (await on_sqlite.get("/v1/complaints", by, q=q)).json()["items"]
        assert (number in [item["number"] for item in items]) is found, (by, q)
    problem(await on_sqlite.get("/v1/complaints", "gao", q=word), 403, "masked-search")


async def test_late_cases_come_first_with_the_time_at_which_the_promise_was_due(on_both: Api) -> None:
    """Eight that nobody has signed for in time, in lists and files; and one that is in time."""
    mine = owner()
    called = on_both.clock().replace(microsecond=0) - timedelta(hours=1)
    due = dict[str, datetime]()
    for place in range(8):
        at = called - timedelta(minutes=place)
        start = call(at=at).model_copy(update={"number": number_of(at.date(), f"late {mine} {place}"), "owner": mine})
        project(on_both.settings.database_url, batches_of(start, ("dispatch", "comment"), timedelta(minutes=15)))
        due[start.number] = at + timedelta(minutes=25)
    (in_time,) = await registered(on_both, mine, 1)
    wanted = sorted(due, key=lambda number: due[number])
    now = instant(on_both.clock())
    assert await numbers(on_both, owner=mine, due_before=now, sort="due", limit=3) == wanted
    assert await numbers(on_both, owner=mine, sort="due", limit=4) == [*wanted, in_time]
    assert {*await numbers(on_both, owner=mine, due_before=now)} == {*wanted}
    items = (await on_both.get("/v1/complaints", owner=mine, due_before=now)).json()["items"]
    assert {item["number"]: datetime.fromisoformat(item["next_due_at"]) for item in items} == due
    file = (await on_both.get("/v1/complaints", owner=mine, sort="due", format="csv")).text
    rows = [*csv.DictReader(io.StringIO(file.removeprefix("\ufeff")))]
    assert [row["number"] for row in rows] == [*wanted, in_time]
    assert all(row["next_due_at"] for row in rows)
