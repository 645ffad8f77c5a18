"""Page of today and this month so far on the desk, and the files that it leads to."""

import asyncio
import csv
import io
import re
import zipfile
from datetime import datetime, timedelta
from html import unescape
from io import BytesIO
from urllib.parse import unquote

import httpx
import pytest

from api.reports.readable import reading
from api.sql import SHARED_SECONDS
from domain.calendar.work_calendar import on_the_wall
from domain.reports.report import Period, ReportKind
from domain.shared.actors import Role
from readmodel.base.database import engine, writing
from readmodel.reports.reports import make, save_report
from tests.support.api import Api
from tests.support.browsing import browser, signed_in, text_of
from tests.support.workbooks import workbook

pytestmark = pytest.mark.asyncio(loop_scope="session")

TODAY = "/desk/today"
ENGLISH = {"Accept-Language": "en-GB"}
COMPANY = "中山供水热线"


async def test_without_a_session_the_sign_in_leads_back(on_sqlite: Api) -> None:
    async with browser(on_sqlite) as made:
        for path in (TODAY, "/desk/reports/today?format=csv", "/desk/assessments/2026-08"):
            page = await made.get(path)
            assert page.status_code == 401
            assert f'value="{path}"' in unescape(page.text)


@pytest.mark.parametrize(("name", "reads"), [("gao", True), ("xu", True), ("chen", False), ("wu", False)])
async def test_the_page_is_for_those_who_read_reports(on_sqlite: Api, name: str, reads: bool) -> None:
    async with signed_in(on_sqlite, name) as made:
        assert (f'href="{TODAY}"' in (await made.get("/desk")).text) is reads
        for path in (TODAY, "/desk/reports/today?format=csv"):
            assert (await made.get(path)).status_code == (200 if reads else 403)


async def test_a_role_without_the_right_is_told_who_has_it(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "he") as made:
        for path in (TODAY, "/desk/reports/today?format=csv"):
            said, english = [text_of((await made.get(path, headers=each)).text) for each in ({}, ENGLISH)]
            assert "您的角色（回访员）没有“查阅报表”权限，有此权限的角色：管理员、审批领导、班长。" in said
            assert 'The role follow-up lacks the right "read reports"; roles that have it: admin, manager,' in english
            assert "read_reports" not in said + english


async def test_today_has_the_numbers_of_the_api_beside_those_before(
    on_both: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await on_both.case_in("dispatched")
    # What other tests have read lately is shared no more.
    monkeypatch.setattr(on_both.clock, "fixed", on_both.clock() + timedelta(seconds=SHARED_SECONDS))
    async with signed_in(on_both, "gao") as made:
        page = await made.get(TODAY)
        report = (await on_both.get("/v1/reports/today", "gao")).json()
        (row,) = report["tables"][0]["rows"]
        names = [column["name"] for column in report["tables"][0]["columns"]]
        now, before = row[names.index("registered")], row[names.index("registered_before")]
        assert COMPANY in page.text
        change = f"{now - before:+,}" if now != before else "0"
        assert f"受理 {now:,} {before:,} {change}" in text_of(page.text)
        english = text_of((await made.get(TODAY, headers=ENGLISH)).text)
        assert f"Registered {now:,} {before:,} {change}" in english
        assert not re.search("[\u4e00-\u9fff]", english.replace("中文", ""))
    assert len(page.content) < 60_000


async def test_files_are_those_of_the_api(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "gao") as made:
        page = await made.get(TODAY)
        paths = [unescape(path) for path in re.findall(r'href="(/desk/reports/[^"]+)"', page.text)]
        assert len(paths) >= 6
        for path in paths:
            answer = await made.get(path)
            assert answer.status_code == 200, path
            if "format=html" in path:
                assert COMPANY in answer.text
                assert "default-src 'none'" in answer.headers["content-security-policy"]
            else:
                full = unquote(answer.headers["content-disposition"].partition("UTF-8''")[2])
                assert full.startswith(f"{COMPANY}-")
            if "format=xlsx" in path:
                assert zipfile.is_zipfile(BytesIO(answer.content))


async def test_the_report_of_the_last_month_is_offered_once_it_is_made(on_sqlite: Api) -> None:
    last = Period.ended_before(ReportKind.MONTHLY, on_sqlite.clock(), on_sqlite.backend.zone)
    database = engine(on_sqlite.settings.database_url)

    def keep() -> None:
        with writing(database) as connection:
            save_report(connection, make(connection, last, on_sqlite.backend.catalogue, on_sqlite.clock()))

    await asyncio.to_thread(keep)
    database.dispose()
    async with signed_in(on_sqlite, "xu") as made:
        page = await made.get(TODAY)
        assert f"上月月报 {last.name}" in text_of(page.text)
        answer = await made.get("/desk/reports/monthly", params={"month": last.name, "format": "html"})
        assert f"月报 {last.name}" in answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("reports/monthly?month=2019-13", 422),
        ("reports/monthly?month=2001-01&format=html", 404),
        ("reports/nothing", 404),
        ("reports/today%3Fformat=csv", 404),
        ("assessments/2001-01?format=csv", 404),
        ("assessments/x", 422),
        ("assessments/2026-13", 422),
    ],
)
async def test_a_refusal_of_the_api_is_a_page(on_sqlite: Api, path: str, status: int) -> None:
    async with signed_in(on_sqlite, "gao") as made:
        answer = await made.get(f"/desk/{path}")
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/html")
        assert "path." not in answer.text


def _sheet(answer: httpx.Response) -> list[dict[str, object]]:
    (sheet,) = workbook(answer.content).values()
    return [dict(zip(sheet[0], row, strict=False)) for row in sheet[1:]]


async def test_files_of_rows_are_in_words_of_the_reader_alone(on_sqlite: Api) -> None:
    month = f"{on_sqlite.clock().astimezone(on_sqlite.backend.zone):%Y-%m}"
    number = await on_sqlite.case_in("pending_reply")
    await on_sqlite.act(number, "reply", {"message": "已恢复供水"}, "chen")
    await on_sqlite.act(number, "follow_up", {"outcome": "dissatisfied"}, "he")
    thanked = await on_sqlite.case_in("registered", service_code="thanks", description="谢谢师傅", thanked="梁伟")
    zone = on_sqlite.backend.zone
    async with signed_in(on_sqlite, "gao") as made:
        page = await made.get(TODAY)
        path = next(map(unescape, re.findall(r'href="(/desk/reports/follow-ups[^"]+)"', page.text)))
        answer = await made.get(path)
        (row,) = [row for row in _sheet(answer) if row["工单号"] == number]
        assert (row["回访结果"], row["是否联系上"]) == ("不满意", "是")
        at = datetime(1899, 12, 30) + timedelta(days=float(str(row["回访时间"])))  # noqa: DTZ001 - as spreadsheets count
        assert abs(at - on_the_wall(on_sqlite.clock(), zone.key).replace(tzinfo=None)) < timedelta(minutes=2)
        assert not [heading for heading in row if re.search("[a-z]", heading)]
        full = unquote(answer.headers["content-disposition"].partition("UTF-8''")[2])
        assert full == f"{COMPANY}-回访明细 {month}.xlsx"
        english = await made.get(path.replace("xlsx", "csv"), headers=ENGLISH)
        (row,) = [
            row for row in csv.DictReader(io.StringIO(english.content.decode("utf-8-sig"))) if row["Case"] == number
        ]
        assert (row["Outcome"], row["Contacted"], row["Service"]) == ("dissatisfied", "yes", "No water")
        assert re.fullmatch("[0-9-]{10} [0-9:]{5}", str(row["Followed up"]))
        thanks = await made.get(f"/desk/reports/thanks?month={month}&format=xlsx")
        assert thanked in {row["工单号"] for row in _sheet(thanks)}


async def test_owners_in_files_have_their_names(on_sqlite: Api) -> None:
    on_sqlite.tokens["kuangmin"] = on_sqlite.directory.enter("kuangmin", Role.AGENT, name="邝丽")
    await on_sqlite.register(by="kuangmin")
    reader = reading("zh", on_sqlite.backend.catalogue, on_sqlite.backend.people)
    assert reader
    assert [reader.words["owner"](each) for each in ("kuangmin", "nobody")] == ["邝丽", "nobody"]


async def test_the_file_of_calls_has_words_and_no_days_to_come(on_sqlite: Api) -> None:
    today = f"{on_sqlite.clock().astimezone(on_sqlite.backend.zone):%Y-%m-%d}"
    async with signed_in(on_sqlite, "gao") as made:
        page = await made.get(TODAY)
        path = next(unescape(path) for path in re.findall(r'href="(/desk/reports/calls[^"]+)"', page.text))
        rows = _sheet(await made.get(path))
    assert rows[-1]["日期"] == today
    assert {"呼入量", "接听量", "接通率", "15 秒接通率（占接听）", "等待中位数（秒）"} <= {*rows[0]}
    assert "name" not in rows[0]


async def test_workbooks_of_reports_have_no_addresses_and_local_times(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await on_sqlite.case_in("dispatched")
    monkeypatch.setattr(on_sqlite.clock, "fixed", on_sqlite.clock() + timedelta(seconds=SHARED_SECONDS))
    async with signed_in(on_sqlite, "gao") as made:
        answer = await made.get("/desk/reports/today?format=xlsx")
        english = await made.get("/desk/reports/today?format=csv", headers=ENGLISH)
    sheets = workbook(answer.content)
    oldest = sheets["积压最久的 50 件工单"]
    assert oldest[0] == ["工单号", "服务项目", "部门", "受理时间", "已积压天数"]
    assert isinstance(oldest[1][3], float)
    assert "/v1/" not in english.text
    assert "+00:00" not in english.text
    assert not re.search("[\u4e00-\u9fff]", english.text)
    full = unquote(answer.headers["content-disposition"].partition("UTF-8''")[2])
    assert full.startswith(f"{COMPANY}-日报 ")


async def test_withdrawn_cases_stand_apart_and_figures_lead_to_their_lists(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def figures(made: httpx.AsyncClient) -> tuple[str, dict[str, int]]:
        # What was read lately is shared no more.
        monkeypatch.setattr(on_sqlite.clock, "fixed", on_sqlite.clock() + timedelta(seconds=SHARED_SECONDS))
        page = (await made.get(TODAY)).text
        rows = re.findall(r'<tr><th scope="row">(.*?)</th><td class="number">([0-9,]+)</td>', page)
        return page, {re.sub("<.*?>", "", name): int(value.replace(",", "")) for name, value in rows}

    names = ("受理", "办结", "已撤销", "期末未办结")
    async with signed_in(on_sqlite, "gao") as made:
        _, before = await figures(made)
        await on_sqlite.act(await on_sqlite.case_in("dispatched"), "withdraw", {"reason": "已自行解决"})
        number = await on_sqlite.case_in("dispatched")
        page, after = await figures(made)
        assert [after[name] - before[name] for name in names] == [2, 0, 1, 1]
        links = [*map(unescape, re.findall(r'<th scope="row"><a href="([^"]+)"', page))]
        assert [link.partition("&")[0] for link in links] == ["/desk?tab=all", "/desk?tab=open"] * 2
        for link in links[:2]:
            assert number in (await made.get(link)).text
        english = (await made.get(TODAY, headers=ENGLISH)).text
    assert {"Closed", "Refused", "Withdrawn"} <= {*re.findall(r'<th scope="row">([^<]+)', english)}


async def test_a_report_of_a_chosen_day_leads_back_and_to_its_files(on_sqlite: Api) -> None:
    await on_sqlite.case_in("dispatched")
    async with signed_in(on_sqlite, "gao") as made:
        page = (await made.get(TODAY)).text
        yesterday = Period.ended_before(ReportKind.DAILY, on_sqlite.clock(), on_sqlite.backend.zone).name
        assert f'<input type="date" name="date" value="{yesterday}"' in page
        assert 'action="/desk/reports/monthly"' in page
        report = (await made.get("/desk/reports/today?format=html")).text
        assert f'<a href="{TODAY}">今日和本月</a>' in report
        assert '<a href="?format=xlsx">Excel</a>' in report
        assert len(re.findall("<a ", report)) == 3
        assert "<a " not in (await on_sqlite.get("/v1/reports/today?format=html", "gao")).text
        refused = await made.get("/desk/reports/daily?date=2099-01-01&format=html")
        assert (refused.status_code, "json" in refused.text) == (409, False)


async def test_a_report_as_a_page_is_in_the_language_of_its_reader_alone(on_sqlite: Api) -> None:
    await on_sqlite.case_in("dispatched")
    async with signed_in(on_sqlite, "gao") as made:
        path = "/desk/reports/this-month?format=html"
        chinese = re.sub("<style>.*?</style>", "", (await made.get(path)).text, flags=re.DOTALL)
        english = (await made.get(path, headers=ENGLISH)).text
    assert "各时限完成情况" in chinese
    assert "Promises by kind" not in chinese
    assert 'lang="en"' not in chinese
    assert "<h2>Promises by kind</h2>" in english
    assert not re.search("[\u4e00-\u9fff]", english)


@pytest.mark.parametrize(
    ("name", "decides"), [("gao", ["approvals"]), ("xu", ["extensions"]), ("chief", ["approvals", "extensions"])]
)
async def test_lists_of_decisions_are_for_those_who_decide(on_sqlite: Api, name: str, decides: list[str]) -> None:
    async with signed_in(on_sqlite, name) as made:
        page = (await made.get("/desk?tab=all")).text
    assert re.findall(r'href="/desk\?tab=(approvals|extensions)"', page) == decides
