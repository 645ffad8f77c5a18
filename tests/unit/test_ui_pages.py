"""Pages that the proxy adds to the Temporal UI: what the browser is given, and what may run in it."""

import base64
import hashlib
import html
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.temporal_ui.saved_views import COLUMNS, MOST_VIEWS, VIEWS
from domain.calendar.work_calendar import on_the_wall
from hotline.files.catalogue import load_catalogue
from hotline.local.ui_proxy import create_app
from hotline.settings import Settings
from tests.support.api import served

CATALOGUE = load_catalogue(Settings().catalogue)
NUMBER, UNKNOWN, BROKEN = "2608034711004", "2608034711015", "2608034711027"


async def described(request: Request) -> Response:
    """Answer as the UI does about a workflow."""
    if BROKEN in request.url.path:
        return JSONResponse({"code": 14}, 503)
    if NUMBER not in request.url.path:
        return JSONResponse({"code": 5, "message": "workflow not found"}, 404)
    return JSONResponse({"workflowExecutionInfo": {"execution": {"runId": "run-2"}}})


@asynccontextmanager
async def pages() -> AsyncIterator[httpx.AsyncClient]:
    ui = Starlette(routes=[Route("/api/v1/namespaces/default/workflows/{id}", described)])
    async with (
        served(ui) as address,
        served(create_app(address, {"127.0.0.1"}, lambda: CATALOGUE)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        yield http


def installed(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="installed">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, object] = json.loads(found[1])
    return data


class TestViews:
    async def test_without_an_id_those_that_are_the_same_for_everybody_are_installed(self) -> None:
        async with pages() as http:
            data = installed((await http.get("/ui/views")).text)
        assert isinstance(data["views"], list)
        names = [view["name"] for view in data["views"]]
        assert names == ["今日到期 Due today", "今日到期回访 Follow-ups due today", *(view.title for view in VIEWS)]
        assert [column["label"] for column in data["columns"]] == [*COLUMNS]  # type: ignore[attr-defined]

    async def test_with_an_id_and_a_department_there_are_views_of_the_persons_own(self) -> None:
        async with pages() as http:
            page = (await http.get("/ui/views", params={"me": " 10023 ", "department": "repair"})).text
        views = {view["name"]: view["query"] for view in installed(page)["views"]}  # type: ignore[attr-defined]
        assert 'Owner = "10023"' in views["我的工单 My cases"]
        assert 'Involved = "repair"' in views["本部门工单 My department"]
        assert len(views) <= MOST_VIEWS
        assert '<option value="repair" selected>' in page

    async def test_today_ends_at_midnight_of_the_company(self) -> None:
        async with pages() as http:
            before = on_the_wall(datetime.now(UTC), CATALOGUE.calendar.timezone)
            data = installed((await http.get("/ui/views")).text)
            after = on_the_wall(datetime.now(UTC), CATALOGUE.calendar.timezone)
        found = re.search(r'NextDueAt < "([^"]*)"', str(data["views"]))
        assert found
        end = datetime.fromisoformat(found[1])
        assert (end.hour, end.minute, str(end)[-6:]) == (0, 0, "+08:00")
        assert (end.date() - before.date()).days == 1 or (end.date() - after.date()).days == 1

    async def test_what_is_given_as_id_stays_data(self) -> None:
        async with pages() as http:
            page = (await http.get("/ui/views", params={"me": "</script><script>alert(1)//", "department": "no"})).text
        assert "<script>alert" not in page
        assert installed(page)["me"] == "</script><script>alert(1)//"
        assert installed(page)["department"] == ""

    @pytest.mark.parametrize("path", ["/ui/views", f"/ui/case/{UNKNOWN}"])
    async def test_nothing_runs_but_the_pages_own_script(self, path: str) -> None:
        async with pages() as http:
            answer = await http.get(path)
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        for kind in ("script", "style"):
            inline = re.findall(rf"<{kind}>(.*?)</{kind}>", answer.text, re.DOTALL)
            digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in inline]
            assert (
                policy[f"{kind}-src"] == " ".join(f"'sha256-{each}'" for each in digests)
                or policy[f"{kind}-src"] == "'none'"
            )
            assert len(inline) <= 1
        assert not re.search(r'(?:src|href)="(?!/)', answer.text)


class TestCase:
    @pytest.mark.parametrize("path", ["/ui/case/{}", "/ui/case?number={}"])
    @pytest.mark.parametrize("written", [NUMBER, "260803-4711-004", "260803 4711 004"])
    async def test_leads_to_the_details_of_the_present_run(self, path: str, written: str) -> None:
        async with pages() as http:
            answer = await http.get(path.format(written))
        where = f"/namespaces/default/workflows/complaint-{NUMBER}/run-2/user-metadata"
        assert (answer.status_code, answer.headers["location"]) == (303, where)

    async def test_of_a_number_that_no_case_has_says_so_in_both_languages(self) -> None:
        async with pages() as http:
            answer = await http.get(f"/ui/case/{UNKNOWN}")
        assert answer.status_code == 404
        assert f"没有工单 {UNKNOWN}" in answer.text
        assert f"has no case {UNKNOWN}" in answer.text

    @pytest.mark.parametrize("path", ["/ui/case/{}", "/ui/case?number={}"])
    @pytest.mark.parametrize(
        ("text", "why"), [("2608034711014", "check digit"), ("17", "13 digits"), ("<b>17", "13 digits")]
    )
    async def test_of_no_number_says_why_and_asks_again(self, path: str, text: str, why: str) -> None:
        async with pages() as http:
            answer = await http.get(path.format(text))
            asked = await http.get("/ui/case")
        assert (answer.status_code, asked.status_code) == (422, 422)
        assert re.search(rf"This is no case number: [^<]*{why}", answer.text)
        assert f'name="number" value="{html.escape(text)}"' in answer.text

    async def test_while_temporal_is_away_says_so(self) -> None:
        async with pages() as http:
            answer = await http.get(f"/ui/case/{BROKEN}")
        assert (answer.status_code, answer.text) == (503, "The Temporal UI answers 503.")
