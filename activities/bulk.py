"""Activities that update many cases: a catalogue rollout (服务目录) changes terms, a handover (全部移交) the owner."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Engine
from temporalio import activity
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.cases import MANY_AT_ONCE, NO_ANSWER, CaseAnswer, CaseUpdates, LeftCase, is_refusal, plain_errors, read
from activities.names import CATALOGUE_CHANGE
from activities.poller import now
from activities.run_status import if_found
from domain.case.actions.hand_over import ACTION, SAME_OWNER, HandOver
from domain.case.automatic.internal_updates import SAME_TERMS, NewTerms, is_change
from domain.case.bulk import Handover, RolloutTerms
from domain.case.state import BatchAnswer
from domain.case.views import Outcome
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import Edition
from domain.kit.event import Command
from domain.shared.codes import UnknownCode
from domain.shared.value import Immutable
from readmodel.cases.queries import get_cases, open_numbers
from readmodel.people.workload import end_handover, given_by, owned_by, owners
from readmodel.writer import GroupWriter

CHANGED, SAME, KEPT, SILENT = "changed", "same", "kept", "silent"
"""Answers of a case: new terms; the same terms; its own terms, as the catalogue lacks its codes; none."""
HANDED_OVER = "handed_over"


class OpenCasesQuery(Immutable):
    """Query for the next page of open cases; see `readmodel.cases.queries`."""

    closed_after: datetime
    since: datetime | None = None
    after: str = ""
    limit: int


class TermsChange(Immutable):
    """Cases to move to the terms of a catalogue, which has this serial in the record of those in force.

    In the second pass, most were registered under these terms: none is asked that SQL shows so. An older case may have
    been moved by an earlier rollout, which SQL lacks.
    """

    edition: Edition
    serial: int
    numbers: list[str]
    second_pass: bool = False


class OwnedQuery(Immutable):
    """Query for the next page of the open cases that a person owns, for the handover of this id."""

    handover_id: str
    owner: str
    after: str
    limit: int


class CasesOfHandover(Immutable):
    """Cases of one page of a handover."""

    handover: Handover
    numbers: list[str]


class HandoverPage(Immutable):
    """Outcome of a page: how many have the new owner, and the reason of each case that does not."""

    handed_over: int
    refused: dict[str, str]


@dataclass(frozen=True)
class BulkActivities:
    """The activities of rollouts and handovers.

    `catalogue_of` returns the catalogue in force if it has this serial, None if a later one has replaced it. It raises
    FileError if this worker has not got it yet.
    """

    writer: GroupWriter
    engine: Engine
    cases: CaseUpdates
    catalogue_of: Callable[[int], Catalogue | None]

    @activity.defn(name="list_open_cases")
    async def list_open_cases(self, query: OpenCasesQuery) -> list[str]:
        """Next numbers in order; none after the last."""
        return await read(self.engine, partial(open_numbers, **dict(query)))

    @activity.defn(name="change_catalogue")
    async def change_catalogue(self, change: TermsChange) -> dict[str, int]:
        """Move these cases to the terms of the catalogue; return the count of each answer.

        Raises ApplicationError if it is not in force any more, and FileError as `catalogue_of`: Temporal tries again.
        """
        catalogue = await asyncio.to_thread(self.catalogue_of, change.serial)
        if catalogue is None:
            edition = f"{change.edition.name} ({change.edition.digest})"
            message = f"No case is moved to {edition}: another catalogue was put in force since, or it names none."
            raise ApplicationError(message, type="CatalogueReplaced", non_retryable=True)
        known = await read(self.engine, lambda connection: get_cases(connection, change.numbers))
        cases = {case.number: case for case in known}
        rollout = RolloutTerms(catalogue)
        # The same for every attempt of this rollout, so that an attempt whose answer was lost is answered again.
        info = activity.info()
        update_id = f"{CATALOGUE_CHANGE}-{info.workflow_run_id}"

        async def ask(number: str) -> CaseAnswer | LeftCase:
            if not (case := cases.get(number)):
                return NO_ANSWER  # SQL has lost its first event, and will have it again
            try:
                terms = rollout.terms(case)
            except UnknownCode:
                return CaseAnswer(KEPT)
            new = NewTerms(terms=terms, edition=change.edition, acknowledged=case.version)
            # An attempt whose answer was lost has moved others.
            is_moved = case.catalogue_change or is_change(case, new, info.current_attempt_scheduled_time)
            if change.second_pass and not is_moved:
                return CaseAnswer(SAME)
            return await self._ask(number, new, update_id)

        counts, left = await self.cases.ask_all(change.numbers, ask, MANY_AT_ONCE)
        counts[SILENT] = len(left)
        return dict(+counts)

    @activity.defn(name="list_owned_cases")
    async def list_owned_cases(self, query: OwnedQuery) -> list[str]:
        """Next numbers in order; none after the last: the handover has ended then."""
        numbers = await read(self.engine, lambda sql: owned_by(sql, query.owner, query.after, query.limit))
        if not numbers:
            with plain_errors():
                await self.writer.run(lambda sql: end_handover(sql, query.handover_id, now()))
        return numbers

    @activity.defn(name="hand_over_cases")
    async def hand_over_cases(self, page: CasesOfHandover) -> HandoverPage:
        """Give these cases to the new owner. A case that was given to somebody else meanwhile, or back, stays there.

        A handover that is not under way, as one that was done and is started again, changes no case.
        """
        handover = page.handover
        given = await read(self.engine, lambda sql: given_by(sql, handover, page.numbers))
        if given is None:
            reason = "This handover was done before, or SQL has lost it: order another one."
            return HandoverPage(handed_over=0, refused=dict.fromkeys(page.numbers, reason))
        known = await read(self.engine, lambda sql: owners(sql, page.numbers))

        async def ask(number: str) -> CaseAnswer | LeftCase:
            if number not in known:
                return LeftCase("SQL does not have it any more.")
            owner, version = known[number]
            if owner == handover.owner:  # by an attempt whose answer was lost
                return CaseAnswer(HANDED_OVER)
            if owner != handover.previous_owner or number in given:
                return LeftCase(f"It belongs to {owner} now.")
            return await self._hand_over(handover, number, version)

        counts, left = await self.cases.ask_all(page.numbers, ask, MANY_AT_ONCE)
        return HandoverPage(handed_over=counts[HANDED_OVER], refused=left)

    async def _hand_over(self, handover: Handover, number: str, version: int) -> CaseAnswer | LeftCase:
        """`version` is the one that SQL has of the case."""
        # The same for every attempt, so that an attempt whose answer was lost is answered again.
        key = f"handover-{handover.id}"
        command = Command(
            actor=handover.actor,
            body=HandOver(owner=handover.owner, previous_owner=handover.previous_owner, note=handover.reason),
            key=key,
            digest=handover.id,
            people=handover.people,
            acknowledged=version,
        )
        try:
            update = self.cases.send(number, ACTION.name, command, Outcome, key)
            outcome: Outcome | None = await if_found(update)
        except WorkflowUpdateFailedError as failed:
            if not (isinstance(failed.cause, ApplicationError) and is_refusal(failed)):
                raise
            if failed.cause.type == SAME_OWNER.error_type:  # moved by another handover since
                return CaseAnswer(HANDED_OVER)
            return LeftCase(failed.cause.message)
        return CaseAnswer(HANDED_OVER, outcome.batch) if outcome else LeftCase("Its workflow has ended.")

    async def _ask(self, number: str, new: NewTerms, update_id: str) -> CaseAnswer:
        try:
            returned: BatchAnswer = await self.cases.send(number, CATALOGUE_CHANGE, new, BatchAnswer, update_id)
        except WorkflowUpdateFailedError as failed:
            if isinstance(failed.cause, ApplicationError) and failed.cause.type == SAME_TERMS:
                return CaseAnswer(SAME)
            raise
        return CaseAnswer(CHANGED, returned.batch)
