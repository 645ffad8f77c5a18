"""A paused workflow counts as one that runs: it is named, and neither lost nor rebuilt."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Engine

from activities.recovery.report import ReconcilerReport
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.sign_for import SignFor
from domain.case.clocks import ClockStatus
from hotline.recovery.rebuild import rebuild
from hotline.recovery.rebuild_workflows import RUNS, NotRebuiltError, WorkflowRebuild
from hotline.recovery.verify import verify
from readmodel.base.database import engine as engine_of
from tests.support.build import written
from tests.support.causes import declare
from tests.support.hotline import Complaint, Hotline, until
from tests.support.lost import pause, reset, unpause
from tests.support.rows import execute
from workflows.clients.upkeep import last_report
from workflows.kit.words import CatalogueNames

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

BUDGET = timedelta(seconds=2)
"""Budget of a promise that falls due while its case is paused."""


@pytest_asyncio.fixture(loop_scope="module")
async def paused(reconciled: Hotline) -> AsyncIterator[Complaint]:
    """A paused case, which Temporal lists as paused."""
    complaint = await reconciled.start()
    await complaint.act(Dispatch(department="repair"))
    await pause(reconciled.client, complaint.handle.id)
    await told(reconciled, paused=[complaint.number], paused_count=1)
    yield complaint


@pytest.fixture
def owner(reconciled: Hotline) -> Any:
    """The engine that may write to the read model."""
    made = engine_of(reconciled.settings.database_url)
    yield made
    made.dispose()


async def told(hotline: Hotline, **fields: Any) -> ReconcilerReport:
    """Return the reconciler's report once it says so."""

    async def look() -> ReconcilerReport:
        return await last_report(hotline.client) or ReconcilerReport()

    return await until(
        look, lambda report: report.model_copy(update=fields) == report and report.in_sql_until is not None
    )


async def run_of(complaint: Complaint) -> str | None:
    """Return the run that there is now."""
    return (await complaint.handle.describe()).run_id


def rebuilder(hotline: Hotline, owner: Engine) -> WorkflowRebuild:
    names = CatalogueNames.of(hotline.catalogue)
    return WorkflowRebuild(hotline.client, owner, hotline.settings.task_queue, lambda: names)


async def test_the_reconciler_names_a_paused_case_until_it_is_unpaused(reconciled: Hotline, paused: Complaint) -> None:
    report = await told(reconciled, paused=[paused.number], lost={}, fault=None)
    assert f"已暂停 paused 1: {paused.number}" in str(report)
    assert "unpause" in str(report)
    assert await paused.lost() is None
    await unpause(reconciled.client, paused.handle.id)
    assert "paused" not in str(await told(reconciled, paused=[], paused_count=0))
    assert (await paused.act(SignFor())).version == 3


async def test_verify_names_paused_cases_and_incidents_and_finds_no_difference(
    reconciled: Hotline, paused: Complaint, owner: Engine
) -> None:
    cause = await declare(reconciled, "nantou")
    await cause.published("declare")
    await pause(reconciled.client, cause.handle.id)

    async def look() -> tuple[list[str], list[Any]]:
        found = await verify(reconciled.client, owner, reconciled.settings.task_queue)
        return [*found.paused], found.differences

    assert await until(look, lambda seen: len(seen[0]) == 2) == ([paused.number, cause.number], [])


async def test_a_paused_case_is_not_rebuilt(reconciled: Hotline, paused: Complaint, owner: Engine) -> None:
    run, rebuilding = await run_of(paused), rebuilder(reconciled, owner)
    assert await rebuilding.one(paused.number) == RUNS
    assert (await rebuilding.all()).failed == {}
    assert await run_of(paused) == run


async def test_a_case_that_was_reset_and_paused_is_left_with_a_word_to_unpause_it(
    reconciled: Hotline, owner: Engine
) -> None:
    complaint = await reconciled.start()
    await complaint.act(Dispatch(department="repair"))
    await reset(reconciled.client, complaint.handle.id)
    complaint = Complaint(reconciled, complaint.number, reconciled.client.get_workflow_handle(complaint.handle.id))
    await pause(reconciled.client, complaint.handle.id)
    run = await run_of(complaint)
    with pytest.raises(NotRebuiltError, match=r"paused\. Unpause"):
        await rebuilder(reconciled, owner).one(complaint.number)
    assert await run_of(complaint) == run
    await unpause(reconciled.client, complaint.handle.id)


async def test_what_sql_lacks_of_a_paused_case_is_written_from_its_history(reconciled: Hotline, owner: Engine) -> None:
    complaint = await reconciled.start()
    await complaint.act(Dispatch(department="repair"))
    await complaint.act(Comment(note="用户又来电"))
    await pause(reconciled.client, complaint.handle.id)
    execute(
        owner,
        "DELETE FROM notifications WHERE number = :number AND seq = 2",
        "DELETE FROM events WHERE number = :number AND seq = 2",
        number=complaint.number,
    )
    assert len(await complaint.published(3)) == 3
    await rebuild(reconciled.client, owner)
    assert len(await complaint.rows()) == 3


async def test_a_promise_that_fell_due_during_a_pause_is_missed_at_its_due_time(reconciled: Hotline) -> None:
    terms = reconciled.catalogue.terms("no_water", "west", datetime.now(UTC))
    promises = tuple(
        each.model_copy(update={"budget_seconds": BUDGET.seconds}) if each.name == "acknowledge" else each
        for each in terms.promises
    )
    complaint = await reconciled.start(terms=terms.model_copy(update={"promises": promises}))
    await complaint.act(Dispatch(department="repair"))
    started_at = (await clock(complaint)).started_at
    await pause(reconciled.client, complaint.handle.id)
    paused_at = datetime.now(UTC)
    await until(lambda: asyncio.sleep(0, datetime.now(UTC)), lambda now: now > started_at + 2.5 * BUDGET)
    assert all(at < paused_at for _, _, at in await escalations(complaint))
    unpaused_at = datetime.now(UTC)
    await unpause(reconciled.client, complaint.handle.id)
    ladder = [step.percent for step in terms.ladder]
    rang = await until(lambda: escalations(complaint), lambda seen: len(seen) == len(ladder))
    due = {percent: started_at + BUDGET * percent / 100 for percent in ladder}
    assert [(percent, fell_at) for percent, fell_at, _ in rang] == [(each, written(due[each])) for each in ladder]
    assert all(at > unpaused_at for percent, _, at in rang if due[percent] > paused_at)
    missed = await clock(complaint)
    assert (missed.status, missed.missed_at) == (ClockStatus.MISSED, due[100])


async def clock(complaint: Complaint) -> Any:
    """Return the clock of the department's signature."""
    return next(each for each in (await complaint.view()).clocks if each.name == "acknowledge")


async def escalations(complaint: Complaint) -> list[tuple[int, str, datetime]]:
    """Return its escalations: percent, when each fell due, and when it happened."""
    rows = [(row["at"], json.loads(row["data"])) for row in await complaint.rows() if row["action"] == "escalate"]
    return [
        (data["percent"], data["fell_at"], datetime.fromisoformat(at).replace(tzinfo=UTC))
        for at, data in rows
        if data["clock"] == "acknowledge"
    ]
