"""answer 直接答复: the agent answers during the call."""

from datetime import datetime

from domain.case.clocks import DEPARTMENT_CLOCKS
from domain.case.lifecycle import MayEnd
from domain.case.state import Action, ActionBody, Actor, CaseState, Decision, Event, Role, State
from domain.shared.value import Text


class Answer(ActionBody):
    """直接答复: what the caller was told."""

    message: Text

    def decide(self, case: CaseState, _: Actor, at: datetime) -> Decision:
        state = State.PENDING_FOLLOW_UP if case.terms.answer_needs_follow_up else State.CLOSED
        ends_at = case.window_ends_at(at) if state is State.CLOSED else None
        return Decision(Answered.of(self, reopen_ends_at=ends_at), state)


class Answered(Answer, MayEnd):
    """Answer, and the end of the window for reopening if it closes the case."""

    def evolve(self, case: CaseState, event: Event) -> None:
        case.reply = self.message
        case.stop_clocks(event.at, "work", "reply")
        if event.to_state is State.PENDING_FOLLOW_UP:
            case.start_clocks(event.at, "reply")
            case.follow_up_since = event.at
            case.cancel_clocks(event.at, DEPARTMENT_CLOCKS)


ACTION = Action(
    name="answer",
    zh="直接答复",
    description="The agent answers during the call; followed up if the service says so.",
    roles={Role.AGENT},
    sources={State.REGISTERED},
    targets=(State.CLOSED, State.PENDING_FOLLOW_UP),
    example=Answer(message="The office opens at half past eight. 营业厅八点半开门。"),
    data=Answered,
    notifies={State.CLOSED: ("caller",), State.PENDING_FOLLOW_UP: ("caller", "follow_up")},
)
