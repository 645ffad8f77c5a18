"""Cases under whose ids Temporal starts runs of somebody else again and again."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

from activities.recovery.case_workflows import CaseWorkflows
from activities.recovery.history_errors import ForeignError, UnreadableError
from activities.recovery.watched import Watched
from readmodel.projection import DivergedError, NotRegisteredError

logger = logging.getLogger(__name__)


class ForeignRuns:
    """Cases whose present runs were put off, and that the service has not started: Temporal lists them as sound.

    Args:
        workflows: list of the workflows of cases.
        repair: writes a case from its history, as `Repairs.case`; raises ForeignError for one of somebody else.
    """

    def __init__(self, workflows: CaseWorkflows, repair: Callable[[str, datetime | None], Awaitable[bool]]) -> None:
        self._workflows = workflows
        self._repair = repair
        self._own = dict[str, str]()  # runs, by case
        self._watched = Watched()

    async def look(self, number: str, run_id: str, until: datetime | None) -> None:
        """Read who has started a run that was put off. `until` is that of `repair`. Raises as `repair`."""
        if self._own.get(number) == run_id:
            return
        try:
            with suppress(DivergedError, NotRegisteredError):
                await self._repair(number, until)
            self._own[number] = run_id
        except ForeignError:
            self._watched.add(number)
        except UnreadableError as error:
            logger.warning("who has started case %s cannot be told: %s", number, error)

    async def numbers(self) -> list[str]:
        """Return the numbers of the cases that have such a run. Raises RPCError."""
        return await self._watched.ask_again(self._is_foreign)

    async def _is_foreign(self, number: str) -> bool:
        seen = await self._workflows.get(number)
        return seen is not None and seen.runs and seen.is_put_off and self._own.get(number) != seen.run_id
