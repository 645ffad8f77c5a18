"""The caller's page while something is down: it shows the state, and an answer counts once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine
from temporalio.client import Client

import worker
from readmodel.base.database import engine
from tests.api.test_caller_page import CHINESE, NOBODY, SATISFIED, buttons, follow_ups, say
from tests.support.api import Api, running_api
from tests.support.hotline import until
from tests.support.outage import down

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

ASKED = ["follow_up", "comment"]
OK, AWAY = HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE


@asynccontextmanager
async def impatient_api(
    temporal: Client, database_url: str, folder: Path, **changes: Any
) -> AsyncIterator[tuple[Api, Engine]]:
    """An API that does not wait for SQL, and its database."""
    async with running_api(temporal, database_url, folder, sql_wait_seconds=0.3, **changes) as made:
        database = engine(database_url)
        try:
            yield made, database
        finally:
            database.dispose()


async def replied(made: Api) -> str:
    """A case whose caller is to be asked, as SQL shows it, too."""
    number = await made.case_in("pending_reply")
    assert (await made.act(number, "reply", {"message": "已恢复供水"}, "chen")).is_success
    await until(lambda: made.actions(number), lambda done: done[-1:] == ["reply"])
    return number


def come_again(page: httpx.Response) -> None:
    """The page says when to come back."""
    assert page.status_code == AWAY
    assert int(page.headers["retry-after"]) > 0
    assert "一分钟后" in page.text


async def test_with_sql_down_the_page_shows_the_state_and_takes_the_answer(
    temporal: Client, tmp_path: Path, database_url: str
) -> None:
    async with impatient_api(temporal, database_url, tmp_path) as (made, database):
        at_work, waiting = await made.case_in("in_progress"), await replied(made)
        paths = [made.link(number) for number in (at_work, waiting)]
        with down(database):
            pages = [await made.http.get(path, headers=CHINESE) for path in paths]
            assert [page.status_code for page in pages] == [OK, OK]
            assert ("处理中" in pages[0].text, buttons(pages[0])) == (True, ["comment", "urge"])
            assert ("等待您的评价" in pages[1].text, buttons(pages[1])) == (True, ASKED)
            first = await say(made, paths[1], **SATISFIED, words="谢谢师傅")
            # On SQLite lists go on showing what they showed before: the page must not ask anew.
            again = await say(made, paths[1], **NOBODY)
            for page, said in ((first, "感谢您的评价"), (again, "本次评价未予受理")):
                assert (page.status_code, "办结" in page.text) == (OK, True)
                assert buttons(page) == ["follow_up", "reopen", "comment"]
                assert said in page.text
        (answered,) = await until(lambda: follow_ups(made, waiting), bool)
        assert (answered["data"]["outcome"], answered["data"]["note"]) == ("satisfied", "谢谢师傅")


async def test_with_sql_behind_a_link_does_not_answer_a_later_cycle(
    temporal: Client, tmp_path: Path, sqlite_url: str
) -> None:
    """The caller has answered by telephone, and the case came to its second follow-up, unseen by SQL."""
    async with impatient_api(temporal, sqlite_url, tmp_path) as (made, database):
        number = await replied(made)
        path = made.link(number)
        with down(database):
            for who, action, body in (
                ("he", "follow_up", {"outcome": "dissatisfied"}),
                ("wu", "sign_for", {}),
                ("wu", "complete", {"result": "好了"}),
                ("chen", "reply", {"message": "好了"}),
            ):
                assert (await made.act(number, action, body, who)).status_code == HTTPStatus.ACCEPTED
            assert buttons(await say(made, path, **SATISFIED)) == ["comment", "urge"]
        # SQL may be given the four actions one after the other.
        reached = ("pending_follow_up", 2)
        await until(lambda: made.complaint(number), lambda seen: (seen["state"], seen["cycle"]) == reached)
        assert len(await follow_ups(made, number)) == 1


async def test_with_the_worker_down_an_answer_is_asked_for_again_and_counts_once(
    temporal: Client, tmp_path: Path, sqlite_url: str
) -> None:
    async with impatient_api(temporal, sqlite_url, tmp_path, at_work=False, update_timeout_seconds=5.0) as (made, _):
        async with worker.running(temporal, made.settings):
            number = await replied(made)
            path = made.link(number)
        assert buttons(await made.http.get(path, headers=CHINESE)) == ASKED
        page = await say(made, path, **SATISFIED, words="谢谢师傅")
        come_again(page)
        assert (buttons(page), "谢谢师傅" in page.text, 'role="alert"' in page.text) == (["follow_up"], True, True)
        async with worker.running(temporal, made.settings):

            async def sent() -> httpx.Response:
                return await say(made, path, **SATISFIED, words="谢谢师傅")

            assert "感谢您的评价" in (await until(sent, lambda page: page.status_code == OK)).text
            assert len(await until(lambda: follow_ups(made, number), bool)) == 1


async def test_with_all_down_the_page_says_when_to_retry(temporal: Client, tmp_path: Path, postgresql_url: str) -> None:
    async with impatient_api(temporal, postgresql_url, tmp_path, at_work=False, update_timeout_seconds=1.0) as (
        made,
        database,
    ):
        number = (await made.register()).json()["number"]
        path = made.link(number)
        with down(database):
            page = await made.http.get(path, headers=CHINESE)
            come_again(page)
            assert "<form" not in page.text
