"""Activities of a handover (全部移交): list the open cases of a person, and give them to another."""

from sqlalchemy import Engine
from temporalio import activity
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.case_updates import CaseUpdates
from activities.fan_out import BRISK, Answer, Left, is_refusal
from activities.gone import unless_gone
from activities.projection import read
from domain.case.actions.hand_over import ACTION, SAME_OWNER, HandOver
from domain.case.handover import Handover
from domain.case.views import Outcome
from domain.shared.command import Command
from domain.shared.value import Immutable
from readmodel.workload import owned_by, owners

HANDED_OVER = "handed_over"
"""Answer of a case that has the new owner."""


class OwnedQuery(Immutable):
    """Query for the next page of the open cases that a person owns."""

    owner: str
    after: str
    limit: int


class CasesOfHandover(Immutable):
    """Cases of one page of a handover."""

    handover: Handover
    numbers: list[str]


class HandedOver(Immutable):
    """Outcome of a page: how many have the new owner, and the reason of each case that does not."""

    handed_over: int
    refused: dict[str, str]


class Handovers:
    """The activities of a handover.

    Args:
        engine: engine of the read model, to read.
        cases: sends the updates of cases.
    """

    def __init__(self, engine: Engine, cases: CaseUpdates) -> None:
        self._engine = engine
        self._cases = cases

    @activity.defn(name="list_owned_cases")
    async def list_owned_cases(self, query: OwnedQuery) -> list[str]:
        """Return the next numbers in order; none after the last."""
        return await read(self._engine, lambda sql: owned_by(sql, query.owner, query.after, query.limit))

    @activity.defn(name="hand_over_cases")
    async def hand_over_cases(self, page: CasesOfHandover) -> HandedOver:
        """Give these cases to the new owner. A case that was given to somebody else meanwhile stays there."""
        handover = page.handover
        known = await read(self._engine, lambda sql: owners(sql, page.numbers))
        body = HandOver(owner=handover.owner, previous_owner=handover.previous_owner, note=handover.reason)
        # The same for every attempt, so that an attempt whose answer was lost is answered again.
        key = f"handover-{handover.id}"

        async def ask(number: str) -> Answer | Left:
            if number not in known:
                return Left("SQL does not have it any more.")
            owner, version = known[number]
            if owner != handover.previous_owner:  # moved by an attempt whose answer was lost, or by somebody else
                return Answer(HANDED_OVER) if owner == handover.owner else Left(f"It belongs to {owner} now.")
            command = Command(
                actor=handover.actor,
                body=body,
                key=key,
                digest=handover.id,
                people=handover.people,
                acknowledged=version,
            )
            try:
                update = self._cases.send(number, ACTION.name, command, Outcome, key)
                outcome: Outcome | None = await unless_gone(update)
            except WorkflowUpdateFailedError as failed:
                if not (isinstance(failed.cause, ApplicationError) and is_refusal(failed)):
                    raise
                if failed.cause.type == SAME_OWNER.error_type:  # moved by another handover since
                    return Answer(HANDED_OVER)
                return Left(failed.cause.message)
            return Answer(HANDED_OVER, outcome.batch) if outcome else Left("Its workflow has ended.")

        counts, left = await self._cases.for_each(page.numbers, ask, BRISK)
        return HandedOver(handed_over=counts[HANDED_OVER], refused=left)
