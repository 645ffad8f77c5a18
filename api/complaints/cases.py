"""Cases as the API reads them: from SQL, or else from their workflows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from api.dependencies import part
from api.edge.problems import ProblemError
from api.parameters import not_found
from api.routing import require_reach
from api.sql import ProjectionWriter, Reader, away
from api.temporal.client import ComplaintClient
from domain.case.case import Case
from domain.case.decide import available_actions
from domain.case.views import CaseView, Outcome, view_case
from domain.rights.rights import Right
from domain.shared.actors import Actor
from readmodel.cases.queries import get_case


@dataclass(frozen=True, slots=True)
class Cases:
    """Cases, from SQL or else from their workflows."""

    reader: Reader
    client: ComplaintClient
    projection: ProjectionWriter
    clock: Callable[[], datetime]

    async def find(self, number: str, actor: Actor) -> CaseView | None:
        """Return the case as the actor sees it, from SQL or else from its workflow; None if there is no such case.

        No right is asked for: to answer with a case, take `get`. Raises ProblemError if neither answers.
        """
        case, down = None, None
        try:
            case = await self.reader.ask(get_case, number)
        except ProblemError as error:
            down = error
        view = self.view(case, actor) if case else await self.client.case(number, actor)
        if view is None and down:
            # SQL may have the case: it keeps cases for longer than Temporal does.
            raise down
        return view

    async def get(self, number: str, actor: Actor, right: Right) -> CaseView:
        """Return the case as the actor sees it. Raises ProblemError, also if the right does not reach it."""
        view = await self.find(number, actor)
        if view is None:
            raise not_found(number)
        require_reach(right, actor, number, view)
        return view

    def view(self, case: Case, actor: Actor) -> CaseView:
        now = self.clock()
        return view_case(case, now, available_actions(case, actor, now))

    async def in_sql(self, number: str, actor: Actor, right: Right) -> Case:
        """Return the case from SQL. Raises ProblemError, also if SQL does not show it yet."""
        case = await self.reader.ask(get_case, number)
        found = case or await self.client.case(number, actor)
        if found is None:
            raise not_found(number)
        require_reach(right, actor, number, found)
        if case is None:
            raise away(f"The complaint {number} is there, but SQL does not show it yet.")
        return case

    async def write(self, number: str, outcome: Outcome, actor: Actor) -> tuple[CaseView, bool]:
        """Write what an update returned; return the case as the actor sees it, and True if SQL has it.

        Raises ProblemError if SQL is down and the workflow does not answer either.
        """
        view, committed = outcome.case, False
        if outcome.batch:
            case, committed = await self.projection.write(outcome.batch)
            view = self.view(case, actor) if case else await self.client.case(number, actor)
        elif view:
            committed = await self.projection.has(number, view.version)
        if view is None:
            raise not_found(number)
        return view, committed


TheCases = Annotated[Cases, part("cases")]
