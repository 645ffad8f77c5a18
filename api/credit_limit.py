"""The most that one account gets in a year, say: a case knows itself alone, so it is asked for here, at the approval.

What was approved for the account is in SQL. Where SQL is away or behind nobody can tell, and the approval waits: no
money moves meanwhile.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from api.backend import Backend
from api.problems import ProblemError
from api.security import Key, actor_of
from api.sql.reader import away
from domain.case.progress import Owed
from readmodel.decisions import Credited

DAY = timedelta(days=1)


async def check_limit(backend: Backend, number: str, serial: int, key: Key) -> None:
    """Raise ProblemError where approving this credit would be more than its account may get in such a time.

    All else that may be wrong with it is the case's to say.
    """
    view = await backend.complaints.case(number, actor_of(key))
    if view is None or "decide_credit" not in view.available_actions or not view.caller.account_no:
        return
    owed = next((owed for owed in view.credits if owed.serial == serial and owed.approved is None), None)
    if owed is None:
        return
    case = await backend.reader.case(number)
    if case is None:
        raise away("SQL does not show the case yet, so nobody can tell what its account has had.")
    limit = next((credit for credit in case.terms.credits if credit.name == owed.name), None)
    if limit and limit.at_most and limit.at_most_seconds:
        time = timedelta(seconds=limit.at_most_seconds)
        found = await backend.reader.credited(view.caller.account_no, backend.clock() - time)
        approved = [one for one in found if one.name == owed.name]
        if sum((one.amount for one in approved), owed.amount) > limit.at_most:
            raise _too_much(owed, limit.at_most, time, approved, view.currency)


def _too_much(owed: Owed, most: Decimal, time: timedelta, before: Sequence[Credited], currency: str) -> ProblemError:
    had = ", ".join(f"{one.amount} by case {one.number}" for one in before) or "nothing yet"
    detail = (
        f"{owed.name}: an account gets {most} {currency} at most in {time / DAY:g} days. It has had {had};"
        f" {owed.amount} more is too much. Reject this credit for that ground, and say why."
    )
    return ProblemError(
        "credit-limit-reached", detail, accepted=["approved: false, ground: limit_reached, with a reason"]
    )
