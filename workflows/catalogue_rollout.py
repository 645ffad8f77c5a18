"""The durable round of a catalogue (服务目录) that was put in force: every open case is held to it, whatever dies.

Intake uses the new catalogue before the round begins. What was being registered at that moment may still carry the old
one, so the round goes over the cases of that time once more when they are sure to be in the read model.
"""

from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.common import Priority, RetryPolicy, WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

with workflow.unsafe.imports_passed_through():
    from activities.catalogue_rollout import CHANGED, Calls, Page, Renewals
    from activities.rounds import SILENT
    from domain.catalogue.catalogue import Catalogue
    from domain.catalogue.terms import Edition

PAGE = 500
"""Cases of one activity: its input holds the catalogue, so not too few; its progress is kept in heartbeats."""
LOW = Priority(priority_key=5)
"""Behind all calls: who has no water does not wait for a catalogue."""
LOOK_TIMEOUT = timedelta(seconds=30)
CALLS_TIMEOUT = timedelta(minutes=30)
HEARTBEAT_TIMEOUT = timedelta(seconds=15)
"""More than a handful of cases may take that do not answer; a worker that died with a page is found out this late."""
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))
"""For ever: while SQL or the worker is down, the round waits."""
LATE = (CHANGED, SILENT)
"""What the second pass adds to the count: all others are counted already."""


class RolloutProgress(BaseModel):
    """How far a round is: the last number called on, what the cases answered, and if the second pass has begun."""

    model_config = ConfigDict(frozen=True)

    after: str = ""
    began_at: datetime | None = None
    second_pass: bool = False
    counts: dict[str, int] = {}


class RolloutStart(BaseModel):
    """What a round starts from; `settle_seconds` is how long a registration may be under way."""

    model_config = ConfigDict(frozen=True)

    catalogue: Catalogue
    edition: Edition
    closed_after: datetime
    settle_seconds: float
    page: int = PAGE
    progress: RolloutProgress = RolloutProgress()


@workflow.defn(name="CatalogueRolloutWorkflow")
class CatalogueRolloutWorkflow:
    """Calls on every open case, page after page."""

    @workflow.init
    def __init__(self, start: RolloutStart) -> None:
        self._start = start
        self._at = start.progress
        self._counts = Counter(start.progress.counts)

    @workflow.run
    async def run(self, start: RolloutStart) -> dict[str, int]:  # noqa: ARG002 - taken by __init__, as the SDK wants both
        """Both looks; answer how many cases answered what."""
        self._note(began_at=self._at.began_at or workflow.now())
        if not self._at.second_pass:
            await self._walk(None)
            settle = timedelta(seconds=self._start.settle_seconds)
            await workflow.sleep(settle, summary="registrations under way settle 等待在途受理")
            self._note(after="", second_pass=True)
        await self._walk(self._since())
        return dict(self._counts)

    @workflow.query(description="How far the round is. 进度")
    def progress(self) -> RolloutProgress:
        """The last number, and the counts so far."""
        return self._at

    def _since(self) -> datetime:
        return (self._at.began_at or workflow.now()) - timedelta(seconds=60 + self._start.settle_seconds)

    async def _walk(self, since: datetime | None) -> None:
        while numbers := await self._next(since):
            answers = await self._call(numbers)
            kept = {answer: count for answer, count in answers.items() if not self._at.second_pass or answer in LATE}
            self._counts.update(kept)
            self._note(after=numbers[-1], counts=dict(self._counts))
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(self._start.model_copy(update={"progress": self._at}))

    async def _next(self, since: datetime | None) -> list[str]:
        page = Page(closed_after=self._start.closed_after, since=since, after=self._at.after, limit=self._start.page)
        return await workflow.execute_activity_method(
            Renewals.list_open_cases,
            page,
            start_to_close_timeout=LOOK_TIMEOUT,
            retry_policy=RETRY,
            priority=LOW,
            summary=f"which cases come after {self._at.after or 'the first'} 后续工单",
        )

    async def _call(self, numbers: list[str]) -> dict[str, int]:
        calls = Calls(
            catalogue=self._start.catalogue,
            edition=self._start.edition,
            numbers=numbers,
            second_pass=self._at.second_pass,
        )
        return await workflow.execute_activity_method(
            Renewals.change_catalogue,
            calls,
            start_to_close_timeout=CALLS_TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRY,
            priority=LOW,
            # Whoever ends a round wants to know that nobody is called on any more.
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=f"{len(numbers)} cases to {numbers[-1]} 逐单改用",
        )

    def _note(self, **changes: object) -> None:
        self._at = self._at.model_copy(update=changes)
        rows = [f"| {_ZH[answer]} | {answer} | {count} |" for answer, count in sorted(self._counts.items())]
        edition = self._start.edition
        look = "第二遍 the second look" if self._at.second_pass else "第一遍 the first look"
        lines = [
            f"## {edition.name_zh} {edition.name} · {edition.digest}",
            "",
            f"{look}, 已到 up to **{self._at.after or '-'}**",
            "",
            "| 结果 | Answer | 工单 Cases |",
            "|---|---|---|",
            *rows,
        ]
        workflow.set_current_details("\n".join(lines))


_ZH = {
    "changed": "已改用",
    "same": "无变化",
    "kept": "保留原条款",
    "gone": "已结束",
    "refused": "未接受",
    "silent": "无应答",
}


def rollout_id(edition: Edition) -> str:
    """The workflow of a catalogue's round."""
    return f"catalogue-rollout-{edition.digest}"


async def start_rollout(
    client: Client, task_queue: str, start: RolloutStart
) -> WorkflowHandle[CatalogueRolloutWorkflow, dict[str, int]]:
    """Start the round; one that is under way is found. After its end, a further one changes what is left to change."""
    edition = start.edition
    # Where the operator keeps his files is no matter of the history.
    catalogue = start.catalogue.model_copy(update={"calendar_file": ""})
    return await client.start_workflow(
        CatalogueRolloutWorkflow.run,
        start.model_copy(update={"catalogue": catalogue}),
        id=rollout_id(edition),
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        priority=LOW,
        static_summary=f"启用服务目录 Catalogue in force · {edition.name_zh} {edition.name}",
        static_details="Every open case is held to the catalogue, a few at a time; the result counts their answers.",
    )


async def end_rollout(client: Client, edition: Edition) -> bool:
    """End the round of another catalogue, if it is under way, and wait until it calls on nobody any more."""
    handle = client.get_workflow_handle(rollout_id(edition))
    try:
        if (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING:
            return False
        await handle.cancel()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    with suppress(WorkflowFailureError):
        await handle.result()
    return True
