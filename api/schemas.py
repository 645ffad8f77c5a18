"""Shapes of requests and answers, besides those of the domain."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar, Union

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import SkipJsonSchema

from domain.case.decide import CASE_KINDS
from domain.case.intake import Intake
from domain.case.lifecycle import State
from domain.case.parts import Part
from domain.case.views import ActionName, CaseView
from domain.catalogue.terms import Credit, Priority, Promise
from domain.kit.event import BaseKind, EventData
from domain.rights.masking import Sight
from domain.rights.rights import Reach
from domain.shared.actors import Person, Role
from domain.shared.text import Name
from domain.shared.value import Coded, omit_default
from readmodel.notifications.notifications import DeadLetter

T = TypeVar("T")
NEW_COMPLAINT: dict[str, Any] = {
    "service_code": "no_water",
    "channel": "phone",
    "caller": {"name": "李婆婆", "phone": "0760 8823 7777", "account_no": "0420013"},
    "location": {"district": "west", "address": "下闸新村 3 号", "lat": 22.5176, "lng": 113.3926},
    "description": "No water at home since six in the morning. 早上六点起家里没水。",
}


def body_like(*examples: Any, **schema: Any) -> ConfigDict:  # noqa: ANN401 - JSON
    """Return the configuration of a body that takes no other fields, with its examples and more of its schema."""
    return ConfigDict(extra="forbid", json_schema_extra={**schema, "examples": [*examples]})


class Page(BaseModel, Generic[T]):
    """Page of a list."""

    items: list[T]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null on the last one.")


class EventItem(BaseModel, Generic[T]):
    """Event in a timeline, with the states before and after it."""

    seq: int = Field(description="1, 2, 3 ... in the order in which it happened.")
    at: datetime
    actor: str = Field(description="Id of the person, or `system`.")
    role: Role
    people: dict[str, str] = omit_default({}, "Names of the people in it, by id, where they differ.")
    action: str = Field(description="Kind of the event, which tells the shape of `data`.")
    from_state: Annotated[T | None, Field(alias="from")]
    to_state: Annotated[T, Field(alias="to")]
    data: EventData


HIDDEN: Any = Annotated[SkipJsonSchema[None], Field(exclude=True)]  # type: ignore[misc]  # mypy takes it for a class that is not generic
"""Type of a field of the domain that no answer has."""
WHOLE = ConfigDict(json_schema_serialization_defaults_required=True)
"""Configuration of an answer that is of the domain: it has also what has its default."""


def _shown(data: type[EventData]) -> type[EventData]:
    """Return the model of data as timelines show them: without the terms."""
    if "terms" not in data.model_fields:
        return data
    return create_model(data.__name__, __base__=data, __doc__=data.__doc__, terms=(HIDDEN, None))


def timeline_of(name: str, item: type[EventItem[Any]], kinds: Mapping[str, BaseKind[Any, Any]]) -> type[BaseModel]:
    """Return the model of a page of events, each of which has the data of its kind."""
    items = list[type[BaseModel]]()
    for kind in kinds.values():
        fields: dict[str, Any] = {
            "action": (Literal[kind.name], Field(description="Kind of the event.")),
            "data": (_shown(kind.data), Field(description="Facts of the event.")),
        }
        title = name + "".join(map(str.capitalize, kind.name.split("_")))
        items.append(create_model(title, __base__=item, __doc__=f"{kind.zh}: {kind.description}", **fields))
    of_any: Any = Annotated[Union[tuple(items)], Field(discriminator="action")]  # noqa: UP007 - of a tuple
    page: type[Page[Any]] = Page.__class_getitem__(of_any)  # type: ignore[assignment]  # known at run time only
    return create_model(name, __base__=page, __doc__="Events, the oldest first; `action` tells the shape of `data`.")


class NewComplaint(Intake):
    """Complaint as an agent takes it down during the call (受理)."""

    model_config = body_like(NEW_COMPLAINT)

    priority: Priority | None = Field(default=None, description="Overrides the service's own; the clocks stay.")
    owner: Name | None = Field(
        default=None, description="Owner of the case, by id or name; by default the acting agent."
    )
    fill: bool = Field(
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


class Complaint(CaseView):
    """Complaint at one version (工单)."""

    masked: list[str] = Field(
        description="Fields that your role sees masked (脱敏) or empty.", examples=[["caller.phone"]]
    )
    links: Links


class ComplaintPage(Page[Complaint]):
    """Complaints, the newest registration first unless another order is asked for."""


class PartItem(Part):
    """Part of a department in a case of another (协办)."""

    number: str
    case_state: State
    service_code: str
    priority: Priority
    district: str | None
    owner: str = Field(description="Person who replies to the caller (首问责任人).")
    links: Links


class PartPage(Page[PartItem]):
    """Parts, the latest involvement first."""


class TimelineItem(EventItem[State]):
    """Event of a case (处理记录): an action of a person, or an event of time, with `system` as its actor."""

    cycle: int


Timeline = timeline_of("Timeline", TimelineItem, CASE_KINDS)
"""Events of a case."""


class Letters(Page[DeadLetter]):
    """Dead letters, the last to be given up first."""


class ResentLetter(BaseModel):
    """Dead letter that is due again, with all of its tries."""

    key: str
    status: str = Field(description="`due`: the courier takes it next.")


class NoticeItem(BaseModel):
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


class PeoplePage(Page[Person]):
    """People of the company, all on one page."""

    next_cursor: None = None


class NoticePage(Page[NoticeItem]):
    """Documents of a case, the oldest first, all on one page."""

    next_cursor: None = None


class ServiceItem(BaseModel):
    """Kind of complaint, with the promises of the company; figures for the town."""

    service_code: str
    name: str
    name_zh: str
    group: str
    department: str
    priority: Priority
    answer_needs_follow_up: bool = Field(description="True if a direct answer (直接答复) is followed up.")
    needs_approval: bool = Field(description="True if management decides (报批) before it can be completed.")
    clocks: list[Promise]
    credits: list[Credit] = Field(description="Credits that the company owes without being asked (自动补偿).")


class Services(BaseModel):
    """Catalogue in force; `items` are the services, all on one page."""

    items: list[ServiceItem]
    next_cursor: None = None
    departments: list[Coded]
    districts: list[Coded]
    groups: list[Coded]
    findings: list[Coded] = Field(description="Findings (查实事项) that `complete` accepts.")
    exemptions: list[Coded] = Field(description="Grounds (免责情形) of `decide_credit` on which nothing is owed.")
    currency: str = Field(description="Of every amount; ISO 4217.")


class Named(BaseModel):
    """Code with its Chinese name."""

    code: str
    name_zh: str


class LifecycleRow(BaseModel):
    """Row of the lifecycle table: an action, its roles, its states before and after."""

    action: ActionName
    name_zh: str
    description: str
    roles: list[Role]
    sources: list[State] = Field(alias="from", description="Empty: this is how a case begins.")
    targets: list[State] = Field(alias="to", description="Empty: the state stays.")
    offered: bool = Field(description="False for what comes with a later version.")


class Lifecycle(BaseModel):
    """Lifecycle table (流程)."""

    states: list[Named]
    roles: list[Named]
    actions: list[LifecycleRow]
    mermaid: str = Field(description="The table as a Mermaid state diagram.")


class RightRow(BaseModel):
    """Right, or action, with the roles that have it."""

    name: str = Field(examples=["read_cases"])
    name_zh: str
    description: str
    reach: dict[Role, Reach] = Field(
        description="By role. `any`: every case. `department`: those that its department has, or has a part in."
        " `own`: those of which the person is the owner, or the caller."
    )
    routes: list[str] = Field(description="Operations that it opens.", examples=[["GET /v1/complaints"]])


class PersonalDataRow(BaseModel):
    """Kind of personal data, and who sees it."""

    name: str
    name_zh: str
    fields: list[str] = Field(description="Fields that hold it, wherever they stand.", examples=[["caller.phone"]])
    sight: dict[Role, Sight] = Field(
        description="By role: `clear`; `masked`; `while_open`, clear until the case has ended."
    )


class Roles(BaseModel):
    """Roles, and the rights of each (权限)."""

    roles: list[Named]
    rights: list[RightRow]
    actions: list[RightRow] = Field(description="Actions on cases, and on incidents: `incident_...`.")
    personal_data: list[PersonalDataRow] = Field(description="What is masked for whom (脱敏).")


class Health(BaseModel):
    """Answer of a live process."""

    status: str = Field(examples=["alive"])


class Component(BaseModel):
    """Health of one part of the service."""

    ok: bool
    detail: str = Field(description="What was found; the reason if the part is not `ok`.")
    remedy: str | None = Field(None, description="What to do if the part is not `ok`, or will soon not be.")


class Readiness(BaseModel):
    """Readiness to take calls, and the health of each part."""

    status: str = Field(
        description="`ready`; `degraded`: calls can be taken, a part needs attention; `unavailable`: they cannot.",
        examples=["ready"],
    )
    temporal: Component = Field(description="Temporal answers and can write.")
    clock: Component = Field(description="The clock of this API process agrees with Temporal's.")
    worker: Component = Field(description="A worker asks for tasks.")
    sql: Component = Field(description="SQL answers, has its tables and can be written to.")
    disk: Component = Field(description="The folders of this machine can be written to and have space.")
    store: Component = Field(description="The files of databases and keys are in place and sound.")
    read_model: Component = Field(description="SQL has as many open cases as Temporal runs.")
    courier: Component = Field(description="The courier of notifications is at work.")
    reconciler: Component = Field(description="Temporal and SQL are compared, and no open case has lost its workflow.")
    surge_watch: Component = Field(description="The watch for surges is at work.")
    keys: Component = Field(description="Every process of the service has the same keys.")
    calendar: Component = Field(description="The holidays are known.")
    catalogue: Component = Field(description="The catalogue in force, and its faults.")
