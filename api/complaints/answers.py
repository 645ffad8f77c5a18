"""Shapes of requests and answers about complaints, and how cases are shown."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, StrictBool

from api.parameters import Flag, Sla
from api.responses import EventItem, body_like, masked_for, reads_one_department, shown_as, timeline_of
from domain.case.automatic.notice import DOCUMENT_EN, DOCUMENTS, document_of
from domain.case.decide import CASE_KINDS
from domain.case.intake import Intake, IntakeChannel
from domain.case.lifecycle import ENDED, Event, Part, State
from domain.case.views import CaseView
from domain.catalogue.terms import Priority
from domain.rights.masking import masked, masks_for
from domain.shared.actors import Actor
from domain.shared.value import Immutable, Name
from readmodel.cases.queries import PartOfCase

NEW_COMPLAINT: dict[str, Any] = {
    "service_code": "no_water",
    "channel": "phone",
    "caller": {"name": "李婆婆", "phone": "0760 8823 7777", "account_no": "0420013"},
    "location": {"district": "west", "address": "下闸新村 3 号", "lat": 22.5176, "lng": 113.3926},
    "description": "No water at home since six in the morning. 早上六点起家里没水。",
}


class NewComplaint(Intake):
    """Complaint as an agent takes it down during the call (受理)."""

    model_config = body_like(NEW_COMPLAINT)

    priority: Priority | None = Field(default=None, description="Overrides the service's own; the clocks stay.")
    owner: Name | None = Field(
        default=None, description="Owner of the case, by id or name; by default the acting agent."
    )
    fill: StrictBool = Field(
        default=True,
        description="Take name, telephone and place from the registry of customers where the caller gives none.",
    )


class Links(BaseModel):
    """Addresses of related resources."""

    self: str = Field(examples=["/v1/complaints/2608034711004"])
    timeline: str
    notices: str = Field(description="Notices of urging and criticisms of the case, for staff.")
    caller: str = Field(description="Record of the caller, for staff.")
    calls: str = Field(description="Calls of the case.")
    actions: str = Field(description="`{action}` stands for one of `available_actions`.")
    temporal_ui: str = Field(description="The case in the Temporal UI, for people who have signed in.")

    @classmethod
    def of(cls, number: str) -> Self:
        here = f"/v1/complaints/{number}"
        below = {part: f"{here}/{part}" for part in ("timeline", "notices", "caller", "calls")}
        return cls(self=here, **below, actions=f"{here}/actions/{{action}}", temporal_ui=f"/case/{number}")


class Complaint(CaseView):
    """Complaint at one version (工单)."""

    priority: Annotated[str, shown_as(Priority)]
    flags: tuple[Annotated[str, shown_as(Flag)], ...]
    sla: Annotated[str, shown_as(Sla), Field(description="Of the current cycle.")]
    channel: Annotated[str, shown_as(IntakeChannel)]
    masked: list[str] = Field(
        description="Fields that your role sees masked (脱敏) or empty.", examples=[["caller.phone"]]
    )
    links: Links

    @classmethod
    def of(cls, view: CaseView, reader: Actor) -> Self:
        shown, names = masked(view, masks_for(reader.role, ended=view.state in ENDED))
        facts = dict(shown)
        if reads_one_department(reader) and view.possible_duplicates:
            facts["possible_duplicates"] = ()
            names.append("possible_duplicates")
        return cls(**facts, masked=names, links=Links.of(view.number))


class PartItem(Part):
    """Part of a department in a case of another (协办)."""

    number: str
    case_state: State
    service_code: str
    priority: Priority
    district: str | None
    owner: str = Field(description="Person who replies to the caller (首问责任人).")
    links: Links

    @classmethod
    def of(cls, item: PartOfCase, reader: Actor) -> Self:
        found = cls(**dict(item.part), **item._asdict(), links=Links.of(item.number))
        return masked_for(reader, found, found.case_state)


class TimelineItem(EventItem[State]):
    """Event of a case (处理记录): an action of a person, or an event of time, with `system` as its actor."""

    cycle: int


Timeline = timeline_of("Timeline", TimelineItem, CASE_KINDS)
"""Events of a case."""


class NoticeItem(Immutable):
    """Notice of urging (催办通知书) or public criticism (通报批评)."""

    seq: int = Field(description="Of its event in the timeline; with the case's number, the number of the document.")
    at: datetime = Field(description="Time of issue.")
    cycle: int
    kind: str = Field(description="`notice` or `criticise`.")
    title: str
    title_zh: str
    due_at: datetime = Field(description="Time by which the case was to be settled, or replied to.")
    departments: list[str] = Field(
        description="Codes of the departments with unfinished work; empty if it is the owner's."
    )
    links: dict[str, str] = Field(description="`self` is the document, as a page; `complaint` is the case.")

    @classmethod
    def of(cls, number: str, event: Event) -> Self:
        data, here = document_of(event), f"/v1/complaints/{number}"
        return cls.taken_from(
            event,
            data,
            kind=event.action,
            title=DOCUMENT_EN[event.action],
            title_zh=DOCUMENTS[event.action].zh,
            departments=[each.department for each in data.addressees],
            links={"self": f"{here}/notices/{event.seq}", "complaint": here},
        )
