"""Reading in the Temporal UI: every route by hand as each role, another department's cases, and tokens of others."""

import base64
import json
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import astuple, dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.responses import Response

from api.temporal_ui.rules import API, CODEC, RULES, UI_PATH, RequestKind, Rule
from tests.support.api import Api, Json, further_api, problem
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMESPACE = f"{API}/namespaces/default"
OFFICE = ("chen", "zhou", "xu", "gao", "he", "chief")
"""People who read all cases."""
CREW, OTHER_CREW, TELEPHONY = "wu", "sun", "pbx"
SAFE = [rule for rule in RULES if rule.kind not in (RequestKind.UPDATE, RequestKind.DANGEROUS, RequestKind.LOGIN)]
CASES = 'WorkflowType = "ComplaintWorkflow"'


@dataclass
class Ui:
    """The Temporal UI behind an API, as the browsers of people see it."""

    api: Api

    async def ask(
        self, by: str, method: str, path: str, body: Any = None, *, accept: str = "*/*", **params: str
    ) -> httpx.Response:
        """Return the answer to a request that somebody sends by hand, with all that a page of the UI would send."""
        member, signed_in = self.api.backend.people.get(by), Response()
        assert member
        self.api.backend.sessions.begin(signed_in, member.actor)
        cookie = signed_in.headers["set-cookie"].partition(";")[0]
        headers = {"Cookie": cookie, "Origin": self.api.url, "Sec-Fetch-Site": "same-origin", "Accept": accept}
        if method != "GET":
            page = await self.api.http.get("/temporal/", headers=headers)
            token = (re.search(r"_csrf=(\w+)", page.headers.get("set-cookie", "")) or ["", "none"])[1]
            headers |= {"Cookie": f"{cookie}; _csrf={token}", "X-CSRF-Token": token, "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body)
        self.api.http.cookies.clear()
        return await self.api.http.request(method, path, content=content, params=params or None, headers=headers)

    async def listed(self, by: str, query: str = CASES, **params: str) -> set[str]:
        """Return the ids of the workflows that somebody's list has."""
        answer = await self.ask(by, "GET", f"{NAMESPACE}/workflows", query=query, **params)
        assert answer.status_code == 200, answer.text
        return {each["execution"]["workflowId"] for each in answer.json().get("executions", [])}

    async def counted(self, by: str, query: str) -> int:
        answer = await self.ask(by, "GET", f"{NAMESPACE}/workflow-count", query=query)
        assert answer.status_code == 200, answer.text
        return int(answer.json().get("count", 0))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ui(on_sqlite: Api, temporal_ui: str) -> AsyncIterator[Ui]:
    async with further_api(on_sqlite, on_sqlite.clock, temporal_ui_url=temporal_ui) as api:
        yield Ui(api)


@dataclass
class Cases:
    """Cases of both departments: ids of their workflows."""

    repair: str
    metering: str
    shared: str
    former: str
    """Now with metering, before with repair."""
    undispatched: str

    @property
    def all(self) -> set[str]:
        return {*astuple(self)}

    @property
    def mark(self) -> str:
        """Query that finds these alone."""
        return "({})".format(" OR ".join(f'WorkflowId = "{name}"' for name in astuple(self)))


async def dispatched(api: Api, *steps: tuple[str, str, Json]) -> str:
    number: str = (await api.register()).json()["number"]
    for by, action, body in steps:
        answer = await api.act(number, action, body, by)
        assert answer.is_success, answer.text
    return f"complaint-{number}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cases(ui: Ui) -> Cases:
    """Cases that the lists show as they are."""
    to_repair, to_metering = (("zhou", "dispatch", {"department": each}) for each in ("repair", "metering"))
    part = ("zhou", "involve", {"department": "repair", "task": "看一下"})
    made = [
        await dispatched(ui.api, *steps)
        for steps in ((to_repair,), (to_metering,), (to_metering, part), (to_repair, to_metering), ())
    ]
    cases = Cases(*made)
    narrow = f'{cases.mark} AND (Department = "repair" OR Involved = "repair")'
    await until(lambda: ui.listed("chief", narrow), lambda found: found == {cases.repair, cases.shared})
    return cases


def target(rule: Rule, workflow_id: str) -> str:
    """Return a path of the rule."""
    ids = {"namespace": "default", "workflow_id": workflow_id, "queue": "none", "worker": "none", "name": "case"}
    ids |= {"schedule_id": "period-end", "job_id": "none", "run_id": "01a22a4b-13a5-7890-b630-cf5bff77ef7c"}
    path = f"{UI_PATH}/" if rule.path == UI_PATH else rule.path
    return path.replace("**", "x").replace("*", "").format_map(ids)


class TestWhoSeesWhat:
    @pytest.mark.slow
    @pytest.mark.parametrize("by", [*OFFICE, CREW, OTHER_CREW, TELEPHONY])
    async def test_every_route_answers_each_role_as_the_rights_say(self, ui: Ui, cases: Cases, by: str) -> None:
        theirs = {CREW: {cases.repair}, OTHER_CREW: {cases.metering}, TELEPHONY: set[str]()}
        for rule in SAFE:
            if "{workflow_id}" in rule.path:
                closed = {cases.repair, cases.metering} - theirs.get(by, {cases.repair, cases.metering})
            else:
                closed = {""} if by == TELEPHONY or (by in theirs and rule.kind is RequestKind.OPERATIONS) else set()
            for workflow_id in (cases.repair, cases.metering) if "{workflow_id}" in rule.path else ("",):
                body: Json | None = {} if rule.method == "POST" else None
                answer = await ui.ask(by, rule.method, target(rule, workflow_id), body)
                assert (answer.status_code == 403) == (workflow_id in closed), (rule, answer.text)
                assert answer.status_code not in (401, 500), (rule, answer.text)

    async def test_after_a_refusal_the_browser_is_told_and_not_asked_to_sign_in(self, ui: Ui) -> None:
        """The UI sends a browser to its own sign-in then, which is none here."""
        answer = await ui.ask(CREW, "GET", "/temporal/login", accept="text/html", returnUrl="/temporal/x")
        assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
        assert "不在您的查阅范围内" in answer.text

    @pytest.mark.parametrize(
        "path", ["/temporal/api/v1/nexus/endpoints", f"{NAMESPACE}/activities", "/temporal/healthz"]
    )
    async def test_what_is_not_in_the_table_is_refused_to_everybody(self, ui: Ui, path: str) -> None:
        for by in ("chief", CREW):
            assert "放行清单" in problem(await ui.ask(by, "GET", path), 403, "temporal-ui-not-allowed")["detail"]

    async def test_no_other_namespace_is_read(self, ui: Ui) -> None:
        for path in ("temporal-system", "temporal-system/workflows", "temporal-system/workflows/x/history", "Default"):
            problem(await ui.ask("chief", "GET", f"{API}/namespaces/{path}"), 403, "temporal-ui-not-allowed")

    @pytest.mark.slow
    async def test_a_right_decides_on_workflows_that_are_no_cases(self, ui: Ui) -> None:
        """A missing workflow is not found by whoever may read it, and refused to all others."""
        readable = {
            "incident-i26080347119": {*OFFICE, CREW},
            "assessment-2026-08": {*OFFICE, CREW},
            "report-daily-2026-08-03": {"xu", "gao", "chief"},
            **{each: {*OFFICE} for each in ("courier-x", "handover-x", "complaint-x", "complaint-1", "period-end-x")},
        }
        for workflow_id, readers in readable.items():
            for by in (*OFFICE, CREW, TELEPHONY):
                answer = await ui.ask(by, "GET", f"{NAMESPACE}/workflows/{workflow_id}")
                assert answer.status_code == (404 if by in readers else 403), (workflow_id, by, answer.text)

    async def test_a_case_that_does_not_exist_is_not_found_by_a_crew(self, ui: Ui) -> None:
        answer = await ui.ask(CREW, "GET", f"{NAMESPACE}/workflows/complaint-2608034711004/history")
        problem(answer, 404, "complaint-not-found")


class TestLists:
    async def test_a_crew_lists_and_counts_its_departments_cases(self, ui: Ui, cases: Cases) -> None:
        assert await ui.listed(CREW, cases.mark) == {cases.repair, cases.shared}
        assert await ui.counted(CREW, cases.mark) == 2
        assert await ui.counted(CREW, f"{cases.mark} GROUP BY ExecutionStatus") == 2
        assert await ui.listed(OTHER_CREW, cases.mark) == {cases.metering, cases.shared, cases.former}

    @pytest.mark.parametrize("by", OFFICE)
    async def test_who_reads_all_lists_all(self, ui: Ui, cases: Cases, by: str) -> None:
        assert await ui.listed(by, cases.mark) == cases.all
        assert await ui.counted(by, cases.mark) == len(cases.all)

    async def test_without_a_query_a_crew_lists_its_cases_alone(self, ui: Ui, cases: Cases) -> None:
        answer = await ui.ask(CREW, "GET", f"{NAMESPACE}/workflows", pageSize="1000")
        found = {each["execution"]["workflowId"] for each in answer.json()["executions"]}
        assert {cases.repair, cases.shared} <= found
        assert not found & {cases.metering, cases.former, cases.undispatched, "courier", "reconciler"}

    @pytest.mark.parametrize(
        "query",
        [
            'a="x") OR (WorkflowId != "y"',
            'WorkflowId != "y" -- ',
            'WorkflowId != "y" ORDER BY StartTime',
            'WorkflowId = "y" GROUP BY ExecutionStatus',
        ],
    )
    async def test_a_query_that_could_escape_is_refused(self, ui: Ui, query: str) -> None:
        answer = await ui.ask(CREW, "GET", f"{NAMESPACE}/workflows", query=query)
        # The UI shows the message above its list.
        assert problem(answer, 400, "unreadable-query")["message"] == answer.json()["detail"]

    async def test_a_page_token_of_anothers_list_widens_nothing(self, ui: Ui, cases: Cases) -> None:
        found = set[str]()
        for size in ("1", "2", "3"):
            answer = await ui.ask("chief", "GET", f"{NAMESPACE}/workflows", query=cases.mark, pageSize=size)
            token = answer.json()["nextPageToken"]
            found |= await ui.listed(CREW, cases.mark, nextPageToken=token)
        assert found <= {cases.repair, cases.shared}
        assert found

    async def test_a_query_comes_once(self, ui: Ui) -> None:
        for path in ("query=a%3D1&query=b%3D1", "Query=a%3D1", "query=a%3D1&namespace=other", "query[a]=1"):
            answer = await ui.ask(CREW, "GET", f"{NAMESPACE}/workflows?{path}")
            problem(answer, 403, "temporal-ui-not-allowed")


def texts(answers: Iterable[httpx.Response]) -> str:
    return " ".join(answer.text for answer in answers)


async def decoded(ui: Ui, by: str, answer: httpx.Response) -> str:
    """Return what a query has answered, as the UI has it opened for somebody."""
    opened = await ui.ask(by, "POST", f"{CODEC}/decode", answer.json()["queryResult"], preserveStorageRefs="true")
    (payload,) = opened.json()["payloads"]
    return base64.b64decode(payload["data"]).decode()


async def run_of(ui: Ui, workflow_id: str) -> str:
    answer = await ui.ask("chief", "GET", f"{NAMESPACE}/workflows/{workflow_id}")
    run: str = answer.json()["workflowExecutionInfo"]["execution"]["runId"]
    return run


class TestOneCase:
    async def test_a_part_in_the_present_cycle_opens_a_case(self, ui: Ui, cases: Cases) -> None:
        for workflow_id in (cases.repair, cases.shared):
            answer = await ui.ask(CREW, "GET", f"{NAMESPACE}/workflows/{workflow_id}/history")
            assert answer.status_code == 200, answer.text

    async def test_the_former_department_reads_it_no_more(self, ui: Ui, cases: Cases) -> None:
        for path in ("", "/history", "/history-reverse", "/run/01a22a4b-13a5-7890-b630-cf5bff77ef7c/history.json"):
            answer = await ui.ask(CREW, "GET", f"{NAMESPACE}/workflows/{cases.former}{path}")
            problem(answer, 403, "other-department")

    async def test_a_run_of_another_case_is_not_read_by_the_name_of_ones_own(self, ui: Ui, cases: Cases) -> None:
        own, run = f"{NAMESPACE}/workflows/{cases.repair}", await run_of(ui, cases.metering)
        body = {"execution": {"workflowId": cases.metering, "runId": run}, "query": {"queryType": "case"}}
        answers = [
            await ui.ask(CREW, "GET", own, **{"execution.runId": run}),
            await ui.ask(CREW, "GET", f"{own}/history", **{"execution.runId": run}),
            await ui.ask(CREW, "GET", f"{own}/history-reverse", **{"execution.runId": run}),
            await ui.ask(CREW, "GET", f"{own}/run/{run}/history.json"),
            await ui.ask(CREW, "POST", f"{own}/query/case", body),
        ]
        assert [answer.status_code for answer in answers if not answer.url.path.endswith(".json")] == [404] * 4
        assert "not found" in answers[3].text
        assert "eventId" not in texts(answers)

    async def test_the_body_of_a_query_names_no_other_case(self, ui: Ui, cases: Cases) -> None:
        body = {"execution": {"workflowId": cases.metering}, "namespace": "x", "query": {"queryType": "case"}}
        answer = await ui.ask(
            CREW, "POST", f"{NAMESPACE}/workflows/{cases.repair}/query/__temporal_workflow_metadata", body
        )
        assert answer.status_code == 200, answer.text
        assert "definition" in await decoded(ui, CREW, answer)
        problem(
            await ui.ask(CREW, "POST", f"{NAMESPACE}/workflows/{cases.metering}/query/case", body),
            403,
            "other-department",
        )

    @pytest.mark.parametrize("kind", ["history", "history-reverse"])
    async def test_a_page_of_anothers_history_is_not_read_by_its_token(self, ui: Ui, cases: Cases, kind: str) -> None:
        """With the token as it was given out, and with the run in it replaced by one's own."""
        path = f"{NAMESPACE}/workflows/{cases.metering}/{kind}"
        token = (await ui.ask("chief", "GET", path, maximumPageSize="2")).json()["nextPageToken"]
        second = await ui.ask("chief", "GET", path, maximumPageSize="2", nextPageToken=token)
        assert second.json()["history"]["events"]
        raw = base64.b64decode(token)
        foreign, own = await run_of(ui, cases.metering), await run_of(ui, cases.repair)
        forged = [raw, raw.replace(foreign.encode(), own.encode(), 1), raw.replace(foreign.encode(), own.encode())]
        for each in forged:
            answer = await ui.ask(
                CREW,
                "GET",
                f"{NAMESPACE}/workflows/{cases.repair}/{kind}",
                nextPageToken=base64.b64encode(each).decode(),
            )
            assert answer.status_code in (400, 404), answer.text
            assert "eventId" not in answer.text
