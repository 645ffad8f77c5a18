"""Board: whom it lets in, what it shows, and that its events tell what has changed, to all who look, while they may."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from api.desk import board as module
from api.desk.board import age
from domain.shared.actors import Role
from readmodel.base.database import ReadConnection
from readmodel.board import BoardFigures, board_figures
from tests.support.api import Api, further_api, problem
from tests.support.browsing import browser, signed_in, text_of
from tests.support.hotline import until
from tests.support.outage import unanswering
from tests.support.sessions import cookie, session

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOARD, EVENTS = "/board", "/board/events"
ENGLISH = {"Accept-Language": "en-GB"}
PATIENCE = 30.0
NEVER = 600.0


def figure(shown: str, name: str) -> int:
    """Return the number of a tile."""
    found = re.search(rf"{name} (\d+)", shown)
    assert found, shown
    return int(found[1])


def of_cases(shown: str) -> str:
    """Return the text without the incidents, which all see: others may have any department."""
    before, _, after = shown.partition("突发事件")
    assert after, shown
    return before + after.partition("等候最久")[2]


@asynccontextmanager
async def looking(made: httpx.AsyncClient, path: str = EVENTS, **headers: str) -> AsyncIterator[AsyncIterator[str]]:
    """Open the stream of the board; yield its lines."""
    sent = {"Accept": "text/event-stream", **headers}
    async with asyncio.timeout(PATIENCE), made.stream("GET", path, headers=sent) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in answer.headers
        yield answer.aiter_lines()


async def event(lines: AsyncIterator[str]) -> str:
    """Return what the next event shows."""
    data: list[str] = []
    async for line in lines:
        if line.startswith("data: "):
            data.append(line)
        elif data:
            break
    assert data, "the stream has ended"
    return text_of("\n".join(line.removeprefix("data: ") for line in data))


async def ended(lines: AsyncIterator[str]) -> bool:
    """Wait until the stream ends."""
    async for _ in lines:
        pass
    return True


@pytest.fixture
def only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the figures when somebody begins to look, and at no other time."""
    monkeypatch.setattr(module, "READ_SECONDS", NEVER)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at everything many times a second."""
    monkeypatch.setattr(module, "READ_SECONDS", 0.05)


async def test_without_a_session_the_sign_in_leads_back(on_sqlite: Api) -> None:
    async with browser(on_sqlite) as made:
        page = await made.get(BOARD)
        assert (page.status_code, f'value="{BOARD}"' in page.text) == (401, True)
        problem(await made.get(EVENTS, headers={"Accept": "text/event-stream"}), 401, "no-session")


async def test_a_role_that_reads_no_cases_has_no_board(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "pbx") as made:
        assert [(await made.get(path)).status_code for path in (BOARD, EVENTS)] == [403, 403]


async def test_figures_are_those_of_the_lists(on_both: Api) -> None:
    async with signed_in(on_both, "xu") as made:
        before = text_of((await made.get(BOARD)).text)
        for state in ("registered", "dispatched", "dispatched", "refused"):
            await on_both.case_in(state)
        after = text_of((await made.get(BOARD)).text)
    more = {name: figure(after, name) - figure(before, name) for name in ("在办", "待派单", "待签收", "已超时")}
    assert more == {"在办": 3, "待派单": 1, "待签收": 2, "已超时": 0}

    async def count(**filters: str) -> int:
        total: int = (await on_both.get("/v1/complaints/counts", **filters)).json()["total"]
        return total

    now = datetime.now(UTC)
    soon = await count(due_before=(now + timedelta(hours=1)).isoformat()) - await count(due_before=now.isoformat())
    assert soon >= 2
    assert figure(after, "一小时内到期") == soon
    assert figure(after, "待签收") == await count(state="dispatched")
    assert figure(after, "已超时") == await count(overdue="true")


async def test_the_board_has_districts_instead_of_departments(on_sqlite: Api) -> None:
    await on_sqlite.case_in("dispatched")
    async with signed_in(on_sqlite, "xu") as made:
        departments, districts = await made.get(BOARD), await made.get(BOARD, params={"by": "district"})
        assert f'href="{BOARD}?by=district"' in departments.text
        for page in (departments, districts):
            rows = [int(total) for total in re.findall(r"<td><b>(\d+)</b>", page.text)]
            assert sum(rows) == figure(text_of(page.text), "在办")
            for row in re.findall(r'<th scope="row">.*?</tr>', page.text):
                _, total, *parts = (int(cell.replace("–", "0")) for cell in re.findall(r"<td.*?>(?:<b>)?(.+?)<", row))
                assert total == sum(parts)
        assert "部门 已超时 在办" in text_of(departments.text)
        async with looking(made, f"{EVENTS}?by=district") as lines:
            for shown in (text_of(districts.text), await event(lines)):
                assert "西区街道" in shown.partition("突发事件")[0]
                assert "抢修队" not in shown.partition("突发事件")[0]


async def test_what_was_done_and_who_waits_is_told_without_personal_data(on_both: Api) -> None:
    caller = {"name": "欧阳婆婆", "phone": "0760 8823 0001", "account_no": "0427766"}
    location = {"district": "west", "address": "下闸新村3号"}
    number = await on_both.case_in("pending_reply", caller=caller, location=location, description="早上六点起没水")
    async with signed_in(on_both, "chen") as made:
        page = await made.get(BOARD)
    shown = text_of(page.text)
    assert f"处理完成 · 停水/无水 · 抢修队 {number}" in shown
    assert "等候最久" in shown
    for personal in ("欧阳", "88230001", "8823 0001", "0427766", "下闸", "六点", "chen", "wu"):
        assert personal not in page.text


async def test_the_board_is_in_the_language_of_its_reader(on_sqlite: Api) -> None:
    await on_sqlite.case_in("dispatched")
    async with signed_in(on_sqlite, "chen", **ENGLISH) as made:
        assert "Emergency repair crew" in text_of((await made.get(BOARD)).text)
        async with looking(made) as lines:
            assert "Not signed for" in await event(lines)


async def test_the_page_reads_its_site_alone_and_goes_on_without_scripts(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "chen") as made:
        page = await made.get(BOARD)
    assert '<noscript><meta http-equiv="refresh" content="30"></noscript>' in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'sha256-" in policy
    assert "; connect-src 'self';" in policy
    assert len(page.content) < 60_000


@pytest.mark.usefixtures("at_once")
async def test_an_event_follows_an_action(on_both: Api) -> None:
    async with signed_in(on_both, "chen") as made, looking(made, **{"Accept-Encoding": "gzip"}) as lines:
        before = figure(await event(lines), "待签收")
        number = await on_both.case_in("registered")
        while f"受理 · 停水/无水 · 未派单 {number}" not in await event(lines):
            pass
        await on_both.act(number, "dispatch", {"department": "repair"}, "zhou")
        while figure(await event(lines), "待签收") != before + 1:
            pass


@pytest.mark.usefixtures("at_once")
async def test_an_event_follows_what_another_process_did(on_both: Api) -> None:
    async with further_api(on_both, on_both.clock) as other, signed_in(other, "chen") as made, looking(made) as lines:
        await event(lines)
        number = await on_both.case_in("registered")
        while number not in await event(lines):
            pass


@pytest.mark.usefixtures("at_once")
async def test_an_incident_is_shown_with_its_cases(on_both: Api) -> None:
    title = f"爆管停水{uuid4().hex[:8]}"
    body = {"services": ["no_water"], "districts": ["south"], "streets": ["无人街"], "title": title}
    assert (await on_both.post("/v1/incidents", body, "zhou")).status_code == 201
    async with signed_in(on_both, "chen") as made:
        assert f"0 件 {title} · 已确认" in text_of((await made.get(BOARD)).text)


async def test_callers_who_wait_are_shown_once_calls_are_reported(on_both: Api) -> None:
    now = datetime.now(UTC)
    calls = [
        {"call_id": uuid4().hex, "started_at": (now - timedelta(minutes=minutes)).isoformat(), "queue": "hotline"}
        for minutes in (1, 90)
    ]
    async with signed_in(on_both, "chen") as made:
        before = re.search(r"等待接听 (\d+)", text_of((await made.get(BOARD)).text))
        assert (await on_both.post("/v1/calls", {"items": calls}, "pbx")).is_success
        shown = text_of((await made.get(BOARD)).text)
        assert figure(shown, "等待接听") == (int(before[1]) if before else 0) + 1
        assert figure(shown, "待回电") >= 0
    async with signed_in(on_both, "wu") as made:
        assert "等待接听" not in (await made.get(BOARD)).text


async def test_a_crew_sees_the_cases_of_its_department_alone(on_both: Api) -> None:
    mine, other = await on_both.case_in("in_progress"), await on_both.case_in("registered")
    assert (await on_both.act(other, "dispatch", {"department": "metering"}, "zhou")).is_success
    async with signed_in(on_both, "sun") as made:
        page = await made.get(BOARD)
        listed = (await on_both.get("/v1/complaints/counts", "sun", state="dispatched")).json()
        assert figure(text_of(page.text), "待签收") == listed["total"]
        assert "抢修队" not in of_cases(text_of(page.text))
        assert mine not in page.text
        async with looking(made) as lines:
            assert "抢修队" not in of_cases(await event(lines))


@pytest.mark.usefixtures("only_once")
async def test_figures_are_read_once_for_all_who_look(on_sqlite: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []

    def read(connection: ReadConnection, now: datetime, department: str | None) -> BoardFigures:
        reads.append(now)
        return board_figures(connection, now, department)

    monkeypatch.setattr(module, "board_figures", read)
    processes = further_api(on_sqlite, on_sqlite.clock)
    async with processes as other, signed_in(other, "chen") as made, looking(made) as first:
        await event(first)
        async with looking(made) as second, looking(made) as third, looking(made) as fourth:
            for lines in (second, third, fourth):
                await event(lines)
    assert len(reads) < 4


@pytest.mark.usefixtures("at_once")
async def test_a_quiet_stream_has_comments(on_sqlite: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMENT_SECONDS", 0.2)
    async with signed_in(on_sqlite, "chen") as made, looking(made) as lines:
        async for line in lines:
            if line.startswith(":"):
                break


@pytest.mark.usefixtures("at_once")
async def test_a_stream_ends_with_its_session(on_sqlite: Api) -> None:
    on_sqlite.tokens["visitor"] = on_sqlite.directory.enter("visitor", Role.AGENT)
    async with signed_in(on_sqlite, "visitor") as made, looking(made) as lines:
        await event(lines)
        await made.post("/sign-out")
        assert await ended(lines)


@pytest.mark.usefixtures("only_once")
async def test_streams_end_when_the_process_does(on_sqlite: Api) -> None:
    processes = further_api(on_sqlite, on_sqlite.clock)
    async with processes as other, signed_in(other, "chen") as made, looking(made) as lines:
        await event(lines)
        await other.backend.end_waiting()
        assert await ended(lines)


@pytest.mark.usefixtures("at_once")
async def test_a_board_that_is_closed_makes_room(on_sqlite: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async with further_api(on_sqlite, on_sqlite.clock) as other, signed_in(other, "chen") as made:
        monkeypatch.setattr(module, "MOST_BOARDS", 1)

        async def knock() -> int:
            async with made.stream("GET", EVENTS) as answer:
                return answer.status_code

        async with looking(made) as lines:
            await event(lines)
            assert await knock() == 429
        await until(knock, lambda status: status == 200)


@pytest.mark.usefixtures("at_once")
async def test_figures_that_sql_does_not_renew_are_marked(on_both: Api) -> None:
    async with further_api(on_both, on_both.clock) as other, signed_in(other, "chen") as made, looking(made) as lines:
        assert "数据库无应答" not in await event(lines)
        with unanswering(other.backend.direct.engine):
            while "数据库无应答" not in await event(lines):
                pass
        while "数据库无应答" in await event(lines):
            pass


async def test_a_screen_opens_the_board_alone_for_as_long_as_its_key(on_sqlite: Api) -> None:
    expires_at = datetime.now(UTC) + timedelta(days=300)
    _, key = on_sqlite.directory.issue(f"screen-{uuid4().hex}", Role.MANAGER, scope="board", expires_at=expires_at)
    problem(await on_sqlite.http.get("/v1/complaints", headers={"Authorization": f"Bearer {key}"}), 403, "wrong-scope")
    async with browser(on_sqlite) as made:
        answer = await made.post("/sign-in", data={"key": key, "to": BOARD})
        assert (answer.status_code, answer.headers["location"]) == (303, BOARD)
        kept = cookie(answer)
        assert int(kept["max-age"]) > 299 * 86_400
        assert session(on_sqlite, kept.value) is None
        assert (await made.get(BOARD)).status_code == 200
        async with looking(made) as lines:
            assert "在办" in await event(lines)
        for path in ("/desk", "/desk/cases/2608034711004", "/views"):
            assert (await made.get(path)).status_code == 401


@pytest.mark.parametrize(
    ("minutes", "shown"), [(0, "0分"), (59, "59分"), (61, "1小时1分"), (1440, "1天0小时"), (4507, "3天3小时")]
)
async def test_the_time_of_a_wait_has_two_units(minutes: int, shown: str) -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    assert age(now - timedelta(minutes=minutes), now)[0] == shown
