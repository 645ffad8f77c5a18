"""register 受理: the agent takes the complaint down, and owns the case from then on."""

from domain.case.intake import Intake
from domain.case.state import Action, Actor, Addressees, CaseState, Event, Holder, Role, State, holders_of
from domain.catalogue.terms import USUAL_CLASS, CustomerClass, Terms
from domain.kit.event import ActionBody, EventData
from domain.shared.value import Instant, Name, omit_default


class Registered(EventData):
    """Facts of a registration: intake, owner, and the terms of the case from then on."""

    number: str
    owner: Name
    intake: Intake
    terms: Terms
    flags: tuple[str, ...] = omit_default((), "Of `IntakeFlag`.")
    possible_duplicates: tuple[str, ...] = omit_default((), "Cases that may be the same matter.")
    filled: tuple[str, ...] = omit_default((), "Fields of the intake that the registry has filled in.")
    incident: str | None = omit_default(None, "The incident that explains the call.")
    customer_class: CustomerClass = omit_default(USUAL_CLASS, "As the registry has it (客户类别).")

    def evolve(self, case: CaseState, event: Event) -> None:
        case.add_flags(*self.flags)
        case.incident = self.incident
        open_cycle(case, event)

    def text(self, number: str, _: Event) -> tuple[str, str] | None:
        name = self.intake.thanked
        return (f"工单{number}：来电表扬{name}", f"Case {number}: a caller thanks {name}") if name else None

    def notifies(self, _: CaseState, __: Event) -> Addressees:
        thanked = ("assignee",) if self.intake.thanked else ()
        return () if self.incident else ("dispatcher", *thanked)


class Registration(Registered):
    """Everything that a case starts from: the data of its first event, when it was taken and by whom."""

    at: Instant
    actor: Actor
    people: dict[str, str] = omit_default({}, "Names of the people in it, by id, where they differ.")


def open_cycle(case: CaseState, event: Event) -> None:
    case.cycle = event.cycle
    case.cycle_began_at = event.at if event.cycle > 1 else None
    case.dispatched_at = case.arrived_at = case.follow_up_since = None
    case.handed, case.standstills, case.away = (), (), ()
    case.follow_up_attempts = 0
    case.completed = case.signed_before = case.signed_for = False
    case.extensions = case.extended_days = 0
    case.approval = case.extension = None
    case.open_clocks([promise.name for promise in case.terms.promises])
    case.start_clocks(event.at, "registration")


def holders(case: CaseState, data: Registered) -> tuple[Holder, ...]:
    """Person who is thanked, reached as the holder of a case is, by the id."""
    return tuple(each._replace(assignee=data.intake.thanked or each.assignee) for each in holders_of(case, data))


ACTION = Action(
    name="register",
    zh="受理",
    description="The agent who takes the call owns the case.",
    roles={Role.AGENT},
    sources=set(),
    targets=(State.REGISTERED,),
    example=ActionBody(),
    data=Registered,
    holders=holders,
)
