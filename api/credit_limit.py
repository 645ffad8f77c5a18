"""Limit of the credits of one account, checked at the approval: a case does not know the account's other cases.

The credits that were approved are in SQL. If SQL is down or behind, the approval is refused until it is up again.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus

from api.backend import Backend
from api.problems import ProblemError, declare
from api.sql.reader import away
from domain.case.progress import Owed
from domain.shared.actors import Actor
from readmodel.case_queries import get_case
from readmodel.decisions import Credited, credited

CREDIT_LIMIT_REACHED = declare("credit-limit-reached", HTTPStatus.CONFLICT, "Credit limit of the account reached")
DAY = timedelta(days=1)


async def check_limit(backend: Backend, number: str, serial: int, actor: Actor) -> None:
    """Raise ProblemError if approving this credit exceeds the limit of its account. The case checks everything else."""
    view = await backend.complaints.case(number, actor)
    if view is None or "decide_credit" not in view.available_actions or not view.caller.account_no:
        return
    owed = next((owed for owed in view.credits if owed.serial == serial and owed.approved is None), None)
    if owed is None:
        return
    case = await backend.reader.ask(get_case, number)
    if case is None:
        raise away("SQL does not show the case yet, so the credits of its account are unknown.")
    limit = next((credit for credit in case.terms.credits if credit.name == owed.name), None)
    if limit and limit.at_most and limit.at_most_seconds:
        time = timedelta(seconds=limit.at_most_seconds)
        found = await backend.reader.ask(credited, view.caller.account_no, backend.clock() - time)
        approved = [one for one in found if one.name == owed.name]
        if sum((one.amount for one in approved), owed.amount) > limit.at_most:
            raise _too_much(owed, limit.at_most, time, approved, view.currency)


def _too_much(owed: Owed, most: Decimal, time: timedelta, before: Sequence[Credited], currency: str) -> ProblemError:
    had = ", ".join(f"{one.amount} by case {one.number}" for one in before) or "nothing yet"
    detail = (
        f"{owed.name}: an account gets {most} {currency} at most in {time / DAY:g} days. It has had {had};"
        f" {owed.amount} more is too much. Reject this credit for that ground, and say why."
    )
    accepted = ["approved: false, ground: limit_reached, with a reason"]
    return ProblemError(CREDIT_LIMIT_REACHED, detail, accepted=accepted)
