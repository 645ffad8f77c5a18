"""sign_for 签收: the department takes the case."""

from domain.case.lifecycle import NO_SUCH_PART, Part, PartBody, PartData, PartState
from domain.case.state import Action, Actor, CaseState, Decision, Event, PartAction, Role, State
from domain.shared.value import Name


class SignFor(PartBody):
    """签收; the assignee is the signer unless another is named."""

    assignee: Name | None = None

    def decide(self, _: CaseState, actor: Actor, *__: object) -> Decision:
        return Decision(SignedFor.of(self, assignee=self.assignee or actor.id), State.IN_PROGRESS)


class SignedFor(PartData, SignFor):
    """Signature, and the person who works on the case from now on."""

    def evolve(self, case: CaseState, event: Event) -> None:
        case.signed_for = True
        case.assignee = self.assignee
        case.stop_clocks(event.at, "signature")

    def evolve_part(self, case: CaseState, part: Part, event: Event) -> None:
        case.put_part(part, state=PartState.IN_PROGRESS, assignee=self.assignee or event.actor)
        case.stop_clocks(event.at, "signature", part=part.serial)


ACTION = Action(
    name="sign_for",
    zh="签收",
    description="The department takes the case.",
    roles={Role.CREW},
    sources={State.DISPATCHED},
    targets=(State.IN_PROGRESS,),
    example=SignFor(assignee="梁伟"),
    problems=(NO_SUCH_PART,),
    data=SignedFor,
    notifies=("owner",),
    part=PartAction(sources={PartState.DISPATCHED}, target=PartState.IN_PROGRESS),
)
