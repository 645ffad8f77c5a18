"""Cases that a confirmation names, and that do not answer: neither the end of the incident nor its next run waits."""

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.names import complaint_id
from domain.incident.actions import Confirm
from domain.shared.actors import SYSTEM
from tests.support.causes import OVER, Cause, count_timers, declare, linked, replied
from tests.support.hotline import Hotline, running_hotline, until
from tests.support.temporal import temporal_server
from tests.workflows.test_incident import completed, run_of
from workflows.complaint.messages import ComplaintStart

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def naming(hotline: Hotline) -> tuple[Cause, WorkflowHandle[Any, Any]]:
    """A confirmed incident, and the case that it was told to take, which has no worker and was asked in three tries."""
    registration = hotline.registration()
    silent = await hotline.client.start_workflow(
        "ComplaintWorkflow",
        ComplaintStart(source=registration),
        id=complaint_id(registration.number),
        task_queue="nobody-polls-it",
    )
    cause = await declare(hotline, "west", actor=SYSTEM, calls=11)
    await cause.act(Confirm(cases=(registration.number,)))
    await until(partial(count_timers, cause), (2).__eq__)  # beside that of the second search
    return cause, silent


async def test_the_end_asks_a_silent_named_case_after_the_others(
    server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.cases.ANSWER_SECONDS", 0.3)
    async with running_hotline(server, tmp_path, task_queue="named") as hotline:
        cause, silent = await naming(hotline)
        [complaint] = await linked(hotline, cause, 1)
        await cause.act(OVER)
        await replied(complaint)
        last = (await cause.published("suspect", "confirm", "resolve", "finish"))[-1]
        assert last["data"] == '{"settled":1}'
        assert await completed(cause, "link_named_cases") == 2
        await silent.terminate("it will not come back")


async def test_a_silent_named_case_is_asked_again_after_minutes(
    server: WorkflowEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.cases.ANSWER_SECONDS", 0.3)
    async with running_hotline(server, tmp_path, task_queue="named-again") as hotline:
        cause, silent = await naming(hotline)
        await silent.terminate("it will not come back")
        await hotline.server.fast_forward(cause.handle, timedelta(minutes=6))
        await until(partial(completed, cause, "link_named_cases"), (2).__eq__)
        await cause.act(OVER)
        await cause.published("suspect", "confirm", "resolve", "finish")


async def test_the_next_run_asks_a_silent_named_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.cases.ANSWER_SECONDS", 0.3)
    limit = "limit.historyCount.suggestContinueAsNew=40"
    async with await temporal_server(limit) as server, running_hotline(server, tmp_path) as hotline:
        cause, silent = await naming(hotline)
        first = await run_of(cause)
        await silent.terminate("it will not come back")

        async def grown() -> str | None:
            await cause.handle.signal("linked", [])
            return await run_of(cause)

        await until(grown, lambda run: run != first)
        await until(partial(completed, cause, "link_named_cases"), (1).__eq__)
