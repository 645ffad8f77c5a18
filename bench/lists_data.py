"""A million cases for the lists: three years of a hotline, skewed and correlated as real ones are, the same every time.

- Services and districts are as unequal as streets are; each service goes to its own department, and 3 in 100 elsewhere,
  so that most pairs of service and department hardly ever meet.
- Agents come and go: the cases of one who left two years ago all lie deep in the list.
- What is open is nearly all of the last days, with a few old cases that got stuck; what is overdue is a part of that.
- Incidents are bursts: hundreds of cases of few services within days.
- Flags, channels and descriptions are as unequal: a few words are in nearly every description.

Rows go in by COPY. What each row carries in JSON was made by the domain itself, once per service.
"""

import json
import random
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import Cursor
from pydantic import TypeAdapter

from domain.case.actions.complete import Complete
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.register import Registration
from domain.case.actions.reply import Reply
from domain.case.actions.sign_for import SignFor
from domain.case.case import Case
from domain.case.intake import Caller, Intake, Location
from domain.case.lifecycle import ENDED, OPEN, State
from domain.case.progress import Progress
from domain.catalogue.catalogue import Catalogue
from domain.incident.state import street_words
from domain.kit.event import Command
from domain.shared.actors import Actor, Role
from domain.shared.errors import Refused
from domain.shared.value import exhaustive
from readmodel.cases.search_terms import impersonal_terms, search_terms
from readmodel.cases.tables import cases, events, search_words

END = datetime(2026, 11, 1, tzinfo=UTC)
SPAN = timedelta(days=3 * 365)
RECENT_SHARE = 0.008
"""The part of all cases that is recent enough to be open: nine days of three years."""
AGENTS = 60
AGENTS_AT_A_TIME = 12
INCIDENTS = 80
CHUNK = 20_000

SERVICES = {
    "leak": 0.24,
    "billing": 0.22,
    "no_water": 0.16,
    "inquiry": 0.12,
    "low_pressure": 0.10,
    "water_quality": 0.06,
    "secondary_supply": 0.04,
    "burst_main": 0.025,
    "service_complaint": 0.015,
    "manhole_cover": 0.01,
    "thanks": 0.008,
    "waiver": 0.002,
}
OPEN_STATES = {
    State.REGISTERED: 0.06,
    State.DISPATCHED: 0.12,
    State.PENDING_REDISPATCH: 0.02,
    State.IN_PROGRESS: 0.35,
    State.SUSPENDED: 0.08,
    State.AWAITING_APPROVAL: 0.02,
    State.PENDING_REPLY: 0.10,
    State.PENDING_FOLLOW_UP: 0.25,
}
exhaustive("OPEN_STATES", OPEN, OPEN_STATES)
ENDED_STATES = {State.CLOSED: 0.965, State.REFUSED: 0.01, State.WITHDRAWN: 0.025}
CHANNELS = {"phone": 0.86, "wechat": 0.07, "hotline_12345": 0.04, "web": 0.02, "counter": 0.009, "letter": 0.001}
FLAGS = {
    "repeat_caller": 0.09,
    "urged": 0.04,
    "reworked": 0.02,
    "hardship": 0.01,
    "supervised": 0.004,
    "noticed": 0.0005,
}
CREWS = 40
SAID = {"家里没水": 0.4, "水压低": 0.2, "水表旁边漏水": 0.2, "账单太高": 0.15, "水有异味": 0.04, "井盖松动": 0.01}
DETAILS = ("从昨天晚上开始", "楼上楼下都一样", "已经打过电话", "请尽快派人来看看", "the wall is wet", "since noon")
FAMILY = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰"
FIRST, SECOND = "上下东西南北前后大小新老长白", "村岗涌围沙环洲塘闸溪"
PLACES = tuple(one + other for other in SECOND for one in FIRST)
"""140 names of villages, many of which share a part, as they do."""
PLACE_WEIGHTS = tuple(1 / rank for rank in range(1, len(PLACES) + 1))
KINDS = {"新村": 0.5, "花园": 0.3, "工业区": 0.15, "渔村": 0.05}


@dataclass
class Row:
    """One case's lines for COPY, table by table."""

    case: str
    event: str
    terms: list[str] = field(default_factory=list)


class Data:
    """Generator of the cases: `Data(catalogue, count, end).rows()`, oldest first, the same for the same count."""

    def __init__(self, catalogue: Catalogue, count: int, end: datetime = END) -> None:
        self._count, self._end = count, end
        self._random = random.Random(2026)  # noqa: S311 - the same cases every time, no secrets
        self._catalogue = catalogue
        self._departments = [department.code for department in catalogue.departments]
        self._districts = [district.code for district in catalogue.districts]
        self._district_weights = [1 / (rank + 1) for rank in range(len(self._districts))]
        self._terms = {code: catalogue.terms(code, None, END) for code in SERVICES}
        self._terms_json = {code: terms.model_dump_json() for code, terms in self._terms.items()}
        self._documents = {code: self._document(code) for code in SERVICES}
        self._incidents = [(self._random.random(), self._random.choice(list(SERVICES))) for _ in range(INCIDENTS)]

    def rows(self) -> Iterator[Row]:
        """Yield the rows of every case."""
        for index in range(self._count):
            yield self._row(index, index / self._count)

    def _row(self, index: int, moment: float) -> Row:
        at = self._end - SPAN * (1 - moment)
        service = self._pick(SERVICES)
        state = self._state(moment)
        number = f"{at:%y%m%d}{index % 1_000_000:06d}{index % 10}"
        intake = self._intake(service)
        owner = self._owner(moment)
        department = self._department(service, state)
        is_open = state not in ENDED
        overdue = is_open and self._random.random() < 0.15
        span = timedelta(hours=self._random.expovariate(1 / 20))
        due = (self._end - span if overdue else self._end + span) if is_open else None
        sla = self._sla(state, overdue=overdue)
        flags = sorted(flag for flag, share in FLAGS.items() if self._random.random() < share)
        closed_at = at + timedelta(hours=self._random.expovariate(1 / 30)) if state in ENDED else None
        values = {
            "number": number,
            "state": state.value,
            "service_code": service,
            "priority": self._terms[service].priority,
            "owner": owner,
            "department": department,
            "assignee": f"{department}-{self._random.randrange(CREWS)}" if department else None,
            "district": intake.location.district,
            "incident": self._incident(service, moment),
            "cycle": 1,
            "version": 7,
            "caller_version": 1,
            "recognised_version": 1,
            "flags": json.dumps(flags),
            "sla": sla,
            "overdue": overdue,
            "registered_at": at,
            "closed_at": closed_at,
            "next_due_at": due,
            "changed_at": at,
            "caller_name": intake.caller.name,
            "caller_phone": intake.caller.phone,
            "caller_account_no": intake.caller.account_no,
            "address": intake.location.address,
            "street_words": street_words(intake.location.address),
            "channel": intake.channel,
            "description": intake.description,
            "document": self._documents[service].format(state=state.value, owner=owner),
        }
        first = f'{{"number":"{number}","owner":"{owner}","intake":{intake.model_dump_json()},"terms":'
        data = first + self._terms_json[service] + "}"
        event = {
            "number": number,
            "seq": 1,
            "at": at,
            "actor": owner,
            "role": Role.AGENT.value,
            "people": "{}",
            "action": "register",
            "to_state": State.REGISTERED.value,
            "cycle": 1,
            "data": data,
        }
        impersonal, of_case = impersonal_terms(number, intake), {"registered_at": at, "number": number}
        terms = search_terms(number, intake)
        found = [{"word": term, "personal": term not in impersonal, **of_case} for term in terms]
        return Row(
            _line(CASE_COLUMNS, values), _line(EVENT_COLUMNS, event), [_line(TERM_COLUMNS, one) for one in found]
        )

    def _intake(self, service: str) -> Intake:
        pick = self._random
        village = pick.choices(PLACES, PLACE_WEIGHTS)[0]
        place = f"{village}{self._pick(KINDS)}{pick.randint(1, 300)}号"
        return Intake.model_construct(
            service_code=service,
            channel=self._pick(CHANNELS),
            caller=Caller.model_construct(
                name=pick.choice(FAMILY) + pick.choice(GIVEN) + pick.choice(GIVEN),
                phone=f"13{pick.randint(0, 999_999_999):09d}",
                account_no=f"4420{pick.randint(0, 400_000):06d}",
            ),
            location=Location.model_construct(
                district=pick.choices(self._districts, self._district_weights)[0], address=place, lat=None, lng=None
            ),
            description=f"{self._pick(SAID)}，{pick.choice(DETAILS)}。{pick.choice(DETAILS)}",
        )

    def _sla(self, state: State, *, overdue: bool) -> str:
        if overdue or self._random.random() < 0.08:
            return "missed"
        if state is State.SUSPENDED:
            return "paused"
        return "at_risk" if state not in ENDED and self._random.random() < 0.1 else "on_time"

    def _state(self, moment: float) -> State:
        recent = moment > 1 - RECENT_SHARE
        stuck = self._random.random() < 0.0005
        still_open = stuck or (recent and self._random.random() < 0.6)
        return State(self._pick(OPEN_STATES if still_open else ENDED_STATES))

    def _owner(self, moment: float) -> str:
        # A window of agents moves over the years; the first ones are long gone.
        first = int(moment * (AGENTS - AGENTS_AT_A_TIME))
        return f"agent-{first + int(AGENTS_AT_A_TIME * self._random.random() ** 2):02d}"

    def _department(self, service: str, state: State) -> str | None:
        if state is State.REGISTERED:
            return None
        if self._random.random() < 0.03:
            # Never another's thanks: a pair of common values that meets nowhere is what costs most to find out.
            return self._random.choice(self._departments) if service != "thanks" else "customer_service"
        return self._terms[service].department

    def _incident(self, service: str, moment: float) -> str | None:
        for number, (when, of) in enumerate(self._incidents):
            if of == service and 0 <= moment - when < 0.004:
                return f"i{END:%y%m%d}{number:05d}" if self._random.random() < 0.5 else None
        return None

    def _pick(self, weights: dict[Any, float]) -> Any:  # noqa: ANN401 - whatever the keys are
        return self._random.choices(list(weights), list(weights.values()))[0]

    def _document(self, service: str) -> str:
        """Return a real document of a closed case of the service, as a format string of the fields that vary."""
        registration = Registration(
            number="2611010000001",
            at=END,
            actor=Actor(id="agent", role=Role.ADMIN),
            owner="agent",
            intake=Intake(service_code=service, description="-"),
            terms=self._terms[service],
        )
        case, _ = Case.register(registration)
        # A waiver is not completed before management decides.
        with suppress(Refused):
            for step, body in enumerate(_PATH, 1):
                command = Command[Any](actor=registration.actor, body=body)
                case.apply(command, END + timedelta(minutes=step))
        made = json.loads(_PROGRESS.dump_json(case))
        text = json.dumps({**made, "state": "@state", "owner": "@owner"}, ensure_ascii=False, separators=(",", ":"))
        return text.replace("{", "{{").replace("}", "}}").replace("@state", "{state}").replace("@owner", "{owner}")


_PROGRESS = TypeAdapter(Progress)
_PATH = (
    Dispatch(department="repair"),
    SignFor(),
    Complete(result="-"),
    Reply(message="-"),
    FollowUp(outcome="satisfied"),
)
CASE_COLUMNS = tuple(column.name for column in cases.columns)
EVENT_COLUMNS = tuple(column.name for column in events.columns)
TERM_COLUMNS = tuple(column.name for column in search_words.columns)


def load(cursor: Cursor[Any], rows: Iterable[Row]) -> None:
    """Copy the rows into the tables of the read model, some thousands at a time."""
    chunk: list[Row] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            _copy(cursor, chunk)
            chunk.clear()
    _copy(cursor, chunk)


def _copy(cursor: Cursor[Any], chunk: list[Row]) -> None:
    lines = {
        "cases": "".join(row.case for row in chunk),
        "events": "".join(row.event for row in chunk),
        "search_words": "".join(line for row in chunk for line in row.terms),
    }
    columns = {"cases": CASE_COLUMNS, "events": EVENT_COLUMNS, "search_words": TERM_COLUMNS}
    for table, text in lines.items():
        named = ", ".join(f'"{name}"' for name in columns[table])
        with cursor.copy(f"COPY {table} ({named}) FROM STDIN") as copy:
            copy.write(text)


def _line(columns: tuple[str, ...], values: dict[str, Any]) -> str:
    return "\t".join(_text(values.get(name)) for name in columns) + "\n"


def _text(value: object) -> str:
    if value is None:
        return "\\N"
    # JSON escapes are the only backslashes there are.
    return str(value).replace("\\", "\\\\")
