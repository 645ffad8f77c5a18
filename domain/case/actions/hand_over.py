"""hand_over 移交: another agent owns the case from now on."""

from domain.case.actions.correct import CONTACT_CHANGED
from domain.case.lifecycle import OPEN
from domain.case.state import Action, ActionBody, CaseState, Decision, Event, Role
from domain.shared.errors import ProblemType, Refused
from domain.shared.value import Name, omit_default

SAME_OWNER = ProblemType("invalid", "same_owner", "Owner unchanged", "首问责任人未变更")
OWNER_CHANGED = ProblemType("conflict", "owner_changed", "Owner changed meanwhile", "首问责任人已变更")


class HandOver(ActionBody):
    """移交 to the new owner; with `previous_owner`, only if that person owns the case."""

    owner: Name
    previous_owner: Name | None = omit_default(None, "Who is to own the case until then; null: whoever does.")

    def decide(self, case: CaseState, *_: object) -> Decision:
        if self.owner == case.owner:
            raise Refused(
                SAME_OWNER,
                f"{case.owner} owns the case already.",
                (("其他人员的工号或姓名", "another person's id or name"),),
            )
        if self.previous_owner not in (None, case.owner):
            accepted = (
                ("不填原责任人", "no former owner"),
                (f"以 {case.owner} 为原责任人", f"{case.owner} as the former owner"),
            )
            raise Refused(OWNER_CHANGED, f"It belongs to {case.owner} now.", accepted)
        return Decision(HandedOver.of(self, previous_owner=case.owner))


class HandedOver(HandOver):
    """New owner, and the one before."""

    previous_owner: str

    def evolve(self, case: CaseState, _: Event) -> None:
        """Flag the case if the new owner was the last to change the caller's telephone: it is the owner's own now."""
        change = case.contact_changed
        if change and change.by == self.owner:
            case.contact_changed = change.model_copy(update={"by_owner": True})
            case.add_flags(CONTACT_CHANGED)


ACTION = Action(
    name="hand_over",
    zh="移交",
    description="A new owner; the owner changes in no other way.",
    roles={Role.SUPERVISOR},
    sources=OPEN,
    example=HandOver(owner="陈静", note="The agent is on leave."),
    problems=(SAME_OWNER, OWNER_CHANGED),
    data=HandedOver,
    sets=("owner",),
    notifies=("owner", "owner:{previous_owner}"),
)
