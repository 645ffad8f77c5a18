"""left_out 未执行: an event that nobody asked for would have broken an invariant of the case, and did not happen."""

from domain.case.kind import CaseState, Event, EventData, EventKind

FLAG = "left_out"


class LeftOut(EventData):
    """Kind of the event that did not happen, and the constraints that it would have broken, without personal data."""

    kind: str
    error: str


def evolve(case: CaseState, data: LeftOut, _: Event) -> None:
    """Note the kind: time does not bring it again before somebody acts."""
    case.left_out = tuple(sorted({*case.left_out, data.kind}))


KIND = EventKind(
    name="left_out",
    zh="未执行",
    description="An automatic event would have made the case invalid, and did not happen; tried again after an action.",
    data=LeftOut,
    by_time=True,
    flags=(FLAG,),
    evolve=evolve,
    notifies=("supervisor",),
    text=lambda number, data, _: (
        f"工单{number}:系统事项「{data.kind}」不合规定,未执行,请检查",
        f"Case {number}: the automatic event {data.kind} would have made the case invalid and was left out",
    ),
)
