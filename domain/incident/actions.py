"""Actions on an incident, in the order of the table. A new one is an `IncidentAction` here and a line below."""

from datetime import datetime

from pydantic import Field

from domain.incident.state import (
    CONTROL_ROOM,
    LINKABLE,
    LINKS_NEW_CASES,
    Around,
    IncidentAction,
    IncidentEvent,
    IncidentFields,
    IncidentState,
    Opened,
    Scope,
)
from domain.kit.event import ActionBody, Decision, Reasoned, by_body, by_name
from domain.shared.actors import Actor, Role
from domain.shared.codes import DepartmentCode, DistrictCode, ServiceCode
from domain.shared.errors import ANOTHER_INCIDENT, SAME_INCIDENT, ProblemType, Refused
from domain.shared.numbers import CaseNumber
from domain.shared.value import IncidentNumber, Instant, Name, Text

MOST_CASES = 100
EXPECTED_AT_PAST = ProblemType(
    "invalid", "expected_at_past", "Water expected back in the past", "预计恢复时间应晚于当前时间"
)

DECLARE = IncidentAction(
    name="declare",
    zh="上报",
    description="Known before callers tell.",
    roles=CONTROL_ROOM,
    sources=set(),
    targets=(IncidentState.CONFIRMED,),
    example=ActionBody(),
    data=Opened,
    notifies=("supervisor",),
)


def _check_ahead(expected_at: datetime | None, at: datetime) -> None:
    """Raise Refused for a time that callers would be told when it is past."""
    if expected_at and expected_at <= at:
        accepted = (("将来的时间", "a time to come"), ("不填预计恢复时间", "no expected_at"))
        raise Refused(EXPECTED_AT_PAST, f"{expected_at.isoformat()} is past; water is expected back later.", accepted)


class Confirm(Around, ActionBody):
    """确认; with a title, further services and districts, a circle or streets, and cases that it takes by name."""

    title: Name | None = None
    services: tuple[ServiceCode, ...] = ()
    districts: tuple[DistrictCode, ...] = ()
    cases: tuple[CaseNumber, ...] = Field(
        (), max_length=MOST_CASES, description="Cases that it takes by name, whatever their matters."
    )
    expected_at: Instant | None = Field(None, description="When water is expected back.")

    def decide(self, incident: IncidentFields, _: object, at: datetime) -> Decision:
        _check_ahead(self.expected_at, at)
        scope = incident.scope.widened(self.services, self.districts).narrowed(self)
        title = self.title or incident.title
        confirmed = Confirmed.of(self, title=title, services=self.services, districts=self.districts, scope=scope)
        return Decision(confirmed, IncidentState.CONFIRMED)


class Confirmed(Confirm):
    """Title and scope from now on, and what was added or named."""

    title: str
    scope: Scope

    def evolve(self, incident: IncidentFields, *_: object) -> None:
        if self.expected_at:
            incident.expected_at = self.expected_at


CONFIRM = IncidentAction(
    name="confirm",
    zh="确认",
    description="It is one cause, and takes the cases of its scope that have no work of their own.",
    roles=CONTROL_ROOM,
    sources={IncidentState.SUSPECTED},
    targets=(IncidentState.CONFIRMED,),
    example=Confirm(title="Salt tide 咸潮", districts=("west", "south")),
    data=Confirmed,
    sets=("title", "scope"),
    notifies=("supervisor",),
    problems=(EXPECTED_AT_PAST,),
)


class Dismiss(Reasoned):
    """排除, with the reason."""


DISMISS = IncidentAction(
    name="dismiss",
    zh="排除",
    description="It is no common cause. Cases that were linked go their own way.",
    roles=CONTROL_ROOM,
    sources={IncidentState.SUSPECTED, IncidentState.CONFIRMED},
    targets=(IncidentState.DISMISSING,),
    example=Dismiss(reason="One street, one owner's pump."),
)


class Merge(ActionBody):
    """并入 another incident, with the reason."""

    into: IncidentNumber
    reason: Text | None = None

    def check(self, incident: IncidentFields) -> None:
        if self.into == incident.number:
            raise Refused(SAME_INCIDENT, "It cannot be merged into itself.", (ANOTHER_INCIDENT,))

    def evolve(self, incident: IncidentFields, event: IncidentEvent) -> None:
        incident.into, incident.state_before_merge = self.into, event.from_state


MERGE = IncidentAction(
    name="merge",
    zh="并入",
    description="The cause of another: its cases go over.",
    roles=CONTROL_ROOM,
    sources=LINKABLE,
    targets=(IncidentState.MERGING,),
    example=Merge(into="i26080300014", reason="The same tide."),
    problems=(SAME_INCIDENT,),
)


class DispatchIncident(ActionBody):
    """派单 to a department of the catalogue, to a person there if known."""

    department: DepartmentCode
    assignee: Name | None = None


DISPATCH = IncidentAction(
    name="dispatch",
    zh="派单",
    description="One dispatch for all linked cases; again, to another department.",
    roles=CONTROL_ROOM,
    sources=LINKS_NEW_CASES,
    targets=(IncidentState.DISPATCHED,),
    example=DispatchIncident(department="water_quality"),
    sets=("department", "assignee"),
    notifies=("department:{department}",),
)


class SignForIncident(ActionBody):
    """签收; the assignee is the signer unless another is named."""

    assignee: Name | None = None

    def decide(self, _: IncidentFields, actor: Actor, *__: object) -> Decision:
        return Decision(SignForIncident.of(self, assignee=self.assignee or actor.id), IncidentState.IN_PROGRESS)


SIGN_FOR = IncidentAction(
    name="sign_for",
    zh="签收",
    description="The department takes it.",
    roles={Role.CREW},
    sources={IncidentState.DISPATCHED},
    targets=(IncidentState.IN_PROGRESS,),
    example=SignForIncident(assignee="梁伟"),
    sets=("assignee",),
    notifies=("dispatcher",),
)


class Inform(ActionBody):
    """通报进展: what callers are told, in Chinese, and in English where that differs."""

    message: Text
    message_en: Text | None = None
    expected_at: Instant | None = Field(None, description="When water is expected back.")

    def decide(self, _: IncidentFields, __: object, at: datetime) -> None:
        _check_ahead(self.expected_at, at)

    def evolve(self, incident: IncidentFields, *_: object) -> None:
        incident.news, incident.news_en = self.message, self.message_en
        if self.expected_at:
            incident.expected_at = self.expected_at


# `News` addresses the callers.
INFORM = IncidentAction(
    name="inform",
    zh="通报进展",
    description="News for every caller of a linked case.",
    roles=CONTROL_ROOM,
    sources=LINKS_NEW_CASES,
    example=Inform.model_validate(
        {
            "message": "因咸潮影响，自来水略带咸味，正在调水稀释。",
            "message_en": "Salt tide: water tastes slightly of salt; fresh water is on its way.",
            "expected_at": "2036-08-03T12:00:00Z",
        }
    ),
    problems=(EXPECTED_AT_PAST,),
)


class Resolve(ActionBody):
    """解决: what was done, and what callers are told."""

    result: Text
    message: Text

    def evolve(self, incident: IncidentFields, *_: object) -> None:
        incident.result, incident.reply = self.result, self.message


RESOLVE = IncidentAction(
    name="resolve",
    zh="解决",
    description="The cause is gone: linked cases are completed and replied to, unless somebody works on them.",
    roles=CONTROL_ROOM | {Role.CREW},
    sources=LINKS_NEW_CASES,
    targets=(IncidentState.SETTLING,),
    example=Resolve(
        result="Fresh water was led in; chloride is below 250 mg/L.",
        message="水质已恢复正常，感谢谅解。Water is as it should be again.",
    ),
    notifies=("dispatcher", "supervisor"),
)


INCIDENT_ACTIONS: tuple[IncidentAction, ...] = (DECLARE, CONFIRM, DISMISS, MERGE, DISPATCH, SIGN_FOR, INFORM, RESOLVE)
INCIDENT_TABLE: dict[str, IncidentAction] = by_name(*INCIDENT_ACTIONS)
INCIDENT_COMMANDS = {name: action for name, action in INCIDENT_TABLE.items() if action is not DECLARE}
"""Actions that are done to an incident; the declaration starts it."""
INCIDENT_ACTION_OF: dict[type[ActionBody], IncidentAction] = by_body(*INCIDENT_COMMANDS.values())
