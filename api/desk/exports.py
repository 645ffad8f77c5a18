"""Files of a list on the desk: words, local times and names in the reader's language, where the API's have codes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from sqlalchemy import RowMapping
from starlette.requests import Request
from starlette.responses import Response

from api.complaints.cases import EXPORTED, shown_rows
from api.complaints.routes import exported
from api.desk import words
from api.desk.kit import DESK
from api.desk.lists import CaseLists, validated
from api.desk.words import FIELDS, VALUES, Names
from api.exports.files import ExportCell
from api.parameters import Listing
from api.routing import StrictRoute, from_backend, require_role
from domain.calendar.work_calendar import on_the_wall
from domain.case.lifecycle import State
from domain.rights.rights import READ_CASES
from domain.shared.actors import Actor
from domain.shared.value import Phrase, exhaustive

COLUMNS: Mapping[str, Phrase] = {
    **FIELDS,
    "number": ("工单号", "Case"),
    "state": ("状态", "State"),
    "sla": ("时限", "Service level"),
    "overdue": ("是否超时", "Late"),
    "cycle": ("轮次", "Cycle"),
    "flags": ("标记", "Flags"),
    "registered_at": ("受理时间", "Registered"),
    "closed_at": ("办结时间", "Closed"),
    "next_due_at": ("到期", "Due"),
    "caller_name": ("来电人", "Caller"),
    "caller_phone": ("联系电话", "Telephone"),
    "caller_account_no": ("用户号", "Account"),
    "reply": ("答复内容", "Words to the caller"),
}
"""Headings of the columns, by their name in the files of the API."""
exhaustive("COLUMNS", EXPORTED, COLUMNS)
HOURS_LATE: Phrase = "超时（小时）", "Hours late"


@dataclass(frozen=True)
class DeskExports(CaseLists):
    """Files of the lists of the desk."""

    async def file(self, request: Request, actor: Actor) -> Response:
        """Return all cases of a list as a file, with the filters of its page. Raises ProblemError."""
        require_role(READ_CASES, actor)
        asked, names = self._asked(request, actor), self.names(request)
        given = asked.wanted.model_dump(exclude={"limit", "cursor"}, exclude_unset=True)
        form = request.query_params.get("format", "xlsx")
        wanted = validated(Listing, {**given, "format": "xlsx" if form == "json" else form}, names)
        backend = self.backend
        people = {person.id: person.name for person in backend.people.directory.people}
        headings = [names.say(heading) for heading in (*(COLUMNS[name] for name in EXPORTED), HOURS_LATE)]

        def shown(rows: Iterable[RowMapping]) -> list[list[ExportCell]]:
            return in_words(shown_rows(rows, actor), names, people, backend.now)

        filters = self._narrowed(wanted, actor)
        pages = await exported(backend.reader, backend.export_throttle, filters, wanted, shown)
        company, title = names.say((names.catalogue.name_zh, names.catalogue.name)), names.say(asked.tab.words)
        return await backend.export_throttle.answer(wanted.format, "complaints", headings, pages, company, title)


def in_words(
    rows: Iterable[Mapping[str, Any]], names: Names, people: Mapping[str, str], now: datetime
) -> list[list[ExportCell]]:
    """Return the rows in words and local times, each with the hours for which the case is late."""

    def at(instant: datetime) -> datetime:
        return on_the_wall(instant, names.catalogue.calendar.timezone).replace(tzinfo=None)

    words_of: Mapping[str, Callable[[Any], ExportCell]] = {
        "state": lambda code: names.say(words.of_code(State(code))),
        "service_code": names.service,
        "district": names.district,
        "department": names.department,
        **dict.fromkeys(("owner", "assignee"), lambda person: people.get(person, person)),
        "sla": lambda code: names.say(words.SLA[code]),
        "overdue": lambda late: names.say(VALUES[str(late).lower()]),
        "channel": lambda code: names.say(VALUES[code]),
        "flags": lambda flags: names.say(("、", ", ")).join(names.say(words.of_flag(flag)) for flag in flags),
        **dict.fromkeys(("registered_at", "closed_at", "next_due_at"), at),
    }
    found = list[list[ExportCell]]()
    for case in rows:
        late = now - case["next_due_at"] if case["overdue"] and case["next_due_at"] else None
        shown = [
            words_of[name](value) if name in words_of and value is not None else value for name, value in case.items()
        ]
        found.append([*shown, round(late.total_seconds() / 3600, 1) if late else None])
    return found


TheDeskExports = Annotated[DeskExports, from_backend("desk_exports")]
router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.get(f"{DESK}/export")
async def export_list(request: Request, desk: TheDeskExports) -> Response:
    return await desk.shown(request, lambda session: desk.file(request, session.actor))
