"""Checks of what a case cannot know: credits of its account, links to its telephone, and the call of a withdrawal.

What is compared is in SQL. If SQL is down or behind, an approval is refused until it is up again. A call that is not
known yet, or not completely, is compared when `GET /v1/unconfirmed-withdrawals` is read.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus

from api.complaints.cases import Cases
from api.dependencies import CatalogueInForce
from api.edge.limits import Turns, too_soon
from api.edge.problems import ProblemError, declare
from api.sql import Reader, away
from api.temporal.client import ComplaintClient
from domain.calls.call import CallMismatch
from domain.case.actions.withdraw import needs_call
from domain.case.progress import Owed
from domain.shared.actors import Actor
from readmodel.callers import links_sent
from readmodel.calls.contacts import link_goes_nowhere
from readmodel.calls.withdrawals import call_mismatch
from readmodel.cases.queries import PastCredit, credited, get_case
from readmodel.cases.search_terms import phone_term

CREDIT_LIMIT_REACHED = declare("credit-limit-reached", HTTPStatus.CONFLICT, "Credit limit of the account reached")
NO_TEXT_MESSAGES = declare("no-text-messages", HTTPStatus.CONFLICT, "No channel to callers' telephones")
CONTACT_WITHOUT_WITNESS = declare("contact-without-witness", HTTPStatus.CONFLICT, "Telephone without a witness")
TOO_MANY_LINKS = declare("too-many-links", HTTPStatus.TOO_MANY_REQUESTS, "Too many links to one telephone")
CALL_MISMATCH = declare("call-mismatch", HTTPStatus.FORBIDDEN, "Call of another agent, telephone or time")
DAY = timedelta(days=1)
LINK_PAUSE, LINKS_A_DAY = timedelta(hours=1), 5
"""Pause after a link to a telephone, and most links within 24 hours."""
_WHY = {
    CallMismatch.AGENT: "{call_id} was answered by another agent.",
    CallMismatch.TELEPHONE: "{call_id} came from another telephone than that of the case {number}.",
    CallMismatch.EARLIER: "{call_id} was over before the case {number} was registered.",
}
"""Details of the mismatches that refuse a withdrawal."""


@dataclass(frozen=True)
class Checks:
    """Checks of actions on cases.

    Args:
        turns: held by the one request that sends a link to a telephone.
        texts_callers: True if a channel sends to the telephones of callers.
    """

    client: ComplaintClient
    cases: Cases
    in_force: CatalogueInForce
    reader: Reader
    turns: Turns
    texts_callers: bool
    clock: Callable[[], datetime]

    async def credit(self, number: str, serial: int, actor: Actor) -> None:
        """Raise ProblemError if approving this credit exceeds the limit of its account. The case checks all else."""
        view = await self.client.case(number, actor)
        if view is None or "decide_credit" not in view.available_actions or not view.caller.account_no:
            return
        owed = next((owed for owed in view.credits if owed.serial == serial and owed.approved is None), None)
        if owed is None:
            return
        case = await self.reader.ask(get_case, number)
        if case is None:
            raise away("SQL does not show the case yet, so the credits of its account are unknown.")
        limit = next((credit for credit in case.terms.credits if credit.name == owed.name), None)
        if limit and limit.at_most and limit.at_most_seconds:
            time = timedelta(seconds=limit.at_most_seconds)
            found = await self.reader.ask(credited, view.caller.account_no, self.clock() - time)
            approved = [one for one in found if one.name == owed.name]
            if sum((one.amount for one in approved), owed.amount) > limit.at_most:
                raise _too_much(owed, limit.at_most, time, approved, view.currency)

    async def link_turn(self, number: str, actor: Actor) -> AbstractAsyncContextManager[None]:
        """Return the turn of the case's telephone: others need not wait for a case that does not answer."""
        view = None
        with suppress(ProblemError):  # the check says it
            view = await self.cases.find(number, actor)
        phone = view.caller.phone if view else None
        return self.turns.of("send_link", phone_term(phone, self.in_force.catalogue.area_code) if phone else number)

    async def link(self, number: str, actor: Actor) -> None:
        """Raise ProblemError if no channel takes a link to the caller, or their telephone was sent enough of them."""
        if not self.texts_callers:
            detail = (
                "No channel of HOTLINE_CHANNELS sends to callers' telephones, as one of kind sms without `to` does."
            )
            raise ProblemError(NO_TEXT_MESSAGES, detail, accepted=["a route of caller:* to such a channel"])
        await self._check_contact(number)
        await self._check_pause(number, actor)

    async def _check_contact(self, number: str) -> None:
        """Check that a link may go to the caller's telephone. The courier checks it again when it sends."""
        area_code = self.in_force.catalogue.area_code
        if await self.reader.ask(link_goes_nowhere, number, area_code):
            detail = (
                f"The telephone of the case {number} is one of the staff, or its owner put it in after the"
                " registration; no link goes there. 该号码属于工作人员或由责任人更改,不能发送链接。"
            )
            accepted = [
                "the telephone of the registration",
                "one that the registry or a call of the case has",
                "a correction by somebody else than the owner",
            ]
            raise ProblemError(CONTACT_WITHOUT_WITNESS, detail, accepted=accepted)

    async def _check_pause(self, number: str, actor: Actor) -> None:
        """Raise ProblemError 429 if the telephone was sent as many links as it gets, for all of its cases together."""
        view = await self.cases.find(number, actor)
        if view is None or view.caller.phone is None:
            return
        at = self.clock()
        sent = await self.reader.ask(links_sent, view.caller.phone, self.in_force.catalogue.area_code, at - DAY)
        busy = [sent[-1] + LINK_PAUSE] if sent else []
        if len(sent) >= LINKS_A_DAY:
            busy.append(sent[-LINKS_A_DAY] + DAY)
        free_at = max(busy, default=at)
        if free_at <= at:
            return
        rule = f"This telephone gets one link an hour and {LINKS_A_DAY} within 24 hours, for all of its cases together."
        raise too_soon(TOO_MANY_LINKS, rule, at, free_at, self.in_force.catalogue.calendar.timezone)

    async def call(self, number: str, call_id: str, actor: Actor) -> None:
        """Raise ProblemError if the call is known, and gives no right to withdraw the case."""
        view = await self.cases.find(number, actor)
        if view is None or "withdraw" not in view.available_actions or not needs_call(actor, view.owner):
            return
        area_code = self.in_force.catalogue.area_code
        found = await self.reader.ask(call_mismatch, call_id, actor.id, view, area_code)
        if found in _WHY:
            accepted = ["call_id: a call of its caller that you took", f"its owner, {view.owner}", "supervisor"]
            raise ProblemError(CALL_MISMATCH, _WHY[found].format(call_id=call_id, number=number), accepted=accepted)


def _too_much(owed: Owed, most: Decimal, time: timedelta, before: Sequence[PastCredit], currency: str) -> ProblemError:
    had = ", ".join(f"{one.amount} by case {one.number}" for one in before) or "nothing yet"
    detail = (
        f"{owed.name}: an account gets {most} {currency} at most in {time / DAY:g} days. It has had {had};"
        f" {owed.amount} more is too much. Reject this credit for that ground, and say why."
    )
    accepted = ["approved: false, ground: limit_reached, with a reason"]
    return ProblemError(CREDIT_LIMIT_REACHED, detail, accepted=accepted)
