"""Proxy of the Temporal UI: whom and what it lets through to the UI's server, and what of its answers."""

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
import pytest_asyncio
from starlette.responses import HTMLResponse, Response

from api.sign_in.sessions import LONGEST_SESSION
from api.temporal_ui.dangerous import GRANT
from api.temporal_ui.proxy import WAITING
from domain.shared.actors import Role
from tests.support.api import Api, Clock, further_api, problem
from tests.support.hotline import until
from tests.support.ui_proxy import Behind, Ui, ui_proxy

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORKFLOWS = "/temporal/api/v1/namespaces/default/workflows"
RENDER = "/temporal/render?content=%E6%B0%B4"
NEWS = f"{WORKFLOWS}/complaint-2608034711004/history?waitNewEvent=true&nextPageToken=dA"
OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_door(on_sqlite: Api) -> AsyncIterator[Behind]:
    async with ui_proxy(on_sqlite) as behind:
        yield behind


@pytest.fixture
def behind(shared_door: Behind) -> Behind:
    """Return the proxy that tests share whose requests are refused, or whose answer is."""
    shared_door.ui.asked.clear()
    shared_door.ui.answer = None
    return shared_door


async def test_without_a_ui_the_answer_names_the_setting(on_sqlite: Api) -> None:
    answer = problem(await on_sqlite.http.get("/temporal/"), 404, "no-temporal-ui")
    assert "HOTLINE_TEMPORAL_UI_URL" in answer["detail"]


@pytest.mark.parametrize("path", ["/temporal", "/temporal/", WORKFLOWS, RENDER, "/temporal/_app/a.js", "/temporal/x"])
async def test_without_a_session_nothing_reaches_the_ui(behind: Behind, path: str) -> None:
    page = await behind.ask(path, by=None, headers={"Accept": "text/html"})
    assert (page.status_code, 'name="key"' in page.text) == (401, True)
    problem(await behind.ask(path, by=None), 401, "no-session")
    problem(await behind.ask(path, by=None, method="POST"), 401, "no-session")
    key = {"Authorization": f"Bearer {behind.api.tokens['chief']}", "Cookie": "hotline=forged"}
    problem(await behind.ask(path, by=None, headers=key), 401, "no-session")
    assert behind.ui.asked == []


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
async def test_what_another_site_sends_does_not_reach_the_ui(behind: Behind, method: str) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}):
        answer = await behind.ask(f"{WORKFLOWS}/x/query/y", method=method, headers=headers)
        problem(answer, 403, "foreign-request")
    assert behind.ui.asked == []


async def test_a_page_of_another_name_does_not_reach_the_ui(on_sqlite: Api) -> None:
    """A name that leads here, as in DNS rebinding."""
    async with ui_proxy(on_sqlite) as behind:
        for host in ("evil.example", "127.0.0.1.evil.example:80", "127.0.0.2"):
            problem(await behind.ask("/temporal/", headers={"Host": host}), 421, "wrong-host")
        assert behind.ui.asked == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/temporal/auth/sso"),
        ("GET", "/temporal/api/v1/namespaces/default/unknown"),
        ("GET", "/temporal//api/v1/settings"),
        ("GET", "/temporal/x/../api/v1/settings"),
        ("GET", "/%74emporal/api/v1/settings"),
        ("GET", f"{WORKFLOWS}/a%2Fb"),
        ("PUT", "/temporal/api/v1/settings"),
        ("POST", "/temporal/api/v1/namespaces"),
        ("HEAD", "/temporal/"),
        ("OPTIONS", "/temporal/"),
    ],
)
async def test_what_no_rule_names_is_refused(behind: Behind, method: str, path: str) -> None:
    request = behind.api.http.build_request(method, "/", headers=behind.api.session("chief"))
    request.extensions["target"] = path.encode()
    answer = await behind.api.http.send(request)
    assert (answer.status_code, behind.ui.asked) == (403, [])


async def test_who_may_not_read_cases_sees_nothing(on_sqlite: Api) -> None:
    async with ui_proxy(on_sqlite) as behind:
        for path in ("/temporal/", WORKFLOWS, "/temporal/_app/a.js"):
            problem(await behind.ask(path, by="pbx"), 403, "wrong-role")
        page = await behind.ask("/temporal/", by="pbx", headers={"Accept": "text/html"})
        assert (page.status_code, "您无权查阅" in page.text, behind.ui.asked) == (403, True, [])


async def test_a_crews_list_is_narrowed_to_its_department(on_sqlite: Api) -> None:
    async with ui_proxy(on_sqlite) as behind:
        behind.ui.goes_on.set()
        await behind.ask(WORKFLOWS, by="wu", params={"query": 'State = "closed"'})
        problem(await behind.ask(WORKFLOWS, by="wu", params={"query": 'a = "x") OR (b = "y"'}), 400, "unreadable-query")
    [(_, target, _, _)] = behind.ui.asked
    assert quote('"repair"', safe="") in target


async def test_an_answer_is_passed_on_while_it_comes(on_sqlite: Api) -> None:
    async with (
        ui_proxy(on_sqlite) as behind,
        behind.api.http.stream("GET", WORKFLOWS, headers=behind.api.session("chief")) as answer,
    ):
        parts = answer.aiter_bytes()
        assert await anext(parts) == b"first"
        behind.ui.goes_on.set()
        assert await anext(parts) == b"last"


async def test_a_compressed_answer_passes_as_it_is(on_sqlite: Api) -> None:
    async with ui_proxy(on_sqlite) as behind:
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json", "X-Other": "1"}
        behind.ui.answer = Response(gzip.compress(b"{}"), headers=headers)
        answer = await behind.ask(WORKFLOWS, headers={"Accept-Encoding": "gzip"})
    assert (answer.headers["content-encoding"], answer.text, "x-other" in answer.headers) == ("gzip", "{}", False)


async def test_no_cookie_or_key_passes_but_the_uis_token(on_sqlite: Api) -> None:
    async with ui_proxy(on_sqlite) as behind:
        behind.ui.goes_on.set()
        cookies = behind.api.session("chief")["Cookie"] + "; _csrf=a1; other=1"
        sent = {"Cookie": cookies, "X-Csrf-Token": "a1", "Authorization": "Bearer hk_x", "Grpc-Metadata-X": "x"}
        answer = await behind.ask(WORKFLOWS, headers=sent)
    [(_, _, _, headers)] = behind.ui.asked
    assert (headers["cookie"], headers["x-csrf-token"]) == ("_csrf=a1", "a1")
    assert not {"authorization", "grpc-metadata-x"} & headers.keys()
    assert answer.headers.get_list("set-cookie") == ["_csrf=a1b2; Path=/temporal; SameSite=Strict"]


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example/temporal/", "/temporalx", "/sign-out"])
async def test_no_redirect_of_the_uis_server_leads_elsewhere(behind: Behind, to: str) -> None:
    behind.ui.answer = Response(status_code=302, headers={"Location": to})
    problem(await behind.ask(WORKFLOWS), 503, "temporal-ui-unavailable")


async def test_without_its_server_the_door_says_so(on_sqlite: Api) -> None:
    async with further_api(on_sqlite, on_sqlite.clock, temporal_ui_url="http://127.0.0.1:9") as api:
        problem(await Behind(api, Ui()).ask("/temporal/"), 503, "temporal-ui-unavailable")
        page = await Behind(api, Ui()).ask("/temporal/", headers={"Accept": "text/html"})
        assert (page.status_code, "does not answer" in page.text) == (503, True)


async def test_a_page_that_waits_for_news_does_not_hold_up_the_end_of_the_api(on_sqlite: Api) -> None:
    async with ui_proxy(on_sqlite) as behind:
        behind.ui.answers.clear()
        waiting = asyncio.create_task(behind.ask(WORKFLOWS))
        await until(lambda: asyncio.sleep(0, behind.ui.asked), bool)
        await behind.api.backend.proxy.ui.close()
        problem(await waiting, 503, "temporal-ui-unavailable")
        behind.ui.answers.set()


async def test_a_page_runs_its_own_scripts_alone_and_is_in_no_frame(on_sqlite: Api) -> None:
    async with ui_proxy(on_sqlite) as behind:
        behind.ui.answer = HTMLResponse("<script>1</script>", headers={"Content-Security-Policy": "script-src *"})
        answer = await behind.ask("/temporal/namespaces/default/workflows")
    [policy] = answer.headers.get_list("content-security-policy")
    assert "script-src 'self' 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s=';" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-frame-options"] == "DENY"


async def test_details_are_shown_to_pages_of_this_site_and_run_nothing(on_sqlite: Api) -> None:
    async with ui_proxy(on_sqlite) as behind:
        for headers in ({}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "cross-site"}):
            problem(await behind.ask(RENDER, headers=headers), 403, "temporal-ui-not-allowed")
        assert behind.ui.asked == []
        behind.ui.answer = HTMLResponse("<script>1</script>")
        answer = await behind.ask(RENDER, headers=OWN)
    policy = answer.headers["content-security-policy"]
    assert ("script" in policy, "frame-ancestors 'self'" in policy, "sandbox" in policy) == (False, True, True)
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert behind.ui.asked[0][1].startswith("/temporal/temporal/render?content=%E6%B0%B4")


@pytest.mark.parametrize(
    "content",
    [
        *("![" * 3001, "`a" * 3001, "**a " * 1501, "_a " * 3001, "~~a " * 1501, "<a " * 3001, ">" * 3001),
        *("# a\n" * 1501, "a\n=\n" * 1501, "- a\n" * 3001, "\\\\[" * 3001, "|a" * 18 + "\n", "a" * 80_001),
    ],
    ids=lambda content: repr(content[:4]),
)
async def test_a_text_that_would_hold_up_the_uis_server_does_not_reach_it(behind: Behind, content: str) -> None:
    request = behind.api.http.build_request("GET", "/", headers=behind.api.session("chief") | OWN)
    request.extensions["target"] = f"/temporal/render?content={quote(content)}".encode()
    refused = problem(await behind.api.http.send(request), 403, "temporal-ui-not-allowed")
    assert "3000 lines" in refused["detail"]
    assert behind.ui.asked == []


async def test_the_texts_of_one_person_are_drawn_one_after_the_other(on_sqlite: Api) -> None:
    async with ui_proxy(on_sqlite) as behind:
        behind.ui.answer = HTMLResponse("shown")
        behind.ui.answers.clear()
        texts = [asyncio.create_task(behind.ask(RENDER, headers=OWN)) for _ in range(3)]
        await until(lambda: asyncio.sleep(0, behind.ui.asked), bool)
        other = asyncio.create_task(behind.ask(RENDER, by="li", headers=OWN))
        await until(lambda: asyncio.sleep(0, behind.ui.asked), lambda asked: len(asked) > 1)
        assert len(behind.ui.asked) == 2
        behind.ui.answers.set()
        assert [each.status_code for each in await asyncio.gather(*texts, other)] == [200] * 4


async def test_nothing_more_is_asked_for_who_has_left_the_page(on_sqlite: Api) -> None:
    async with ui_proxy(on_sqlite) as behind:
        behind.ui.answers.clear()
        for before in range(WAITING + 1):
            page = asyncio.create_task(behind.ask(NEWS))
            await until(lambda: asyncio.sleep(0, len(behind.ui.asked)), before.__lt__)
            page.cancel()
            await until(lambda: asyncio.sleep(0, behind.ui.left), before.__lt__)


async def test_a_person_waits_for_news_of_so_many_histories(on_sqlite: Api) -> None:
    async with ui_proxy(on_sqlite) as behind:
        behind.ui.answers.clear()
        behind.ui.answer = Response("{}")
        pages = [asyncio.create_task(behind.ask(NEWS)) for _ in range(WAITING)]
        await until(lambda: asyncio.sleep(0, behind.ui.asked), lambda asked: len(asked) == WAITING)
        refused = await behind.ask(NEWS)
        assert (refused.headers["retry-after"], f"{WAITING} histories" in refused.json()["message"]) == ("60", True)
        problem(refused, 429, "too-many-requests")
        others = [asyncio.create_task(behind.ask(path, by=by)) for path, by in ((NEWS, "li"), (WORKFLOWS, "chief"))]
        await until(lambda: asyncio.sleep(0, behind.ui.asked), lambda asked: len(asked) == WAITING + 2)
        behind.ui.answers.set()
        assert {each.status_code for each in await asyncio.gather(*pages, *others)} == {200}


async def test_news_that_come_after_the_end_of_a_session_are_not_told(on_sqlite: Api) -> None:
    on_sqlite.directory.enter("ruan", Role.AGENT)
    await on_sqlite.backend.people.read_anew()
    clock = Clock()
    async with ui_proxy(on_sqlite, clock=clock) as behind:
        behind.ui.answer = Response('{"history": "secret"}')
        for by in ("ruan", "chen"):
            behind.ui.asked.clear()
            behind.ui.answers.clear()
            page = asyncio.create_task(behind.ask(NEWS, by=by))
            await until(lambda: asyncio.sleep(0, behind.ui.asked), bool)
            if by == "ruan":
                left = await behind.api.http.post("/sign-out", headers=behind.api.session(by) | OWN)
                assert left.status_code == 303
            else:
                clock.fixed = datetime.now(UTC) + LONGEST_SESSION
            behind.ui.answers.set()
            answer = await page
            problem(answer, 401, "no-session")
            assert "secret" not in answer.text


async def test_a_header_beyond_ascii_passes_as_it_is(on_sqlite: Api) -> None:
    async with ui_proxy(on_sqlite) as behind:
        behind.ui.answer = Response("{}")
        answer = await behind.ask(WORKFLOWS, headers={"Accept-Language": b"\xe9"})
    assert (answer.status_code, behind.ui.asked[0][3]["accept-language"]) == (200, "é")


async def test_scripts_are_kept_by_the_browser_and_nothing_else_is(on_sqlite: Api) -> None:
    async with ui_proxy(on_sqlite) as behind:
        behind.ui.answer = Response("1", media_type="text/javascript")
        script = await behind.ask("/temporal/_app/immutable/a.js")
        other = await behind.ask(WORKFLOWS)
    assert ("immutable" in script.headers["cache-control"], "set-cookie" in script.headers) == (True, False)
    assert other.headers["cache-control"] == "no-store"


async def test_a_dangerous_request_passes_confirmed_and_in_the_name_of_the_administrator(on_sqlite: Api) -> None:
    async with ui_proxy(on_sqlite) as behind:
        path, sent = f"{WORKFLOWS}/complaint-2608034711004/terminate", {"identity": "somebody", "reason": "-"}
        assert "administrators" in (await behind.ask(path, by="zhou", method="POST", json=sent)).json()["message"]
        cookies = behind.api.session("chief")["Cookie"]
        refused = await behind.ask(path, method="POST", json=sent, headers={"Cookie": cookies})
        assert (refused.status_code, behind.ui.asked) == (403, [])
        waiting = refused.headers["set-cookie"].partition(";")[0]
        browser = {"Cookie": f"{cookies}; {waiting}", "Accept": "text/html"}
        form = await behind.ask(GRANT, headers=browser)
        sealed = form.text.partition('name="request" value="')[2].partition('"')[0]
        confirmed = await behind.ask(
            GRANT, method="POST", headers=browser, data={"request": sealed, "reason": "a test"}
        )
        granted = confirmed.headers["set-cookie"].partition(";")[0]
        behind.ui.goes_on.set()
        browser = {"Cookie": f"{cookies}; {granted}"}
        assert (await behind.ask(path, method="POST", json=sent, headers=browser)).status_code == 201
    [(_, target, body, _)] = behind.ui.asked
    assert (target, json.loads(body)) == (path, {"identity": "chief", "reason": "a test"})


async def test_the_settings_hide_the_buttons_of_dangerous_requests(on_sqlite: Api) -> None:
    async with ui_proxy(on_sqlite) as behind:
        behind.ui.answer = Response(
            '{"WorkflowTerminateDisabled": false, "Version": "2"}', media_type="application/json"
        )
        hidden = [(await behind.ask("/temporal/api/v1/settings", by=by)).json() for by in ("chief", "zhou")]
    assert [each["WorkflowTerminateDisabled"] for each in hidden] == [False, True]
    assert hidden[0]["Version"] == "2"


async def test_a_person_has_a_limit_which_scripts_do_not_reach(on_sqlite: Api) -> None:
    async with ui_proxy(on_sqlite, reads_per_minute=3) as behind:
        behind.ui.answer = Response("{}")
        for _ in range(10):
            assert (await behind.ask("/temporal/_app/immutable/a.js", by="chen")).status_code == 200
        assert [(await behind.ask(WORKFLOWS, by="chen")).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert (await behind.ask(WORKFLOWS, by="li")).status_code == 200
        assert (await behind.api.get("/v1/complaints", "chen")).status_code == 200


async def test_no_query_is_logged_or_counted(on_sqlite: Api, caplog: pytest.LogCaptureFixture) -> None:
    async with ui_proxy(on_sqlite) as behind:
        behind.ui.answer = HTMLResponse("shown")
        with caplog.at_level(logging.DEBUG, "hotline"), caplog.at_level(logging.DEBUG, "httpcore"):
            await behind.ask("/temporal/render?content=secret-words", headers=OWN | {"Accept": "text/html"})
            await behind.ask("/temporal/unknown?content=secret-words")
            problem(await behind.ask("/temporal/render?content=secret-words"), 403, "temporal-ui-not-allowed")
        metrics = await behind.api.get("/metrics")
    assert not [record for record in caplog.records if "secret-words" in record.getMessage()]
    assert 'route="/temporal"' in metrics.text
    assert "secret" not in metrics.text
