"""The workflow of a handover (全部移交): every open case of one person is given to another."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.handover import CasesOfHandover, HandedOver, Handovers, OwnedQuery
    from domain.case.handover import Handover, HandoverProgress
    from domain.shared.value import Start
    from workflows.entity import LOWEST, RETRY
    from workflows.start_checks import checked

PAGE = 200
"""Cases of one activity; its progress is kept in heartbeats."""
LIST_TIMEOUT = timedelta(seconds=30)
PAGE_TIMEOUT = timedelta(minutes=15)
HEARTBEAT_TIMEOUT = timedelta(seconds=15)
"""Longer than a few cases that do not answer may take; a worker that died with a page is noticed this late."""


class HandoverStart(Start):
    """Start message of a handover, with what an earlier run carried over."""

    progress: HandoverProgress
    after: str = ""
    page: int = PAGE

    @classmethod
    def of(cls, handover: Handover) -> "HandoverStart":
        """Return the message of the first run."""
        return cls(progress=HandoverProgress(handover=handover))


@workflow.defn(name="HandoverWorkflow")
class HandoverWorkflow:
    """Gives every open case of a person to another, page after page."""

    def __init__(self) -> None:
        self._progress: HandoverProgress | None = None

    @workflow.run
    @checked
    async def run(self, start: HandoverStart) -> HandoverProgress:
        """Ask every case once; return what came of it."""
        self._progress = progress = start.progress
        while numbers := await self._next_page(start):
            page = await self._hand_over(progress.handover, numbers)
            handed_over, refused = progress.handed_over + page.handed_over, progress.refused | page.refused
            progress = progress.model_copy(update={"handed_over": handed_over, "refused": refused})
            start = start.model_copy(update={"progress": progress, "after": numbers[-1]})
            self._progress = progress
            workflow.set_current_details(_details(progress))
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(start)
        return progress.model_copy(update={"state": "done"})

    @workflow.query(description="How far the handover is. 进度")
    def progress(self) -> HandoverProgress | None:
        """Return the progress; None before the first task."""
        return self._progress

    async def _next_page(self, start: HandoverStart) -> list[str]:
        return await workflow.execute_activity_method(
            Handovers.list_owned_cases,
            OwnedQuery(owner=start.progress.handover.previous_owner, after=start.after, limit=start.page),
            start_to_close_timeout=LIST_TIMEOUT,
            retry_policy=RETRY,
            priority=LOWEST,
            summary=f"which cases come after {start.after or 'the first'} 后续工单",
        )

    async def _hand_over(self, handover: Handover, numbers: list[str]) -> HandedOver:
        return await workflow.execute_activity_method(
            Handovers.hand_over_cases,
            CasesOfHandover(handover=handover, numbers=numbers),
            start_to_close_timeout=PAGE_TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRY,
            priority=LOWEST,
            # After a handover was ended, it changes no case any more.
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=f"{len(numbers)} cases to {numbers[-1]} 逐单移交",
        )


def _details(progress: HandoverProgress) -> str:
    lines = [f"已移交 handed over: **{progress.handed_over}**", "", f"未移交 refused: **{len(progress.refused)}**"]
    return "\n".join([*lines, "", *(f"- {number}: {why}" for number, why in progress.refused.items())])
