"""The workflow of a handover (全部移交): every open case of one person is given to another."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.handover import CasesOfHandover, Handovers, OwnedQuery
    from domain.case.handover import Handover, HandoverProgress
    from domain.shared.value import Start
    from workflows.pages import ask_page, next_numbers
    from workflows.presentation.details.words import plain
    from workflows.start_checks import checked

PAGE = 200
"""Cases of one activity; its progress is kept in heartbeats."""


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
            cases = CasesOfHandover(handover=progress.handover, numbers=numbers)
            page = await ask_page(Handovers.hand_over_cases, cases, numbers, "逐单移交")
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
        query = OwnedQuery(owner=start.progress.handover.previous_owner, after=start.after, limit=start.page)
        return await next_numbers(Handovers.list_owned_cases, query, start.after)


def _details(progress: HandoverProgress) -> str:
    lines = [f"已移交 handed over: **{progress.handed_over}**", "", f"未移交 refused: **{len(progress.refused)}**"]
    return "\n".join([*lines, "", *(f"- {number}: {plain(why)}" for number, why in progress.refused.items())])
