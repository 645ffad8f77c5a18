"""send_back 审核退回: the work does not do, and the department goes on."""

from domain.case.lifecycle import NO_SUCH_PART, Part, PartBody, PartData, PartState
from domain.case.new_terms import reinstate_resolve
from domain.case.state import Action, CaseState, Event, PartAction, Reasoned, Role, State


class SendBack(PartBody, Reasoned):
    """审核退回, with the reason; of the case, or of the part of the department that is named."""


class SentBack(PartData, SendBack):
    """Work sent back, of the case or of a part."""

    def evolve(self, case: CaseState, __: Event) -> None:
        case.completed = False
        reinstate_resolve(case, 0)

    def evolve_part(self, case: CaseState, part: Part, __: Event) -> None:
        case.put_part(part, state=PartState.IN_PROGRESS, result=None)
        reinstate_resolve(case, 0, part.serial)


ACTION = Action(
    name="send_back",
    zh="审核退回",
    description="The work is not accepted: the department continues.",
    roles={Role.SUPERVISOR, Role.OWNER},
    sources={State.PENDING_REPLY},
    targets=(State.IN_PROGRESS,),
    example=SendBack(reason="The caller says that the pressure is still low."),
    problems=(NO_SUCH_PART,),
    data=SentBack,
    notifies=("department",),
    part=PartAction(
        sources={PartState.COMPLETED},
        target=PartState.IN_PROGRESS,
        states={State.PENDING_REPLY},
        leads_to=State.IN_PROGRESS,
    ),
)
