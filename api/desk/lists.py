"""Lists of the desk: a page of a tab, the counts of all tabs, and what has come into a list since it was shown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlencode

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json
from sqlalchemy import RowMapping
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from api.complaints.routes import narrowed
from api.desk import words
from api.desk.kit import DESK, DeskPages
from api.desk.tabs import INCIDENTS, START, Parameters, Tab, tabs_of
from api.desk.words import Names
from api.edge import chinese
from api.edge.problems import Fault, invalid_request
from api.parameters import Filters, Listing
from api.responses import masked_for
from api.routing import CONTEXT
from domain.case.case import Case
from domain.case.lifecycle import State
from domain.incident.incident import Incident
from domain.incident.state import IncidentState
from domain.rights.rights import CALL_BACK
from domain.shared.actors import Actor, Role
from domain.shared.codes import UNKNOWN_CODE
from domain.shared.value import Phrase
from readmodel.base.database import ReadConnection
from readmodel.calls.call_backs import count_open_call_backs
from readmodel.cases.queries import count_lists, get_cases, list_numbers, list_rows
from readmodel.cases.search import CaseFilters
from readmodel.incidents import count_open, open_with_cases

ROWS = 200
"""Cases on a page of a list."""
FILTERS = ("service", "district", "priority", "q", "incident", "state", "registered_from", "registered_to")
"""Filters that a reader chooses in a list, or that a link to it has."""
REFRESH_SECONDS = 15.0
"""Time between two reads of the counts by a page that is open."""
MOST_INCIDENTS = 10
"""Incidents above a list; their own page has all."""
APPROVALS = "approvals"
"""Tab of the cases that wait for management, which says what for."""
LONGEST_SUBJECT = 60
LONGEST_ADDRESS, SHORTEST_ADDRESS, ADDRESSES = 40, 12, 2400
"""Most and fewest characters of an address in a list, and about so many of all: a page has 60 KB at most."""


class Row(NamedTuple):
    """Case in a list, in words; `sla` is None while it is on time, and `asked` what management is to approve."""

    number: str
    state: str
    service: str
    place: str
    department: str
    assignee: str
    owner: str
    due: str
    sla: Phrase | None
    is_late: bool
    flags: str
    asked: str


class _Asked(NamedTuple):
    """List that an address asks for, with the tabs of its reader."""

    tabs: Mapping[str, tuple[Tab, Parameters]]
    tab: Tab
    chosen: Mapping[str, str]
    wanted: Listing


@dataclass(frozen=True)
class CaseLists(DeskPages):
    """Lists of cases by tab."""

    async def tab(self, request: Request, actor: Actor) -> Response:
        """Page of one tab, with the number of cases of each. Raises ProblemError."""
        if actor.role is Role.CREW and not request.query_params.get("tab"):
            return RedirectResponse(f"{DESK}/crew", HTTPStatus.SEE_OTHER)
        asked = self._asked(request, actor)
        wanted, chosen = asked.wanted, asked.chosen
        bounds, filters = (wanted.cursor, wanted.limit, wanted.sort), self._narrowed(wanted, actor)
        listed = await self.backend.reader.ask(list_rows, filters, *bounds)
        numbers = [row["number"] for row in listed.items] if asked.tab.name == APPROVALS else []
        requests = dict(_asked_for(await self.backend.reader.ask(get_cases, numbers) if numbers else (), actor))
        states = () if wanted.cursor else INCIDENTS.get(asked.tab.name, ())
        address = urlencode({"tab": asked.tab.name, **chosen})
        return self.page(
            request,
            "list",
            actor,
            tab=asked.tab,
            tabs=[tab for tab, _ in asked.tabs.values()],
            chosen=chosen,
            counts=await self._counts(asked, actor),
            rows=[*_rows(listed.items, actor, self.names(request), requests)],
            more=listed.next_cursor and f"{address}&{urlencode({'cursor': listed.next_cursor})}",
            is_first=not wanted.cursor,
            incidents=await self._incidents(actor, states, filters.department),
            refresh_seconds=REFRESH_SECONDS,
            filters=address,
        )

    async def counts(self, request: Request, actor: Actor) -> Response:
        """Answer a page that is open with the counts of all tabs, and the numbers of its list. Raises ProblemError."""
        asked = self._asked(request, actor)
        wanted, filters = asked.wanted, self._narrowed(asked.wanted, actor)
        page = await self.backend.reader.ask(list_numbers, filters, wanted.cursor, wanted.limit, wanted.sort)
        return JSONResponse({"counts": await self._counts(asked, actor), "numbers": page.items})

    async def _incidents(
        self, reader: Actor, states: Sequence[IncidentState], department: str | None
    ) -> list[tuple[Incident, int]]:
        """Incidents of a department or all, the oldest first, with the number of their cases, as they are shown."""
        found = await self.backend.reader.ask(open_with_cases, states, department) if states else []
        return masked_for(reader, found[:MOST_INCIDENTS])

    def _asked(self, request: Request, actor: Actor) -> _Asked:
        tabs = {tab.name: (tab, given) for tab, given in tabs_of(actor, self.backend.now, self.backend.zone.key)}
        name = request.query_params.get("tab") or START[actor.role]
        if name not in tabs:
            raise self.unknown(request, ("列表", "List"), name, (tab.words for tab, _ in tabs.values()))
        tab, parameters = tabs[name]
        chosen = {key: value for key in FILTERS if (value := request.query_params.get(key, "").strip())}
        several = {"state": [chosen["state"]]} if "state" in chosen else {}
        page = {"sort": tab.sort, "limit": ROWS, "cursor": request.query_params.get("cursor")}
        wanted = validated(Listing, {**parameters, **chosen, **several, **page}, self.names(request))
        return _Asked(tabs, tab, chosen, wanted)

    def _narrowed(self, wanted: Filters, actor: Actor) -> CaseFilters:
        return narrowed(wanted, actor, self.backend.person_finder, self.backend.catalogue)

    async def _counts(self, asked: _Asked, actor: Actor) -> dict[str, int]:
        """Count each list by its name; none of a list with ended cases, which are too many to count."""
        context = CONTEXT.get()
        given = (
            (name, Filters.model_validate(parameters, context=context)) for name, (_, parameters) in asked.tabs.items()
        )
        lists = {name: self._narrowed(wanted, actor) for name, wanted in given}
        lists = {name: filters for name, filters in lists.items() if filters.only_open}
        return await self.backend.reader.ask(_count, lists, calls_back=actor.role in CALL_BACK.reach)


def _count(connection: ReadConnection, lists: Mapping[str, CaseFilters], *, calls_back: bool) -> dict[str, int]:
    counts = dict(zip(lists, count_lists(connection, [*lists.values()]), strict=True))
    counts["incidents"] = count_open(connection)
    return counts | ({"call-backs": count_open_call_backs(connection)} if calls_back else {})


def _asked_for(cases: Iterable[Case], reader: Actor) -> Iterator[tuple[str, str]]:
    """Yield what management is asked for, by the number of the case: the subject and the amount."""
    for case in cases:
        if case.approval:
            shown = masked_for(reader, {"approval": case.approval}, case.state)["approval"]
            amount = "" if shown.amount is None else f" · {shown.amount} {case.terms.currency}"
            yield case.number, f"{shown.subject[:LONGEST_SUBJECT]}{amount}"


def _rows(
    given: Sequence[RowMapping], reader: Actor, names: Names, asked: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Row]:
    longest = min(LONGEST_ADDRESS, max(SHORTEST_ADDRESS, ADDRESSES // max(len(given), 1)))
    for row in given:
        people: Mapping[str, str] = from_json(row["people"]) if row["people"] else {}
        shown = masked_for(reader, {"location": {"address": row["address"] or ""}}, row["state"])
        address = shown["location"]["address"]
        yield Row(
            row["number"],
            names.say(words.of_code(State(row["state"]))),
            f"{row['priority']} {names.service(row['service_code'])}",
            f"{names.district(row['district'])} {address[:longest]}{'…' if address[longest:] else ''}",
            names.department(row["department"]),
            people.get(row["assignee"], row["assignee"]) or "",
            people.get(row["owner"], row["owner"]),
            _due(names, row["next_due_at"]),
            words.of_sla(row["sla"], overdue=row["overdue"]),
            row["overdue"],
            " ".join(names.say(words.of_flag(flag)) for flag in row["flags"]),
            asked.get(row["number"], ""),
        )


def _due(names: Names, at: datetime | None) -> str:
    """Local time without its century: a list has little room."""
    return names.local(at)[2:]


def validated(model: type[Any], given: Mapping[str, Any], names: Names) -> Any:  # noqa: ANN401 - of the model
    """Raise ProblemError for what somebody has typed into the address, which names each field in words."""
    try:
        return model.model_validate(given, context=CONTEXT.get())
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        fields = [names.say(words.words_of(str(*fault["loc"][:1]))) for fault in faults]
        raise invalid_request([*map(Fault, fields, map(_said, faults))]) from None


def _said(fault: ErrorDetails) -> Phrase:
    """Say what is wrong with a value, with the names in one language alone."""
    if fault["type"] != UNKNOWN_CODE:
        return chinese.fault(fault), fault["msg"]
    accepted = fault["ctx"]["accepted"]  # of each entry the code and both names
    wrong = fault["msg"].partition(";")[0]
    return f"没有唯一匹配的，可填 {'、'.join(accepted[2::3])}", f"{wrong}; accepted: {', '.join(accepted[1::3])}"
