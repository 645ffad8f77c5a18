"""Calls over HTTP: how the telephone system reports them, what is checked, and how they are shown."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Self

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
from pydantic_core import PydanticCustomError

from api.edge.problems import ProblemError, declare
from api.responses import Page, body_like, reads_one_department
from api.routing import CONTEXT
from domain.calls.call import CLOCKS_DIFFER, Call, CallOutcome
from domain.case.case import Case
from domain.case.lifecycle import ENDED
from domain.rights.masking import mask_agent, masks_for
from domain.rights.rights import READ_RECORDINGS
from domain.shared.actors import Actor
from domain.shared.numbers import ACCEPTED_NUMBER, NumberError, parse_number
from domain.shared.text import CallId, Instant, Name, Phone, RecordingUrl
from domain.shared.value import Value
from readmodel.calls.calls import LinkedCall
from readmodel.calls.withdrawals import Unconfirmed

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
        facts = {"reason": str(error), "accepted": [ACCEPTED_NUMBER]}
        raise PydanticCustomError("invalid-number", "{reason}", facts) from None


class NewCall(Value):
    """Call (来电) as the telephone system reports it, also several times: what differs is merged."""

    model_config = body_like(NEW_CALL)

    call_id: CallId = Field(description="Its id in the telephone system: 1 to 80 visible ASCII characters.")
    queue: Name | None = Field(default=None, description="Queue in which the caller waited.")
    caller_phone: Phone | None = Field(default=None, description="Telephone of the caller; left out if withheld.")
    agent: Name | None = Field(default=None, description="Person who answered, by id or name.")
    started_at: Instant = Field(description="The caller began to wait.")
    answered_at: Instant | None = Field(default=None, description="An agent answered; a queue's own answer is none.")
    ended_at: Instant | None = Field(default=None, description="Left out while it lasts.")
    complaint: (
        Annotated[
            str, AfterValidator(_number), WithJsonSchema({"type": "string", "pattern": "^[ -]*([0-9][ -]*){13}$"})
        ]
        | None
    ) = Field(default=None, description="Number of the case that it is about, if the telephone system knows it.")
    recording_url: RecordingUrl | None = Field(default=None, description="Address of the recording (录音).")
    asked_call_back: StrictBool = Field(default=False, description="The caller asked to be called back (请求回电).")

    @field_validator("started_at", "answered_at", "ended_at")
    @classmethod
    def _is_in_order(cls, at: datetime | None, info: ValidationInfo) -> datetime | None:
        for name in _START.get(info.field_name or "", ()):
            earlier = info.data.get(name)
            if at and earlier and at < earlier:
                facts = {"reason": f"before {name}", "accepted": [f"{earlier.isoformat()} or later"]}
                raise PydanticCustomError("invalid-call", "{reason}", facts)
        clock: Callable[[], datetime] | None = (info.context or {}).get("clock")
        if at and clock and at > (now := clock()) + CLOCKS_DIFFER:
            facts = {"reason": "in the future, by the clock of this service", "accepted": [f"until {now.isoformat()}"]}
            raise PydanticCustomError("invalid-call", "{reason}", facts)
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
            facts = {"reason": unknown.problem.detail.rstrip("."), "accepted": unknown.problem.accepted}
            raise PydanticCustomError("unknown-agent", "{reason}", facts) from None

    def call(self, is_known: Callable[[str], bool]) -> Call:
        """Return the call as it is kept; its telephone system knows who waited, and when an agent answered."""
        facts = dict(self)
        asked = facts.pop("asked_call_back")
        asked_at = (self.ended_at or self.started_at) if asked else None
        return Call(**facts, asked_at=asked_at, agent_known=self.agent is None or is_known(self.agent))


class NewCalls(Value):
    """Calls of one request."""

    items: tuple[NewCall, ...] = Field(min_length=1, max_length=MOST_CALLS)


def _one_or_several(value: Any, _: Callable[[Any], Any]) -> NewCall | NewCalls:  # noqa: ANN401 - whatever was sent
    several = isinstance(value, dict) and "items" in value
    model: type[NewCall | NewCalls] = NewCalls if several else NewCall
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
    def of(cls, linked: LinkedCall, reader: Actor, read_by: Case | None = None) -> Self:
        """Return a call as the reader may see it; `read_by` is the case by which it is read, if it is by one."""
        call, complaints = linked
        if read_by and reads_one_department(reader):
            complaints = (read_by.number,)
        shown, hidden = {name: value for name, value in call._asdict().items() if name in cls.model_fields}, list[str]()
        if call.agent and not call.agent_known:  # a name of the telephone system, which may be a telephone
            shown["agent"] = mask_agent(call.agent)
        mask = masks_for(reader.role, ended=read_by is None or read_by.state in ENDED).get("call.caller_phone")
        if mask and call.caller_phone:
            shown["caller_phone"] = mask(call.caller_phone)
            hidden.append("caller_phone")
        if call.recording_url and reader.role not in READ_RECORDINGS.reach:
            shown["recording_url"] = None
            hidden.append("recording_url")
        first = next(iter(complaints), None)
        more = {
            "outcome": call.outcome,
            "wait_seconds": _seconds(call.waited),
            "talk_seconds": _seconds(call.talked),
            "asked_call_back": call.asked_at is not None,
            "complaint": first,
            "complaints": complaints,
        }
        links = CallLinks(complaint=f"/v1/complaints/{first}" if first else None)
        return cls(**{**shown, **more}, masked=hidden, links=links)


class CallPage(Page[CallItem]):
    """Calls, the newest first."""


class UnconfirmedPage(Page[Unconfirmed]):
    """Withdrawals that their call does not confirm, the newest first."""


def _seconds(time: timedelta | None) -> float | None:
    return None if time is None else time.total_seconds()
