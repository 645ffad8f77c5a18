"""Refusals over HTTP in the language that `Accept-Language` asks for."""

import re
from typing import Any

import pytest

from api.calls import CALLS, NEW_CALL
from tests.support.api import CALL, Api, problem

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}


def has_latin_words(text: str) -> bool:
    return re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}", text) is not None


@pytest.mark.parametrize(
    ("sent", "status", "slug", "detail"),
    [
        ({**CALL, "colour": "x"}, 422, "invalid-request", "body.colour：没有这一项，可填 service_code, "),
        ({**CALL, "caller": {"phone": "?"}}, 422, "invalid-request", "body.caller.phone：应填电话号码"),
        ({"service_code": "leak"}, 422, "invalid-request", "body.description：必填"),
        ({**CALL, "service_code": "moon"}, 422, "unknown-service", "body.service_code：没有这个服务项目代码，可填 "),
        (
            {**CALL, "channel": "fax"},
            422,
            "invalid-request",
            "body.channel：没有这个来电渠道代码，可填 phone（电话）、",
        ),
        ({**CALL, "description": ""}, 422, "invalid-request", "body.description：不能为空"),
    ],
)
async def test_a_faulty_body_is_explained_in_chinese(
    on_sqlite: Api, sent: dict[str, Any], status: int, slug: str, detail: str
) -> None:
    answer = await on_sqlite.http.post("/v1/complaints", json=sent, headers={**on_sqlite.key("chen"), **CHINESE})
    found = problem(answer, status, slug)
    assert found["detail"].startswith(detail)
    assert found["detail"].endswith("。")
    assert [f"{each['field']}：{each['message']}" for each in found["errors"]] == found["detail"][:-1].split("；")
    english = await on_sqlite.http.post("/v1/complaints", json=sent, headers=on_sqlite.key("chen"))
    assert english.json().get("accepted") == found.get("accepted")
    for given, language in ((answer, "zh"), (english, "en")):
        assert given.headers["content-language"] == language
        assert "Accept-Language" in given.headers["vary"]


async def test_a_refused_action_says_in_chinese_what_is_possible(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    path, headers = f"/v1/complaints/{number}/actions/reply", on_sqlite.key("chen")
    english = problem(await on_sqlite.http.post(path, json={"message": "好了"}, headers=headers), 409, "out-of-turn")
    answer = await on_sqlite.http.post(path, json={"message": "好了"}, headers={**headers, **CHINESE})
    found = problem(answer, 409, "out-of-turn")
    assert found["title"] == "当前状态不能办理此事项"
    assert found["detail"].startswith("当前状态不能办理此事项，现可办理：")
    assert "withdraw（撤销）" in found["detail"]
    assert {**found, "title": "", "detail": ""} == {**english, "title": "", "detail": ""}
    assert "title" in english
    assert has_latin_words(english["detail"])


async def test_refusals_of_every_layer_are_in_chinese(on_sqlite: Api) -> None:
    headers = {**on_sqlite.key("chen"), **CHINESE}
    http, long = on_sqlite.http, "x" * (on_sqlite.settings.body_limit_bytes + 1)
    for answer in (
        await http.get("/nowhere", headers=headers),
        await http.post("/v1/catalogue", headers=headers),
        await http.get("/v1/complaints/2608034711004", headers=headers),
        await http.get("/v1/complaints", headers=CHINESE),
        await http.get("/v1/complaints", headers={**headers, "Host": "moon.example"}),
        await http.get("/v1/complaints", params={"limit": "many"}, headers=headers),
        await http.get("/v1/complaints", params={"cursor": "x"}, headers=headers),
        await http.post("/v1/complaints", content=long, headers=headers),
        await http.post("/v1/complaints", content="{", headers={**headers, "Content-Type": "application/json"}),
    ):
        found = problem(answer, answer.status_code, answer.json()["type"].rpartition(":")[2])
        assert answer.headers["content-language"] == "zh"
        assert not has_latin_words(found["title"] + found["detail"])


async def test_what_is_accepted_is_in_the_language_of_the_answer(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    path, body = f"/v1/complaints/{number}/actions/involve", {"department": "repair", "task": "查"}
    english = await on_sqlite.http.post(path, json=body, headers=on_sqlite.key("chen"))
    assert problem(english, 422, "already-involved")["accepted"] == ["another department"]
    answer = await on_sqlite.http.post(path, json=body, headers={**on_sqlite.key("chen"), **CHINESE})
    assert problem(answer, 422, "already-involved")["accepted"] == ["其他部门"]
    assert answer.json()["detail"] == "该部门已在处理此工单，可填：其他部门。"
    late = {**NEW_CALL, "ended_at": "2026-08-03T11:00:00+08:00"}
    answer = await on_sqlite.http.post(CALLS, json=late, headers={**on_sqlite.key("pbx"), **CHINESE})
    faults = problem(answer, 422, "invalid-call")["errors"]
    assert ["不早于 2026-08-03T04:00:00+00:00"] in [fault["accepted"] for fault in faults]
    assert "不早于 2026-08-03T04:00:00+00:00" in answer.json()["accepted"]
