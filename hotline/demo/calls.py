"""Telephone calls of the day, as the exchange of the company reports them: of callers, and of those who gave up."""

from datetime import datetime, timedelta
from zlib import crc32

from domain.shared.actors import Role
from hotline.demo.client import Json
from hotline.demo.day import Call
from hotline.demo.people import Person
from hotline.demo.texts import phone

EXCHANGE = Person("电话系统", Role.TELEPHONY)
"""Telephone system, which has no key of its own in the demo: it reports with the administrator's."""
QUEUE = "hotline"
_TALK = timedelta(seconds=90)
_IMPATIENT, _STRANGER, _CALLED_BACK = 9, 15, 45
"""One call in so many was tried before in vain; one of a stranger is abandoned; such a stranger is called back."""


def call_id(run: str, call: Call) -> str:
    """Return the id of the call in which a case is taken down."""
    return f"{run}.{call.index}"


def calls_of(run: str, call: Call, registered_at: datetime) -> list[Json]:
    """Return the call in which a case was registered then, and those that nobody answered; none of other channels."""
    if call.intake["channel"] != "phone":
        return []
    answered_at = registered_at - _TALK
    began_at = answered_at - timedelta(seconds=6 + call.index * 7 % 40)
    made = _call(call_id(run, call), call.intake["caller"]["phone"], began_at, registered_at)
    made |= {"answered_at": answered_at.isoformat(), "agent": call.owner}
    calls = [made]
    if call.index % _IMPATIENT == 0:
        given_up_at = began_at - timedelta(seconds=30)
        calls.append(
            _call(f"{made['call_id']}.1", made["caller_phone"], given_up_at - timedelta(seconds=40), given_up_at)
        )
    if call.index % _STRANGER == 0:
        # In every run they are others: who was reached in an earlier one is not called back again.
        stranger = phone(5000 + (crc32(run.encode()) + call.index) % 5000)
        calls.append(_call(f"{made['call_id']}.2", stranger, began_at, answered_at))
    return calls


def called_back(run: str, call: Call) -> str | None:
    """Return the id of the call whose caller the owner of this case calls back; None for most cases."""
    is_theirs = call.index % _CALLED_BACK == 0 and call.intake["channel"] == "phone"
    return f"{call_id(run, call)}.2" if is_theirs else None


def _call(name: str, caller_phone: str, began_at: datetime, ended_at: datetime) -> Json:
    times = {"started_at": began_at.isoformat(), "ended_at": ended_at.isoformat()}
    return {"call_id": name, "queue": QUEUE, "caller_phone": caller_phone, **times}
