"""The surge watch: suspects an incident if more calls about one service come from one district than chance explains."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity
from temporalio.service import RPCError

from activities.poller import now, poller_run
from domain.incident.state import Opening, Scope, SurgeRule
from domain.shared.actors import SYSTEM
from readmodel import incidents
from readmodel.base.database import reading

logger = logging.getLogger(__name__)

REMEMBERED = timedelta(days=2)
"""Age of ended incidents that a suspicion is compared with: more than the day that numbers are drawn for."""
Suspect = Callable[[Opening, datetime | None], Awaitable[None]]
"""Starts an incident; the instant is the end of the last one with the same cause, or the time when one was suspected
that was narrowed since. Started again, it is the same one."""
Rules = Callable[[], Sequence[SurgeRule]]


class SurgeWatch:
    """The activity `watch_surges`, with so many seconds between two counts; its workflow runs one at a time."""

    def __init__(self, engine: Engine, rules: Rules, suspect: Suspect, every_seconds: float) -> None:
        self._engine = engine
        self._rules = rules
        self._suspect = suspect
        self._every = every_seconds

    @activity.defn(name="watch_surges")
    async def watch_surges(self) -> int:
        """Count calls until the run ends or the worker stops, also after an outage; return how many were suspected."""
        suspected = 0
        async with poller_run() as current:
            while not current.is_over:
                suspected += await self._suspect_surges()
                await current.wait(self._every)
        return suspected

    async def _suspect_surges(self) -> int:
        try:
            found = await asyncio.to_thread(self._openings, now())
            for opening, ended_at in found:
                await self._suspect(opening, ended_at)
        except (SQLAlchemyError, RPCError, TimeoutError) as error:
            logger.warning("the calls cannot be watched: %s", type(error).__name__)
            return 0
        return len(found)

    def _openings(self, at: datetime) -> list[tuple[Opening, datetime | None]]:
        return [found for rule in self._rules() for found in self._exceeding(rule, at)]

    def _exceeding(self, rule: SurgeRule, at: datetime) -> Iterable[tuple[Opening, datetime | None]]:
        since = at - timedelta(seconds=rule.window_seconds)
        with reading(self._engine) as connection:
            found = incidents.surges(connection, since, rule.services, rule.more_than)
            known = incidents.recent(connection, at - REMEMBERED) if found else []
            for surge in found:
                cause = (surge.service, surge.district)
                of_it = [each for each in known if each.scope.names(*cause)]
                if any(each.closed_at is None and each.scope.names_all_of(*cause) for each in of_it):
                    continue
                # Calls before the end of the last incident were calls of that one, and those before a suspicion raised
                # it, though it was narrowed since. A narrow one that was declared explains only what is linked to it.
                of_it = [each for each in of_it if each.closed_at or each.opened_by == SYSTEM.id]
                ended_at = max((each.closed_at or each.opened_at for each in of_it), default=None)
                begins = max(since, ended_at or since)
                later = incidents.surges(connection, begins, [surge.service], rule.more_than)
                if any(each.district == surge.district for each in later):
                    suspicion = Opening(
                        at=at,
                        title=f"{surge.service} · {surge.district}",
                        scope=Scope(services=(surge.service,), districts=(surge.district,)),
                        since=begins,
                        follow_up_percent=rule.follow_up_percent,
                        timezone=rule.timezone,
                        calls=surge.calls,
                    )
                    yield suspicion, ended_at
