"""Reports on the money of a month: exact, by kind, on both databases."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import httpx
import pytest
from temporalio.client import Client

from domain.calendar.work_calendar import on_the_wall
from domain.reports.report import month_bounds
from tests.api.test_caller_not_asked import one_try
from tests.support.api import Api, Json, problem, running_api
from tests.support.batches import call, project, published
from tests.support.workbooks import workbook

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUGUST = datetime(2026, 7, 31, 16, tzinfo=UTC)
"""Its first instant in Beijing."""


async def decided(api: Api, amount: str, kind: str, *, approved: bool = True) -> Json:
    """A case on whose money a manager has had the last word."""
    number = await api.case_in("in_progress")
    request = {"subject": "更换户内水管", "amount": amount, "kind": kind, "grounds": "低保户"}
    assert (await api.act(number, "request_approval", request, "wu")).status_code == 200
    answer = await api.act(number, "decide_approval", {"approved": approved, "note": "情况属实"}, "gao")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def test_money_decided_is_on_the_case_and_in_the_month(on_both: Api) -> None:
    month = f"{on_the_wall(on_both.clock()):%Y-%m}"
    before = (await on_both.get("/v1/reports/approvals", "gao", month=month)).json()
    case = await decided(on_both, "480.10", "funded_repair")
    await decided(on_both, "126.80", "settlement")
    await decided(on_both, "99.00", "settlement", approved=False)
    (word,) = case["decisions"]
    assert (word["amount"], word["kind"], word["approved"], word["decided_by"]) == (
        "480.10",
        "funded_repair",
        True,
        ["gao"],
    )
    assert (word["grounds"], word["reason"]) == ("低保户", "情况属实")
    after = (await on_both.get("/v1/reports/approvals", "gao", month=month)).json()
    assert round(float(after["approved_amount"]) - float(before["approved_amount"]), 2) == 606.90
    kinds = {(item["kind"], item["approved"]) for item in after["items"]}
    assert {("funded_repair", True), ("settlement", True), ("settlement", False)} <= kinds


@pytest.mark.parametrize(("given", "shown"), [(0.1, "0.10"), (860, "860.00")])
async def test_an_amount_given_as_a_number_is_shown_as_money(on_sqlite: Api, given: float, shown: str) -> None:
    number = await on_sqlite.case_in("in_progress")
    asked = await on_sqlite.act(number, "request_approval", {"subject": "换管", "amount": given}, "wu")
    word = await on_sqlite.act(number, "decide_approval", {"approved": True}, "gao")
    timeline = (await on_sqlite.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    amounts = {item["data"]["amount"] for item in timeline if "amount" in item["data"]}
    assert {asked.json()["approval"]["amount"], word.json()["decisions"][0]["amount"], *amounts} == {shown}


async def test_two_have_to_agree_to_a_large_amount(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    request = {"subject": "更换整幢管道", "amount": "1000.01"}
    await on_sqlite.act(number, "request_approval", request, "wu")
    waiting = (await on_sqlite.act(number, "decide_approval", {"approved": True}, "gao")).json()
    assert (waiting["state"], waiting["approval"]["approved_by"]) == ("awaiting_approval", ["gao"])
    problem(await on_sqlite.act(number, "decide_approval", {"approved": True}, "gao"), 403, "decided-already")
    too_much = {"subject": "新水厂", "amount": "200000.01"}
    other = await on_sqlite.case_in("in_progress")
    found = problem(await on_sqlite.act(other, "request_approval", too_much, "wu"), 422, "amount-too-high")
    assert found["accepted"] == ["0-200000.00"]


async def test_money_of_a_kind_is_asked_for_and_decided_on_in_full(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("in_progress")
    request = {"subject": "减免水费", "kind": "waiver", "grounds": "低保户"}
    found = problem(await on_sqlite.act(number, "request_approval", request, "wu"), 422, "request-incomplete")
    assert found["accepted"] == ["amount"]
    await on_sqlite.act(number, "request_approval", request | {"amount": "126.80"}, "wu")
    problem(await on_sqlite.act(number, "decide_approval", {"approved": False}, "gao"), 422, "reason-needed")
    word = {"approved": False, "reason": "已减免过一次"}
    case = (await on_sqlite.act(number, "decide_approval", word, "gao")).json()
    assert case["decisions"][0]["reason"] == "已减免过一次"


@pytest.mark.slow
async def test_a_month_of_thanks_is_told_by_person(temporal: Client, tmp_path: Path, database_url: str) -> None:
    said = (
        ("梁伟", AUGUST - timedelta(seconds=1)),
        ("梁伟", AUGUST),
        ("梁伟", AUGUST + timedelta(days=30)),
        ("谭敏", AUGUST),
        (None, AUGUST),
    )
    async with running_api(temporal, database_url, tmp_path) as made:
        numbers = []
        for place, (thanked, at) in enumerate((*said, ("误登记", AUGUST))):
            start = call(place, at, service_code="thanks")
            words = {"description": "谢谢师傅", "thanked": thanked}
            start = start.model_copy(update={"intake": start.intake.model_copy(update=words)})
            project(database_url, published(start, () if place < len(said) else ("withdraw",)))
            numbers.append(start.number)
        report = (await made.get("/v1/reports/thanks", "xu", month="2026-08")).json()
        assert [(item["thanked"], item["times"]) for item in report["items"]] == [("梁伟", 2), (None, 1), ("谭敏", 1)]
        alone = (await made.get("/v1/reports/thanks", "xu", month="2026-08", thanked="梁伟")).json()
        (person,) = alone["items"]
        assert [thanks["number"] for thanks in person["thanks"]] == numbers[1:3]
        assert person["thanks"][0] == {
            "number": numbers[1],
            "at": "2026-07-31T16:00:00Z",
            "thanked": "梁伟",
            "message": "谢谢师傅",
        }
        before = (await made.get("/v1/reports/thanks", "xu", month="2026-07")).json()
        assert [item["times"] for item in before["items"]] == [1]
        assert (await made.get("/v1/reports/thanks", "xu", month="2026-06")).json()["items"] == []


async def test_a_month_of_thanks_is_for_those_who_assess(on_sqlite: Api) -> None:
    problem(await on_sqlite.get("/v1/reports/thanks", "wu", month="2026-08"), 403, "wrong-role")
    problem(await on_sqlite.get("/v1/reports/thanks", "xu", month="August"), 422, "invalid-request")


SAID: list[Json] = [
    {"contacted": True, "solved": True, "satisfaction": "fairly_satisfied"},
    {"contacted": True, "solved": False, "satisfaction": "very_satisfied"},
    {"contacted": True, "solved": True, "satisfaction": "very_dissatisfied"},
    {"outcome": "satisfied"},
    {"outcome": "dissatisfied"},
]


async def followed_up(api: Api, *bodies: Json) -> Json:
    """A case after these follow-ups."""
    number = await api.case_in("pending_reply")
    answer = await api.act(number, "reply", {"message": "已恢复供水"}, "chen")
    for body in bodies:
        answer = await api.act(number, "follow_up", body, "he")
        assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def follow_ups(api: Api, month: str, by: str) -> httpx.Response:
    return await api.http.get("/v1/reports/follow-ups", headers=api.key("xu"), params={"month": month, "by": by})


@pytest.mark.slow
async def test_a_month_of_follow_ups_has_three_rates(temporal: Client, tmp_path: Path, database_url: str) -> None:
    async with running_api(temporal, database_url, tmp_path, catalogue=one_try(tmp_path)) as made:
        month = f"{on_the_wall(made.clock()):%Y-%m}"
        (nobody,) = (await made.get("/v1/reports/follow-ups", "xu", month=month)).json()["items"]
        assert nobody == {
            "subject": "company",
            **dict.fromkeys(("followed_up", "contacted", "unreached", "solution_known", "solved", "satisfied"), 0),
            **dict.fromkeys(("response_rate", "solution_rate", "satisfaction_rate")),
        }
        cases = [await followed_up(made, said) for said in SAID]
        assert [case["answer"]["outcome"] for case in cases] == [
            "satisfied",
            "dissatisfied",
            "dissatisfied",
            "satisfied",
            "dissatisfied",
        ]
        # The caller of the first is still to be called, that of the second was not reached.
        waits, ended = await followed_up(made), await followed_up(made, {"contacted": False})
        assert (waits["state"], ended["state"]) == ("pending_follow_up", "closed")
        for by, subject in (("company", "company"), ("department", "repair"), ("owner", "chen")):
            report = (await follow_ups(made, month, by)).json()
            (item,) = report["items"]
            assert (report["by"], item["subject"]) == (by, subject)
            assert (item["followed_up"], item["contacted"], item["unreached"]) == (6, 5, 1)
            assert (item["solution_known"], item["solved"], item["satisfied"]) == (4, 3, 3)
            rates = (item["response_rate"], item["solution_rate"], item["satisfaction_rate"])
            assert rates == (0.8333, 0.75, 0.6)


async def test_a_complaint_shows_the_answers_of_the_caller(on_both: Api) -> None:
    case = await followed_up(on_both, SAID[0] | {"note": "谢谢"})
    assert case["answer"].items() >= (SAID[0] | {"outcome": "satisfied", "note": "谢谢"}).items()
    assert (await on_both.complaint(case["number"]))["answer"] == case["answer"]


@pytest.mark.parametrize("body", [{"satisfaction": "satisfied"}, {"outcome": "satisfied", "contacted": True}])
async def test_answers_that_do_not_go_together_are_invalid(on_sqlite: Api, body: Json) -> None:
    number = await on_sqlite.case_in("pending_reply")
    await on_sqlite.act(number, "reply", {"message": "已恢复供水"}, "chen")
    found = problem(await on_sqlite.act(number, "follow_up", body, "he"), 422, "invalid-request")
    assert found["errors"][0]["message"].startswith("Give outcome alone, contacted alone if it is false, or ")


async def test_follow_ups_are_counted_by_what_there_is_for_those_who_assess(on_sqlite: Api) -> None:
    found = problem(await follow_ups(on_sqlite, "2026-08", "crew"), 422, "invalid-request")
    assert (found["errors"][0]["field"], "'district'" in found["errors"][0]["message"]) == ("query.by", True)
    problem(await on_sqlite.get("/v1/reports/follow-ups", "he", month="2026-08"), 403, "wrong-role")


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "26-01", "august", ""])
async def test_a_month_that_is_none_is_refused(on_sqlite: Api, month: str) -> None:
    found = problem(await on_sqlite.get("/v1/reports/approvals", "gao", month=month), 422, "invalid-request")
    assert found["errors"][0]["field"] == "query.month"


async def test_the_report_is_for_those_who_answer_for_the_money(on_sqlite: Api) -> None:
    found = problem(await on_sqlite.get("/v1/reports/approvals", "wu", month="2026-08"), 403, "wrong-role")
    assert found["accepted"] == ["admin", "manager", "supervisor"]


@pytest.mark.parametrize(
    ("zone", "month", "start", "end"),
    [
        ("Asia/Shanghai", "2026-08", datetime(2026, 7, 31, 16, tzinfo=UTC), datetime(2026, 8, 31, 16, tzinfo=UTC)),
        ("Asia/Shanghai", "2026-12", datetime(2026, 11, 30, 16, tzinfo=UTC), datetime(2026, 12, 31, 16, tzinfo=UTC)),
        ("Europe/London", "2026-10", datetime(2026, 9, 30, 23, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
async def test_a_month_begins_at_midnight_where_the_catalogue_is(
    zone: str, month: str, start: datetime, end: datetime
) -> None:
    assert month_bounds(month, ZoneInfo(zone)) == (start, end)


async def test_files_have_the_rows_behind_the_figures_of_a_month(on_both: Api) -> None:
    month = f"{on_both.clock().astimezone(on_both.backend.zone):%Y-%m}"
    number = (await decided(on_both, "480.10", "funded_repair"))["number"]
    followed = (await followed_up(on_both, SAID[0]))["number"]
    thanks = {"service_code": "thanks", "description": "谢谢师傅", "thanked": "梁伟"}
    thanked = await on_both.case_in("registered", **thanks)
    for path, case, cells in (
        ("approvals", number, {"amount": "480.10", "kind_name_zh": "公司出资维修", "decision": "approved"}),
        ("follow-ups", followed, {"contacted": "true", "satisfaction_name_zh": "基本满意", "department": "repair"}),
        ("thanks", thanked, {"thanked": "梁伟", "message": "谢谢师傅"}),
    ):
        answer = await on_both.get(f"/v1/reports/{path}", "gao", month=month, format="csv")
        assert unquote(answer.headers["content-disposition"]).endswith(f"''中山供水热线-{path}-{month}.csv")
        rows = [*csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))]
        [row] = [row for row in rows if row["number"] == case]
        assert row.items() >= cells.items()
        answer = await on_both.get(f"/v1/reports/{path}", "gao", month=month, format="xlsx")
        [sheet] = workbook(answer.content).values()
        assert {row[0] for row in sheet[1:]} == {row["number"] for row in rows}
        problem(await on_both.get(f"/v1/reports/{path}", "wu", month=month, format="csv"), 403, "wrong-role")


async def test_a_file_of_calls_has_a_row_for_each_day(on_sqlite: Api) -> None:
    # No test has calls of these days.
    period = {"from": "2020-08-03", "to": "2020-08-05"}
    answer = await on_sqlite.get("/v1/reports/calls", "gao", **period, format="csv")
    rows = [*csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))]
    assert [row["key"] for row in rows] == ["2020-08-03", "2020-08-04", "2020-08-05"]
    assert {row["offered"] for row in rows} == {"0"}
