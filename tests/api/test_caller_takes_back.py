"""The caller's page: what a caller takes back: the wish for messages, and the answer."""

import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from tests.api.test_caller_page import (
    CHINESE,
    DISSATISFIED,
    ENGLISH,
    QUESTIONS,
    SATISFIED,
    events,
    replied,
    say,
    version,
)
from tests.support.api import Api, problem

pytestmark = pytest.mark.asyncio(loop_scope="session")

SWITCHES = {"unsubscribe": "不再接收短信", "subscribe": "恢复接收短信"}
UNSUBSCRIBED = "您已选择不再接收本工单的短信"


def switches(page: httpx.Response) -> list[tuple[str, str]]:
    return re.findall(r'value="((?:un)?subscribe)" formnovalidate>([^<]+)<', page.text)


async def test_a_caller_unsubscribes_by_one_button_and_takes_it_back(on_both: Api) -> None:
    number = await on_both.case_in("in_progress")
    path = on_both.link(number)
    page = await on_both.http.get(path, headers=CHINESE)
    for flags, (act, words) in zip((["unsubscribed"], []), SWITCHES.items(), strict=True):
        assert switches(page) == [(act, words)]
        page = await say(on_both, path, act=act, version=version(page))
        assert (page.status_code, UNSUBSCRIBED in page.text) == (HTTPStatus.OK, act == "unsubscribe")
        assert (await on_both.complaint(number, "chen"))["flags"] == flags
        [entry] = await events(on_both, number, act)
        assert (entry["role"], entry["actor"]) == ("caller", "caller")
    assert "已恢复，本工单的进展将发短信告知您" in page.text
    assert switches(page) == [("unsubscribe", SWITCHES["unsubscribe"])]


async def test_the_page_says_so_in_english_and_the_button_counts_once(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    path = on_sqlite.link(number)
    first = await on_sqlite.http.get(path, headers=ENGLISH)
    assert switches(first) == [("unsubscribe", "No more messages")]
    for _ in range(2):
        said = await on_sqlite.http.post(path, data={"act": "unsubscribe", "version": version(first)}, headers=ENGLISH)
        assert "You get no more messages about this case" in said.text
        assert switches(said) == [("subscribe", "Send me messages again")]
    assert len(await events(on_sqlite, number, "unsubscribe")) == 1


async def test_staff_find_the_case_and_only_agents_take_it_back_for_the_caller(on_both: Api) -> None:
    number = await on_both.case_in("in_progress")
    for by in ("chen", "xu", "he", "wu"):
        problem(await on_both.act(number, "unsubscribe", {}, by), 403, "wrong-role")
    await say(on_both, on_both.link(number), act="unsubscribe")
    found = (await on_both.get("/v1/complaints?flag=unsubscribed")).json()["items"]
    assert number in [case["number"] for case in found]
    problem(await on_both.act(number, "subscribe", {}, "wu"), 403, "wrong-role")
    answer = await on_both.act(number, "subscribe", {"note": "来电人要求"}, "chen")
    assert (answer.status_code, answer.json()["flags"]) == (HTTPStatus.OK, [])
    problem(await on_both.act(number, "subscribe", {}, "chen"), 409, "out-of-turn")


async def test_a_caller_changes_the_answer_until_somebody_acts_on_it(on_both: Api) -> None:
    """The rework that a mistake has begun ends with it; the last answer alone is in the reports."""
    number = await replied(on_both)
    path = on_both.link(number)
    page, case = await say(on_both, path, **DISSATISFIED), dict[str, Any]()
    for answer, state in ((SATISFIED, "closed"), (DISSATISFIED, "dispatched"), (SATISFIED, "closed")):
        chosen = re.findall(r'name="(\w+)" value="(\w+)" checked', page.text)
        assert ("更改评价</summary>" in page.text, len(chosen)) == (True, 3)
        page = await say(on_both, path, **answer, version=version(page))
        assert "感谢您的评价" in page.text
        case = await on_both.complaint(number)
        assert (case["state"], case["answer"]["satisfaction"]) == (state, answer["satisfaction"])
    chosen = re.findall(r'name="(\w+)" value="(\w+)" checked', page.text)
    assert chosen == [(name, SATISFIED[name]) for name in QUESTIONS]
    assert (case["cycle"], case["answered_cycles"], case["flags"]) == (3, [1], [])
    month = f"{datetime.now(UTC) + timedelta(hours=8):%Y-%m}"
    rows = (await on_both.get("/v1/reports/follow-ups", "xu", month=month, format="csv")).text.splitlines()
    assert [("very_dissatisfied" in row, "satisfied" in row) for row in rows if number in row] == [(False, True)]
    page = await say(on_both, path, **DISSATISFIED, version=version(page))
    assert (await on_both.act(number, "sign_for", {}, "wu")).is_success
    late = await say(on_both, path, **SATISFIED, version=version(page))
    assert ("本次评价未予受理" in late.text, "</summary>" in late.text) == (True, False)
