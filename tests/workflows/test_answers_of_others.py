"""Updates of cases that somebody else has answered: Temporal keeps that answer, and the other cases do not wait."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import pytest
from temporalio.api.command.v1 import Command as WorkflowCommand
from temporalio.api.command.v1 import CompleteWorkflowExecutionCommandAttributes
from temporalio.api.common.v1 import Payload, Payloads, SearchAttributes
from temporalio.api.enums.v1 import CommandType
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.update.v1 import Outcome
from temporalio.client import WorkflowHandle, WorkflowUpdateStage
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment

from activities.bulk import BulkActivities, CasesOfHandover, TermsChange
from activities.cases import NO_ANSWER, TRIES, BulkThrottle, CaseUpdates
from activities.incidents import IncidentActivities, IncidentMessages
from activities.names import CATALOGUE_CHANGE, SETTLE
from activities.sealing.stamps import ENDED_FIRST, UndecidedError
from api.edge.limits import TOO_MANY_ACTIONS, Limit
from api.edge.problems import ProblemError
from api.temporal.client import ComplaintClient, HandoverClient
from domain.case.actions.comment import Comment
from domain.incident.incident import Absorbed, NamedCases, Settling
from domain.incident.state import Scope
from domain.kit.event import Command
from readmodel.writer import GroupWriter
from tests.support.api import Agreed
from tests.support.assessment import EDITION
from tests.support.build import INCIDENT
from tests.support.bulk import order_handover
from tests.support.causes import declare
from tests.support.hotline import ADMIN, Hotline, running_hotline, until
from tests.support.sealing import stranger
from tests.workflows.test_catalogue_rollout import slower
from tests.workflows.test_hijacked_tasks import accept, hijack
from tests.workflows.test_late_others import rests
from tests.workflows.test_no_cases import nested
from workflows.clients.bulk import start_handover
from workflows.clients.start import Request

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

HANDOVER = "4" * 32
NO_WRITER = cast("GroupWriter", None)
Page = Callable[[Hotline, CaseUpdates, list[str]], Awaitable[Any]]


def last_attempt() -> ActivityEnvironment:
    """An attempt from which on a case that does not answer is left, as one that cannot be decoded."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=TRIES)
    return environment


async def settled(hotline: Hotline, updates: CaseUpdates, numbers: list[str]) -> Any:
    settling = Settling(
        incident=INCIDENT, numbers=tuple(numbers), result="已换管", message="已恢复供水", follow_up_percent=100
    )
    done = await last_attempt().run(IncidentActivities(NO_WRITER, hotline.engine, updates).settle, settling)
    return sum(done.counts.values()), list(done.silent)


async def linked(hotline: Hotline, updates: CaseUpdates, numbers: list[str]) -> Any:
    naming = NamedCases(incident=INCIDENT, numbers=tuple(numbers), actor=ADMIN)
    done = await last_attempt().run(IncidentActivities(NO_WRITER, hotline.engine, updates).link_named, naming)
    return sum(done.counts.values()), list(done.silent)


async def rolled_out(hotline: Hotline, updates: CaseUpdates, numbers: list[str]) -> Any:
    bulk = BulkActivities(NO_WRITER, hotline.engine, updates, lambda _: slower(hotline.catalogue))
    counts = await last_attempt().run(bulk.change_catalogue, TermsChange(edition=EDITION, serial=1, numbers=numbers))
    return counts["changed"], numbers[: counts["silent"]]


async def handed_over(hotline: Hotline, updates: CaseUpdates, numbers: list[str]) -> Any:
    order = (await order_handover(hotline, HANDOVER)).progress.handover
    bulk = BulkActivities(NO_WRITER, hotline.engine, updates, lambda _: None)
    done = await last_attempt().run(bulk.hand_over_cases, CasesOfHandover(handover=order, numbers=numbers))
    assert set(done.refused.values()) == {NO_ANSWER.reason}
    return done.handed_over, list(done.refused)


PAGES: dict[str, tuple[Page, str]] = {
    SETTLE: (settled, f"{SETTLE}-{INCIDENT}"),
    "link_incident": (linked, f"named-{INCIDENT}-{{}}"),
    CATALOGUE_CHANGE: (rolled_out, f"{CATALOGUE_CHANGE}-{ActivityEnvironment.default_info().workflow_run_id}"),
    "hand_over": (handed_over, f"handover-{HANDOVER}"),
}
REFUSED = ApplicationFailureInfo(type="conflict:same_owner", non_retryable=True)
ENDED = ApplicationFailureInfo(type=ENDED_FIRST, non_retryable=True)
NO_KIND = Failure(message="不行", application_failure_info=ApplicationFailureInfo(type="a:b", non_retryable=True))
Answer = Callable[[Payload], Outcome]
"""Makes an answer of the sealed argument of the workflow's start."""
ANSWERS: dict[str, Answer] = {
    "nothing": lambda _: Outcome(success=Payloads()),
    "its own start": lambda start: Outcome(success=Payloads(payloads=[start])),
    "a refusal": lambda _: Outcome(failure=Failure(message="不行", application_failure_info=REFUSED)),
    "a refusal with its own start": lambda start: Outcome(
        failure=Failure(message="不行", encoded_attributes=start, application_failure_info=REFUSED)
    ),
    "nested": lambda _: Outcome(failure=nested(97)),
    "its end": lambda _: Outcome(failure=Failure(message="不行", source="Server", application_failure_info=ENDED)),
}


async def answered(
    hotline: Hotline,
    handle: WorkflowHandle[Any, Any],
    update: str,
    update_id: str,
    answer: Callable[[Payload], Outcome],
) -> None:
    """Answer an update in place of the workflow, before the service sends it."""
    started = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    theirs = stranger(hotline.client).get_workflow_handle(handle.id)
    sent = asyncio.ensure_future(
        theirs.start_update(update, 1, id=update_id, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    )
    shown = SearchAttributes(indexed_fields=started.search_attributes.indexed_fields)
    await accept(hotline, answer(started.input.payloads[0]), shown)
    await asyncio.wait([sent], timeout=1)
    sent.cancel()


@pytest.mark.parametrize(("update", "answer"), [(update, answer) for update in PAGES for answer in ANSWERS])
async def test_a_case_that_somebody_else_answers_for_holds_up_no_other(
    server: WorkflowEnvironment, tmp_path: Path, update: str, answer: str
) -> None:
    page, update_id = PAGES[update]
    changes: dict[str, Any] = {"task_queue": f"answered-{update}-{answer}", "sandbox": False}
    async with running_hotline(server, tmp_path, **changes) as at_work:
        case = await at_work.start()
        await case.view()
    await answered(at_work, case.handle, update, update_id.format(case.number), ANSWERS[answer])
    async with running_hotline(server, tmp_path, **changes) as again:
        other = await again.start()
        updates = CaseUpdates(again.projection, BulkThrottle(), again.client)
        assert await page(again, updates, [case.number, other.number]) == (1, [case.number])
    for each in (case, other):
        await each.handle.terminate()


@pytest.mark.parametrize("answer", [*ANSWERS, "a refusal of no kind"])
async def test_an_action_that_somebody_else_answers_is_not_taken_for_refused_or_done(
    server: WorkflowEnvironment, tmp_path: Path, answer: str
) -> None:
    changes: dict[str, Any] = {"task_queue": f"acted-{answer}", "sandbox": False}
    async with running_hotline(server, tmp_path, **changes) as at_work:
        case = await at_work.start()
        await case.view()
    await answered(at_work, case.handle, "comment", "theirs", ANSWERS.get(answer, lambda _: Outcome(failure=NO_KIND)))
    async with running_hotline(server, tmp_path, **changes) as again:
        limit = Limit(TOO_MANY_ACTIONS, 0, "actions")
        client = ComplaintClient(again.client, again.settings.task_queue, 3, Agreed(), limit)
        with pytest.raises(ProblemError) as failed:
            await client.act(case.number, "comment", Command(actor=ADMIN, body=Comment(note="-"), key="theirs"))
        assert failed.value.problem.status == HTTPStatus.SERVICE_UNAVAILABLE
        assert "不行" not in failed.value.problem.detail
    await case.handle.terminate()


async def test_an_action_that_was_done_is_answered_whatever_somebody_else_answers(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    """Its case does what somebody else has accepted. Temporal keeps their answer, so the case is asked by the key."""
    changes: dict[str, Any] = {"task_queue": "done-and-answered", "sandbox": False}
    async with running_hotline(server, tmp_path, **changes) as at_work:
        case = await at_work.start()
        await case.view()
    started = (await case.handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    shown = SearchAttributes(indexed_fields=started.search_attributes.indexed_fields)
    limit = Limit(TOO_MANY_ACTIONS, 0, "actions")
    client = ComplaintClient(at_work.client, at_work.settings.task_queue, 8, Agreed(), limit)
    command = Command(actor=ADMIN, body=Comment(note="-"), key="7" * 32)
    sent = asyncio.ensure_future(client.act(case.number, "comment", command))
    await accept(at_work, Outcome(success=Payloads()), shown)
    with suppress(ProblemError):
        await sent
    async with running_hotline(server, tmp_path, **changes):
        found = await client.act(case.number, "comment", command)
    assert found
    assert found.version == 2
    await case.handle.terminate()


async def test_an_action_whose_case_ends_before_it_answers_is_taken_by_none(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    """Temporal itself refuses it then, and nobody has sealed that. The API says that the case has ended."""
    async with running_hotline(server, tmp_path, task_queue="ended-first", sandbox=False) as at_work:
        case = await at_work.start()
        await case.view()
    limit = Limit(TOO_MANY_ACTIONS, 0, "actions")
    client = ComplaintClient(at_work.client, at_work.settings.task_queue, 8, Agreed(), limit)
    command = Command(actor=ADMIN, body=Comment(note="-"))
    sent = asyncio.ensure_future(client.act(case.number, "comment", command))
    await accept(at_work, None)
    await case.handle.terminate()
    assert await sent is None


@pytest.mark.parametrize("answer", ["nothing", "a refusal", "its end"])
async def test_an_incident_counts_as_merged_or_over_only_if_it_says_so(
    server: WorkflowEnvironment, tmp_path: Path, answer: str
) -> None:
    """Somebody else takes the update that the service sent. The activity sends another when it is tried again."""
    changes: dict[str, Any] = {"task_queue": f"merged-{answer}", "sandbox": False}
    environments = [ActivityEnvironment() for _ in range(3)]
    for attempt, each in enumerate(environments, 1):
        each.info = replace(each.info, attempt=attempt)
    async with running_hotline(server, tmp_path, **changes) as at_work:
        into = await declare(at_work, "west")
        absorbed = Absorbed(incident=INCIDENT, into=into.number, scope=Scope(services=("no_water",)))
        merge = IncidentMessages(at_work.client).merge
        assert await environments[0].run(merge, absorbed)
        await into.published("declare", "absorb")
        await until(into.handle.describe, rests)
    sent = asyncio.ensure_future(environments[1].run(merge, absorbed))
    await accept(at_work, ANSWERS[answer](Payload()))
    with pytest.raises(UndecidedError):
        await sent
    async with running_hotline(server, tmp_path, **changes):
        assert await environments[2].run(merge, absorbed)
    await into.handle.terminate()


async def test_a_result_of_a_handover_that_cannot_be_read_is_said_to_be_so(hotline: Hotline) -> None:
    """Somebody else has ended the workflow with its own start."""
    client, queue, key = hotline.client, "ended-by-another", "5" * 32
    handle = await start_handover(client, queue, await order_handover(hotline, key), Request(key=key))
    first = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    ended = CompleteWorkflowExecutionCommandAttributes(result=first.input)
    kind = CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION
    await hijack(
        client, queue, WorkflowCommand(command_type=kind, complete_workflow_execution_command_attributes=ended)
    )
    handovers = HandoverClient(client, queue, 3, Agreed())
    with pytest.raises(ProblemError) as failed:
        await handovers.progress(key)
    assert failed.value.problem.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert await handovers.wait(key) is None
