"""complete 处理完成: the department's work is done; what was done is on record."""

from domain.case.clocks import DEPARTMENT_CLOCKS
from domain.case.lifecycle import NO_SUCH_PART, Event, OfIncident, Part, PartBody, PartData, PartState, State
from domain.case.progress import Finding
from domain.case.state import Action, CaseState, Decision, GuardResult, NotPossible, PartAction, Role, while_incomplete
from domain.shared.codes import FindingCode
from domain.shared.errors import ProblemType, Refused
from domain.shared.value import Text, omit_default

NOT_APPROVED = ProblemType("conflict", "not_approved", "Decision of management missing", "尚未取得领导审批，请先报批")
UNKNOWN_FINDING = ProblemType("invalid", "unknown_finding", "Unknown finding", "没有这个查实事项")


class Complete(PartBody):
    """处理完成: what was done, and what was found (查实)."""

    result: Text
    findings: tuple[FindingCode, ...] = omit_default(
        (), "Codes of findings (查实事项) of the catalogue.", max_length=20
    )

    def check(self, case: CaseState) -> None:
        accepted = case.terms.findings
        if unknown := [code for code in self.findings if code not in accepted]:
            what = ", ".join(accepted) or "none; leave findings out"
            message = f"There is no finding (查实事项) {unknown[0]!r}; accepted: {what}."
            raise Refused(UNKNOWN_FINDING, message, accepted or (("不填查实情况", "no findings"),))

    def decide(self, case: CaseState, *_: object) -> Decision:
        return Decision(Completed.of(self), State.IN_PROGRESS if case.unfinished else State.PENDING_REPLY)


class Completed(PartData, OfIncident, Complete):
    """Work done on the case or on a part, or by the incident that the case is linked to."""

    def evolve(self, case: CaseState, event: Event) -> None:
        case.extension = None
        case.completed = True
        case.result = self.result
        if self.incident:  # Nobody was there for this case: the department's promises no longer apply.
            case.cancel_clocks(event.at, DEPARTMENT_CLOCKS)
        else:
            case.arrived_at = event.at  # Who has done the work was there.
            case.stop_clocks(event.at, "signature", "arrival")
        self._finish(case, event)

    def evolve_part(self, case: CaseState, part: Part, event: Event) -> None:
        case.put_part(part, state=PartState.COMPLETED, result=self.result)
        case.stop_clocks(event.at, "signature", "work", part=part.serial)
        self._finish(case, event)

    def _finish(self, case: CaseState, event: Event) -> None:
        """Add each finding once in a cycle, and stop `resolve` if the reply is due now."""
        for code in self.findings:
            if all((each.code, each.cycle) != (code, event.cycle) for each in case.findings):
                found = Finding(code=code, cycle=event.cycle, serial=event.seq, found_at=event.at)
                case.findings = (*case.findings, found)
        if event.to_state is State.PENDING_REPLY:
            case.stop_clocks(event.at, "work")


def guard(case: CaseState, *_: object) -> GuardResult:
    if case.needs_decision:
        what = f"{case.terms.name} is completed once management has decided on it in cycle {case.cycle}"
        return NotPossible(NOT_APPROVED, f"{what}; ask with request_approval (报批)")
    return while_incomplete(case)


ACTION = Action(
    name="complete",
    zh="处理完成",
    description="The work is done and recorded. The reply waits for departments that still have a part.",
    roles={Role.CREW},
    sources={State.IN_PROGRESS},
    targets=(State.PENDING_REPLY, State.IN_PROGRESS),
    example=Complete(result="The valve's core had dropped; lifted as a stopgap, water is back."),
    problems=(NO_SUCH_PART, NOT_APPROVED, UNKNOWN_FINDING),
    data=Completed,
    guard=guard,
    notifies=("owner",),
    notifies_by_incident=(),
    part=PartAction(sources={PartState.IN_PROGRESS}, target=PartState.COMPLETED),
)
