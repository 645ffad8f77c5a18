"""Reports of a day and a month: made once by their workflow, kept, and served in every format."""

import asyncio
import csv
import io
import sys
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import httpx
import pytest
import pytest_asyncio
from sqlalchemy.exc import OperationalError
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from api.edge.problems import ProblemError
from domain.case.actions.complete import Complete
from domain.reports.report import Period, ReportKind
from readmodel.base.database import ReadConnection, engine, writing
from readmodel.migrate import migrate
from readmodel.reports.reports import get_report, save_report
from tests.support.api import Api, Json, further_api, problem, running_api
from tests.support.assessment import month, publish
from tests.support.batches import call, project, published
from tests.support.build import days
from tests.support.pdf_pages import page_sizes, printer_needed, uncompressed
from tests.support.workbooks import workbook
from workflows.clients.periods import report_handle, start_report

pytestmark = pytest.mark.asyncio(loop_scope="session")
DAY, OTHER_DAY = "2025-09-08", "2025-09-20"
MONDAY = datetime(2025, 9, 8, 1, tzinfo=UTC)
"""In the past, as the worker makes no report of a period that has not ended: 09:00 in Beijing."""
FORMULA = "=1+1"
COMPANY = "中山供水热线"
"""Name in the catalogue."""
NOW = datetime(2025, 11, 1, 4, tzinfo=UTC)
"""Instant of the API's clock."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def made(
    temporal: Client, tmp_path_factory: pytest.TempPathFactory, module_database_url: str
) -> AsyncIterator[Api]:
    """An API of its own on each kind of database, with a case of a Monday and one of the day after."""
    migrate(module_database_url)
    project(module_database_url, published(call(1, MONDAY), ("dispatch", "sign_for", Complete(result="好了"))))
    project(module_database_url, published(call(2, MONDAY + days(1)), ("dispatch",)))
    async with running_api(temporal, module_database_url, tmp_path_factory.mktemp("reports")) as found:
        found.clock.fixed = NOW
        yield found


async def make(api: Api, kind: ReportKind, period: str) -> str:
    """Make the report as `hotline report --make` does; return its path."""
    await start_report(api.temporal, api.settings.task_queue, kind, period)
    return await report_handle(api.temporal, kind, period).result()


async def asked(api: Api, path: str) -> httpx.Response:
    """The answer to a manager who asks for this path, query included."""
    return await api.http.get(f"/v1/reports/{path}", headers=api.key("gao"))


async def test_a_report_is_served_as_it_was_made(made: Api) -> None:
    path = await make(made, ReportKind.DAILY, DAY)
    assert path == f"/v1/reports/daily?date={DAY}"
    first = await made.http.get(path, headers=made.key("xu"))
    assert first.status_code == 200, first.text
    report: Json = first.json()
    assert (report["kind"], report["period"], report["timezone"]) == ("daily", DAY, "Asia/Shanghai")
    headlines = report["tables"][0]
    assert headlines["rows"][0][:5] == [1, 0, 0, 0, 1]
    closed = ("dispatch", "sign_for", Complete(result="好了"), "reply", "follow_up")
    project(made.settings.database_url, published(call(1, MONDAY), closed))
    assert await make(made, ReportKind.DAILY, DAY) == path
    assert (await made.http.get(path, headers=made.key("gao"))).content == first.content


async def test_a_month_has_weeks_and_a_report_of_its_own(made: Api) -> None:
    await make(made, ReportKind.MONTHLY, "2025-09")
    report = (await asked(made, "monthly?month=2025-09")).json()
    origins = next(table for table in report["tables"] if table["name"] == "origins")
    assert [row[0] for row in origins["rows"]] == ["2025-W37"]
    assert origins["columns"][0]["name"] == "week"


async def test_the_report_and_the_assessment_of_a_month_show_the_same_bridge(made: Api) -> None:
    await make(made, ReportKind.MONTHLY, "2025-09")
    paths = "/v1/reports/monthly?month=2025-09", "/v1/assessments/2025-09"
    period, database = Period.parse(ReportKind.MONTHLY, "2025-09"), engine(made.settings.database_url)
    since, until = period.bounds(made.backend.zone)
    assessed = month(month="2025-09", since=since, until=until)
    assert (await made.http.get(paths[0], headers=made.key("gao"))).json()["bridge"] is None
    await asyncio.to_thread(publish, database, assessed)
    database.dispose()
    found, other = [(await made.http.get(path, headers=made.key("gao"))).json()["bridge"] for path in paths]
    assert found == other
    assert found["assessed"] > 0
    page = (await asked(made, "monthly?month=2025-09&format=html")).text
    assert all(found[name] in page for name in ("line_zh", "line"))
    text = (await asked(made, "monthly?month=2025-09&format=csv")).content.decode("utf-8-sig")
    names, values = text.partition("bridge,")[2].splitlines()[1:3]
    assert dict(zip(names.split(","), values.split(","), strict=True)) == {
        name: str(value) for name, value in found.items() if isinstance(value, int)
    }
    sheets = workbook((await asked(made, "monthly?month=2025-09&format=xlsx")).content)
    assert sheets["与考核的衔接"][1][0] == found["reported"]


@pytest.mark.parametrize(
    ("path", "status", "slug", "accepted"),
    [
        ("daily?date=2025-11-01", 409, "period-not-ended", ["2025-09-08 to 2025-10-31"]),
        ("daily?date=2099-01-01", 409, "period-not-ended", ["2025-09-08 to 2025-10-31"]),
        ("daily?date=2025-09-07", 404, "before-first-case", ["2025-09-08 to 2025-10-31"]),
        ("daily?date=2025-09-09", 404, "report-not-made", ["hotline report daily 2025-09-09 --make"]),
        ("monthly?month=2025-11", 409, "period-not-ended", ["2025-09 to 2025-10"]),
        ("monthly?month=2025-08", 404, "before-first-case", ["2025-09 to 2025-10"]),
        ("monthly?month=2025-10", 404, "report-not-made", ["hotline report monthly 2025-10 --make"]),
    ],
)
async def test_a_period_without_a_report_is_told_with_what_would_be_accepted(
    made: Api, path: str, status: int, slug: str, accepted: list[str]
) -> None:
    assert problem(await asked(made, path), status, slug)["accepted"] == accepted


@pytest.mark.parametrize(
    "query",
    [
        *("daily", "daily?date=2026-9-7", "daily?date=2026-09", "daily?date=2026-02-30", "daily?date=%E4%B8%83"),
        *("daily?date=2026-09-07T00:00:00Z", "daily?date=1999-09-07", "daily?date=2026-09-07&format=docx"),
        *("daily?day=2026-09-07", "monthly", "monthly?month=2026-13", "monthly?month=2026-09-07", "monthly?month="),
    ],
)
async def test_a_malformed_period_is_an_invalid_request(on_sqlite: Api, query: str) -> None:
    problem(await asked(on_sqlite, query), 422, "invalid-request")


async def test_reports_are_for_those_who_assess(on_sqlite: Api) -> None:
    problem(await on_sqlite.get("/v1/reports/daily", "wu", date=DAY), 403, "wrong-role")


async def test_the_report_of_a_period_that_has_not_ended_is_not_made(made: Api) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await make(made, ReportKind.DAILY, "2099-01-01")
    cause = failed.value.cause
    assert isinstance(cause, ActivityError)
    assert isinstance(cause.cause, ApplicationError)
    assert (cause.cause.type, cause.cause.non_retryable) == ("NotEndedError", True)


async def with_formula(made: Api) -> None:
    """Keep a report of another day with texts that a spreadsheet would compute, and a figure below zero."""
    await make(made, ReportKind.DAILY, DAY)
    database = engine(made.settings.database_url)
    with writing(database) as connection:
        report = get_report(connection, Period.parse(ReportKind.DAILY, DAY))
        assert report is not None
        named = report.tables[1].model_copy(update={"rows": ((FORMULA, "+1", "-1", "@A1", "x", "x", -1),)})
        changes = {"period": OTHER_DAY, "tables": (report.tables[0], named)}
        save_report(connection, report.model_copy(update=changes))
    database.dispose()


async def file(made: Api, wanted: str, day: str = DAY) -> httpx.Response:
    """The report of a day in a format."""
    answer = await made.get("/v1/reports/daily", "xu", date=day, format=wanted)
    assert answer.status_code == 200, answer.text
    if wanted in {"csv", "xlsx", "pdf"}:
        named, full = answer.headers["content-disposition"].split("; filename*=UTF-8''")
        assert named == f'attachment; filename="daily-{day}.{wanted}"'
        assert unquote(full) == f"{COMPANY}-daily-{day}.{wanted}"
    return answer


async def test_csv_has_all_tables_and_no_formula(made: Api) -> None:
    await with_formula(made)
    answer = await file(made, "csv", OTHER_DAY)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    text = answer.content.decode("utf-8-sig")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = [*csv.reader(io.StringIO(text, newline=""))]
    place = rows.index(["origins", "Where complaints come from", "诉求来源"])
    assert rows[place + 1][0] == "service"
    assert rows[place + 2] == ["'=1+1", "'+1", "'-1", "'@A1", "x", "x", "-1"]
    assert rows[place + 3] == []


async def test_a_workbook_has_a_sheet_for_each_table_and_no_formula(made: Api) -> None:
    await with_formula(made)
    sheets = workbook((await file(made, "xlsx", OTHER_DAY)).content)
    assert [*sheets] == ["概况", "诉求来源"]
    assert sheets["诉求来源"][1] == [FORMULA, "+1", "-1", "@A1", "x", "x", -1]


@pytest.mark.parametrize(
    ("kind", "period", "path", "cell"),
    [
        (ReportKind.DAILY, DAY, f"daily?date={DAY}", "2609070000001"),
        (ReportKind.MONTHLY, "2025-09", "monthly?month=2025-09", "2025-W37"),
    ],
)
async def test_a_page_needs_nothing_from_elsewhere(
    made: Api, kind: ReportKind, period: str, path: str, cell: str
) -> None:
    await make(made, kind, period)
    answer = await asked(made, f"{path}&format=html")
    page = answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script" not in page
    assert "<svg" in page
    for reference in ("@import", "url(", "xml-stylesheet", 'src="', "javascript:"):
        assert reference not in page
    # It is sent by mail, where a path leads nowhere.
    assert "href" not in page.replace("xmlns:xlink", "")
    assert "/v1/" not in page
    assert COMPANY in page
    assert f"<td>{cell}</td>" in page


@printer_needed
async def test_a_report_is_printed_on_pages_of_a4(made: Api) -> None:
    await make(made, ReportKind.DAILY, DAY)
    answer = await file(made, "pdf")
    assert answer.headers["content-type"] == "application/pdf"
    sizes = page_sizes(answer.content)
    assert len(sizes) > 1
    assert sizes == [[210, 297]] * len(sizes)
    title = f"{COMPANY} 日报 {DAY}".encode("utf-16-be").hex()
    assert f"/title <feff{title}>".encode() in uncompressed(answer.content).lower()


async def test_without_the_library_a_report_is_no_pdf(made: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plutoprint", None)
    await make(made, ReportKind.DAILY, DAY)
    async with further_api(made, made.clock) as plain:
        found = problem(await asked(plain, f"daily?date={DAY}&format=pdf"), 406, "not-acceptable")
        assert found["accepted"] == ["json", "csv", "xlsx", "html"]


async def test_this_day_and_month_so_far_stand_beside_the_same_time_before(made: Api) -> None:
    # Another test has one more case of that Monday.
    dates = {"registered_from": MONDAY.isoformat(), "registered_to": (MONDAY + timedelta(hours=1)).isoformat()}
    monday = len((await made.get("/v1/complaints", **dates)).json()["items"])
    for path, now, until_then in (
        ("today", MONDAY + days(1), (1, monday)),
        ("today", MONDAY + days(1) - timedelta(hours=1), (0, 0)),
        ("this-month", datetime(2025, 10, 9, 1, tzinfo=UTC), (0, monday + 1)),
        ("this-month", datetime(2025, 10, 8, 0, tzinfo=UTC), (0, 0)),
        # Of months that differ in their days.
        ("this-month", datetime(2025, 10, 31, 1, tzinfo=UTC), (0, monday + 1)),
        ("this-month", datetime(2025, 9, 30, 16, tzinfo=UTC), (0, 0)),
    ):
        made.clock.fixed = now
        report = (await asked(made, path)).json()
        (row,) = report["tables"][0]["rows"]
        names = [column["name"] for column in report["tables"][0]["columns"]]
        found = row[names.index("registered")], row[names.index("registered_before")]
        assert found == until_then, (path, now)
    made.clock.fixed = NOW


async def test_reports_so_far_are_read_once_for_all_who_ask_within_seconds(made: Api) -> None:
    reader, began_at = made.backend.reader, MONDAY + days(20)
    asked_at, read_at = [began_at, began_at + timedelta(seconds=4), began_at + timedelta(seconds=6)], list[datetime]()

    def read(_: ReadConnection, now: datetime, __: ReportKind) -> datetime:
        read_at.append(now)
        return now

    found = [await reader.shared(read, now, ReportKind.DAILY) for now in asked_at]
    together = await asyncio.gather(*(reader.shared(read, began_at, ReportKind.MONTHLY) for _ in range(3)))
    assert (found, together) == ([began_at, began_at, asked_at[2]], [began_at] * 3)
    assert read_at == [began_at, asked_at[2], began_at]
    made.clock.fixed = began_at
    first = (await asked(made, "today")).json()
    made.clock.fixed = began_at + timedelta(seconds=4)
    assert (await asked(made, "today")).json() == first
    made.clock.fixed = NOW


async def test_a_read_that_failed_is_shared_with_nobody_who_asks_later(made: Api) -> None:
    answers = [OperationalError("", {}, Exception())]

    def read(_: ReadConnection, __: datetime) -> int:
        if answers:
            raise answers.pop()
        return 1

    with pytest.raises(ProblemError):
        await made.backend.reader.shared(read, NOW)
    assert await made.backend.reader.shared(read, NOW) == 1


async def test_a_report_so_far_is_not_kept(made: Api) -> None:
    made.clock.fixed = MONDAY + days(12) + timedelta(hours=14)
    page = await asked(made, "today?format=html")
    assert f"{COMPANY} 日报 2025-09-20 截至 2025-09-20 23:00" in page.text
    assert (
        'attachment; filename="daily-2025-09-20-until-2025-09-20T2300.csv"'
        in ((await asked(made, "today?format=csv")).headers["content-disposition"])
    )
    made.clock.fixed = NOW
    problem(await asked(made, "daily?date=2025-09-19"), 404, "report-not-made")


async def test_the_workbook_names_the_company_beside_its_cells(made: Api) -> None:
    await make(made, ReportKind.DAILY, DAY)
    with zipfile.ZipFile(io.BytesIO((await file(made, "xlsx")).content)) as packed:
        assert f"<Company>{COMPANY}</Company>" in packed.read("docProps/app.xml").decode()
        assert COMPANY in packed.read("xl/worksheets/sheet1.xml").decode()
