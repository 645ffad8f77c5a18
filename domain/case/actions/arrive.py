"""arrive 到场: the crew is on the spot."""

from domain.case.lifecycle import NO_SUCH_PART, PartBody, PartData, PartState
from domain.case.state import Action, CaseState, Event, PartAction, Role, State, while_incomplete


class Arrive(PartBody):
    """到场."""


class Arrived(PartData, Arrive):
    """Arrival for the case, or for a part."""

    def evolve(self, case: CaseState, event: Event) -> None:
        case.arrived_at = event.at
        case.stop_clocks(event.at, "arrival")


ACTION = Action(
    name="arrive",
    zh="到场",
    description="The crew is on the spot.",
    roles={Role.CREW},
    sources={State.IN_PROGRESS},
    targets=(State.IN_PROGRESS,),
    example=Arrive(note="On the spot, the main valve is open."),
    problems=(NO_SUCH_PART,),
    data=Arrived,
    guard=while_incomplete,
    notifies=("owner",),
    part=PartAction(sources={PartState.IN_PROGRESS}),
)
