"""Dangerous requests of the Temporal UI: refused, but to an administrator who has confirmed that very one."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from activities.sealing.keys import Seal
from api.temporal_ui.dangerous import CONFIRMATION_TIME, DISABLING, GRANT, flags
from api.temporal_ui.rules import API, RULES, RequestKind
from domain.shared.actors import Role
from hotline.keys import Ring
from readmodel.people.people import PeopleScope
from tests.support.api import PEOPLE, Api, Clock, further_api
from tests.support.dangerous import (
    BATCH,
    BY_QUERY,
    OF_AN_ACTIVITY,
    REASON,
    RESET,
    THREE,
    WORKFLOW,
    Browser,
    granted,
    refused,
)
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

DANGEROUS = [rule for rule in RULES if rule.kind is RequestKind.DANGEROUS]


@pytest.mark.parametrize("rule", DANGEROUS, ids=lambda rule: rule.does)
async def test_every_dangerous_request_is_refused_to_every_role(on_sqlite: Api, rule: Any) -> None:
    path = "/".join("x" if each.startswith("{") else each for each in rule.path.split("/"))
    bodies: dict[str, Any] = {"batch": THREE, "reset": RESET}
    sent = bodies.get(rule.does, OF_AN_ACTIVITY)
    for person, (role, _) in PEOPLE.items():
        said = refused(await Browser(on_sqlite, person).press(path, sent, rule.method))
        assert (GRANT in said, "hotline verify" in said, "核对用" in said) == (role is Role.ADMIN, True, True)
    reader = Browser(on_sqlite, scope="read")
    assert GRANT not in refused(await reader.press(path, sent, rule.method))
    assert (await reader.page()).status_code == 403


async def test_a_confirmed_request_passes_in_the_persons_name_in_every_process(
    on_sqlite: Api, caplog: pytest.LogCaptureFixture
) -> None:
    number = await on_sqlite.case_in("dispatched")
    path = f"{WORKFLOW.format(number)}/terminate?execution.runId=run-1"
    browser = Browser(on_sqlite)
    sent = {"reason": "", "identity": "somebody", "firstExecutionRunId": "run-1"}
    refused(await browser.press(path, sent))
    page = (await browser.page()).text
    for words in (
        f"工单 {number} · 待签收",
        f"case {number} · dispatched",
        "流程立即终止",
        "The workflow ends at once",
    ):
        assert words in page
    confirmed = await browser.page(REASON)
    assert (confirmed.status_code, "五分钟内" in confirmed.text) == (200, True)
    async with further_api(on_sqlite, Clock()) as other:
        await other.backend.people.read_anew()
        browser.api = other
        with caplog.at_level(logging.WARNING, "hotline.api"):
            passed = granted(await browser.press(path, sent))
    assert passed == {"reason": REASON, "identity": "chief", "firstExecutionRunId": "run-1"}
    [line] = [each.getMessage() for each in caplog.records if "terminate" in each.getMessage()]
    assert line == f"POST {WORKFLOW.format(number)}/terminate by chief: terminate complaint-{number}, count 1: {REASON}"


async def test_a_confirmation_is_good_for_nothing_else(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    terminate = f"{WORKFLOW.format(number)}/terminate"
    signal = f"{WORKFLOW.format(number)}/signal/publish"
    for others in (
        (f"{WORKFLOW.format('2608034711015')}/terminate", {}),
        (f"{terminate}?execution.runId=other", {}),
        (terminate, {"firstExecutionRunId": "other"}),
        (f"{WORKFLOW.format(number)}/cancel", {}),
        (signal, {}),
    ):
        browser = Browser(on_sqlite)
        refused(await browser.press(terminate))
        await browser.page(REASON)
        kept = dict(browser.cookies)
        refused(await browser.press(*others))
        browser.cookies = kept
        granted(await browser.press(terminate))


async def test_a_batch_is_confirmed_with_its_number_of_workflows_and_its_body(on_sqlite: Api) -> None:
    browser = Browser(on_sqlite)
    refused(await browser.press(BATCH, THREE))
    page = (await browser.page(REASON)).text
    assert "3 个流程" in page
    assert "3 workflows" in page
    four = {**THREE, "executions": [*THREE["executions"], {"workflowId": "complaint-4", "runId": "r"}]}
    kept = dict(browser.cookies)
    refused(await browser.press(BATCH, four))
    refused(await Browser(on_sqlite).press(BATCH, {**THREE, "resetOperation": THREE["terminationOperation"]}))
    browser.cookies = kept
    passed = granted(await browser.press(BATCH, THREE))
    assert passed == {**THREE, "reason": f"chief: {REASON}", "terminationOperation": {"identity": "chief"}}


async def test_a_batch_by_a_query_is_counted_by_temporal(on_sqlite: Api) -> None:
    number, browser = await on_sqlite.case_in("registered"), Browser(on_sqlite)
    batch = {"jobId": "job-1", "visibilityQuery": f'WorkflowId = "complaint-{number}"', "cancellationOperation": {}}

    async def shown() -> bool:
        refused(await browser.press(BATCH, batch))
        return "1 个流程" in (await browser.page()).text

    await until(shown, bool)
    refused(await browser.press(BATCH, {**batch, "visibilityQuery": "no query ("}))
    assert "未知数量的 个流程" in (await browser.page()).text


async def test_an_empty_list_of_a_batch_is_no_subject(on_sqlite: Api) -> None:
    """Temporal takes an empty list for none, and goes by the query."""
    number, browser = await on_sqlite.case_in("registered"), Browser(on_sqlite)
    batch = {**BY_QUERY, "executions": [], "visibilityQuery": f'WorkflowId="complaint-{number}"'}

    async def shown() -> bool:
        refused(await browser.press(BATCH, batch))
        page = (await browser.page()).text
        assert "0 workflows" not in page
        return "1 workflows" in page and f"complaint-{number}" in page

    await until(shown, bool)


async def test_page_and_log_say_what_is_done_to_what(on_sqlite: Api, caplog: pytest.LogCaptureFixture) -> None:
    activity, query = f"{API}/namespaces/default/activities-deprecated/pause", 'WorkflowId="x\n\u202ey"'
    for path, body, of_page, of_log in (
        (activity, OF_AN_ACTIVITY, "courier", "activity_pause courier, count 1"),
        (BATCH, THREE, "complaint-2", "terminationOperation complaint-0 complaint-1 complaint-2, count 3"),
        (BATCH, {**BY_QUERY, "visibilityQuery": query}, r"x\n\u202ey", r'WorkflowId="x\n\u202ey", count 0'),
        (BATCH, {**BY_QUERY, "visibilityQuery": "(" * 300}, f"{'(' * 200}…", f"{'(' * 300}, count None"),
    ):
        browser = Browser(on_sqlite)
        refused(await browser.press(path, body))
        assert of_page in (await browser.page(REASON)).text
        caplog.clear()
        granted(await browser.press(path, body))
        assert f"{of_log}: {REASON}" in caplog.text


async def test_a_deleted_schedule_names_the_person(on_sqlite: Api) -> None:
    browser, path = Browser(on_sqlite), f"{API}/namespaces/default/schedules/period-end?identity=somebody"
    refused(await browser.press(path, method="DELETE"))
    await browser.page(REASON)
    assert await browser.press(path, method="DELETE") == (b"identity=chief", b"")


@pytest.mark.parametrize("reason", ["", "ab", "  a  ", "长" * 501, "a case\nPOST by chief: no", "a\u202e case"])
async def test_a_reason_has_3_to_500_characters_on_one_line(on_sqlite: Api, reason: str) -> None:
    browser, path = Browser(on_sqlite), f"{WORKFLOW.format('2608034711004')}/terminate"
    refused(await browser.press(path))
    answer = await browser.page(reason)
    assert (answer.status_code, "3 至 500 字" in answer.text) == (422, True)
    refused(await browser.press(path))


async def test_a_confirmation_is_of_one_session_of_one_person(on_sqlite: Api) -> None:
    path = f"{WORKFLOW.format('2608034711004')}/terminate"
    on_sqlite.directory.enter("deputy", Role.ADMIN)
    await on_sqlite.backend.people.read_anew()
    browser = Browser(on_sqlite)
    refused(await browser.press(path))
    await browser.page(REASON)
    cookie = on_sqlite.backend.dangerous._cookie.name
    for other in (Browser(on_sqlite, "deputy"), Browser(on_sqlite, "xu"), Browser(on_sqlite)):
        other.cookies[cookie] = browser.cookies[cookie]
        refused(await other.press(path))
        assert "3 至 500" not in (await other.page()).text
    forged = Browser(on_sqlite)
    stranger = Seal(Ring(on_sqlite.settings.keys_file), "session")
    content = on_sqlite.backend.dangerous._cookie.seal.open(browser.cookies[cookie])
    assert content
    forged.cookies = dict(browser.cookies)
    for text in (stranger.close(content), browser.cookies[cookie][:-2], "x", content.decode("latin-1")[:50], ""):
        forged.cookies[cookie] = text
        refused(await forged.press(path))
    granted(await browser.press(path))


async def test_a_confirmation_ends_after_five_minutes_and_with_the_session(on_sqlite: Api) -> None:
    path = f"{WORKFLOW.format('2608034711004')}/terminate"
    on_sqlite.directory.enter("leaver", Role.ADMIN)
    await on_sqlite.backend.people.read_anew()
    browser = Browser(on_sqlite, "leaver")
    refused(await browser.press(path))
    await browser.page(REASON)
    async with further_api(on_sqlite, lambda: datetime.now(UTC) + CONFIRMATION_TIME + timedelta(seconds=1)) as later:
        await later.backend.people.read_anew()
        browser.api = later
        kept = dict(browser.cookies)
        refused(await browser.press(path))
    browser.api, browser.cookies = on_sqlite, kept
    granted(await browser.press(path))
    on_sqlite.directory.change("leaver", role=Role.MANAGER)
    await on_sqlite.backend.people.read_anew()
    assert browser.session is None
    assert (await browser.page()).status_code == 401


async def test_another_site_confirms_nothing(on_sqlite: Api) -> None:
    browser, path = Browser(on_sqlite), f"{WORKFLOW.format('2608034711004')}/terminate"
    refused(await browser.press(path))
    assert (await browser.page(REASON, **{"Sec-Fetch-Site": "cross-site"})).status_code == 403
    assert (await browser.page(REASON, Origin="https://evil.example")).status_code == 403
    refused(await browser.press(path))


async def test_the_page_has_nothing_to_confirm_unless_something_was_refused(on_sqlite: Api) -> None:
    assert "Nothing waits to be confirmed" in (await Browser(on_sqlite).page()).text
    assert "Nothing waits to be confirmed" in (await Browser(on_sqlite).page(REASON)).text
    assert (await Browser(on_sqlite, "xu").page()).status_code == 403


async def test_the_login_page_of_the_ui_leads_to_what_waits(on_sqlite: Api, temporal_ui: str) -> None:
    """The UI goes there after a refusal that it has no place to show, as of activities."""
    browser, path = Browser(on_sqlite), f"{API}/namespaces/default/activities-deprecated/pause"
    async with further_api(on_sqlite, Clock(), temporal_ui_url=temporal_ui) as api:

        async def login() -> httpx.Response:
            async with httpx.AsyncClient(base_url=api.url, cookies=browser.cookies, trust_env=False) as http:
                return await http.get("/temporal/login?returnUrl=x", headers={"Accept": "text/html"})

        await api.backend.people.read_anew()
        assert (await login()).status_code != 303
        refused(await browser.press(path, OF_AN_ACTIVITY))
        answer = await login()
    assert (answer.status_code, answer.headers["location"]) == (303, GRANT)


async def test_buttons_are_hidden_but_from_administrators(on_sqlite: Api) -> None:
    settings = {"WorkflowTerminateDisabled": False, "WorkflowUpdateDisabled": False, "Version": "2.54.1"}

    def seen(person: str, scope: PeopleScope = "all") -> dict[str, Any]:
        session = Browser(on_sqlite, person, scope).session
        assert session
        return flags(settings, session)

    assert seen("chen") == {**settings, **dict.fromkeys(DISABLING, True)}
    assert seen("chief") == {**settings, **dict.fromkeys(DISABLING, False)}
    assert seen("chief", "read") == {**settings, **dict.fromkeys(DISABLING, True), "DisableWriteActions": True}
