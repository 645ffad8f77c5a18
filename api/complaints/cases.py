"""Cases as the API reads them, from SQL or else from their workflows, and shows them: as answers or rows of files."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, StrictBool
from pydantic_core import to_jsonable_python

from api.edge.problems import ProblemError
from api.parameters import Flag, Sla, not_found
from api.responses import EventItem, body_like, masked_for, reads_one_department, shown_as, timeline_of
from api.routing import from_backend, require_reach
from api.sql import ProjectionWriter, Reader, sql_unavailable
from api.temporal.client import ComplaintClient
from domain.case.automatic.lateness import DOCUMENT_EN, DOCUMENT_KINDS, document_of
from domain.case.case import Case
from domain.case.decide import CASE_KINDS, available_actions
from domain.case.intake import Intake, IntakeChannel
from domain.case.lifecycle import ENDED, Event, Part, State
from domain.case.views import CaseView, Outcome, view_case
from domain.catalogue.terms import Priority
from domain.reports.report import Cell
from domain.rights.rights import PERSONAL_DATA, Right, masked, masks_for
from domain.shared.actors import Actor
from domain.shared.value import Immutable, Name, exhaustive
from readmodel.cases.queries import PartOfCase, get_case


@dataclass(frozen=True, slots=True)
class Cases:
    """Cases, from SQL or else from their workflows."""

    reader: Reader
    client: ComplaintClient
    projection: ProjectionWriter
    clock: Callable[[], datetime]

    async def find(self, number: str, actor: Actor) -> CaseView | None:
        """Case as the actor sees it, from SQL or else from its workflow; None if there is no such case.

        No right is asked for: to answer with a case, take `get`. Raises ProblemError if neither answers.
        """
        case, down = None, None
        try:
            case = await self.reader.ask(get_case, number)
        except ProblemError as error:
            down = error
        view = self.view(case, actor) if case else await self.client.case(number, actor)
        if view is None and down:
            # SQL may have the case: it keeps cases for longer than Temporal does.
            raise down
        return view

    async def get(self, number: str, actor: Actor, right: Right) -> CaseView:
        """Case as the actor sees it. Raises ProblemError, also if the right does not reach it."""
        view = await self.find(number, actor)
        if view is None:
            raise not_found(number)
        require_reach(right, actor, number, view)
        return view

    def view(self, case: Case, actor: Actor) -> CaseView:
        now = self.clock()
        return view_case(case, now, available_actions(case, actor, now))

    async def in_sql(self, number: str, actor: Actor, right: Right) -> Case:
        """Case from SQL. Raises ProblemError, also if SQL does not show it yet."""
        case = await self.reader.ask(get_case, number)
        found = case or await self.client.case(number, actor)
        if found is None:
            raise not_found(number)
        require_reach(right, actor, number, found)
        if case is None:
            raise sql_unavailable(f"The complaint {number} is there, but SQL does not show it yet.")
        return case

    async def write(self, number: str, outcome: Outcome, actor: Actor) -> tuple[CaseView, bool]:
        """Write what an update returned; return the case as the actor sees it, and True if SQL has it.

        Raises ProblemError if SQL is down and the workflow does not answer either.
        """
        view, committed = outcome.case, False
        if outcome.batch:
            case, committed = await self.projection.write(outcome.batch)
            view = self.view(case, actor) if case else await self.client.case(number, actor)
        elif view:
            committed = await self.projection.has(number, view.version)
        if view is None:
            raise not_found(number)
        return view, committed


TheCases = Annotated[Cases, from_backend("cases")]


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

    priority: Priority | None = Field(None, description="Overrides the service's own; the clocks stay.")
    owner: Name | None = Field(None, description="Owner of the case, by id or name; by default the acting agent.")
    fill: StrictBool = Field(
        True,
        description="Take name, telephone, account and place from the registry where the caller gives none.",
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
            title_zh=DOCUMENT_KINDS[event.action].zh,
            departments=[each.department for each in data.addressees],
            links={"self": f"{here}/notices/{event.seq}", "complaint": here},
        )


EXPORTED_PAGE = 500
"""Complaints that are read at once, so that neither SQL nor memory holds more of them."""
_OF_CASE = ("number", "state", "service_code", "priority", "sla", "overdue", "owner", "department", "assignee", "cycle")
MASKED_AS: Mapping[str, str | None] = {
    **dict.fromkeys(_OF_CASE),
    **dict.fromkeys(("flags", "incident", "channel", "registered_at", "closed_at", "next_due_at")),
    "caller_name": "caller.name",
    "caller_phone": "caller.phone",
    "caller_account_no": "caller.account_no",
    "district": None,
    "address": "location.address",
    "description": None,
    "result": None,
    "reply": None,
}
"""Columns, each with the field of `PERSONAL_DATA` as which it is masked; None: it holds no personal data."""
EXPORTED = tuple(MASKED_AS)
_PERSONAL = {name: field.split(".") for name, field in MASKED_AS.items() if field}
_FIELDS = {field for kind in PERSONAL_DATA for field in kind.fields}
exhaustive("PERSONAL_DATA", filter(None, MASKED_AS.values()), _FIELDS)
_NAMES = {*(field.replace(".", "_") for field in _FIELDS), *(field.rpartition(".")[2] for field in _FIELDS)}
exhaustive("MASKED_AS", _NAMES.intersection(EXPORTED), _PERSONAL)  # A personal column is never in clear by oversight.


def shown_rows(rows: Iterable[Mapping[Any, Any]], reader: Actor) -> Iterator[dict[str, Any]]:
    """Yield rows of `list_rows` by column, masked for the reader."""
    for row in rows:
        nested = {name: {of: {field: row[name]}} for name, (of, field) in _PERSONAL.items()}
        shown = masked_for(reader, {name: row[name] for name in EXPORTED} | nested, row["state"])
        yield shown | {name: shown[name][of][field] for name, (of, field) in _PERSONAL.items()}


def cells(rows: Iterable[Mapping[Any, Any]], reader: Actor) -> list[list[Cell]]:
    return [
        [to_jsonable_python(value) for value in (shown | {"flags": " ".join(shown["flags"])}).values()]
        for shown in shown_rows(rows, reader)
    ]
