"""Lists, pages, filters, timelines, on both databases; and what stands in for SQL."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError

from tests.support.api import CALL, Api, problem
from tests.support.hotline import number_at
from tests.support.sealing import stranger

pytestmark = pytest.mark.asyncio(loop_scope="session")


def owner() -> str:
    """An owner whom no other test has."""
    return f"agent {uuid.uuid4().hex[:8]}"


async def numbers(api: Api, **params: Any) -> list[str]:
    """The numbers of a whole list, page by page."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await api.get("/v1/complaints", **params, **({"cursor": cursor} if cursor else {}))).json()
        found += [item["number"] for item in page["items"]]
        cursor = page["next_cursor"]
    return found


async def registered(api: Api, mine: str, count: int, **changes: Any) -> list[str]:
    """Cases of one owner, oldest first."""
    answers = [await api.register({**CALL, "owner": mine, **changes}, "chief") for _ in range(count)]
    return [answer.json()["number"] for answer in answers]


async def test_pages_join_without_gap_or_double_newest_first(on_sqlite: Api) -> None:
    mine = owner()
    made = await registered(on_sqlite, mine, 5)
    assert await numbers(on_sqlite, owner=mine) == made[::-1]
    assert await numbers(on_sqlite, owner=mine, limit=2) == made[::-1]
    assert await numbers(on_sqlite, owner=mine, limit=5) == made[::-1]


async def test_what_comes_meanwhile_moves_no_page(on_sqlite: Api) -> None:
    mine = owner()
    made = await registered(on_sqlite, mine, 4)
    first = (await on_sqlite.get("/v1/complaints", owner=mine, limit=2)).json()
    await registered(on_sqlite, mine, 1)
    second = (await on_sqlite.get("/v1/complaints", owner=mine, limit=2, cursor=first["next_cursor"])).json()
    assert [item["number"] for item in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None


async def test_filters_narrow_together(on_both: Api) -> None:
    mine = owner()
    (dry,) = await registered(on_both, mine, 1, location={"district": "west", "address": "下闸新村 3 号"})
    (leak,) = await registered(on_both, mine, 1, service_code="leak", location={"district": "east"})
    await on_both.act(leak, "dispatch", {"department": "network"})
    wanted: list[tuple[dict[str, Any], list[str]]] = [
        ({}, [leak, dry]),
        ({"state": "registered"}, [dry]),
        ({"department": "network"}, [leak]),
        ({"service": "no_water"}, [dry]),
        ({"district": "east"}, [leak]),
        ({"district": "east", "state": "registered"}, []),
        ({"overdue": "false"}, [leak, dry]),
        ({"overdue": "true"}, []),
        ({"incident": "burst_12"}, []),
        ({"q": "闸新"}, [dry]),
        ({"q": dry}, [dry]),
    ]
    assert [(params, await numbers(on_both, owner=mine, **params)) for params, _ in wanted] == wanted


async def test_an_item_of_a_list_is_the_complaint_itself(on_sqlite: Api) -> None:
    mine = owner()
    (number,) = await registered(on_sqlite, mine, 1)
    (item,) = (await on_sqlite.get("/v1/complaints", owner=mine)).json()["items"]
    assert item | {"clocks": []} == await on_sqlite.complaint(number) | {"clocks": []}


@pytest.mark.parametrize(
    ("params", "field", "accepted"),
    [
        ({"limit": 0}, "query.limit", "1"),
        ({"limit": 201}, "query.limit", "200"),
        ({"limit": "all"}, "query.limit", "integer"),
        ({"state": "lost"}, "query.state", "in_progress"),
        ({"overdue": "perhaps"}, "query.overdue", "boolean"),
        ({"q": ""}, "query.q", "1 character"),
        ({"stat": "closed"}, "query.stat", "state, department, owner"),
    ],
)
async def test_a_filter_that_cannot_be_is_refused(
    on_sqlite: Api, params: dict[str, Any], field: str, accepted: str
) -> None:
    (fault,) = problem(await on_sqlite.get("/v1/complaints", **params), 422, "invalid-request")["errors"]
    assert fault["field"] == field
    assert accepted in fault["message"]


@pytest.mark.parametrize("cursor", ["x", "-1", "9" * 30, "MTIz"])
@pytest.mark.parametrize("path", ["/v1/complaints", "/v1/complaints/{number}/timeline"])
async def test_a_cursor_that_no_page_gave_out_is_refused(on_sqlite: Api, path: str, cursor: str) -> None:
    number = await on_sqlite.case_in("registered")
    answer = await on_sqlite.get(path.format(number=number), cursor=cursor)
    assert "no cursor" in problem(answer, 422, "invalid-cursor")["accepted"]


async def test_a_timeline_comes_in_pages_oldest_first(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("pending_reply")
    path = f"/v1/complaints/{number}/timeline"
    first = (await on_sqlite.get(path, limit=3)).json()
    second = (await on_sqlite.get(path, limit=3, cursor=first["next_cursor"])).json()
    assert [item["seq"] for item in first["items"] + second["items"]] == [1, 2, 3, 4]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("path", ["/v1/complaints/2001010000008", "/v1/complaints/2001010000008/timeline"])
async def test_a_number_that_no_case_has_is_not_found(on_sqlite: Api, path: str) -> None:
    problem(await on_sqlite.get(path), 404, "complaint-not-found")


async def test_the_catalogue_names_services_clocks_and_codes(on_sqlite: Api) -> None:
    found = (await on_sqlite.get("/v1/services", "wu")).json()
    burst = next(service for service in found["items"] if service["service_code"] == "burst_main")
    assert (burst["name_zh"], burst["priority"]) == ("爆管", "P1")
    assert {"name": "acknowledge", "calendar": "always", "budget_seconds": 300, "starts": "dispatch"} in burst["clocks"]
    assert found["next_cursor"] is None
    assert "repair" in [department["code"] for department in found["departments"]]


async def test_the_lifecycle_is_the_table(on_sqlite: Api) -> None:
    found = (await on_sqlite.get("/v1/lifecycle", "wu")).json()
    rows = {row["action"]: row for row in found["actions"]}
    assert (rows["sign_for"]["name_zh"], rows["sign_for"]["from"], rows["sign_for"]["to"]) == (
        "签收",
        ["dispatched"],
        ["in_progress"],
    )
    assert rows["sign_for"]["roles"] == ["crew"]
    assert all(row["offered"] for row in rows.values())
    assert found["mermaid"].startswith("stateDiagram-v2")


@pytest.mark.parametrize(
    ("kind", "path", "number", "action"),
    [
        ("ComplaintWorkflow", "complaints", number_at(datetime(2020, 1, 1, tzinfo=UTC), 7), {"note": "结案"}),
        ("IncidentWorkflow", "incidents", "i20010100009", {"message": "结案"}),
    ],
)
async def test_a_workflow_whose_start_was_refused_is_not_found(
    on_sqlite: Api, kind: str, path: str, number: str, action: dict[str, str]
) -> None:
    """Somebody has started it past the service: it is neither read nor acted on."""
    client, queue = stranger(on_sqlite.temporal), on_sqlite.settings.task_queue
    forged = await client.start_workflow(kind, id=f"{path[:-1]}-{number}", task_queue=queue)
    with pytest.raises(WorkflowFailureError):
        await forged.result()
    problem(await on_sqlite.get(f"/v1/{path}/{number}"), 404, f"{path[:-1]}-not-found")
    name = "comment" if path == "complaints" else "inform"
    answer = await on_sqlite.post(f"/v1/{path}/{number}/actions/{name}", action, key=uuid.uuid4().hex)
    problem(answer, 404, f"{path[:-1]}-not-found")


async def test_result_and_reply_are_read_on_the_case(on_both: Api) -> None:
    number = await on_both.case_in("in_progress")
    assert [(await on_both.complaint(number))[field] for field in ("result", "reply")] == [None, None]
    done = (await on_both.act(number, "complete", {"result": "阀芯脱落,已装好"}, "wu")).json()
    assert (done["result"], done["reply"]) == ("阀芯脱落,已装好", None)
    await on_both.act(number, "reply", {"message": "供水已恢复"}, "chen")
    read = await on_both.complaint(number)
    assert (read["result"], read["reply"]) == ("阀芯脱落,已装好", "供水已恢复")
