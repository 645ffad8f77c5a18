"""Check of the call by which an agent withdraws the case of somebody else: a case does not know the calls.

Calls are in SQL. A call that is not known yet, or not completely, is compared when `GET /v1/unconfirmed-withdrawals` is
read.
"""

from http import HTTPStatus

from api.backend import Backend
from api.problems import ProblemError, declare
from domain.calls.withdrawal import CallMismatch
from domain.case.actions.withdraw import needs_call
from domain.shared.actors import Actor
from readmodel.withdrawals import call_mismatch

CALL_MISMATCH = declare("call-mismatch", HTTPStatus.FORBIDDEN, "Call of another agent, telephone or time")
_WHY = {
    CallMismatch.AGENT: "{call_id} was answered by another agent.",
    CallMismatch.TELEPHONE: "{call_id} came from another telephone than that of the case {number}.",
    CallMismatch.EARLIER: "{call_id} was over before the case {number} was registered.",
}


async def check_call(backend: Backend, number: str, call_id: str, actor: Actor) -> None:
    """Raise ProblemError if the call is known, and by its agent or telephone gives no right to withdraw the case."""
    view = await backend.find(number, actor)
    if view is None or "withdraw" not in view.available_actions or not needs_call(actor, view.owner):
        return
    area_code = backend.catalogue.area_code
    found = await backend.reader.ask(call_mismatch, call_id, actor.id, view, area_code)
    if found in _WHY:
        accepted = ["call_id: a call of its caller that you took", f"its owner, {view.owner}", "supervisor"]
        raise ProblemError(CALL_MISMATCH, _WHY[found].format(call_id=call_id, number=number), accepted=accepted)
