"""Rights: every route for every role, as the published table says; what is masked; and attacks that fail."""

import itertools
from collections import Counter
from collections.abc import Mapping
from contextvars import ContextVar, copy_context
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from sqlalchemy import event
from starlette.routing import Route

from api.calls import NEW_CALL
from api.routing import StrictRoute
from domain.case.actions import COMMANDS
from domain.incident.actions import INCIDENT_COMMANDS
from domain.shared.actors import Role
from readmodel.people.people import PeopleError
from tests.support.api import CALL, PEOPLE, Api, Json, further_api, problem
from tools.docs.openapi import RIGHT

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME, PHONE, ACCOUNT, ADDRESS = "司徒大明", "13800138000", "HW-00-420013", "下闸新村 3 号"
CALLER = {
    "caller": {"name": NAME, "phone": PHONE, "account_no": ACCOUNT},
    "location": {"district": "west", "address": ADDRESS, "lat": 22.5176, "lng": 113.3926},
}
WITHOUT_KEY = {"healthz", "readyz", "metrics"}
SIGNED_IN = {"/views", "/case", "/case/{number}", "/temporal-grant"}
"""Pages for people who have signed in."""
SIGN_IN = {"/sign-in", "/sign-out"}
DESK = {
    *(f"/desk{below}" for below in ("", "/crew", "/intake", "/language/{language}", "/today", "/cases")),
    *("/", "/board", "/board/events"),
    *("/desk/reports/{name}", "/desk/assessments", "/desk/assessments/{month}"),
    *(f"/desk/cases/{{number}}{below}" for below in ("", "/actions/{action}", "/work-order")),
    *(f"/desk/incidents{below}" for below in ("", "/declare", "/{number}", "/{number}/actions/{action}")),
    *("/desk/incidents/{number}/candidates", "/desk/call-backs", "/desk/counts", "/desk/export", "/desk/{path:path}"),
}
ORDER = {"/w/{order}", "/w/{order}/actions/{action}"}
LINKS = {"/c/{link}", "/c/{link}/{language}"} | ORDER
HIDDEN = DESK | SIGNED_IN | SIGN_IN | LINKS | {"/v1/complaints/{number}/actions/{action}"}
"""Routes that the document leaves out: also the caller's page, and what answers an unknown action."""
PAGE = ("/docs", "/openapi.json", "/swagger/")
"""The page of the document, and what it is made of."""
OWNER = "chen"
"""The agent who takes the calls of `Api.case_in`."""
BODIES: Mapping[str, Any] = {
    "POST /v1/callers/lookup": {"phone": PHONE},
    # Another call than the one that the example of `withdraw` names.
    "POST /v1/calls": NEW_CALL | {"agent": "chen", "call_id": "1785729600.999"},
    "POST /v1/handovers": {"from": "he", "to": "li", "reason": "病假"},
    "POST /v1/complaints": CALL,
    "POST /v1/complaints/{number}/exclusions": {"ground": "beyond_duty", "reason": "非供水设施"},
    "POST /v1/complaints/{number}/exclusions/{id}/decision": {"approved": True, "reason": "已核实"},
    "POST /v1/assessments/{month}/inspections": {"complaint": "2608034711004", "scores": {}},
    "POST /v1/assessments/{month}/objections": {"subject": "chen", "figure": "cases", "reason": "试拨"},
    "POST /v1/assessments/{month}/objections/{id}/decision": {"accepted": True, "reason": "属实"},
    "POST /v1/incidents": {"title": "咸潮", "services": ["water_quality"], "districts": ["west"]},
    **{f"POST /v1/complaints/{{number}}/actions/{name}": action for name, action in COMMANDS.items()},
    **{f"POST /v1/incidents/{{number}}/actions/{name}": action for name, action in INCIDENT_COMMANDS.items()},
}
"""Bodies of the operations that take one: JSON, or an action, whose example is sent."""


def body_of(route: str, incident: str) -> Any:
    body = BODIES.get(route, {})
    if route.endswith("link_incident"):
        return {"incident": incident}
    if route.endswith("merge"):
        return {"into": incident}
    return body.example.model_dump(mode="json", exclude_unset=True) if hasattr(body, "example") else body


async def ask(api: Api, route: str, by: str, number: str, incident: str) -> httpx.Response:
    """Send a request to the route, about this case and this incident."""
    method, path = route.split()
    values = {
        "number": incident if "/incidents/" in path else number,
        "seq": "1",
        "account_no": "1",
        "key": "none",
        "call_id": "none",
        "id": "1" if "/objections/" in path else "0" * 32,
        "month": "2026-08",
    }
    path = path.format_map(values)
    if method == "POST":
        return await api.post(path, body_of(route, incident), by)
    params = {"department": "repair"} if path == "/v1/parts" else {}
    if "/reports/" in path and not path.endswith(("/today", "/this-month")):
        params = {"month": "2026-08"}
    if path.endswith("2026-08/cases"):
        params = {"by": "company", "subject": "company", "figure": "cases"}
    return await api.http.get(path, headers=api.key(by), params=params)


class Table:
    """The published table, and what it says of a request about a case, incident or part of the repair crew."""

    def __init__(self, published: Json) -> None:
        self.actions: list[Json] = published["actions"]
        self.acting = {row["name"] for row in self.actions}
        self.rows: list[Json] = [*published["rights"], *self.actions]
        self.reach: dict[str, dict[str, str]] = {row["name"]: row["reach"] for row in self.rows}
        self.routes = [(row["name"], route) for row in self.rows for route in row["routes"]]

    def allows(self, owner: str, person: str, right: str, route: str) -> bool:
        role, department = PEOPLE[person]
        reach = self.reach[right]
        # Whoever acts has to be able to read the answer.
        kind = next((name for name in ("incidents", "assessments") if f"/{name}" in route), "cases")
        reads = self.reach[f"read_{kind}"]
        if role not in reads and right in self.acting:
            return False
        if reach.get(role) == "department" and ("{number}" in route or route == "GET /v1/parts"):
            return department == "repair"
        return role in reach or ("owner" in reach and owner == person)


async def test_every_operation_takes_a_right_that_is_published(on_sqlite: Api) -> None:
    document = on_sqlite.app.openapi()["paths"]
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document.items()
        for method, operation in methods.items()
    }
    keyed = {route: found for route, found in operations.items() if found["operationId"] not in WITHOUT_KEY}
    assert [route for route, found in keyed.items() if RIGHT not in found] == []
    table = Table((await on_sqlite.get("/v1/roles")).json())
    assert sorted(route for _, route in table.routes) == sorted(keyed)
    # It opens a field.
    assert [row["name"] for row in table.rows if not row["routes"]] == ["read_recordings"]
    hidden = {route.path for route in on_sqlite.app.routes if isinstance(route, Route) and not route.include_in_schema}
    assert {path for path in hidden if not path.startswith(PAGE)} == HIDDEN


async def test_an_operation_cannot_be_declared_without_a_right() -> None:
    router = APIRouter(route_class=StrictRoute)

    async def endpoint() -> None: ...

    with pytest.raises(TypeError, match="/v1/secrets takes no right"):
        router.add_api_route("/v1/secrets", endpoint)
    router.add_api_route("/healthz", endpoint)


@pytest.mark.slow
async def test_every_route_answers_every_role_as_the_table_says(on_sqlite: Api) -> None:
    """Each route is asked by each role, by crews of the department and of another, by the owner and another agent."""
    table, walked, wrong = Table((await on_sqlite.get("/v1/roles")).json()), 0, list[str]()
    number, incident = await on_sqlite.case_in("dispatched"), await incident_with_repair(on_sqlite)
    for right, route in table.routes:
        for person in PEOPLE:
            answer = await ask(on_sqlite, route, person, number, incident)
            walked += 1
            if (answer.status_code != httpx.codes.FORBIDDEN) is not table.allows(OWNER, person, right, route):
                wrong.append(f"{person} {route}: {answer.status_code} {answer.text[:200]}")
            # The next one meets what this one met.
            if answer.is_success and "/complaints/{number}/actions/" in route:
                number = await on_sqlite.case_in("dispatched")
            if answer.is_success and ("/incidents/{number}/actions/" in route or route.endswith("link_incident")):
                incident = await incident_with_repair(on_sqlite)
    print(f"walked {walked - len(wrong)} of {walked}")  # noqa: T201 - read with `-s`
    assert not wrong, "\n".join(wrong)
    assert walked == len(table.routes) * len(PEOPLE)


async def incident_with_repair(api: Api) -> str:
    number: str = (await api.post("/v1/incidents", BODIES["POST /v1/incidents"])).json()["number"]
    await api.post(f"/v1/incidents/{number}/actions/dispatch", {"department": "repair"})
    return number


async def test_a_crew_reads_the_cases_of_its_department_and_no_others(on_both: Api) -> None:
    """One crew key read 2,400 cases in 0.6 s."""
    mine = await on_both.case_in("dispatched", **CALLER)
    undispatched = await on_both.case_in("registered", **CALLER)
    assert (await on_both.complaint(mine, "wu"))["caller"]["phone"] == PHONE
    for number in (mine, undispatched):
        for path in ("", "/timeline", "/notices", "/notices/1", "/caller"):
            refused = problem(await on_both.get(f"/v1/complaints/{number}{path}", "sun"), 403, "other-department")
            assert PHONE not in str(refused)
    for by, there in (("wu", True), ("sun", False)):
        for params in ({}, {"q": PHONE}, {"q": mine}, {"q": NAME}, {"state": "dispatched"}):
            page = (await on_both.get("/v1/complaints", by, limit=200, **params)).json()["items"]
            assert (mine in [item["number"] for item in page]) is there
            assert {item["department"] for item in page} <= {PEOPLE[by][1]}
    problem(await on_both.get("/v1/complaints", "sun", department="repair"), 403, "other-department")
    problem(await on_both.get("/v1/parts", "sun", department="repair"), 403, "other-department")


async def test_a_crew_reads_a_case_in_which_it_has_a_part(on_both: Api) -> None:
    number = await on_both.case_in("in_progress", **CALLER)
    problem(await on_both.get(f"/v1/complaints/{number}", "sun"), 403, "other-department")
    await on_both.act(number, "involve", {"department": "metering", "task": "核对读数"}, "chen")
    for path in ("", "/timeline", "/notices", "/caller"):
        assert (await on_both.get(f"/v1/complaints/{number}{path}", "sun")).status_code == 200
    assert (await on_both.complaint(number, "sun"))["caller"]["name"] == NAME


async def test_a_part_in_a_former_cycle_shows_a_crew_nothing_of_the_present_one(on_both: Api) -> None:
    number = await on_both.case_in("in_progress", **CALLER)
    for action, body, by in (
        ("involve", {"department": "metering", "task": "核对读数"}, "chen"),
        ("sign_for", {}, "sun"),
        ("complete", {"result": "读数无误"}, "sun"),
        ("complete", {"result": "已修好"}, "wu"),
        ("reply", {"message": "已修好"}, "chen"),
    ):
        assert (await on_both.act(number, action, body, by)).status_code == 200
    assert (await on_both.complaint(number, "sun"))["cycle"] == 1
    dissatisfied = {"contacted": True, "solved": False, "satisfaction": "dissatisfied"}
    assert (await on_both.act(number, "follow_up", dissatisfied, "he")).json()["cycle"] == 2
    for path in ("", "/timeline", "/notices", "/caller"):
        problem(await on_both.get(f"/v1/complaints/{number}{path}", "sun"), 403, "other-department")
    problem(await on_both.act(number, "comment", {"note": "我再看"}, "sun"), 403, "other-department")


async def test_a_crew_of_another_department_neither_signs_for_a_case_nor_completes_it(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched", **CALLER)
    for action, body in (("sign_for", {}), ("complete", {"result": "我来"}), ("comment", {"note": "我来"})):
        refused = problem(await on_sqlite.act(number, action, body, "sun"), 403, "other-department")
        assert "state" not in refused
    undispatched = await on_sqlite.case_in("registered", **CALLER)
    problem(await on_sqlite.act(undispatched, "comment", {"note": "我来"}, "sun"), 403, "other-department")
    assert await on_sqlite.actions(number) == ["register", "dispatch"]
    assert await on_sqlite.actions(undispatched) == ["register"]


async def test_a_repeated_action_shows_no_case_that_has_moved_on(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched", **CALLER)
    for _ in range(2):
        assert (await on_sqlite.act(number, "comment", {"note": "在路上"}, "wu", key="once")).status_code == 200
    await on_sqlite.act(number, "dispatch", {"department": "metering"}, "zhou")
    again = await on_sqlite.act(number, "comment", {"note": "在路上"}, "wu", key="once")
    refused = problem(again, 403, "other-department")
    assert refused["detail"].startswith("The action was carried out, as version 3.")
    assert NAME not in again.text


async def test_an_ended_case_tells_its_state_to_no_other_department(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("refused", **CALLER)
    problem(await on_sqlite.act(number, "comment", {"note": "?"}, "sun"), 403, "other-department")


async def test_nobody_gets_a_callers_key(on_sqlite: Api) -> None:
    """It read any case whole, by its number."""
    with pytest.raises(PeopleError, match="nobody has the role caller"):
        on_sqlite.directory.enter("portal", Role.CALLER)


async def test_a_crew_sees_earlier_cases_of_its_own_department_only(on_sqlite: Api) -> None:
    account = {"caller": {"account_no": "7700770077"}}
    metering = await on_sqlite.case_in("registered", **account)
    await on_sqlite.act(metering, "dispatch", {"department": "metering"})
    repair, last = [await on_sqlite.case_in("dispatched", **account) for _ in range(2)]
    for by, seen, told in (("wu", [repair], []), ("chen", [repair, metering], [repair, metering])):
        record = (await on_sqlite.get(f"/v1/complaints/{last}/caller", by)).json()
        assert [case["number"] for case in record["earlier_cases"]] == seen
        case = (await on_sqlite.get(f"/v1/complaints/{last}", by)).json()
        assert (case["possible_duplicates"], "possible_duplicates" in case["masked"]) == (told, not told)


async def answers_about(api: Api, number: str, by: str) -> list[httpx.Response]:
    """Every answer that this person gets about a case."""
    here = f"/v1/complaints/{number}"
    paths = ("", "/timeline", "/notices", "/notices/1", "/caller")
    answers = [await api.get(f"{here}{path}", by) for path in paths]
    answers += [
        await api.get("/v1/complaints", by, **params) for params in ({"q": number}, {"limit": 200, "state": "closed"})
    ]
    answers += [await api.get("/v1/parts", by, department=PEOPLE[by][1] or "repair")]
    answers += [await api.get(path, by) for path in ("/v1/letters", f"/v1/customers/{ACCOUNT}")]
    return [*answers, await api.act(number, "comment", {"note": "记一笔"}, by)]


@pytest.mark.parametrize(("by", "shown"), [("zhou", {ADDRESS, "22.5176"}), ("gao", set()), ("wu", set())])
async def test_no_answer_of_a_masked_role_holds_the_caller(on_both: Api, by: str, shown: set[str]) -> None:
    """Of an ended case for the crew; always for dispatchers, who see the address, and for managers."""
    number = await on_both.case_in("pending_reply", **{**CALLER, "description": f"请打{PHONE}找我"})
    await on_both.act(number, "reply", {"message": "好了"}, "chen")
    await on_both.act(number, "follow_up", {"outcome": "satisfied"}, "he")
    answers = await answers_about(on_both, number, by)
    assert [answer.status_code for answer in answers[:3]] == [200] * 3
    secrets = {NAME, PHONE, ACCOUNT, ADDRESS, "22.5176"} - shown
    assert [(secret, answer.request.url) for answer in answers for secret in secrets if secret in answer.text] == []
    case = answers[0].json()
    assert case["caller"] == {"name": "司**明", "phone": "138****8000", "account_no": "*********013"}
    assert case["description"] == "请打138****8000找我"
    hidden = ["caller.name", "caller.phone", "caller.account_no"]
    hidden += [] if shown else ["location.address", "location.lat", "location.lng"]
    assert [field for field in case["masked"] if field != "possible_duplicates"] == hidden
    assert answers[1].json()["items"][0]["data"]["intake"]["caller"] == case["caller"]


@pytest.mark.parametrize("by", ["chen", "xu", "he", "chief"])
async def test_who_speaks_with_callers_sees_them_clear(on_sqlite: Api, by: str) -> None:
    number = await on_sqlite.case_in("dispatched", **CALLER)
    case = await on_sqlite.complaint(number, by)
    assert (case["caller"], case["location"], case["masked"]) == (CALLER["caller"], CALLER["location"], [])


IN_ADDRESS = ("13911139222", "9222", "139****9222")


@pytest.mark.parametrize("by", ["zhou", "gao"])
@pytest.mark.parametrize("guess", [PHONE, f"86{PHONE}", "8000", NAME, "司徒", ACCOUNT, "420013", *IN_ADDRESS])
async def test_a_search_confirms_no_guess_of_a_masked_field(on_sqlite: Api, by: str, guess: str) -> None:
    place = {"district": "west", "address": f"{ADDRESS}，门卫电话 {IN_ADDRESS[0]}"}
    await on_sqlite.case_in("dispatched", **CALLER | {"location": place})
    answer = await on_sqlite.get("/v1/complaints", by, q=guess)
    if answer.is_success:
        assert answer.json() == {"items": [], "next_cursor": None}
    else:
        problem(answer, 403, "masked-search")


async def test_a_crew_finds_callers_of_open_cases_only(on_sqlite: Api) -> None:
    phone = "13900139001"
    number = await on_sqlite.case_in("pending_reply", caller={"phone": phone})
    assert [item["number"] for item in (await on_sqlite.get("/v1/complaints", "wu", q=phone)).json()["items"]] == [
        number
    ]
    await on_sqlite.act(number, "reply", {"message": "好了"}, "chen")
    await on_sqlite.act(number, "follow_up", {"outcome": "satisfied"}, "he")
    assert (await on_sqlite.get("/v1/complaints", "wu", q=phone)).json()["items"] == []
    assert [item["number"] for item in (await on_sqlite.get("/v1/complaints", "wu", q=number)).json()["items"]] == [
        number
    ]
    problem(await on_sqlite.get("/v1/complaints", "wu", q=phone, state="closed"), 403, "masked-search")


async def test_rights_need_no_further_read_of_sql(on_sqlite: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key, the reach and what is masked are known without SQL: a crew's request asks it as often as anybody's."""
    number, asked = await on_sqlite.case_in("dispatched", **CALLER), Counter[tuple[str, str]]()
    current: ContextVar[tuple[str, str] | None] = ContextVar("request", default=None)
    # The same cases for both: some need another read, as corrected ones do.
    paths = f"/v1/complaints/{number}", f"/v1/complaints/{number}/timeline", "/v1/complaints?department=repair"

    def count(*_: object) -> None:
        # What the API reads by itself, by the clock or later, has no such context.
        if request := current.get():
            asked[request] += 1

    engine, threads = on_sqlite.backend.reader._engine, on_sqlite.backend.reader._threads
    submit = threads.submit
    monkeypatch.setattr(threads, "submit", lambda ask: submit(copy_context().run, ask))
    event.listen(engine, "before_cursor_execute", count)
    try:
        # Called in this process, as a context does not pass through a socket.
        async with httpx.AsyncClient(transport=httpx.ASGITransport(on_sqlite.app), base_url=on_sqlite.url) as http:
            for by, path in itertools.product(("chief", "wu"), paths):
                current.set((by, path))
                answer = await http.get(path, headers=on_sqlite.key(by))
                assert answer.status_code == httpx.codes.OK
    finally:
        event.remove(engine, "before_cursor_execute", count)
    assert [asked["wu", path] for path in paths] == [asked["chief", path] for path in paths]
    assert 1 <= asked["wu", paths[0]] <= 2


@pytest.mark.parametrize(
    ("by", "action", "body", "slug"),
    [
        ("wu", "link_incident", {"incident": "i26080347119"}, "wrong-role"),
        ("li", "link_incident", {"incident": "i26080347119"}, "wrong-role"),
        ("sun", "sign_for", {"assignee": "nobody at all"}, "other-department"),
    ],
)
async def test_who_may_not_act_is_not_told_what_is_unknown(
    on_sqlite: Api, by: str, action: str, body: Json, slug: str
) -> None:
    number = await on_sqlite.case_in("dispatched")
    async with further_api(on_sqlite, on_sqlite.clock, unknown_people="refuse") as made:
        problem(await made.act(number, action, body, by), 403, slug)


async def test_a_case_is_handed_over_to_no_crew(on_sqlite: Api) -> None:
    """It could act as the owner on a case of another department, and not read the answer."""
    number = await on_sqlite.case_in("in_progress")
    found = problem(await on_sqlite.act(number, "hand_over", {"owner": "sun"}, "xu"), 422, "unknown-owner")
    assert found["accepted"] == ["a person of no crew"]


async def test_a_crew_learns_no_numbers_of_cases_that_may_be_the_same_matter(on_sqlite: Api) -> None:
    """They may be of other departments."""
    place = {"location": {"district": "west", "address": "孙文西路步行街 8 号"}}
    first, second = [await on_sqlite.case_in("dispatched", **place) for _ in range(2)]
    assert first in (await on_sqlite.complaint(second))["possible_duplicates"]
    for path in ("", "/timeline"):
        assert first not in (await on_sqlite.get(f"/v1/complaints/{second}{path}", "wu")).text
