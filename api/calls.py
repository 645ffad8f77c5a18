"""Calls (来电): reports of the telephone system, lists of them, call-backs, and withdrawals that no call confirms."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Self
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StrictBool,
    ValidationInfo,
    WithJsonSchema,
    WrapValidator,
    field_validator,
)

from api.complaints.cases import TheCases
from api.directory import UNKNOWN_PEOPLE
from api.edge.problems import ProblemError, declare, kind_of
from api.parameters import INVALID_NUMBER, INVALID_PERIOD, ME, CaseParam, LongPaging, period, person
from api.responses import Page, body_like, problems, reads_one_department
from api.routing import CONTEXT, StrictRoute, TheBackend, needs
from domain.calls.call import (
    CALL_BACK_OVER,
    CALL_BACK_TAKEN,
    CLOCKS_DIFFER,
    Call,
    CallBack,
    CallBackResult,
    CallBackState,
    CallOutcome,
)
from domain.case.case import Case
from domain.case.lifecycle import ENDED
from domain.rights import rights
from domain.shared.actors import Actor
from domain.shared.numbers import ACCEPTED_NUMBER, NumberError, parse_number
from domain.shared.phones import Phone
from domain.shared.value import CallId, Instant, Name, RecordingUrl, Text, Value, invalid_value
from readmodel.calls import calls as stored
from readmodel.calls.call_backs import CallBackEntry, list_call_backs, update_call_back

INVALID_CALL = declare("invalid-call", HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid call")
CALLS = "/v1/calls"
MOST_CALLS = 1000
"""Most calls of one request."""
LARGER_BODIES: Mapping[str, int] = {CALLS: 2_097_152}
"""Bytes of the largest body by path, where it is more than `HOTLINE_BODY_LIMIT_BYTES`: 1,000 calls in full length."""
NEW_CALL: dict[str, Any] = {
    "call_id": "1785729600.118",
    "queue": "hotline",
    "caller_phone": "0760 8823 7777",
    "agent": "10023",
    "started_at": "2026-08-03T12:00:00+08:00",
    "answered_at": "2026-08-03T12:00:12.500+08:00",
    "ended_at": "2026-08-03T12:01:40+08:00",
    "recording_url": "https://pbx.example/recordings/118.wav",
}
_START = {"ended_at": ("started_at", "answered_at"), "answered_at": ("started_at",)}
"""Fields that hold no later instant, by field."""


def _number(text: str) -> str:
    try:
        return parse_number(text)
    except NumberError as error:
        raise invalid_value("invalid-number", error, accepted=[ACCEPTED_NUMBER]) from None


class NewCall(Value):
    """Call (来电) as the telephone system reports it, also several times: what differs is merged."""

    model_config = body_like(NEW_CALL)

    call_id: CallId = Field(
        description="Its id in the telephone system: 1 to 80 visible ASCII characters, not `.` or `..`."
    )
    queue: Name | None = Field(None, description="Queue in which the caller waited.")
    caller_phone: Phone | None = Field(None, description="Telephone of the caller; left out if withheld.")
    agent: Name | None = Field(None, description="Person who answered, by id or name.")
    started_at: Instant = Field(description="The caller began to wait.")
    answered_at: Instant | None = Field(None, description="An agent answered; a queue's own answer is none.")
    ended_at: Instant | None = Field(None, description="Left out while it lasts.")
    complaint: (
        Annotated[
            str, AfterValidator(_number), WithJsonSchema({"type": "string", "pattern": "^[ -]*([0-9][ -]*){13}$"})
        ]
        | None
    ) = Field(None, description="Number of the case that it is about, if the telephone system knows it.")
    recording_url: RecordingUrl | None = Field(None, description="Address of the recording (录音).")
    asked_call_back: StrictBool = Field(False, description="The caller asked to be called back (请求回电).")

    @field_validator("started_at", "answered_at", "ended_at")
    @classmethod
    def _is_in_order(cls, at: datetime | None, info: ValidationInfo) -> datetime | None:
        for name in _START.get(info.field_name or "", ()):
            earlier = info.data.get(name)
            if at and earlier and at < earlier:
                accepted = [(f"不早于 {earlier.isoformat()}", f"{earlier.isoformat()} or later")]
                raise invalid_value("invalid-call", f"before {name}", accepted=accepted)
        clock: Callable[[], datetime] | None = (info.context or {}).get("clock")
        if at and clock and at > (now := clock()) + CLOCKS_DIFFER:
            accepted = [(f"不晚于 {now.isoformat()}", f"until {now.isoformat()}")]
            raise invalid_value("invalid-call", "in the future, by the clock of this service", accepted=accepted)
        return at

    @field_validator("agent")
    @classmethod
    def _is_known(cls, agent: str | None, info: ValidationInfo) -> str | None:
        find: Callable[[str], str] | None = (info.context or {}).get("agent")
        if agent is None or find is None:
            return agent
        try:
            return find(agent)
        except ProblemError as unknown:
            reason = unknown.problem.detail.rstrip(".")
            raise invalid_value("unknown-agent", reason, accepted=unknown.accepted) from None

    def call(self, is_known: Callable[[str], bool]) -> Call:
        """Call as it is kept; `is_known` tells if the directory has somebody with an id."""
        facts = dict(self)
        asked_at = (self.ended_at or self.started_at) if facts.pop("asked_call_back") else None
        return Call(**facts, asked_at=asked_at, agent_known=self.agent is None or is_known(self.agent))


class NewCalls(Value):
    """Calls of one request."""

    items: tuple[NewCall, ...] = Field(min_length=1, max_length=MOST_CALLS)


def _one_or_several(value: Any, _: Callable[[Any], Any]) -> NewCall | NewCalls:  # noqa: ANN401 - whatever was sent
    model: type[NewCall | NewCalls] = NewCalls if isinstance(value, dict) and "items" in value else NewCall
    return model.model_validate(value, context=CONTEXT.get())


Reported = Annotated[NewCall | NewCalls, WrapValidator(_one_or_several)]
"""Body of one call or several, checked by the directory and the clock of the API.

All faults of all calls are found. Those of the form are `invalid-request`.
"""


class KeptCalls(BaseModel):
    """Numbers of calls that were new, that the report changed, and of which everything was known."""

    added: int
    changed: int
    unchanged: int


class CallLinks(BaseModel):
    """Addresses of related resources."""

    complaint: str | None = Field(description="The case of `complaint`.")


class CallItem(BaseModel):
    """Call (来电) as it is known now."""

    call_id: str
    queue: str | None
    caller_phone: str | None
    agent: str | None = Field(description="Id of the person who answered.")
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None = Field(description="Null while it lasts.")
    outcome: CallOutcome
    wait_seconds: float | None = Field(description="Time to the answer, or to the end; null if it is not known.")
    talk_seconds: float | None = Field(description="Time of the conversation; null without one, or while it lasts.")
    asked_call_back: bool
    complaint: str | None = Field(description="The first of `complaints`.")
    complaints: list[str] = Field(description="Numbers of the cases of the call: named by it, or registered in it.")
    recording_url: str | None
    masked: list[str] = Field(description="Fields that your role sees masked (脱敏) or empty.")
    links: CallLinks

    @classmethod
    def of(cls, linked: stored.LinkedCall, reader: Actor, read_by: Case | None = None) -> Self:
        """`read_by` is the case by which the call is read, if it is by one."""
        call, complaints = linked
        if read_by and reads_one_department(reader):
            complaints = (read_by.number,)
        first, shown, hidden = next(iter(complaints), None), call._asdict(), list[str]()
        shown["complaint"] = first
        if call.agent and not call.agent_known:  # a name of the telephone system, which may be a telephone
            shown["agent"] = rights.mask_agent(call.agent)
        mask = rights.masks_for(reader.role, ended=read_by is None or read_by.state in ENDED).get("call.caller_phone")
        if mask and call.caller_phone:
            shown["caller_phone"] = mask(call.caller_phone)
            hidden.append("caller_phone")
        if call.recording_url and reader.role not in rights.READ_RECORDINGS.reach:
            shown["recording_url"] = None
            hidden.append("recording_url")
        return cls(
            **shown,
            outcome=call.outcome,
            wait_seconds=_seconds(call.waited),
            talk_seconds=_seconds(call.talked),
            asked_call_back=call.asked_at is not None,
            complaints=[*complaints],
            masked=hidden,
            links=CallLinks(complaint=f"/v1/complaints/{first}" if first else None),
        )


def _seconds(time: timedelta | None) -> float | None:
    return None if time is None else time.total_seconds()


class CallListing(LongPaging):
    """Filters and page of a list of calls."""

    agent: Name | None = Field(None, description="Id or name of the person who answered; `me` is you.", examples=[ME])
    queue: Name | None = Field(None, description="Queue in which the caller waited.", examples=["hotline"])
    outcome: tuple[CallOutcome, ...] = Field(
        (), description="What became of it; repeat it for several outcomes.", examples=[["answered"]]
    )
    since: Instant | None = Field(None, alias="from", description="It began then or later.")
    until: Instant | None = Field(None, alias="to", description="It began before.")


NOT_FOUND = declare("call-back-not-found", HTTPStatus.NOT_FOUND, "Call-back not found")
CONFLICTS = (kind_of(CALL_BACK_TAKEN), kind_of(CALL_BACK_OVER))


class CallBackListing(LongPaging):
    """State and page of the list of call-backs."""

    state: CallBackState | None = Field(None, description="Where it stands; without it, all that are open.")


class CallBackReport(Value):
    """Report of whoever calls back: `{}` takes the call-back, `reached` tells how a try ended."""

    model_config = body_like({}, {"reached": False, "note": "No answer 无人接听"})

    reached: StrictBool | None = Field(None, description="The caller was reached; null takes the call-back.")
    note: Text | None = None


class CallBackLinks(BaseModel):
    """Addresses of related resources."""

    call_back: str = Field(description="Where the call-back is taken, and its result is told.")


class CallBackItem(BaseModel):
    """Call-back of one telephone."""

    call_id: str = Field(description="The oldest of its calls.")
    caller_phone: str
    queue: str | None
    since: datetime = Field(description="The end of that call.")
    calls: int = Field(description="Number of calls that nobody answered.")
    state: CallBackState
    person: str | None = Field(description="Id of the person who has it, or who tried last.")
    taken_at: datetime | None
    held_until: datetime | None = Field(description="From then on others may take it; null if nobody has it.")
    tries: int
    ended_at: datetime | None
    result: CallBackResult | None
    note: str | None
    links: CallBackLinks

    @classmethod
    def of(cls, entry: CallBackEntry, at: datetime) -> Self:
        call_back = entry.call_back
        links = CallBackLinks(call_back=f"/v1/calls/{quote(entry.call_id, safe='')}/call-back")
        shown = entry._asdict() | call_back._asdict()
        return cls(**shown, state=call_back.state(at), held_until=call_back.held_until(at), links=links)


router = APIRouter(tags=["calls"], route_class=StrictRoute)


@router.post(
    CALLS,
    summary="Report calls 上报通话",
    dependencies=[needs(rights.RECORD_CALLS)],
    responses=problems(INVALID_CALL, INVALID_NUMBER, UNKNOWN_PEOPLE["agent"]),
)
async def report_calls(body: Reported, backend: TheBackend) -> KeptCalls:
    """Report one call, or up to 1,000 in `items`, while they last, afterwards, or again: order does not matter.

    What is known already changes nothing. If any call has a fault, nothing is kept, and all faults are named.
    """
    given = [body] if isinstance(body, NewCall) else body.items
    calls = [each.call(lambda agent: backend.people.get(agent) is not None) for each in given]
    area_code, now = backend.catalogue.area_code, backend.now
    kept = await backend.direct.write(lambda sql: stored.save_calls(sql, calls, area_code, now))
    return KeptCalls(**kept._asdict())


@router.get(CALLS, summary="List calls 通话记录", responses=problems(INVALID_PERIOD))
async def list_calls(
    wanted: Annotated[CallListing, Query()], actor: Annotated[Actor, needs(rights.READ_CALLS)], backend: TheBackend
) -> Page[CallItem]:
    """List calls, the newest first. Filters narrow the list together."""
    period(("from", wanted.since), ("to", wanted.until))
    agent, area_code = person(backend.person_finder, wanted.agent, actor), backend.catalogue.area_code
    filters = stored.CallFilters(agent, wanted.queue, wanted.outcome, wanted.since, wanted.until)
    page = await backend.reader.ask(stored.linked_calls, filters, wanted.cursor, wanted.limit, area_code)
    return Page[CallItem].of(page, partial(CallItem.of, reader=actor))


@router.get("/v1/complaints/{number}/calls", summary="List the calls of a complaint")
async def list_calls_of_complaint(
    number: CaseParam, actor: Annotated[Actor, needs(rights.READ_CASES)], cases: TheCases, backend: TheBackend
) -> Page[CallItem]:
    """List the calls in which it was registered or that name it, the newest first, all on one page."""
    case = await cases.in_sql(number, actor, rights.READ_CASES)
    found = await backend.reader.ask(stored.calls_of_case, case, backend.catalogue.area_code)
    return Page[CallItem](items=[CallItem.of(call, actor, case) for call in found])


@router.get(
    "/v1/unconfirmed-withdrawals",
    summary="List unconfirmed withdrawals 撤销核对",
    dependencies=[needs(rights.CHECK_WITHDRAWALS)],
)
async def list_unconfirmed_withdrawals(
    paging: Annotated[LongPaging, Query()], backend: TheBackend
) -> Page[stored.Unconfirmed]:
    """List withdrawals by agents who did not own the case and whose call does not confirm it, the newest first."""
    area_code = backend.catalogue.area_code
    page = await backend.reader.ask(stored.unconfirmed, backend.now, area_code, paging.cursor, paging.limit)
    return Page[stored.Unconfirmed](items=[*page.items], next_cursor=page.next_cursor)


@router.get("/v1/call-backs", summary="List callers to be called back 回电名单", dependencies=[needs(rights.CALL_BACK)])
async def list_callers_to_call_back(
    wanted: Annotated[CallBackListing, Query()], backend: TheBackend
) -> Page[CallBackItem]:
    """List callers whom nobody answered, one entry for each telephone, whoever has waited longest first.

    Those that are done come the other way round: the newest first.
    """
    now = backend.now
    page = await backend.reader.ask(list_call_backs, wanted.state, now, wanted.cursor, wanted.limit)
    return Page[CallBackItem].of(page, partial(CallBackItem.of, at=now))


@router.post(
    "/v1/calls/{call_id:path}/call-back", summary="Call a caller back 回电", responses=problems(NOT_FOUND, *CONFLICTS)
)
async def call_back(
    call_id: Annotated[CallId, Path(description="Any of its calls.", examples=["1785729600.118"])],
    body: CallBackReport,
    actor: Annotated[Actor, needs(rights.CALL_BACK)],
    backend: TheBackend,
) -> CallBackItem:
    """Take the call-back, or tell how a try ended: not reached frees it, and the third time ends it.

    Who takes it has it for 30 minutes. The same report again by the same person changes nothing.
    """
    now = backend.now

    def named(person: str) -> str:
        known = backend.people.get(person)
        return f"{known.name} ({person})" if known and known.name != person else person

    def change(before: CallBack) -> CallBack:
        if body.reached is None:
            return before.take(actor.id, now, body.note, named)
        return before.tried(actor.id, now, reached=body.reached, note=body.note, named=named)

    entry = await backend.direct.write(lambda sql: update_call_back(sql, call_id, change))
    if entry is None:
        detail = f"Nobody is to be called back for the call {call_id}; GET /v1/call-backs lists the callers."
        raise ProblemError(NOT_FOUND, detail)
    return CallBackItem.of(entry, now)
