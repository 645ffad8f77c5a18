"""Pages beside the Temporal UI: what the browser of each person is given, and what may run in it."""

import base64
import hashlib
import html
import json
import re
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from api.temporal_ui.pages import MOST_VIEWS, VIEW_COLUMNS, VIEWS
from domain.calendar.work_calendar import on_the_wall
from domain.shared.actors import Role
from tests.support.api import Api
from tests.support.lost import delete

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNKNOWN = "2608034711015"


async def opened(api: Api, path: str, by: str | None = "chen") -> httpx.Response:
    """Return what the browser of somebody gets; None has not signed in."""
    cookies = {}
    if by:
        member, answer = api.backend.people.get(by), Response()
        assert member
        api.backend.sessions.begin(answer, member.actor)
        cookies = {name: each.value for name, each in SimpleCookie(answer.headers["set-cookie"]).items()}
    async with httpx.AsyncClient(base_url=api.url, cookies=cookies, trust_env=False) as http:
        return await http.get(path, headers={"Accept": "text/html"})


async def installed(api: Api, by: str) -> dict[str, Any]:
    """Return what the page of views writes into the browser of somebody."""
    page = (await opened(api, "/views", by)).text
    found = re.search(r'<script type="application/json" id="installed">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


class TestViews:
    async def test_an_agent_gets_views_of_the_agents_own(self, on_sqlite: Api) -> None:
        data = await installed(on_sqlite, "chen")
        today = ["今日到期 Due today", "今日到期回访 Follow-ups due today"]
        assert [view["name"] for view in data["views"]] == ["我的工单 My cases", *today, *(v.title for v in VIEWS)]
        assert 'Owner = "chen"' in data["views"][0]["query"]
        assert [column["label"] for column in data["columns"]] == [*VIEW_COLUMNS]
        assert data["namespace"] == on_sqlite.temporal.namespace

    async def test_a_crew_gets_the_view_of_its_department_instead(self, on_sqlite: Api) -> None:
        views = {view["name"]: view["query"] for view in (await installed(on_sqlite, "wu"))["views"]}
        assert 'Involved = "repair"' in views["本部门工单 My department"]
        assert "我的工单 My cases" not in views
        assert len(views) <= MOST_VIEWS

    async def test_today_ends_at_midnight_of_the_company(self, on_sqlite: Api) -> None:
        zone = on_sqlite.backend.catalogue.calendar.timezone
        before = on_the_wall(datetime.now(UTC), zone)
        data = await installed(on_sqlite, "chen")
        after = on_the_wall(datetime.now(UTC), zone)
        found = re.search(r'NextDueAt < "([^"]*)"', str(data["views"]))
        assert found
        end = datetime.fromisoformat(found[1])
        assert (end.hour, end.minute, str(end)[-6:]) == (0, 0, "+08:00")
        assert (end.date() - before.date()).days == 1 or (end.date() - after.date()).days == 1

    async def test_an_id_stays_data(self, on_sqlite: Api) -> None:
        odd = "</script><script>alert(1)//"
        on_sqlite.directory.enter(odd, Role.AGENT)
        await on_sqlite.backend.people.read_anew()
        page = (await opened(on_sqlite, "/views", odd)).text
        assert "<script>alert" not in page
        mine = next(view["query"] for view in (await installed(on_sqlite, odd))["views"])
        assert f'Owner = "{odd}"' in mine

    @pytest.mark.parametrize("path", ["/views", f"/case/{UNKNOWN}"])
    async def test_nothing_runs_but_the_pages_own_script(self, on_sqlite: Api, path: str) -> None:
        answer = await opened(on_sqlite, path)
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert answer.headers["cache-control"] == "no-store"
        for kind in ("script", "style"):
            inline = re.findall(rf"<{kind}>(.*?)</{kind}>", answer.text, re.DOTALL)
            digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in inline]
            allowed = " ".join(f"'sha256-{each}'" for each in digests) or "'none'"
            assert policy[f"{kind}-src"] == allowed
            assert len(inline) <= 1
        assert not re.search(r'(?:src|href)="(?!/)', answer.text)


class TestCase:
    @pytest.mark.parametrize("path", ["/case/{}", "/case?number={}"])
    async def test_leads_to_the_details_of_the_present_run(self, on_sqlite: Api, path: str) -> None:
        number = await on_sqlite.case_in("dispatched")
        run = (await on_sqlite.temporal.get_workflow_handle(f"complaint-{number}").describe()).run_id
        where = f"/temporal/namespaces/default/workflows/complaint-{number}/{run}/user-metadata"
        for written in (number, f"{number[:6]}-{number[6:10]}-{number[10:]}", f"{number[:6]} {number[6:]}"):
            answer = await opened(on_sqlite, path.format(written), "wu")
            assert (answer.status_code, answer.headers["location"]) == (303, where)

    async def test_of_an_incident_leads_to_its_details(self, on_sqlite: Api) -> None:
        scope = {"title": "爆管 Burst main", "services": ["no_water"], "districts": ["minzhong"]}
        number = (await on_sqlite.post("/v1/incidents", scope, "xu")).json()["number"]
        run = (await on_sqlite.temporal.get_workflow_handle(f"incident-{number}").describe()).run_id
        where = f"/temporal/namespaces/default/workflows/incident-{number}/{run}/user-metadata"
        for written in (number, f"%20{number.upper()}%20"):
            answer = await opened(on_sqlite, f"/case?number={written}")
            assert (answer.status_code, answer.headers["location"]) == (303, where)

    async def test_of_a_number_that_no_incident_has_says_so(self, on_sqlite: Api) -> None:
        answer = await opened(on_sqlite, "/case/i26080347118")
        assert answer.status_code == 404
        assert "没有突发事件 i26080347118" in answer.text
        assert "has no incident i26080347118" in answer.text

    async def test_of_another_department_is_refused(self, on_sqlite: Api) -> None:
        number = await on_sqlite.case_in("dispatched")
        answer = await opened(on_sqlite, f"/case/{number}", "sun")
        assert answer.status_code == 403
        assert "您无权查阅" in answer.text
        assert "is with another department than yours, metering" in answer.text

    async def test_of_a_number_that_no_case_has_says_so_in_both_languages(self, on_sqlite: Api) -> None:
        answer = await opened(on_sqlite, f"/case/{UNKNOWN}")
        assert answer.status_code == 404
        assert f"没有工单 {UNKNOWN}" in answer.text
        assert f"has no case {UNKNOWN}" in answer.text

    async def test_that_sql_alone_has_says_so(self, on_sqlite: Api) -> None:
        number = await on_sqlite.case_in("registered")
        await delete(on_sqlite.temporal, f"complaint-{number}")
        assert (await opened(on_sqlite, f"/case/{number}")).status_code == 404

    @pytest.mark.parametrize("path", ["/case/{}", "/case?number={}"])
    @pytest.mark.parametrize(
        ("text", "why"), [("2608034711014", "check digit"), ("17", "13 digits"), ("<b>17", "13 digits")]
    )
    async def test_of_no_number_says_why_and_asks_again(self, on_sqlite: Api, path: str, text: str, why: str) -> None:
        answer = await opened(on_sqlite, path.format(text))
        assert (answer.status_code, (await opened(on_sqlite, "/case")).status_code) == (422, 422)
        assert re.search(rf"This is no case number: [^<]*{why}", answer.text)
        assert f'name="number" value="{html.escape(text)}"' in answer.text


@pytest.mark.parametrize("path", ["/views", "/case", f"/case/{UNKNOWN}"])
async def test_without_a_session_there_is_the_sign_in_alone(on_sqlite: Api, path: str) -> None:
    answer = await opened(on_sqlite, path, by=None)
    assert (answer.status_code, 'action="/sign-in"' in answer.text) == (401, True)
    assert f'name="to" value="{path}"' in answer.text
    bearer = await on_sqlite.get(path)
    assert bearer.status_code == 401, "a key in a header is for programs, which take no pages"


@pytest.mark.parametrize("path", ["/views", "/case", f"/case/{UNKNOWN}"])
async def test_a_role_without_cases_sees_nothing(on_sqlite: Api, path: str) -> None:
    answer = await opened(on_sqlite, path, by="pbx")
    assert (answer.status_code, "您无权查阅" in answer.text, "NextDueAt" in answer.text) == (403, True, False)
