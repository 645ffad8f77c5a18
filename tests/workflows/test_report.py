"""The workflow of a report: made once, shown in the Temporal UI, and made again after a failure."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment

from activities.reports import LONGEST_REPORT_DETAILS, ROWS, details
from domain.reports.report import Column, Report, ReportKind, Table
from tests.support.batches import call, project, published
from tests.support.hotline import Hotline, metadata, running_hotline
from tests.support.sealing import stranger
from workflows.clients.periods import report_handle, report_workflow_id, start_report

pytestmark = pytest.mark.asyncio(loop_scope="session")
DAY = "2025-09-08"
AT = datetime(2025, 9, 8, 1, tzinfo=UTC)


async def made(hotline: Hotline, period: str = DAY) -> str:
    await start_report(hotline.client, hotline.settings.task_queue, ReportKind.DAILY, period)
    return await report_handle(hotline.client, ReportKind.DAILY, period).result()


async def test_a_report_is_shown_in_the_temporal_ui(server: WorkflowEnvironment, tmp_path: Path) -> None:
    async with running_hotline(server, tmp_path, task_queue="reports") as hotline:
        # Nothing was registered, so it fails; once something was, the same start makes it.
        with pytest.raises(WorkflowFailureError):
            await made(hotline)
        project(hotline.settings.database_url, published(call(1, AT), ("dispatch",)))
        path = await made(hotline)
        handle = report_handle(hotline.client, ReportKind.DAILY, DAY)
        shown = (await metadata(handle)).current_details
        again = await made(hotline)
        summary = await (await handle.describe()).static_summary()
    assert path == again == f"/v1/reports/daily?date={DAY}"
    assert handle.id == f"report-daily-{DAY}"
    assert summary == f"日报 Daily report · {DAY}"
    assert f"**日报 Daily report {DAY}**" in shown
    assert "- 受理 Registered: **1**" in shown
    assert "| 停水/无水 No water |" in shown


async def test_a_report_whose_id_somebody_has_taken_is_logged(
    hotline: Hotline, caplog: pytest.LogCaptureFixture
) -> None:
    one, queue = report_workflow_id(ReportKind.DAILY, "2025-09-09"), hotline.settings.task_queue
    theirs = await stranger(hotline.client).start_workflow("ReportWorkflow", id=one, task_queue="nobody-polls")
    assert not await start_report(hotline.client, queue, ReportKind.DAILY, "2025-09-09")
    assert f"workflow {one} is not started: another, of type ReportWorkflow on task queue nobody-polls" in caplog.text
    await theirs.terminate()
    caplog.clear()
    started = [await start_report(hotline.client, queue, ReportKind.DAILY, "2025-09-09") for _ in range(2)]
    assert started[0]
    assert "is not started" not in caplog.text


async def test_details_are_short_however_long_the_report_is() -> None:
    columns = tuple(Column(name=f"c{place}", title="-" * 100, title_zh="列") for place in range(20))
    long = Table(name="long", title="Long", title_zh="长", columns=columns, rows=(("x|y",) * 20,) * (ROWS + 5))
    report = Report(
        kind=ReportKind.DAILY,
        company="Water",
        company_zh="供水",
        period=DAY,
        timezone="Asia/Shanghai",
        made_at=AT,
        currency="CNY",
        tables=(long,) * 9,
    )
    text = details(report)
    assert len(text) <= LONGEST_REPORT_DETAILS
    assert text.endswith("…")
    assert "另有 5 行 5 more rows" in text
    assert "x|y" not in text
