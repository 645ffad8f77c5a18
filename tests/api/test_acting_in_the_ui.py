"""Acting in the Temporal UI: what it sends is the action of the API, by the person who has signed in."""

import base64
import json
from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import pytest
import pytest_asyncio

from domain.case.actions import COMMANDS
from readmodel.base.database import engine
from tests.support.api import Api, Json, further_api, problem
from tests.support.outage import down
from tests.support.wrong_arguments import WRONG

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOWHERE = "http://127.0.0.1:9"
"""The UI's server, which an action never reaches."""
OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def api(on_sqlite: Api) -> AsyncIterator[Api]:
    async with further_api(on_sqlite, on_sqlite.clock, temporal_ui_url=NOWHERE) as api:
        yield api


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def payload(data: bytes, encoding: str = "json/plain") -> Json:
    return {"metadata": {"encoding": encoded(encoding.encode())}, "data": encoded(data)}


def sent(arguments: list[Any], update_id: str = "") -> Json:
    """The body that the form of the UI sends."""
    payloads = [each if isinstance(each, dict) and "metadata" in each else wrapped(each) for each in arguments]
    request = {"meta": {"updateId": update_id}, "input": {"args": {"payloads": payloads or None}}}
    return {"workflowExecution": {"runId": "a-run"}, "request": request}


def wrapped(value: Any) -> Json:
    return payload(json.dumps(value, ensure_ascii=False).encode())


def path(api: Api, workflow: str, name: str) -> str:
    return f"/temporal/api/v1/namespaces/{api.temporal.namespace}/workflows/{workflow}/update/{name}"


async def press(
    api: Api,
    workflow: str,
    name: str,
    *arguments: Any,
    by: str = "chief",
    update_id: str = "",
    headers: dict[str, str] | None = None,
) -> Json:
    """Press Submit in the form of updates; return the outcome."""
    given = {**api.session(by), **OWN, **(headers or {})}
    answer = await api.http.post(path(api, workflow, name), json=sent([*arguments], update_id), headers=given)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    assert found["stage"] == "UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED"
    assert found["updateRef"]["workflowExecution"] == {"workflowId": workflow, "runId": "a-run"}
    assert found["updateRef"]["updateId"]
    outcome: Json = found["outcome"]
    return outcome


async def done(api: Api, workflow: str, name: str, *arguments: Any, **how: Any) -> Json:
    """Submit what is accepted; return what the outcome holds."""
    outcome = await press(api, workflow, name, *arguments, **how)
    [one] = outcome["success"]["payloads"]
    assert base64.b64decode(one["metadata"]["encoding"]) == b"json/plain"
    held: Json = json.loads(base64.b64decode(one["data"]))
    return held


async def refused(api: Api, workflow: str, name: str, *arguments: Any, **how: Any) -> str:
    """Submit what is refused; return the words."""
    outcome = await press(api, workflow, name, *arguments, **how)
    assert outcome.keys() == {"failure"}, outcome
    message: str = outcome["failure"]["message"]
    assert "\n" not in message
    return message


class TestAttack:
    """One browser dispatched as `admin`, requested 9,000.00, approved it by two typed names, replied and closed."""

    async def test_without_a_session_nothing_is_done(self, api: Api) -> None:
        number = await api.case_in("registered")
        for headers in ({}, api.key("chief"), {"Cookie": "hotline=forged"}, {"hotline.actor": "chief"}):
            body = sent([{"department": "repair"}])
            answer = await api.http.post(path(api, f"complaint-{number}", "dispatch"), json=body, headers=headers)
            problem(answer, 401, "no-session")
        assert await api.actions(number) == ["register"]

    async def test_another_site_does_not_use_the_session(self, api: Api) -> None:
        number = await api.case_in("registered")
        headers = {**api.session("zhou"), "Origin": "https://evil.example"}
        body = sent([{"department": "repair"}])
        answer = await api.http.post(path(api, f"complaint-{number}", "dispatch"), json=body, headers=headers)
        problem(answer, 403, "foreign-request")
        assert await api.actions(number) == ["register"]

    async def test_a_session_for_reading_does_nothing(self, api: Api) -> None:
        number = await api.case_in("registered")
        headers = {**api.session("zhou", "read"), **OWN}
        body = sent([{"department": "repair"}])
        answer = await api.http.post(path(api, f"complaint-{number}", "dispatch"), json=body, headers=headers)
        problem(answer, 403, "wrong-scope")
        assert await api.actions(number) == ["register"]

    async def test_no_body_and_no_header_names_who_acts(self, api: Api) -> None:
        case = f"complaint-{(number := await api.case_in('registered'))}"
        for name in ("as", "actor"):
            words = await refused(api, case, "dispatch", {name: "chief", "department": "repair"}, by="chen")
            assert f"{name}：没有这一项，可填 note, department, assignee" in words
        pretended = {"hotline.actor": "chief", **api.key("chief"), "Temporal-Actor": "chief"}
        words = await refused(api, case, "supervise", {}, by="zhou", headers=pretended)
        assert words.startswith("您的角色无权办理此事项，有权办理：manager（审批领导）、supervisor（班长）。")
        assert "supervise is not for" in words
        assert await api.actions(number) == ["register"]

    async def test_nobody_but_management_approves_money(self, api: Api) -> None:
        number = await api.case_in("in_progress")
        case = f"complaint-{number}"
        asked = {"subject": "换管", "amount": "9000.00", "kind": "funded_repair", "grounds": "低保户"}
        await done(api, case, "request_approval", asked, by="wu")
        decision = {"approved": True, "reason": "同意"}
        for by in ("wu", "chen", "xu"):
            assert "您的角色无权办理此事项" in await refused(api, case, "decide_approval", decision, by=by)
        assert (await api.complaint(number))["state"] == "awaiting_approval"

    async def test_only_the_owner_replies_and_only_follow_up_staff_follow_up(self, api: Api) -> None:
        number = await api.case_in("pending_reply")
        case = f"complaint-{number}"
        for by in ("li", "zhou", "gao"):
            assert "您的角色无权办理此事项" in await refused(api, case, "reply", {"message": "好了"}, by=by)
        assert (await done(api, case, "reply", {"message": "好了"}, by="chen"))["state"] == "pending_follow_up"
        said = {"contacted": True, "solved": True, "satisfaction": "very_satisfied"}
        for by in ("chen", "zhou", "xu"):
            assert "您的角色无权办理此事项" in await refused(api, case, "follow_up", said, by=by)
        assert (await done(api, case, "follow_up", said, by="he"))["state"] == "closed"
        timeline = (await api.get(f"/v1/complaints/{number}/timeline")).json()["items"]
        assert [(item["action"], item["actor"]) for item in timeline[-2:]] == [("reply", "chen"), ("follow_up", "he")]

    @pytest.mark.parametrize(("action", "body"), [("comment", {"note": "?"}), ("urge", {})])
    async def test_the_actions_on_a_case_are_limited(self, on_sqlite: Api, action: str, body: Json) -> None:
        async with further_api(
            on_sqlite, on_sqlite.clock, temporal_ui_url=NOWHERE, actions_per_case=3, writes_per_minute=0
        ) as api:
            number = await api.case_in("dispatched")
            case = f"complaint-{number}"
            outcomes = [await press(api, case, action, body) for _ in range(6)]
            failures = [each["failure"] for each in outcomes if "failure" in each]
            assert len(failures) >= 3
            assert failures[-1]["message"].startswith("操作过于频繁，请稍后再试。Too many actions on one case: ")
            assert (await api.actions(number)).count(action) <= 3

    async def test_the_actions_of_a_person_are_limited(self, on_sqlite: Api) -> None:
        async with further_api(
            on_sqlite, on_sqlite.clock, temporal_ui_url=NOWHERE, writes_per_minute=4, actions_per_case=0
        ) as api:
            number = await api.case_in("registered")  # the first of Chen's four
            outcomes = [await press(api, f"complaint-{number}", "comment", {"note": "?"}, by="chen") for _ in range(5)]
            assert [[*each] for each in outcomes] == [["success"]] * 3 + [["failure"]] * 2
            assert "Too many requests of one person" in outcomes[-1]["failure"]["message"]
            assert (await api.actions(number)).count("comment") == 3


async def test_an_action_is_done_by_the_person_and_shown_at_once(api: Api) -> None:
    number = await api.case_in("registered")
    found = await done(api, f"complaint-{number}", "dispatch", {"department": "抢修队", "assignee": "wu"}, by="zhou")
    assert (found["number"], found["state"], found["department"], found["assignee"]) == (
        number,
        "dispatched",
        "repair",
        "wu",
    )
    [*_, last] = (await api.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    assert (last["action"], last["actor"], last["role"]) == ("dispatch", "zhou", "dispatcher")


async def test_an_update_id_repeats_nothing(api: Api) -> None:
    number = await api.case_in("dispatched")
    case = f"complaint-{number}"
    for _ in range(2):
        await done(api, case, "comment", {"note": "六点后在家"}, by="zhou", update_id="once")
    words = await refused(api, case, "comment", {"note": "不在家"}, by="zhou", update_id="once")
    assert words.startswith("该编号已用于另一次办理")
    await done(api, case, "comment", {"note": "六点后在家"}, by="zhou")
    assert (await api.actions(number)).count("comment") == 2
    for wrong in ("x" * 201, "号" * 201, "号\u202e", "\x07"):
        words = await refused(api, case, "comment", {"note": "?"}, update_id=wrong)
        assert "Idempotency-Key must have 1 to 200 printable characters" in words


async def test_an_update_id_may_be_of_any_script(api: Api) -> None:
    number = await api.case_in("dispatched")
    for update_id, note in product(("第一次", "é", "第二次" * 66), ("在家", "不在家")):
        outcome = await press(api, f"complaint-{number}", "comment", {"note": note}, update_id=update_id)
        assert ("success" in outcome) == (note == "在家"), outcome
        await press(api, f"complaint-{number}", "comment", {"note": note}, update_id=update_id)
    assert (await api.actions(number)).count("comment") == 3


async def test_an_action_without_words_needs_no_data(api: Api) -> None:
    number = await api.case_in("dispatched")
    assert (await done(api, f"complaint-{number}", "sign_for", by="wu"))["state"] == "in_progress"


@pytest.mark.parametrize(("name", "arguments", "zh", "en"), WRONG)
async def test_wrong_data_are_refused_with_what_is_accepted(
    api: Api, name: str, arguments: list[Any], zh: str, en: str
) -> None:
    number = await api.case_in("registered")
    words = await refused(api, f"complaint-{number}", name, *arguments)
    assert zh in words
    assert en in words
    shown = json.loads(words.partition("示例 Example: ")[2])
    COMMANDS[name].body.model_validate(shown)
    assert await api.actions(number) == ["register"]


@pytest.mark.parametrize(
    "one",
    [
        payload(b"\xff", "binary/plain"),
        payload(b"{}", "json/protobuf"),
        payload(b"", "binary/null"),
        payload(b'{"department": "repair"}', "json/encrypted"),
        {"metadata": {}, "data": encoded(b"{}")},
    ],
)
async def test_another_encoding_is_refused(api: Api, one: Json) -> None:
    number = await api.case_in("registered")
    words = await refused(api, f"complaint-{number}", "dispatch", one)
    assert "应填一个 JSON 对象，编码为 json/plain" in words
    assert "Send one JSON object, with the encoding json/plain." in words


async def test_what_is_no_json_is_refused(api: Api) -> None:
    number = await api.case_in("registered")
    words = await refused(api, f"complaint-{number}", "dispatch", payload(b'{"department": "repair"'))
    assert "不是有效的 JSON" in words
    twice = payload(b'{"department": "repair", "department": "metering"}')
    assert "department" in await refused(api, f"complaint-{number}", "dispatch", twice)
    assert await api.actions(number) == ["register"]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{}", b"\xff", b"[" * 60_000),
        *(b'{"request": {"input": {"args": {"payloads": [1]}}}}', b'{"request": {"input": {"args": "payloads"}}}'),
        *(b'{"request": {"meta": "updateId"}}', b'{"request": {}, "workflowExecution": "runId"}'),
        *(b'{"request": {"input": {"content": {}}}}', b'{"request": {"input": {"args": {"payloads": [{"at": ""}]}}}}'),
    ],
)
async def test_what_the_ui_never_sends_is_a_problem(api: Api, body: bytes) -> None:
    headers = {**api.session("zhou"), **OWN}
    problem(await api.http.post(path(api, "complaint-1", "comment"), content=body, headers=headers), 400, "bad-request")


async def test_fields_of_a_newer_ui_beside_the_arguments_are_ignored(api: Api) -> None:
    number = await api.case_in("registered")
    body = sent([{"department": "repair"}]) | {"priority": {"key": 1}}
    body["request"] |= {"sentAt": 1}
    body["request"]["meta"]["of"] = "UI"
    headers = {**api.session("zhou"), **OWN}
    answer = await api.http.post(path(api, f"complaint-{number}", "dispatch"), json=body, headers=headers)
    assert "success" in answer.json()["outcome"]
    assert await api.actions(number) == ["register", "dispatch"]


@pytest.mark.parametrize("name", ["workflowExecution", "request", "updateId", "input", "payloads", "metadata", "data"])
async def test_a_request_names_nothing_twice(api: Api, name: str) -> None:
    number = await api.case_in("registered")
    twice = json.dumps(sent([{"department": "repair"}])).replace(f'"{name}": ', f'"{name}": null, "{name}": ')
    headers = {**api.session("zhou"), **OWN}
    answer = await api.http.post(path(api, f"complaint-{number}", "dispatch"), content=twice, headers=headers)
    problem(answer, 400, "malformed-json")
    assert await api.actions(number) == ["register"]


@pytest.mark.parametrize(
    ("workflow", "name"),
    [
        ("complaint-{}", "internal_settle"),
        ("complaint-{}", "register"),
        ("complaint-{}", "dispach"),
        ("complaint-{}", "inform"),
        ("reconciler", "comment"),
        ("assessment-2026-07", "comment"),
        ("complaint-{}x y", "comment"),
    ],
)
async def test_what_is_no_action_of_the_workflow_is_refused(api: Api, workflow: str, name: str) -> None:
    number = await api.case_in("registered")
    words = await refused(api, workflow.format(number), name, {"note": "?"})
    assert words.startswith("没有这个操作")
    assert "internal_settle" not in words.partition("Accepted")[2]
    assert await api.actions(number) == ["register"]


async def test_there_is_no_such_case(api: Api) -> None:
    assert (await refused(api, "complaint-2001010000008", "comment", {"note": "?"})).startswith("没有这张工单。")
    assert "13" in await refused(api, "complaint-123", "comment", {"note": "?"})


async def test_refusals_of_a_case_are_in_both_languages(api: Api) -> None:
    number = await api.case_in("registered")
    case = f"complaint-{number}"
    words = await refused(api, case, "reject_return", {"reason": "?"}, by="zhou")
    assert words.startswith("当前状态不能办理此事项，现可办理：dispatch（派单）")
    assert "Action not allowed in this state: " in words
    assert "示例" not in words
    await done(api, case, "dispatch", {"department": "repair"}, by="zhou")
    words = await refused(api, case, "dispatch", {"department": "repair"}, by="zhou")
    assert words.startswith("部门和经办人均未变更，")
    assert "Accepted: another department, another assignee." in words
    assert "不归您所在的部门办理" in await refused(api, case, "sign_for", {}, by="sun")
    words = await refused(api, case, "hand_over", {"owner": "wu"}, by="xu")
    assert words.startswith("所填首问责任人不在在岗人员名录中，或属抢修人员")
    assert "is of a crew" in words


async def test_an_incident_is_acted_on(api: Api) -> None:
    body = {"title": "沙溪爆管", "services": ["no_water"], "districts": ["shaxi"]}
    number = (await api.post("/v1/incidents", body, "xu")).json()["number"]
    words = await refused(api, f"incident-{number}", "dispatch", {"department": "plumbers"}, by="zhou")
    assert "department：没有这个部门代码，可填 " in words
    found = await done(api, f"incident-{number}", "dispatch", {"department": "repair"}, by="zhou")
    assert (found["number"], found["department"]) == (number, "repair")
    assert "不归您所在的部门办理" in await refused(api, f"incident-{number}", "sign_for", {}, by="sun")


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("inspect", {"complaint": "2608034711004", "scores": {}}, "没有这个月的考核"),
        ("object", {"subject": "chen", "figure": "cases", "reason": "?"}, "没有这个月的考核"),
        ("decide_objection", {"objection": 1, "accepted": True, "reason": "?"}, "没有这个月的考核"),
        ("decide_objection", {"accepted": True, "reason": "?"}, "objection：必填"),
        ("object", {"subject": "chen", "figure": "cases"}, "填写有误：reason：必填"),
        ("decide_objection", {"objection": "1/../2", "accepted": True, "reason": "?"}, "objection：应填整数"),
        ("decide_objection", [1], "应填一个 JSON 对象"),
    ],
)
async def test_actions_on_an_assessment_are_those_of_its_month(api: Api, name: str, body: Any, words: str) -> None:
    assert words in await refused(api, "assessment-2001-01", name, body, by="xu")


@pytest.mark.parametrize("key", ["objection", "accepted"])
async def test_a_decision_names_nothing_twice(api: Api, key: str) -> None:
    twice = payload(f'{{"objection": 1, "accepted": true, "{key}": 2, "reason": "?"}}'.encode())
    words = await refused(api, "assessment-2001-01", "decide_objection", twice, by="xu")
    assert f"The key '{key}' is given several times in one object" in words


async def test_while_sql_is_away_an_action_is_done_and_says_so(api: Api) -> None:
    number = await api.case_in("registered")
    with down(engine(api.settings.database_url)):
        found = await done(api, f"complaint-{number}", "dispatch", {"department": "repair"}, by="zhou")
    assert found["state"] == "dispatched"
    assert found["remark"].startswith("已办理；数据库暂不可用，列表稍后更新。Done; ")


@pytest.mark.parametrize(
    ("action", "by", "field", "person"), [("assign", "wu", "assignee", "wu"), ("hand_over", "xu", "owner", "xu")]
)
async def test_examples_in_refusals_name_people_of_the_company(
    api: Api, action: str, by: str, field: str, person: str
) -> None:
    words = await refused(api, "complaint-2608034711004", action, {field: ""}, by=by)
    assert json.loads(words.partition("示例 Example: ")[2]) == {field: person}
