"""Workflows that ask many cases of something, page after page: a catalogue rollout, and a handover (全部移交)."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pydantic import AwareDatetime, Field
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.bulk import BulkActivities, CasesOfHandover, OpenCasesQuery, OwnedQuery, TermsChange
    from domain.case.bulk import Handover, HandoverProgress
    from domain.catalogue.terms import Edition
    from domain.shared.value import Immutable, Phrase, Start
    from readmodel.people.workload import CLOCK_MARGIN
    from workflows.kit.entity import execute
    from workflows.kit.words import plain

ROLLOUT_PAGE = 500
"""Cases of one activity, which reads the catalogue, so not too few; its progress is kept in heartbeats."""
HANDOVER_PAGE = 200
LIST_TIMEOUT = timedelta(seconds=30)
PAGE_TIMEOUT = timedelta(minutes=30)
HEARTBEAT_TIMEOUT = timedelta(seconds=15)
"""Longer than a few cases that do not answer may take; a worker that died with a page is noticed this late."""
DAY = timedelta(days=1)
"""Difference of local days at most: numbers begin with one."""


async def _next_numbers(activity: Callable[..., Any], query: OpenCasesQuery | OwnedQuery) -> list[str]:
    """Numbers of the next page; empty after the last."""
    summary = f"which cases come after {query.after or 'the first'} 后续工单"
    numbers: list[str] = await execute(activity, query, LIST_TIMEOUT, summary)
    return numbers


async def _ask_page(activity: Callable[..., Any], page: TermsChange | CasesOfHandover, what: str) -> Any:  # noqa: ANN401 - the activity's own
    """Ask the cases of a page by an activity that fans out; `what` is done to them, in Chinese, in its summary."""
    summary = f"{len(page.numbers)} cases to {page.numbers[-1]} {what}"
    # After the workflow was ended, it changes no case any more.
    until_cancelled = workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
    return await execute(
        activity, page, PAGE_TIMEOUT, summary, heartbeat_timeout=HEARTBEAT_TIMEOUT, cancellation_type=until_cancelled
    )


class RolloutProgress(Immutable):
    """Progress of a rollout: the last number, the count of each answer, and the pass."""

    after: str = ""
    began_at: AwareDatetime | None = None
    second_pass: bool = False
    counts: dict[str, int] = Field({})


class RolloutStart(Start):
    """Start message of a rollout; `settle_seconds` is how long a registration may be under way."""

    edition: Edition
    serial: int = Field(0, description="Its serial in the record of the catalogues in force; 0 is none.")
    closed_after: AwareDatetime
    settle_seconds: float
    page: int = ROLLOUT_PAGE
    progress: RolloutProgress = RolloutProgress()
    asked: tuple[str, ...] = Field((), description="Cases of the last days that the first pass has asked.")


@workflow.defn(name="CatalogueRolloutWorkflow")
class CatalogueRolloutWorkflow:
    """Workflow that moves every open case to the terms of the catalogue (服务目录) in force.

    Intake uses the new catalogue before the rollout begins. A registration that was under way then may carry the old
    terms, so a second pass asks the cases of that time that the first one did not, when the read model has them for
    certain.
    """

    def __init__(self) -> None:
        self._progress = RolloutProgress()

    @workflow.run
    async def run(self, start: RolloutStart) -> dict[str, int]:
        self._start, self._progress = start, start.progress
        self._counts, self._asked = Counter(start.progress.counts), dict.fromkeys(start.asked)
        began_at = self._progress.began_at or workflow.now()
        settle = timedelta(seconds=start.settle_seconds)
        under_way_since = began_at - CLOCK_MARGIN - settle
        self._late_numbers = f"{under_way_since - DAY:%y%m%d}"
        self._note(began_at=began_at)
        if not self._progress.second_pass:
            await self._pass()
            left = max(began_at + settle - workflow.now(), timedelta(0))
            await workflow.sleep(left, summary="registrations under way settle 等待在途受理")
            self._note(after="", second_pass=True)
        await self._pass(under_way_since)
        return dict(self._counts)

    @workflow.query(description="How far the rollout is. 进度")
    def progress(self) -> RolloutProgress:
        return self._progress

    async def _pass(self, since: datetime | None = None) -> None:
        """Ask the cases that were registered from `since` on, and were not asked before."""
        start, progress = self._start, self._progress
        query = OpenCasesQuery(closed_after=start.closed_after, since=since, after=progress.after, limit=start.page)
        change = partial(TermsChange, edition=start.edition, serial=start.serial, second_pass=progress.second_pass)
        while numbers := await _next_numbers(BulkActivities.list_open_cases, query):
            if new := [number for number in numbers if number not in self._asked]:
                self._counts.update(await _ask_page(BulkActivities.change_catalogue, change(numbers=new), "逐单改用"))
                self._asked |= dict.fromkeys(number for number in new if number >= self._late_numbers)
            query = query.model_copy(update={"after": numbers[-1]})
            self._note(after=numbers[-1], counts=dict(self._counts))
            if workflow.info().is_continue_as_new_suggested():
                carried = {"progress": self._progress, "asked": tuple(self._asked)}
                workflow.continue_as_new(start.model_copy(update=carried))

    def _note(self, **changes: object) -> None:
        self._progress = self._progress.model_copy(update=changes)
        rows = [f"| {ANSWERS[answer][0]} | {answer} | {count} |" for answer, count in sorted(self._counts.items())]
        edition = self._start.edition
        which = "第二遍 the second pass" if self._progress.second_pass else "第一遍 the first pass"
        lines = [
            f"## {edition.name_zh} {edition.name} · {edition.digest}",
            "",
            f"{which}, 已到 up to **{self._progress.after or '-'}**",
            "",
            "| 结果 | Answer | 工单 Cases |",
            "|---|---|---|",
            *rows,
        ]
        workflow.set_current_details("\n".join(lines))


ANSWERS: dict[str, Phrase] = {
    "changed": ("已改用", "changed"),
    "same": ("无变化", "were the same"),
    "kept": ("保留原条款", "keep their terms"),
    "gone": ("已结束", "had ended"),
    "refused": ("未接受", "refused"),
    "silent": ("无应答", "did not answer"),
}
"""Answers of cases to a new catalogue in words."""


class HandoverStart(Start):
    """Start message of a handover, with what an earlier run carried over."""

    progress: HandoverProgress
    after: str = ""
    page: int = HANDOVER_PAGE

    @classmethod
    def of(cls, handover: Handover) -> "HandoverStart":
        return cls(progress=HandoverProgress(handover=handover))


@workflow.defn(name="HandoverWorkflow")
class HandoverWorkflow:
    """Workflow that gives every open case of one person to another."""

    def __init__(self) -> None:
        self._progress: HandoverProgress | None = None

    @workflow.run
    async def run(self, start: HandoverStart) -> HandoverProgress:
        self._progress = progress = start.progress
        handover = progress.handover
        query = OwnedQuery(handover_id=handover.id, owner=handover.previous_owner, after=start.after, limit=start.page)
        while numbers := await _next_numbers(BulkActivities.list_owned_cases, query):
            cases = CasesOfHandover(handover=handover, numbers=numbers)
            page = await _ask_page(BulkActivities.hand_over_cases, cases, "逐单移交")
            handed_over, refused = progress.handed_over + page.handed_over, progress.refused | page.refused
            progress = progress.model_copy(update={"handed_over": handed_over, "refused": refused})
            query = query.model_copy(update={"after": numbers[-1]})
            self._progress = progress
            workflow.set_current_details(_details(progress))
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(start.model_copy(update={"progress": progress, "after": query.after}))
        return progress.model_copy(update={"state": "done"})

    @workflow.query(description="How far the handover is. 进度")
    def progress(self) -> HandoverProgress | None:
        """None before the first task."""
        return self._progress


def _details(progress: HandoverProgress) -> str:
    lines = [f"已移交 handed over: **{progress.handed_over}**", "", f"未移交 refused: **{len(progress.refused)}**"]
    return "\n".join([*lines, "", *(f"- {number}: {plain(why)}" for number, why in progress.refused.items())])
