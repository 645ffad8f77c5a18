"""Activities of incidents: rows in SQL, news to callers, updates of the linked cases, messages."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from weakref import WeakValueDictionary

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities import cases
from activities.names import ABSORB, SETTLE, incident_id
from activities.poller import now
from activities.run_status import is_not_found
from domain.case.actions.link_incident import OVER, LinkIncident, Settled, Settlement
from domain.case.views import Outcome
from domain.incident import incident as messages
from domain.incident.state import sampled
from domain.kit.event import Command
from domain.shared.actors import SYSTEM, Actor
from domain.shared.value import Immutable
from readmodel import incidents
from readmodel.cases.queries import versions
from readmodel.incidents import unclaimed
from readmodel.writer import GroupWriter

REFRESH_SECONDS = 2.0
"""Time between two readings: a new incident's cases show its title this late at the latest."""
SHOWN_FOR = timedelta(days=90)
"""Time after its end for which the title of an incident is known; its cases are closed by then."""
BATCH = 200
"""Cases of one activity, which takes seconds; then the incident shows its progress."""
SLICE = 200
"""Notifications of one transaction, for which publications of cases wait; and cases that are asked before it."""
LINKED = "linked"


class IncidentActivities:
    """The activities of incidents."""

    def __init__(self, writer: GroupWriter, engine: Engine, updates: cases.CaseUpdates) -> None:
        self._writer = writer
        self._engine = engine
        self._updates = updates

    @activity.defn(name="publish_incident")
    async def publish(self, batch: messages.IncidentBatch) -> int | None:
        """Commit the row of the incident, its events and notifications to staff; return the version of a later row."""
        with cases.plain_errors():
            return await self._writer.run(partial(incidents.write, batch=batch))

    @activity.defn(name="inform_callers")
    async def inform(self, news: messages.News) -> None:
        """Write a notification for the caller of each case; the courier sends them.

        A case that SQL shows as not linked is asked itself: SQL may lag, and who told the incident is not known.
        A later attempt continues from the last heartbeat, which has the last case whose caller is told.
        """
        last = next(iter(activity.info().heartbeat_details), "")
        done = news.numbers.index(last) + 1 if last in news.numbers else 0
        for start in range(done, len(news.numbers), SLICE):
            numbers = news.numbers[start : start + SLICE]
            doubtful = await cases.read(
                self._engine, partial(incidents.unlinked, incident=news.incident, numbers=numbers)
            )
            unlinked = await self._updates.unlinked(doubtful, news.incident, last)
            linked = [number for number in numbers if number not in unlinked]
            with cases.plain_errors():
                await self._writer.run(partial(incidents.inform, news=news, numbers=linked))
            last = numbers[-1]
            activity.heartbeat(last)

    @activity.defn(name="find_unlinked_cases")
    async def find_unlinked(self, asking: messages.Asking) -> tuple[str, ...]:
        return tuple(await self._updates.unlinked(asking.numbers, asking.incident))

    @activity.defn(name="gather_cases")
    async def gather(self, gathering: messages.Gathering) -> messages.Gathered:
        """Link the next cases that it takes by itself; return their count and the number to continue after.

        A run that asks after the end of the incident was reset: it takes none.
        """
        if await self._is_over(gathering.incident):
            return messages.Gathered(linked=0, after=None)
        numbers = await cases.read(self._engine, lambda connection: unclaimed(connection, gathering, BATCH))
        # Asked for by another search, a case is linked again: one that was reinstated has left.
        this_one = f"gather-{activity.info().workflow_run_id}-{activity.info().activity_id}"
        counts, _ = await self._link_all(numbers, gathering.incident, this_one)
        return messages.Gathered(linked=counts[LINKED], after=numbers[-1] if len(numbers) == BATCH else None)

    @activity.defn(name="link_named_cases")
    async def link_named(self, naming: messages.NamedCases) -> messages.BatchResult:
        """Link the cases that somebody has named, as that person does; return the count of each answer.

        It does not wait for SQL. As far as that answers, a run that asks after the end of the incident takes none, and
        a case that was linked since it was named stays as it is: who has taken it out again knew better.
        """
        incident, numbers, taken = naming.incident, naming.numbers, set[str]()
        with suppress(ApplicationError):
            if await self._is_over(incident):
                return messages.BatchResult(counts={OVER: len(numbers)})
            taken = await cases.read(
                self._engine, partial(incidents.linked_since_named, incident=incident, numbers=numbers)
            )

        async def leave(number: str) -> cases.CaseAnswer | None:
            return cases.CaseAnswer(OVER) if number in taken else None

        counts, left = await self._link_all(numbers, incident, "named", naming.actor, leave)
        return messages.BatchResult(counts=counts, silent=tuple(left))

    @activity.defn(name="settle_cases")
    async def settle(self, settling: messages.Settling) -> messages.BatchResult:
        """Complete the cases and reply; return the count of each outcome. Asked again, a case answers the same."""
        incident = settling.incident
        words = Settlement(incident=incident, result=settling.result, message=settling.message)
        there = await self._versions(settling.numbers)

        async def ask(number: str) -> cases.CaseAnswer:
            chosen = sampled(incident, number, settling.follow_up_percent)
            settlement = words.model_copy(update={"follow_up": chosen, "acknowledged": there.get(number, 0)})
            settled: Settled = await self._updates.send(number, SETTLE, settlement, Settled, f"{SETTLE}-{incident}")
            return cases.CaseAnswer(settled.outcome, settled.batch)

        counts, left = await self._updates.ask_all(settling.numbers, ask)
        counts[OVER] += counts.pop(cases.GONE, 0)
        return await self._result_at_end(settling, counts, left)

    @activity.defn(name="relink_cases")
    async def relink(self, relinking: messages.Relinking) -> messages.BatchResult:
        """Link the cases to another incident, or to none; return the count of each answer.

        A case that is linked to neither was linked elsewhere since, or never said that it is linked here.
        """
        ended, to = relinking.incident, relinking.to

        async def leave(number: str) -> cases.CaseAnswer | cases.LeftCase | None:
            linked = await self._updates.is_linked(number, ended, to)
            return None if linked else cases.NO_ANSWER if linked is None else cases.CaseAnswer(OVER)

        counts, left = await self._link_all(relinking.numbers, to, f"{ended}->{to}", leave=leave)
        return await self._result_at_end(relinking, counts, left)

    async def _result_at_end(
        self, asking: messages.Asking, counts: Counter[str], silent: Collection[str]
    ) -> messages.BatchResult:
        """Add the silent cases that SQL, if it answers, does not show as linked: any signal may have named them."""
        unlinked = set[str]()
        with suppress(ApplicationError):
            if silent:
                linked = await cases.read(self._engine, partial(incidents.linked, incident=asking.incident))
                unlinked = {*silent} - {*linked}
        return messages.BatchResult(counts=+counts, silent=tuple(silent), unlinked=tuple(unlinked))

    async def _link_all(
        self,
        numbers: Sequence[str],
        incident: str | None,
        why: str,
        by: Actor = SYSTEM,
        leave: Callable[[str], Awaitable[cases.CaseAnswer | cases.LeftCase | None]] | None = None,
    ) -> cases.Answers:
        """Link cases by updates with keys, so that a case knows it if it is asked again.

        `leave` returns the answer of a case that is left as it is, None for all others.
        """
        there = await self._versions(numbers)

        async def ask(number: str) -> cases.CaseAnswer | cases.LeftCase:
            if leave and (answer := await leave(number)):
                return answer
            key, body = f"{why}-{incident}-{number}", LinkIncident(incident=incident)
            command = Command(actor=by, body=body, key=key, digest=key, acknowledged=there.get(number, 0))
            outcome: Outcome = await self._updates.send(number, "link_incident", command, Outcome, key)
            return cases.CaseAnswer(LINKED, outcome.batch)

        return await self._updates.ask_all(numbers, ask)

    async def _is_over(self, incident: str) -> bool:
        found = await cases.read(self._engine, partial(incidents.incident_versions, numbers=[incident]))
        return incident in found and found[incident].is_over

    async def _versions(self, numbers: Sequence[str]) -> dict[str, int]:
        """Empty if SQL does not answer, for which nothing waits."""
        try:
            return await cases.read(self._engine, lambda connection: versions(connection, numbers))
        except ApplicationError:
            return {}


class IncidentTitles:
    """Titles of the incidents that are open or ended lately, by number: the last ones read while SQL is down."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.titles: Mapping[str, str] = {}

    @asynccontextmanager
    async def refreshing(self) -> AsyncIterator[None]:
        async def read_on() -> None:
            while True:
                # It is no news that SQL is down.
                with suppress(ApplicationError, SQLAlchemyError):
                    self.titles = await cases.read(self._engine, lambda sql: incidents.titles(sql, now() - SHOWN_FOR))
                await asyncio.sleep(REFRESH_SECONDS)

        reading = asyncio.create_task(read_on())
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.wait({reading})


SIGNAL_TIMEOUT = timedelta(seconds=3)
"""Longest wait for one answer of Temporal: with the pause before it, shorter than an attempt of the activity."""

SECONDS_BETWEEN_SIGNALS = 1.0
"""Pause after a signal of several cases, for fewer events: a long run cannot end if a signal comes in its replay."""


class CaseSignal(Immutable):
    """Signal of a case to an incident."""

    incident: str
    signal: str
    number: str


class IncidentMessages:
    """Sender of signals and updates to incidents.

    What cases tell an incident while a signal to it is under way goes together in the next one: 20,000 calls about one
    burst main would otherwise keep its incident busy with as many signals.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._next: dict[tuple[str, str], tuple[list[str], asyncio.Task[bool]]] = {}

    @activity.defn(name="tell_incident")
    async def signal(self, message: CaseSignal) -> bool:
        """Return True once the incident has the signal in its history, False if it has ended. Raises RPCError."""
        key = message.incident, message.signal
        if key not in self._next:
            self._next[key] = [], asyncio.create_task(self._send(key))
        numbers, sent = self._next[key]
        numbers.append(message.number)
        return await asyncio.shield(sent)

    @activity.defn(name="merge_incident")
    async def merge(self, absorbed: messages.Absorbed) -> bool:
        """Return True once the other incident has the scope, False if that has ended.

        Raises TimeoutError, RPCError, WorkflowUpdateFailedError, UndecidedError: it does not answer; the activity is
        tried again, by an update of its own, as somebody else may have answered this one.
        """
        once = f"{ABSORB}-{absorbed.incident}-{activity.info().attempt}"
        handle = self._client.get_workflow_handle(incident_id(absorbed.into))
        try:
            async with asyncio.timeout(cases.ANSWER_SECONDS):
                return not await is_not_found(handle.execute_update(ABSORB, absorbed, id=once))
        except WorkflowUpdateFailedError as error:
            if cases.is_refusal(error):
                return False
            raise

    async def _send(self, key: tuple[str, str]) -> bool:
        incident, signal = key
        lock = self._locks.setdefault(key, asyncio.Lock())
        await lock.acquire()
        numbers, _ = self._next.pop(key)
        try:
            handle = self._client.get_workflow_handle(incident_id(incident))
            return not await is_not_found(handle.signal(signal, numbers, rpc_timeout=SIGNAL_TIMEOUT))
        finally:
            pause = SECONDS_BETWEEN_SIGNALS if len(numbers) > 1 else 0
            asyncio.get_running_loop().call_later(pause, lock.release)
