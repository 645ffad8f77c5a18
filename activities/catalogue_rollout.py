"""Putting a catalogue (服务目录) in force for cases that are open: which they are, and calling on each of them."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from temporalio import activity
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.projection import unavailable
from activities.rounds import BRISK, SILENT, call_on, take_silent
from domain.case.automatic.catalogue_change import SAME_TERMS, NewTerms
from domain.case.rollout import Renewal
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import Edition
from domain.shared.codes import UnknownCode
from readmodel.database import ReadConnection, reading
from readmodel.open_cases import Wanted, held, open_numbers

T = TypeVar("T")

CHANGED, SAME, KEPT = "changed", "same", "kept"
"""What comes of a case: new terms; the same; its own, as the catalogue lacks what it needs."""
ANSWER_SECONDS = 8.0
"""Longest wait for a case to answer: a worker that died gives its cases up sooner."""


class Page(BaseModel):
    """Which numbers are wanted next."""

    model_config = ConfigDict(frozen=True)

    closed_after: datetime
    since: datetime | None = None
    after: str = ""
    limit: int


class Calls(BaseModel):
    """Whom to call on, with what."""

    model_config = ConfigDict(frozen=True)

    catalogue: Catalogue
    edition: Edition
    numbers: list[str]
    second_pass: bool = False


class Renewals:
    """The activities of a round.

    Args:
        database: of the read model, to read.
        client: the way to the cases.
        workflow_id: the id of a case's workflow, by its number.
    """

    def __init__(self, database: Engine, client: Client, workflow_id: Callable[[str], str]) -> None:
        self._database = database
        self._client = client
        self._workflow_id = workflow_id

    @activity.defn(name="list_open_cases")
    async def list_open_cases(self, page: Page) -> list[str]:
        """The next numbers, in order; none after the last."""
        wanted = Wanted(page.closed_after, page.since)
        return await self._read(lambda connection: open_numbers(connection, wanted, page.after, page.limit))

    @activity.defn(name="change_catalogue")
    async def change_catalogue(self, calls: Calls) -> dict[str, int]:
        """Hold each of these cases to the catalogue; how many answered what."""
        known = await self._read(lambda connection: held(connection, calls.numbers))
        cases = {case.number: case for case in known}
        renewal = Renewal(calls.catalogue)
        # The same for every try of this round, so that a try whose answer was lost is answered again.
        update_id = f"{'catalogue_change'}-{activity.info().workflow_run_id}{'-late' if calls.second_pass else ''}"

        async def ask(number: str) -> str:
            try:
                terms = renewal.terms(cases[number])
            except UnknownCode:
                return KEPT
            return await self._ask(number, NewTerms(terms=terms, edition=calls.edition), update_id)

        answers = await call_on(calls.numbers, ask, BRISK)
        answers[SILENT] = len(take_silent(answers))
        return dict(+answers)

    async def _ask(self, number: str, new: NewTerms, update_id: str) -> str:
        handle = self._client.get_workflow_handle(self._workflow_id(number))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await handle.execute_update("catalogue_change", new, id=update_id)
        except WorkflowUpdateFailedError as failed:
            if isinstance(failed.cause, ApplicationError) and failed.cause.type == SAME_TERMS:
                return SAME
            raise
        return CHANGED

    async def _read(self, look: Callable[[ReadConnection], T]) -> T:
        def read() -> T:
            with reading(self._database) as connection:
                return look(connection)

        try:
            return await asyncio.to_thread(read)
        except DBAPIError as error:
            raise unavailable(error) from None
