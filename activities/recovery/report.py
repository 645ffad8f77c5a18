"""Report of the reconciler: its figures, and the cases whose workflow is lost."""

from datetime import datetime

from pydantic import AwareDatetime, Field

from domain.shared.value import Immutable
from readmodel.recovery import Lost

MOST_REPORTED = 20
"""Lost cases that the report names."""
REMEDY = (
    " · 修复 to bring them back: `hotline rebuild workflows`, one of them: `hotline rebuild workflows --case NUMBER`"
)
"""Commands that bring lost cases back, for the Temporal UI."""
UNPAUSED = " · 请在流程页面取消暂停 unpause each on its page: until then it takes no action and keeps no promise"
"""The same of paused cases."""
STARTED_AGAIN = "reset or started again, and ended: SQL has more or other events, and shows it as over"
"""Reason with which the run of a case or incident is terminated."""
UNSTUCK = (
    " · 修复 terminate the workflow and run `hotline rebuild workflows --case NUMBER`, unless the worker lacks a key:"
    " its log says why; of what is no case, docs/reconciler.md says more"
)
"""The same of workflows that do not go on."""


def is_ahead(in_sql_until: datetime | None, at: datetime) -> bool:
    """Return True if the clock was set back since: new changes are dated earlier, and SQL may never have had them."""
    return in_sql_until is not None and in_sql_until > at


class ReconcilerReport(Immutable):
    """Work of the reconciler in its run, and the cases that are marked as lost, some by number."""

    compared: int = 0
    published: int = 0
    repaired: int = 0
    unswept_since: AwareDatetime | None = Field(None, description="No sweep that began later has ended.")
    lost: dict[str, Lost] = Field({})
    lost_count: int = 0
    paused: list[str] = Field([], description="Cases whose workflow somebody has paused, some.")
    paused_count: int = 0
    stuck: list[str] = Field([], description="Cases, and other workflows by id, that do not go on, some.")
    stuck_count: int = 0
    not_begun: dict[str, str] = Field({}, description="Workflows that are no case in SQL, some; and why.")
    unreadable: dict[str, str] = Field(
        {}, description="Cases, and assessments by id, that cannot be read, some; and why."
    )
    fault: str | None = Field(None, description="Why the last comparison or sweep failed; null if neither did.")
    in_sql_until: AwareDatetime | None = Field(None, description="SQL once had every change until then.")

    def __str__(self) -> str:
        named = (
            ", ".join(map("{0[0]} ({0[1]})".format, each.items()))
            for each in (self.lost, self.not_begun, self.unreadable)
        )
        lost, not_begun, unreadable = (each or "-" for each in named)
        paused = f" · 已暂停 paused {self.paused_count}: {', '.join(self.paused)}{UNPAUSED}" if self.paused else ""
        stuck = f" · 停滞 stuck {self.stuck_count}: {', '.join(self.stuck)}{UNSTUCK}" if self.stuck else ""
        return (
            f"比对 compared {self.compared} · 补写 published {self.published} · 重建 repaired {self.repaired}"
            f" · 流程丢失 lost {self.lost_count}: {lost} · 未受理 not begun: {not_begun}"
            f" · 无法读取 unreadable: {unreadable}{REMEDY if self.lost else ''}{paused}{stuck}"
        )
