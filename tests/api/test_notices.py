"""Lateness in writing over HTTP: a case that nobody settles, its notice and its criticism, to be read and printed."""

import dataclasses
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from jinja2.filters import do_striptags
from temporalio.client import Client

from api.app import Backend, create_app
from demo.__main__ import CATALOGUE as DEMO
from tests.support.api import Api, Json, problem, running_api, served
from tests.support.hotline import until
from tests.support.pdf_pages import page_sizes, printer_needed

pytestmark = pytest.mark.asyncio(loop_scope="session")

HASTY = f"""
extends = "{DEMO}"
time_scale = 86400
least_budget_seconds = 1

[process]
criticism_when_late = {{ working_days = 1, source = "I" }}
"""
"""A day lasts a second, and the criticism comes a second after the notice."""


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["sqlite", "postgresql"])
async def hasty(request: pytest.FixtureRequest, temporal: Client) -> AsyncIterator[Api]:
    folder: Path = request.getfixturevalue("tmp_path_factory").mktemp("hasty")
    catalogue = folder / "hasty.toml"
    catalogue.write_text(HASTY, "utf-8")
    on_postgresql = request.param == "postgresql"
    url = request.getfixturevalue("postgresql_module_url") if on_postgresql else f"sqlite:///{folder / 'hotline.db'}"
    async with running_api(temporal, url, folder, catalogue=catalogue) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def late(hasty: Api) -> str:
    """The number of a case that was noticed and criticised before any department had it."""
    number = await hasty.case_in("registered")
    await until(lambda: listed(hasty, number), lambda items: len(items) == 2)
    return number


async def listed(api: Api, number: str) -> list[Json]:
    answer = await api.get(f"/v1/complaints/{number}/notices", "li")
    assert answer.status_code == 200, answer.text
    assert answer.json()["next_cursor"] is None
    items: list[Json] = answer.json()["items"]
    return items


async def asked_for(api: Api, item: Json, accept: str) -> httpx.Response:
    return await api.http.get(item["links"]["self"], headers=api.key("li") | {"Accept": accept})


async def test_the_list_links_to_both_documents(hasty: Api, late: str) -> None:
    notice, criticism = await listed(hasty, late)
    assert [(item["kind"], item["title_zh"], item["cycle"]) for item in (notice, criticism)] == [
        ("notice", "催办通知书", 1),
        ("criticise", "通报批评", 1),
    ]
    assert notice["departments"] == criticism["departments"] == []
    assert notice["due_at"].endswith("Z")
    for item in (notice, criticism):
        page = await hasty.get(item["links"]["self"], "li")
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        words = do_striptags(page.text)
        assert item["title_zh"] in words
        assert f"{late}-{item['seq']} 号" in words
    first = do_striptags((await hasty.get(notice["links"]["self"], "li")).text)
    assert "首问责任人 chen：" in first


@printer_needed
async def test_accept_pdf_gets_a_pdf(hasty: Api, late: str) -> None:
    for item in await listed(hasty, late):
        answer = await asked_for(hasty, item, "application/pdf")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
        assert answer.headers["vary"] == "Accept"
        assert page_sizes(answer.content) == [[210, 297]]


async def test_any_other_accept_gets_a_page(hasty: Api, late: str) -> None:
    (item, _) = await listed(hasty, late)
    for accept in ("*/*", "text/html", "text/html,application/xhtml+xml,*/*;q=0.8", "application/pdf;q=0.5, text/html"):
        answer = await asked_for(hasty, item, accept)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert answer.headers["vary"] == "Accept, Accept-Encoding"


async def test_without_the_library_only_pdf_is_refused(hasty: Api, late: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plutoprint", None)
    (item, _) = await listed(hasty, late)
    async with (
        served(create_app(Backend(hasty.settings, hasty.temporal)), hasty.settings) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        plain = dataclasses.replace(hasty, http=http)
        found = problem(await asked_for(plain, item, "application/pdf"), 406, "not-acceptable")
        assert found["accepted"] == ["text/html"]
        either = await asked_for(plain, item, "application/pdf, text/html;q=0.5")
        assert (either.status_code, "催办通知书" in either.text) == (200, True)


async def test_notices_are_in_flags_and_timeline(hasty: Api, late: str) -> None:
    case = await hasty.complaint(late)
    assert {"noticed", "criticised"} <= {*case["flags"]}
    assert case["links"]["notices"] == f"/v1/complaints/{late}/notices"
    items = (await hasty.get(f"/v1/complaints/{late}/timeline")).json()["items"]
    brought = [item for item in items if item["action"] in ("notice", "criticise")]
    assert [(item["action"], item["actor"]) for item in brought] == [("notice", "system"), ("criticise", "system")]


async def test_after_the_notice_agents_urge_no_more(hasty: Api, late: str) -> None:
    found = problem(await hasty.act(late, "urge", {}, "li"), 409, "urge-too-late")
    assert "went out at" in found["detail"]
    assert "urge" not in found["available_actions"]
    assert "urge" not in (await hasty.complaint(late, "li"))["available_actions"]
    assert "已催办" in (await hasty.http.post(hasty.link(late), data={"act": "urge"})).text
    assert (await hasty.actions(late))[-1] == "urge"


async def test_a_case_is_supervised_once_in_a_cycle(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    assert (await on_sqlite.act(number, "supervise", {}, "xu")).status_code == 200
    found = problem(await on_sqlite.act(number, "supervise", {}, "gao"), 409, "already-supervised")
    assert "in cycle 1 since" in found["detail"]


async def test_a_case_that_is_not_late_has_none(on_both: Api) -> None:
    number = await on_both.case_in("in_progress")
    assert await listed(on_both, number) == []
    found = problem(await on_both.get(f"/v1/complaints/{number}/notices/2"), 404, "notice-not-found")
    assert found["accepted"] == []


async def test_other_events_are_no_notices(hasty: Api, late: str) -> None:
    seqs = [str(item["seq"]) for item in await listed(hasty, late)]
    found = problem(await hasty.get(f"/v1/complaints/{late}/notices/1"), 404, "notice-not-found")
    assert found["accepted"] == seqs
    problem(await hasty.get(f"/v1/complaints/{late}/notices/0"), 422, "invalid-request")
    problem(await hasty.get(f"/v1/complaints/{late}/notices/first"), 422, "invalid-request")


@pytest.mark.parametrize("path", ["notices", "notices/7"])
async def test_notices_need_an_existing_case(on_sqlite: Api, path: str) -> None:
    problem(await on_sqlite.get(f"/v1/complaints/2608034711004/{path}", "li"), 404, "complaint-not-found")
    problem(await on_sqlite.get(f"/v1/complaints/2608034711003/{path}", "li"), 422, "invalid-number")
