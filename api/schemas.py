"""The shapes of the interface that the domain does not have already, with their examples."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from domain.case.intake import Intake
from domain.case.lifecycle import State
from domain.case.parts import Part
from domain.case.views import CaseView
from domain.catalogue.terms import Credit, Priority
from domain.customers.customer import Thanks
from domain.incident.actions import INCIDENT_TABLE
from domain.incident.lifecycle import IncidentState
from domain.shared.actors import Role
from domain.shared.codes import DistrictCode, ServiceCode
from domain.shared.text import Instant, Name

NEW_COMPLAINT: dict[str, Any] = {
    "service_code": "no_water",
    "channel": "phone",
    "caller": {"name": "李婆婆", "phone": "0760 8823 7777", "account_no": "0420013"},
    "location": {"district": "west", "address": "下闸新村 3 号", "lat": 22.5176, "lng": 113.3926},
    "description": "No water at home since six in the morning. 早上六点起家里没水。",
}


class NewComplaint(Intake):
    """What an agent takes down during the call (受理)."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [NEW_COMPLAINT]})

    priority: Priority | None = Field(default=None, description="Overrides the service's own; the clocks stay.")
    owner: Name | None = Field(default=None, description="Who owns the case; the acting agent where it is left out.")


class Links(BaseModel):
    """Where to go on from here."""

    self: str = Field(examples=["/v1/complaints/2608034711004"])
    timeline: str
    notices: str = Field(description="What the case was urged and criticised by in writing, for staff.")
    caller: str = Field(description="What is known of the caller, for staff.")
    actions: str = Field(description="`{action}` stands for one of `available_actions`.")


class Complaint(CaseView):
    """One complaint at one version (工单)."""

    links: Links


class ComplaintPage(BaseModel):
    """Complaints, the newest registration first."""

    items: list[Complaint]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null on the last one.")


class PartItem(Part):
    """A part of a department in a case of another (协办)."""

    number: str
    case_state: State
    service_code: str
    priority: Priority
    district: str | None
    owner: str = Field(description="Who replies to the caller (首问责任人).")
    links: Links


class PartPage(BaseModel):
    """Parts, the latest involvement first."""

    items: list[PartItem]
    next_cursor: str | None


class NewIncident(BaseModel):
    """An incident that is known before the telephone tells (上报)."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"title": "Salt tide 咸潮", "services": ["water_quality"], "districts": ["west", "south"]}]
        },
    )

    title: Name = Field(description="What it is called.")
    services: tuple[ServiceCode, ...] = Field(min_length=1, description="Calls about any of these belong to it.")
    districts: tuple[DistrictCode, ...] = Field(min_length=1, description="Calls from any of these belong to it.")
    since: Instant | None = Field(
        default=None, description="Cases registered from then on belong to it; the catalogue's window, where left out."
    )


class IncidentLinks(BaseModel):
    """Where to go on from here."""

    self: str = Field(examples=["/v1/incidents/i26080347119"])
    timeline: str
    complaints: str = Field(description="Its cases.")
    actions: str = Field(description="`{action}` stands for one of `available_actions`.")


IncidentActionName = Annotated[
    str, WithJsonSchema({"type": "string", "enum": [*INCIDENT_TABLE], "title": "IncidentAction"})
]


class IncidentItem(BaseModel):
    """One incident (突发事件): one cause behind many calls."""

    number: str = Field(description="`i` and eleven digits, the last one a check digit.")
    title: str = Field(description="What it is called: service and district, until a dispatcher says better.")
    state: IncidentState
    services: list[str] = Field(description="Codes of its scope: calls about any of these belong to it.")
    districts: list[str] = Field(description="Codes of its scope: calls from any of these belong to it.")
    since: datetime = Field(description="Cases registered from then on belong to it.")
    opened_at: datetime = Field(description="When it was suspected or declared.")
    opened_by: str = Field(description="`system` where it was suspected by the number of calls.")
    follow_up_percent: int = Field(description="How many of the callers are asked how it went.")
    version: int = Field(description="The number of its last event. Grows with each.")
    department: str | None = Field(description="Which was sent for all of its cases.")
    assignee: str | None = Field(description="Who of that department has it.")
    expected_at: datetime | None = Field(description="When water is expected back.")
    news: str | None = Field(description="What callers were told last.")
    result: str | None = Field(description="What was done.")
    reply: str | None = Field(description="What callers were told at its end.")
    into: str | None = Field(description="The incident that it was merged into.")
    closed_at: datetime | None = Field(description="When the last of its cases had been seen to.")
    cases: int = Field(description="How many are linked to it, as SQL shows them; 0 in lists.")
    cases_by_state: dict[State, int] = Field(description="The same by state; empty in lists.")
    available_actions: list[IncidentActionName] = Field(description="What your key may do to it now.")
    links: IncidentLinks


class IncidentPage(BaseModel):
    """Incidents, the latest first."""

    items: list[IncidentItem]
    next_cursor: str | None


class IncidentTimelineItem(BaseModel):
    """One thing that happened to an incident."""

    seq: int
    at: datetime
    actor: str
    role: Role
    action: str
    from_state: Annotated[IncidentState | None, Field(alias="from")]
    to_state: Annotated[IncidentState, Field(alias="to")]
    data: dict[str, Any]


class IncidentTimeline(BaseModel):
    """What happened, the oldest first."""

    items: list[IncidentTimelineItem]
    next_cursor: str | None


class CallersLink(BaseModel):
    """A caller's own way to a case, for a while."""

    url: str = Field(examples=["https://hotline.example.com/c/WyIyNjA4MDM0NzExMDAzIiwxLDE3ODU3MzY4MDBd.c2lnbmVk"])
    expires_at: datetime


class MoneyItem(BaseModel):
    """How often the company was asked for money of one kind in a month, and what was said."""

    kind: str | None = Field(
        description="`funded_repair`, `waiver`, `settlement`, `credit`; null where the request named none."
    )
    currency: str
    approved: bool
    times: int
    amount: Decimal


class Money(BaseModel):
    """What management decided in one month (审批)."""

    month: str = Field(examples=["2026-08"])
    items: list[MoneyItem]
    currency: str = Field(description="Of the catalogue in force; ISO 4217.")
    approved_amount: Decimal = Field(description="What the company pays or waives in that currency.")


class PersonThanked(BaseModel):
    """The thanks for one person in a month."""

    thanked: str | None = Field(description="Null: thanks that name nobody.")
    times: int
    thanks: list[Thanks] = Field(description="Oldest first.")


class MonthOfThanks(BaseModel):
    """Whom callers thanked in one month (表扬), for the assessment of the staff (考核)."""

    month: str = Field(examples=["2026-08"])
    items: list[PersonThanked] = Field(description="Whoever was thanked most comes first.")


class TimelineItem(BaseModel):
    """One thing that happened (处理记录): what a person did, or what time brought, with `system` as its actor."""

    seq: int = Field(description="1, 2, 3 ... in the order in which it happened.")
    at: datetime
    actor: str
    role: Role
    action: str
    from_state: Annotated[State | None, Field(alias="from")]
    to_state: Annotated[State, Field(alias="to")]
    cycle: int
    data: dict[str, Any]


class Timeline(BaseModel):
    """What happened, the oldest first."""

    items: list[TimelineItem]
    next_cursor: str | None


class Letter(BaseModel):
    """A message that was given up (未送达)."""

    key: str = Field(description="Names the message.")
    number: str = Field(description="Of the case.")
    recipient: str = Field(description="`supervisor`, `department:repair`, `caller:<number>` ...")
    kind: str = Field(description="What happened: an action, `escalate`, `notice` or `criticise`.")
    text_zh: str
    text_en: str
    error: str | None = Field(description="Why the last try failed; it names the channel where there are several.")
    created_at: datetime
    dead_at: datetime = Field(description="When it was given up.")


class Letters(BaseModel):
    """Dead letters, the last to be given up first."""

    items: list[Letter]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null on the last one.")


class ResentLetter(BaseModel):
    """A letter that is sent again."""

    key: str
    status: str = Field(description="`due`: the courier takes it next.")


class NoticeItem(BaseModel):
    """A notice of urging (催办通知书) or public criticism (通报批评)."""

    seq: int = Field(description="Of its event in the timeline; with the case's number, the number of the document.")
    at: datetime = Field(description="When it was issued.")
    cycle: int
    kind: str = Field(description="`notice` or `criticise`.")
    title: str
    title_zh: str
    due_at: datetime = Field(description="When the case was to be settled, or replied to.")
    departments: list[str] = Field(description="Codes of those whose work is waited for; none: the owner's matter.")
    links: dict[str, str] = Field(description="`self` is the document, as a page; `complaint` is the case.")


class NoticePage(BaseModel):
    """The documents of a case, the oldest first, all on one page."""

    items: list[NoticeItem]
    next_cursor: None = None


class PromisedClock(BaseModel):
    """One promise of a service."""

    name: str = Field(examples=["arrive"])
    calendar: str = Field(description="`always` (round the clock) or `working` (working time).")
    budget_seconds: int
    starts: str = Field(description="The moment from which it runs.", examples=["dispatch"])


class ServiceItem(BaseModel):
    """One kind of complaint, and what the company promises for it; figures for the town."""

    service_code: str
    name: str
    name_zh: str
    group: str
    department: str
    priority: Priority
    answer_needs_follow_up: bool = Field(description="Whether a direct answer (直接答复) is followed up.")
    needs_approval: bool = Field(description="Whether management decides (报批) before it can be completed.")
    clocks: list[PromisedClock]
    credits: list[Credit] = Field(description="What the company owes by itself (自动补偿).")


class Coded(BaseModel):
    """A code with its names."""

    code: str
    name: str
    name_zh: str


class Services(BaseModel):
    """The catalogue, as far as callers of the interface need it; `items` are the services, all on one page."""

    items: list[ServiceItem]
    next_cursor: None = None
    departments: list[Coded]
    districts: list[Coded]
    groups: list[Coded]
    findings: list[Coded] = Field(description="What `complete` may say was found (查实事项), where a credit is owed.")
    currency: str = Field(description="Of every amount; ISO 4217.")


class Named(BaseModel):
    """A word of the interface, in Chinese."""

    code: str
    name_zh: str


class LifecycleRow(BaseModel):
    """Who may do what, from where, and where it leads."""

    action: str
    name_zh: str
    description: str
    roles: list[Role]
    sources: list[State] = Field(alias="from", description="Empty: this is how a case begins.")
    targets: list[State] = Field(alias="to", description="Empty: the state stays.")
    offered: bool = Field(description="False for what comes with a later version.")


class Lifecycle(BaseModel):
    """The whole table (流程)."""

    states: list[Named]
    roles: list[Named]
    actions: list[LifecycleRow]
    mermaid: str = Field(description="The table as a Mermaid state diagram.")


class Health(BaseModel):
    """The process answers."""

    status: str = Field(examples=["alive"])


class Component(BaseModel):
    """How one part of the service stands."""

    ok: bool
    detail: str


class Readiness(BaseModel):
    """Whether calls can be taken, and what else is the matter."""

    status: str = Field(description="`ready`, `degraded` (calls can be taken) or `unavailable`.", examples=["ready"])
    temporal: Component
    sql: Component
    worker: Component
    calendar: Component
    catalogue: Component = Field(description="Which one is in force, and what is the matter with it.")
