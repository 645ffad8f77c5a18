"""The workflow of a catalogue rollout: every open case is moved to the terms of the catalogue (服务目录) in force.

Intake uses the new catalogue before the rollout begins. A registration that was under way then may carry the old terms,
so a second pass asks the cases of that time that the first one did not, when the read model has them for certain.
"""

from collections import Counter
from datetime import datetime, timedelta

from pydantic import AwareDatetime, Field
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.catalogue_rollout import CatalogueRollout, OpenCasesQuery, TermsChange
    from domain.catalogue.catalogue import Catalogue
    from domain.catalogue.terms import Edition
    from domain.shared.value import Immutable, Start
    from workflows.pages import ask_page, next_numbers
    from workflows.start_checks import checked

PAGE = 500
"""Cases of one activity: its input holds the catalogue, so not too few; its progress is kept in heartbeats."""
CLOCK_MARGIN = timedelta(seconds=60)
"""Time by which the clock of an API process, which dates registrations, may be off."""
DAY = timedelta(days=1)
"""Difference of local days at most: numbers begin with one."""


class RolloutProgress(Immutable):
    """Progress of a rollout: the last number, the count of each answer, and the pass."""

    after: str = ""
    began_at: AwareDatetime | None = None
    second_pass: bool = False
    counts: dict[str, int] = Field(default={})


class RolloutStart(Start):
    """Start message of a rollout; `settle_seconds` is how long a registration may be under way."""

    catalogue: Catalogue
    edition: Edition
    closed_after: AwareDatetime
    settle_seconds: float
    page: int = PAGE
    progress: RolloutProgress = RolloutProgress()
    asked: tuple[str, ...] = Field(default=(), description="Cases of the last days that the first pass has asked.")


@workflow.defn(name="CatalogueRolloutWorkflow")
class CatalogueRolloutWorkflow:
    """Moves every open case to the terms of a catalogue, page after page."""

    def __init__(self) -> None:
        self._progress = RolloutProgress()

    @workflow.run
    @checked
    async def run(self, start: RolloutStart) -> dict[str, int]:
        """Ask every open case once; return the count of each answer."""
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
        """Return the progress."""
        return self._progress

    async def _pass(self, since: datetime | None = None) -> None:
        """Ask the cases that were registered from `since` on, and were not asked before."""
        while numbers := await self._next_page(since):
            if new := [number for number in numbers if number not in self._asked]:
                self._counts.update(await self._change(new))
                self._asked |= dict.fromkeys(number for number in new if number >= self._late_numbers)
            self._note(after=numbers[-1], counts=dict(self._counts))
            if workflow.info().is_continue_as_new_suggested():
                carried = {"progress": self._progress, "asked": tuple(self._asked)}
                workflow.continue_as_new(self._start.model_copy(update=carried))

    async def _next_page(self, since: datetime | None) -> list[str]:
        start, after = self._start, self._progress.after
        query = OpenCasesQuery(closed_after=start.closed_after, since=since, after=after, limit=start.page)
        return await next_numbers(CatalogueRollout.list_open_cases, query, after)

    async def _change(self, numbers: list[str]) -> dict[str, int]:
        change = TermsChange(
            catalogue=self._start.catalogue,
            edition=self._start.edition,
            numbers=numbers,
            second_pass=self._progress.second_pass,
        )
        return await ask_page(CatalogueRollout.change_catalogue, change, numbers, "逐单改用")

    def _note(self, **changes: object) -> None:
        self._progress = self._progress.model_copy(update=changes)
        rows = [f"| {_ZH[answer]} | {answer} | {count} |" for answer, count in sorted(self._counts.items())]
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


_ZH = {
    "changed": "已改用",
    "same": "无变化",
    "kept": "保留原条款",
    "gone": "已结束",
    "refused": "未接受",
    "silent": "无应答",
}
