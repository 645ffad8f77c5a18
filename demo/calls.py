"""Calls of the demo, each with the plan of its case, and what the exchange of the company reports of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from demo.client import Json
from demo.offers import District, Offer
from demo.people import AGENTS, Person, Staff
from demo.plans import Plan, Step
from demo.texts import Work, address, caller_name, phone, words
from domain.case.intake import IntakeChannel
from domain.case.progress import SATISFIED
from domain.shared.actors import Role

CALLS_BY_HOUR = (2, 1, 1, 1, 1, 2, 5, 9, 13, 14, 12, 10, 7, 7, 9, 10, 10, 9, 9, 10, 8, 6, 4, 3)
"""Shares of the calls by hour of the day: quiet nights, a busy morning, a second peak after work."""

CHANNELS: tuple[IntakeChannel, ...] = ("phone",) * 8 + ("hotline_12345", "wechat", "counter", "web")
"""Channels of the calls, by their shares."""

EXCHANGE = Person("电话系统", Role.TELEPHONY)
"""Telephone system, which has no key of its own in the demo: it reports with the administrator's."""
QUEUE = "hotline"
_TALK = timedelta(seconds=90)
_IMPATIENT, _STRANGER, _CALLED_BACK = 9, 15, 45
"""One call in so many was tried before in vain; one of a stranger is abandoned; such a stranger is called back."""


@dataclass(frozen=True)
class Call:
    """One call, and the plan of the case that it becomes. `facts` are those that the bodies of its steps depend on.

    It begins when `starts` of the day has passed, or in its `wave`, if it has one. `kind` is the reason of a call of a
    surge, `title` the name of a story. The exchange reports the call if it is `reported`.
    """

    index: int
    plan: Plan
    offer: Offer
    intake: Json = field(hash=False)
    facts: Mapping[str, Any] = field(hash=False)
    starts: float = 0.0
    wave: int | None = None
    kind: str = ""
    title: str = ""
    reported: bool = False

    @property
    def owner(self) -> str:
        """Return the agent who takes the call, and owns the case."""
        return AGENTS[self.index % len(AGENTS)]

    def intake_of(self, run: str) -> Json:
        """Return the body of the registration. The account number tells the cases of one run from all others."""
        caller = {**self.intake["caller"], "account_no": self.account_no(run)}
        by_phone = {"call_id": call_id(run, self)} if self.reported else {}
        return {**self.intake, "owner": self.owner, "caller": caller, **by_phone}

    def request(self, step: Step, staff: Staff, case: Json, incident: str = "") -> tuple[Person, Json]:
        """Return who takes the step on the case as it is now, and the body of the request.

        Of the findings of a crew those remain that the catalogue has.
        """
        facts = {**self.facts, "incident": incident}
        body = {name: facts[value[1:]] if str(value).startswith("$") else value for name, value in step.body.items()}
        if "findings" in body:
            body["findings"] = [code for code in body["findings"] if code in self.offer.findings]
        role = Role.OWNER if step.role is Role.AGENT else step.role
        # A part of the case has a department and a crew of its own.
        at_work = body.get("department") or case["department"] or self.offer.department
        person = staff.who(role, owner=case["owner"], department=at_work, turn=self.index)
        if step.action == "sign_for":
            body.setdefault("assignee", person.name)
        return person, body

    def account_no(self, run: str) -> str:
        """Return an invented account (户号): the run's id and the number of the call."""
        return f"{run}-{self.index:04d}"


def taken_down(offer: Offer, district: District, said: str, caller_phone: str, pick: int) -> Json:
    """Return the intake of a call by telephone; `pick` chooses the caller's name and address."""
    return {
        "service_code": offer.code,
        "channel": "phone",
        "caller": {"name": caller_name(pick), "phone": caller_phone},
        "location": {"district": district.code, "address": address(district.name_zh, pick)},
        "description": said,
    }


def facts_of(
    index: int, offer: Offer, offers: Sequence[Offer], work: Work | None = None, told: str | None = None
) -> dict[str, Any]:
    """Return the facts of a call; without `work` and `told`, in the words that are usual for the service."""
    departments = sorted({offer.department for offer in offers})
    usual = words(offer.code)
    work = work or usual.done[index % len(usual.done)]
    relief = Staff(departments).who(Role.CREW, owner="", department=offer.department, turn=index + 1)
    return {
        "department": offer.department,
        "elsewhere": departments[(departments.index(offer.department) + 1) % len(departments)],
        "colleague": AGENTS[(index + 1) % len(AGENTS)],
        "relief": relief.name,
        "result": work.result,
        "findings": [work.finding] if work.finding else [],
        "told": told or usual.told,
        "satisfaction": SATISFIED[index % len(SATISFIED)].value,
    }


# --- what the exchange reports ---


def call_id(run: str, call: Call) -> str:
    """Return the id of the call in which a case is taken down."""
    return f"{run}.{call.index}"


def calls_of(run: str, call: Call, registered_at: datetime) -> list[Json]:
    """Return the call in which a case was registered then, and those that nobody answered."""
    answered_at = registered_at - _TALK
    began_at = answered_at - timedelta(seconds=6 + call.index * 7 % 40)
    name, caller = call_id(run, call), call.intake["caller"]["phone"]
    answered = {"answered_at": answered_at.isoformat(), "agent": call.owner}
    calls = [_call(name, caller, began_at, registered_at) | answered]
    if call.index % _IMPATIENT == 0:
        tried_at, given_up_at = (began_at - timedelta(seconds=seconds) for seconds in (70, 30))
        calls.append(_call(f"{name}.1", caller, tried_at, given_up_at))
    if call.index % _STRANGER == 0:
        # In every run they are others: who was reached in an earlier one is not called back again.
        stranger = phone(5000 + (crc32(run.encode()) + call.index) % 5000)
        calls.append(_call(f"{name}.2", stranger, began_at, answered_at))
    return calls


def called_back(run: str, call: Call) -> str | None:
    """Return the id of the call whose caller the owner of this case calls back; None for most cases."""
    return f"{call_id(run, call)}.2" if call.index % _CALLED_BACK == 0 else None


def _call(name: str, caller_phone: str, began_at: datetime, ended_at: datetime) -> Json:
    times = {"started_at": began_at.isoformat(), "ended_at": ended_at.isoformat()}
    return {"call_id": name, "queue": QUEUE, "caller_phone": caller_phone, **times}
