"""Player of a surge: waves of calls, the incident, its end, and a follow-up for every caller."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.case.incident_link import OWN_CAUSE
from domain.incident.lifecycle import TAKING, IncidentState
from domain.shared.actors import Role
from hotline.demo.bars import Progress
from hotline.demo.client import Json, Rejected, Unreachable
from hotline.demo.surge.course import Session
from hotline.demo.surge.incident import LARGEST_PAGE, LOOK_EVERY_SECONDS, Say, Tide
from hotline.demo.surge.plan import AFTER, BEFORE, OF_THE_TIDE, WAVES, Call, Kind, Surge
from hotline.demo.surge.words import OWN_NOTE

NEWS_AFTER = WAVES[1]
DECLARED_AFTER = WAVES[1]
"""Wave after which a person declares the incident if nothing was suspected before."""
GATHERED_WITHIN_SECONDS = 20.0
"""The service looks for further cases 15 s after the confirmation; a person links the others after that."""
LOOK_FOR_LINKS_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class PlayContext:
    """Context of a played surge. `quiet` is the time between two waves, in seconds."""

    session: Session
    surge: Surge
    quiet: float
    concurrency: int
    say: Say
    progress: Progress


async def play(context: PlayContext) -> None:
    """Play the surge to its end. Steps of an earlier run are not repeated. Raises Rejected, Unreachable."""
    try:
        await _SurgePlay(context).play()
    except* (Rejected, Unreachable) as group:
        # One reason stops the play; the others only say it again.
        raise _first(group) from None


def _first(group: BaseExceptionGroup[Rejected | Unreachable]) -> Rejected | Unreachable:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Rejected | Unreachable)  # noqa: S101 - what `except*` lets through
    return error


class _SurgePlay:
    def __init__(self, context: PlayContext) -> None:
        self._context = context
        self._session = context.session
        self._surge = context.surge
        self._tide = Tide(context.session, context.surge, context.say)
        self._places = asyncio.Semaphore(context.concurrency)
        self._registered = len(context.session.journal.numbers)

    async def play(self) -> None:
        await self._aside(BEFORE)
        async with asyncio.TaskGroup() as aside:
            if not await self._over():
                watching = aside.create_task(self._tide.watch())
                await self._waves(aside)
                await self._tide.opened.wait()
                await self._link_up()
                await self._take_out()
                await self._tide.alone()
                watching.cancel()
                await self._tide.inform(2)
            else:
                # What was played beside the tide may have been cut off in its middle.
                for wave in WAVES:
                    aside.create_task(self._aside(wave))
            aside.create_task(self._each(self._surge.of(Kind.OWN_CAUSE), self._see_through))
            await self._tide.resolve()
            aside.create_task(self._aside(AFTER))
            await self._settled()
        await self._follow_up()

    async def _over(self) -> bool:
        """Return True if an earlier run has come as far as the end of the tide."""
        if self._session.journal.incident is None:
            return False
        return (await self._tide.look())["state"] not in TAKING | {IncidentState.SUSPECTED}

    async def _waves(self, aside: asyncio.TaskGroup) -> None:
        for wave in WAVES:
            calls = [call for call in self._surge.calls if call.wave == wave]
            new = any(call.index not in self._session.journal.numbers for call in calls)
            aside.create_task(self._aside(wave))
            await self._wave([call for call in calls if call.kind not in (Kind.OTHER, Kind.EMERGENCY)])
            if new:
                self._context.say(f"wave {wave}: {len(calls)} calls")
            if new and wave != WAVES[-1]:
                await asyncio.sleep(self._context.quiet)
            if wave == DECLARED_AFTER and not self._tide.opened.is_set() and not self._session.journal.incident:
                first = self._surge.of(Kind.TIDE)[0]
                registered = (await self._session.register(first))["registered_at"]
                await self._tide.declare(datetime.fromisoformat(registered))
            if wave == NEWS_AFTER:
                await self._tide.opened.wait()
                await self._tide.inform(1)

    async def _wave(self, calls: Sequence[Call]) -> None:
        """Let every agent take the calls that are his, one after the other."""

        async def agent(owner: str) -> None:
            for call in calls:
                if call.owner == owner and call.index not in self._session.journal.numbers:
                    await self._register(call)

        async with asyncio.TaskGroup() as agents:
            for owner in dict.fromkeys(call.owner for call in calls):
                agents.create_task(agent(owner))

    async def _register(self, call: Call) -> Json:
        new = call.index not in self._session.journal.numbers
        complaint = await self._session.register(call)
        self._registered += new
        self._context.progress("calls", self._registered, len(self._surge.calls))
        return complaint

    async def _aside(self, wave: int) -> None:
        """Play the other cases of this wave, each from the call to its end."""
        others = self._surge.of(Kind.OTHER, Kind.EMERGENCY, wave=wave)
        await self._each(others, self._see_through)

    async def _see_through(self, call: Call) -> None:
        await self._session.see_through(call, await self._register(call))

    async def _link_up(self) -> None:
        """Link every case of the tide that the service has not linked by itself."""
        ends = asyncio.get_running_loop().time() + GATHERED_WITHIN_SECONDS
        while waiting := self._unlinked(await self._cases(), Kind.TIDE, Kind.OWN_CAUSE):
            if asyncio.get_running_loop().time() > ends:
                break
            all_of_it = len(self._surge.of(Kind.TIDE, Kind.OWN_CAUSE))
            self._context.progress("linked", all_of_it - len(waiting), all_of_it)
            await asyncio.sleep(LOOK_FOR_LINKS_EVERY_SECONDS)
        unlinked = self._unlinked(await self._cases(), Kind.TIDE, Kind.OWN_CAUSE, Kind.ASKED)
        await self._each(unlinked, self._link)
        if unlinked:
            self._context.say(f"linked by hand: {len(unlinked)} cases that no rule had found")

    def _unlinked(self, cases: dict[str, Json], *kinds: Kind) -> list[Call]:
        """Return the calls whose cases are not linked to the incident, except those that were taken out of it."""
        found = []
        for call in self._surge.of(*kinds):
            case = cases.get(self._session.journal.numbers[call.index])
            if case is None or (case["incident"] != self._tide.number and OWN_CAUSE not in case["flags"]):
                found.append(call)
        return found

    async def _link(self, call: Call) -> None:
        await self._relink(call, self._tide.number, "link")

    async def _take_out(self) -> None:
        """Take cases with another cause out of the incident, before the others are settled."""

        async def one(call: Call) -> None:
            if OWN_CAUSE not in (await self._session.register(call))["flags"]:
                await self._relink(call, None, "own")

        await self._each(self._surge.of(Kind.OWN_CAUSE), one)

    async def _relink(self, call: Call, incident: str | None, key: str) -> Json:
        note = {} if incident else {"note": OWN_NOTE}
        dispatcher = self._session.staff.who(Role.DISPATCHER, owner="", department=None, turn=call.index)
        try:
            return await self._session.act(call, "link_incident", {"incident": incident, **note}, dispatcher, key)
        except Rejected as refusal:
            if refusal.slug != "same-incident":
                raise
            return await self._session.register(call)

    async def _settled(self) -> None:
        """Return when every linked case has been replied to."""
        while True:
            incident = await self._tide.look()
            states = incident["cases_by_state"]
            done = states.get("pending_follow_up", 0) + states.get("closed", 0)
            self._context.progress("settled", done, incident["cases"])
            if incident["state"] == IncidentState.RESOLVED:
                return
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _follow_up(self) -> None:
        """Follow up with every caller, as many at once as are allowed."""
        calls = self._surge.of(*OF_THE_TIDE)
        cases = await self._cases()
        done = 0

        async def one(call: Call) -> None:
            nonlocal done
            complaint = cases.get(self._session.journal.numbers[call.index]) or await self._session.register(call)
            await self._session.see_through(call, complaint)
            done += 1
            self._context.progress("followed up", done, len(calls))

        await self._each(calls, one)

    async def _cases(self) -> dict[str, Json]:
        """Return the cases of this run as lists show them, by number."""
        listed = self._session.hotline.items("/complaints", q=self._session.journal.run, limit=LARGEST_PAGE)
        return {case["number"]: case async for case in listed}

    async def _each(self, calls: Iterable[Call], do: Callable[[Call], Awaitable[object]]) -> None:
        async def one(call: Call) -> None:
            async with self._places:
                await do(call)

        async with asyncio.TaskGroup() as tasks:
            for call in calls:
                tasks.create_task(one(call))
