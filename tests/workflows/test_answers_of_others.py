"""Updates of cases that somebody else has answered: Temporal keeps that answer, and the other cases do not wait."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from temporalio.api.common.v1 import Payload, Payloads, SearchAttributes
from temporalio.api.update.v1 import Outcome
from temporalio.client import WorkflowUpdateStage
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment

from activities.bulk_throttle import BulkThrottle
from activities.cases.bulk import BulkActivities, CasesOfHandover, TermsChange
from activities.cases.updates import NO_ANSWER, CaseUpdates
from activities.incidents.incidents import IncidentActivities
from activities.names import CATALOGUE_CHANGE, SETTLE
from domain.incident.batch import NamedCases, Settling
from readmodel.writer import GroupWriter
from tests.support.assessment import EDITION
from tests.support.build import INCIDENT
from tests.support.bulk import order_handover
from tests.support.hotline import ADMIN, Hotline, running_hotline
from tests.support.sealing import stranger
from tests.workflows.test_catalogue_rollout import slower
from tests.workflows.test_hijacked_tasks import accept

pytestmark = pytest.mark.asyncio(loop_scope="session")

HANDOVER = "4" * 32
NO_WRITER = cast("GroupWriter", None)
Page = Callable[[Hotline, CaseUpdates, list[str]], Awaitable[Any]]


async def settled(hotline: Hotline, updates: CaseUpdates, numbers: list[str]) -> Any:
    settling = Settling(
        incident=INCIDENT, numbers=tuple(numbers), result="已换管", message="已恢复供水", follow_up_percent=100
    )
    done = await ActivityEnvironment().run(IncidentActivities(NO_WRITER, hotline.engine, updates).settle, settling)
    return sum(done.counts.values()), list(done.silent)


async def linked(hotline: Hotline, updates: CaseUpdates, numbers: list[str]) -> Any:
    naming = NamedCases(incident=INCIDENT, numbers=tuple(numbers), actor=ADMIN)
    done = await ActivityEnvironment().run(IncidentActivities(NO_WRITER, hotline.engine, updates).link_named, naming)
    return sum(done.counts.values()), list(done.silent)


async def rolled_out(hotline: Hotline, updates: CaseUpdates, numbers: list[str]) -> Any:
    bulk = BulkActivities(NO_WRITER, hotline.engine, updates, lambda _: slower(hotline.catalogue))
    counts = await ActivityEnvironment().run(
        bulk.change_catalogue, TermsChange(edition=EDITION, serial=1, numbers=numbers)
    )
    return counts["changed"], numbers[: counts["silent"]]


async def handed_over(hotline: Hotline, updates: CaseUpdates, numbers: list[str]) -> Any:
    order = (await order_handover(hotline, HANDOVER)).progress.handover
    bulk = BulkActivities(NO_WRITER, hotline.engine, updates, lambda _: None)
    done = await ActivityEnvironment().run(bulk.hand_over_cases, CasesOfHandover(handover=order, numbers=numbers))
    assert set(done.refused.values()) == {NO_ANSWER.reason}
    return done.handed_over, list(done.refused)


PAGES: dict[str, tuple[Page, str]] = {
    SETTLE: (settled, f"{SETTLE}-{INCIDENT}"),
    "link_incident": (linked, f"named-{INCIDENT}-{{}}"),
    CATALOGUE_CHANGE: (rolled_out, f"{CATALOGUE_CHANGE}-{ActivityEnvironment.default_info().workflow_run_id}"),
    "hand_over": (handed_over, f"handover-{HANDOVER}"),
}
UNSEEN = CATALOGUE_CHANGE, True


@pytest.mark.parametrize(
    ("update", "own_start"),
    # A rollout takes any object for an answer: there may be no batch in it.
    [(update, own_start) for update in PAGES for own_start in (True, False) if (update, own_start) != UNSEEN],
)
async def test_a_case_that_somebody_else_answers_for_holds_up_no_other(
    server: WorkflowEnvironment, tmp_path: Path, update: str, own_start: bool
) -> None:
    page, update_id = PAGES[update]
    changes: dict[str, Any] = {"task_queue": f"answered-{update}-{own_start}", "sandbox": False}
    async with running_hotline(server, tmp_path, **changes) as at_work:
        case = await at_work.start()
        await case.view()
        started = (await case.handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    theirs = stranger(server.client).get_workflow_handle(case.handle.id)
    sent = asyncio.ensure_future(
        theirs.start_update(update, 1, id=update_id.format(case.number), wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    )
    answer: list[Payload] = [started.input.payloads[0]] if own_start else []
    shown = SearchAttributes(indexed_fields=started.search_attributes.indexed_fields)
    await accept(at_work, Outcome(success=Payloads(payloads=answer)), shown)
    await sent
    async with running_hotline(server, tmp_path, **changes) as again:
        other = await again.start()
        updates = CaseUpdates(again.projection, BulkThrottle(), again.client)
        assert await page(again, updates, [case.number, other.number]) == (1, [case.number])
    for each in (case, other):
        await each.handle.terminate()
