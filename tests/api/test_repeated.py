"""A request sent again with its Idempotency-Key gets its first answer, whatever stands in its way by now."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.testing import WorkflowEnvironment

from activities.names import complaint_id, incident_id
from domain.incident.state import Opening, Scope
from domain.shared.actors import Role
from hotline.files.catalogue import load_catalogue
from hotline.files.catalogue_store import CatalogueStore
from hotline.settings import DEFAULT_CATALOGUE
from tests.api.test_england import ENGLAND, case_with_finding
from tests.api.test_incidents import act, declare, in_state
from tests.api.test_registering import BEFORE_MIDNIGHT, SECOND
from tests.support.api import CALL, Api, Clock, Json, api_on_its_day, problem, running_api
from tests.support.copies import copied, send_to_next_run
from tests.support.sealing import stranger
from workflows.clients.incidents import start_incident
from workflows.clients.start import Request
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.kit.words import CatalogueNames

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOR_NOW = "for_now"
"""The code of a service, a department and a district that leave the catalogue again."""
ELSEWHERE = {"district": "minzhong"}


def key() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def wider(store: CatalogueStore) -> CatalogueStore:
    """The default catalogue with a service, a department and a district more is in force."""
    widen(store)
    return store


def widen(store: CatalogueStore) -> None:
    """Put that catalogue in force."""
    usual = load_catalogue(DEFAULT_CATALOGUE)
    more = {
        name: (*codes, codes[-1].model_copy(update={"code": FOR_NOW}))
        for name, codes in (
            ("services", usual.services),
            ("departments", usual.departments),
            ("districts", usual.districts),
        )
    }
    store.put(usual.model_copy(update=more), DEFAULT_CATALOGUE, datetime.now(UTC))


def narrow(store: CatalogueStore) -> None:
    """Put the default catalogue in force again."""
    store.put(load_catalogue(DEFAULT_CATALOGUE), DEFAULT_CATALOGUE, datetime.now(UTC))


class Sent(NamedTuple):
    """A request that was carried out, and one with another body that its key must not pass for."""

    path: str
    body: Json
    by: str
    key: str
    other: Json
    answer: Json

    def workflow(self) -> str:
        number = self.path.split("/")[3]
        return incident_id(number) if number.startswith("i") else complaint_id(number)


async def sent(api: Api, path: str, body: Json, by: str, other: Json) -> Sent:
    mine = key()
    answer = await api.post(path, body, by, mine)
    assert answer.is_success, answer.text
    return Sent(path, body, by, mine, other, answer.json())


async def taken(api: Api, workflow: str) -> int:
    """The updates in the workflow's history."""
    history = await api.temporal.get_workflow_handle(workflow).fetch_history()
    wanted = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    return len([event for event in history.events if event.event_type == wanted])


async def answered_again(api: Api, first: Sent, status: int, slug: str) -> Json:
    """The answer to the request when it is repeated; another one is refused, and none of them leaves anything."""
    before = await taken(api, first.workflow())
    answer = await api.post(first.path, first.body, first.by, first.key)
    assert answer.status_code == 200, answer.text
    problem(await api.post(first.path, first.other, first.by, first.key), 422, "idempotency-key-reused")
    problem(await api.post(first.path, first.body, first.by, key()), status, slug)
    problem(await api.post(first.path, first.body, first.by), status, slug)
    assert await taken(api, first.workflow()) == before
    found: Json = answer.json()
    assert found["number"] == first.answer["number"]
    return found


@pytest.mark.parametrize(
    ("state", "action", "body"),
    [("registered", "dispatch", {}), ("in_progress", "involve", {"task": "检查水表"})],
)
async def test_answered_again_when_the_department_left_the_catalogue(
    on_sqlite: Api, wider: CatalogueStore, state: str, action: str, body: Json
) -> None:
    path = f"/v1/complaints/{await on_sqlite.case_in(state)}/actions/{action}"
    to = {**body, "department": FOR_NOW}
    first = await sent(on_sqlite, path, to, "zhou", {**to, "note": "快"})
    narrow(wider)
    again = await answered_again(on_sqlite, first, 422, "unknown-department")
    assert (again["state"], again["version"]) == (first.answer["state"], first.answer["version"])


async def test_answered_again_when_the_case_has_ended_as_well(on_sqlite: Api, wider: CatalogueStore) -> None:
    number = await on_sqlite.case_in("registered")
    path, to = f"/v1/complaints/{number}/actions/dispatch", {"department": FOR_NOW}
    first = await sent(on_sqlite, path, to, "zhou", {**to, "note": "快"})
    for action in ("return", "refuse"):
        await on_sqlite.act(number, action, {"reason": "非供水范围"})
    await on_sqlite.temporal.get_workflow_handle(complaint_id(number)).result()
    narrow(wider)
    again = await answered_again(on_sqlite, first, 422, "unknown-department")
    assert again["state"] == "refused"


async def test_answered_again_when_the_new_owner_has_left(on_sqlite: Api) -> None:
    on_sqlite.directory.enter("lu", Role.AGENT)
    await on_sqlite.backend.people.read_anew()
    path = f"/v1/complaints/{await on_sqlite.case_in('registered')}/actions/hand_over"
    first = await sent(on_sqlite, path, {"owner": "lu"}, "xu", {"owner": "li"})
    on_sqlite.directory.leave("lu")
    await on_sqlite.backend.people.read_anew()
    assert (await answered_again(on_sqlite, first, 422, "unknown-owner"))["owner"] == "lu"


async def test_answered_again_when_the_incident_of_the_case_has_ended(on_sqlite: Api) -> None:
    number = await declare(on_sqlite, districts=["minzhong"], services=["leak"])
    case = await on_sqlite.case_in("registered", location=ELSEWHERE)
    path = f"/v1/complaints/{case}/actions/link_incident"
    first = await sent(on_sqlite, path, {"incident": number}, "zhou", {"incident": None})
    await act(on_sqlite, number, "dismiss", {"reason": "误报"})
    await in_state(on_sqlite, number, "dismissed")
    await answered_again(on_sqlite, first, 409, "incident-closed")


@pytest.mark.slow
async def test_answered_again_when_the_account_has_had_the_most_that_it_may_get(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    text = (
        ENGLAND.read_text().replace('up_to = "100"', 'up_to = "40"').replace('at_most = "250.00"', 'at_most = "50.00"')
    )
    two_words = tmp_path / "two_words.toml"
    two_words.write_text(text)
    url = f"sqlite:///{tmp_path / 'hotline.db'}"
    async with running_api(server.client, url, tmp_path, catalogue=two_words) as made:
        mine, other = [await case_with_finding(made, "low_pressure", "B-1") for _ in range(2)]
        yes = {"credit": 1, "approved": True}
        first = await sent(made, f"/v1/complaints/{mine}/actions/decide_credit", yes, "chief", {**yes, "note": "-"})
        for _ in range(2):
            assert (await made.act(other, "decide_credit", yes)).status_code == 200
        again = await answered_again(made, first, 409, "credit-limit-reached")
        assert again["credits"][0]["approved"] is None


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"service_code": FOR_NOW}, {"location": {"district": FOR_NOW}}])
@pytest.mark.parametrize("later", [timedelta(), SECOND], ids=["today", "tomorrow"])
async def test_answered_again_when_a_code_of_the_call_left_the_catalogue(
    on_sqlite: Api, store: CatalogueStore, change: Json, later: timedelta
) -> None:
    mine, call = key(), {**CALL, **change}
    slug = "unknown-service" if "service_code" in change else "unknown-district"
    clock = Clock(BEFORE_MIDNIGHT)
    async with api_on_its_day(on_sqlite, clock) as api:
        widen(store)  # a process that starts takes the catalogue of its file
        first = await api.register(call, key=mine)
        narrow(store)
        clock.fixed = BEFORE_MIDNIGHT + later
        again = await api.register(call, key=mine)
        problem(await api.register({**call, "priority": "P1"}, key=mine), 422, "idempotency-key-reused")
        problem(await api.register(call, key=key()), 422, slug)
        problem(await api.register(call), 422, slug)
    assert first.is_success
    assert again.is_success
    assert first.json()["number"] == again.json()["number"]
    assert first.headers["Location"] == again.headers["Location"]


async def test_answered_again_when_the_key_may_name_no_other_owner_any_more(on_sqlite: Api) -> None:
    mine, call = key(), {**CALL, "owner": "li"}
    on_sqlite.tokens["temp"] = on_sqlite.directory.enter("temp", Role.ADMIN)
    first = await on_sqlite.register(call, "temp", mine)
    on_sqlite.directory.change("temp", role=Role.AGENT)
    await on_sqlite.backend.people.read_anew()
    problem(await on_sqlite.register(call, "temp", key()), 403, "other-owner")
    again = await on_sqlite.register(call, "temp", mine)
    assert (again.status_code, again.json()["number"]) == (201, first.json()["number"])


SCOPES = [{"services": [FOR_NOW]}, {"districts": [FOR_NOW]}]


@pytest.mark.parametrize("scope", SCOPES)
async def test_answered_again_when_the_scope_of_a_declared_incident_left_the_catalogue(
    on_sqlite: Api, wider: CatalogueStore, scope: Json
) -> None:
    slug = "unknown-service" if "services" in scope else "unknown-district"
    mine, body = key(), {"title": "停水", "services": ["leak"], "districts": ["minzhong"], **scope}
    first = await on_sqlite.post("/v1/incidents", body, "zhou", mine)
    number = first.json()["number"]
    await act(on_sqlite, number, "dispatch", {"department": "repair"})
    narrow(wider)
    again = await on_sqlite.post("/v1/incidents", body, "zhou", mine)
    assert (again.status_code, again.json()["number"], again.json()["state"]) == (201, number, "dispatched")
    assert again.headers["Location"] == first.headers["Location"]
    other = {**body, "title": "爆管"}
    problem(await on_sqlite.post("/v1/incidents", other, "zhou", mine), 422, "idempotency-key-reused")
    problem(await on_sqlite.post("/v1/incidents", body, "zhou", key()), 422, slug)
    await act(on_sqlite, number, "resolve", {"result": "-", "message": "-"})


async def test_a_declaration_repeated_shows_the_incident_as_it_stands(on_sqlite: Api) -> None:
    mine, body = key(), {"title": "停水", "services": ["leak"], "districts": ["minzhong"]}
    first = await on_sqlite.post("/v1/incidents", body, "zhou", mine)
    number = first.json()["number"]
    await act(on_sqlite, number, "dismiss", {"reason": "误报"})
    await in_state(on_sqlite, number, "dismissed")
    again = await on_sqlite.post("/v1/incidents", body, "zhou", mine)
    assert (again.status_code, again.json()["number"], again.json()["state"]) == (201, number, "dismissed")
    other = {**body, "title": "爆管"}
    problem(await on_sqlite.post("/v1/incidents", other, "zhou", mine), 422, "idempotency-key-reused")


async def test_a_repeated_action_shows_the_incident_as_it_is_now(
    on_sqlite: Api,
) -> None:
    number = await declare(on_sqlite, districts=["minzhong"], services=["leak"])
    path, to = f"/v1/incidents/{number}/actions/dispatch", {"department": "repair"}
    first = await sent(on_sqlite, path, to, "zhou", {**to, "note": "快"})
    await act(on_sqlite, number, "sign_for", {}, "wu")
    again = (await on_sqlite.post(path, to, "zhou", first.key)).json()
    assert (again["state"], again["version"]) == ("in_progress", 3)
    await act(on_sqlite, number, "resolve", {"result": "-", "message": "-"})


async def test_answered_again_when_the_department_of_an_incident_left_the_catalogue(
    on_sqlite: Api, wider: CatalogueStore
) -> None:
    number = await declare(on_sqlite, districts=["minzhong"], services=["leak"])
    path, to = f"/v1/incidents/{number}/actions/dispatch", {"department": FOR_NOW}
    first = await sent(on_sqlite, path, to, "zhou", {**to, "note": "快"})
    narrow(wider)
    assert (await answered_again(on_sqlite, first, 422, "unknown-department"))["department"] == FOR_NOW
    await act(on_sqlite, number, "resolve", {"result": "-", "message": "-"})


@pytest.mark.parametrize("scope", SCOPES)
async def test_answered_again_when_the_scope_of_a_confirmed_incident_left_the_catalogue(
    on_sqlite: Api, wider: CatalogueStore, scope: Json
) -> None:
    at = datetime.now(UTC)
    opening = Opening(at=at, title="-", scope=Scope(services=("leak",), districts=("minzhong",)), since=at)
    settings, request = on_sqlite.settings, Request(key=key())
    suspected, *_ = await start_incident(on_sqlite.temporal, settings.task_queue, opening, request, CatalogueNames())
    path = f"/v1/incidents/{suspected.number}/actions/confirm"
    first = await sent(on_sqlite, path, scope, "zhou", {**scope, "title": "爆管"})
    narrow(wider)
    await answered_again(on_sqlite, first, 422, "unknown-service" if "services" in scope else "unknown-district")
    await act(on_sqlite, suspected.number, "dismiss", {"reason": "误报"})


async def test_answered_again_when_the_incident_merged_into_has_ended(on_sqlite: Api) -> None:
    one, other = [await declare(on_sqlite, districts=["minzhong"], services=["leak"]) for _ in range(2)]
    path = f"/v1/incidents/{one}/actions/merge"
    first = await sent(on_sqlite, path, {"into": other}, "zhou", {"into": other, "reason": "同一原因"})
    await in_state(on_sqlite, one, "merged")
    await act(on_sqlite, other, "dismiss", {"reason": "误报"})
    await in_state(on_sqlite, other, "dismissed")
    handle = on_sqlite.temporal.get_workflow_handle(incident_id(one))
    await handle.result()
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    assert (await answered_again(on_sqlite, first, 409, "incident-closed"))["state"] == "merged"


async def test_an_action_without_a_key_is_not_done_again_by_a_later_run(on_sqlite: Api) -> None:
    """Somebody has the run of a case end by large signals, and sends a copy of an update to the next one."""
    number = await on_sqlite.case_in("registered")
    assert (await on_sqlite.post(f"/v1/complaints/{number}/actions/comment", {"note": "x"}, "chen")).is_success
    [*_, update] = await copied(on_sqlite.temporal, complaint_id(number))
    await send_to_next_run(on_sqlite.temporal, complaint_id(number), update)
    view = await on_sqlite.temporal.get_workflow_handle(complaint_id(number)).query(ComplaintWorkflow.case)
    assert view.version == 2


async def test_a_request_makes_no_second_case_if_a_foreign_workflow_has_its_id(on_sqlite: Api) -> None:
    mine = key()
    number = (await on_sqlite.post("/v1/complaints", CALL, "chen", mine)).json()["number"]
    await stranger(on_sqlite.temporal).start_workflow(
        "ComplaintWorkflow",
        id=complaint_id(number),
        task_queue="nobody-polls",
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
    )
    again = await on_sqlite.post("/v1/complaints", CALL, "chen", mine)
    assert again.json()["number"] == number
    await on_sqlite.temporal.get_workflow_handle(complaint_id(number)).terminate()
