"""Player of a surge: waves of calls, the incident, its end, and a follow-up for every caller."""

import asyncio
from collections.abc import Sequence

from domain.incident.lifecycle import IncidentState
from domain.shared.actors import Role
from hotline.demo.calls import Call
from hotline.demo.client import Json, Rejected
from hotline.demo.play import LOOK_EVERY_SECONDS, Player
from hotline.demo.surge.incident import Tide
from hotline.demo.surge.plan import AFTER, BEFORE, OF_THE_TIDE, WAVES, Kind, Surge, SurgeCall
from hotline.demo.surge.words import OWN_NOTE

NEWS_AFTER = WAVES[1]
DECLARED_AFTER = WAVES[1]
"""Wave after which a person declares the incident if nothing was suspected before."""
QUIET_OF_DAY = 0.1
"""The time between two waves, as a share of the day."""
GATHERED_WITHIN_SECONDS = 20.0
"""The service looks for further cases 15 s after the confirmation; a person links the others after that."""
LOOK_FOR_LINKS_EVERY_SECONDS = 1.0


class SurgePlay:
    """One surge on its way. `_cases` are those that were taken down, by the index of the call."""

    def __init__(self, player: Player, surge: Surge) -> None:
        self._player = player
        self._surge = surge
        self._tide = Tide(player, surge)
        self._cases: dict[int, Json] = {}

    async def play(self) -> None:
        """Play the surge to its end. Raises Rejected, Unreachable, also in groups."""
        await self._aside(BEFORE)
        async with asyncio.TaskGroup() as aside:
            watching = aside.create_task(self._tide.watch())
            await self._waves(aside)
            await self._tide.opened.wait()
            await self._link_up()
            await self._player.each(self._surge.of(Kind.OWN_CAUSE), self._take_out)
            await self._tide.alone()
            watching.cancel()
            await self._tide.inform(2)
            aside.create_task(self._player.each(self._surge.of(Kind.OWN_CAUSE), self._see_through))
            await self._tide.resolve()
            aside.create_task(self._aside(AFTER))
            await self._settled()
        await self._player.each(self._surge.of(*OF_THE_TIDE), self._follow_up)

    async def _waves(self, aside: asyncio.TaskGroup) -> None:
        for wave in WAVES:
            calls = [call for call in self._surge.calls if call.wave == wave]
            aside.create_task(self._aside(wave))
            await self._wave([call for call in calls if call.kind not in (Kind.OTHER, Kind.EMERGENCY)])
            self._player.say(f"wave {wave}: {len(calls)} calls")
            if wave != WAVES[-1]:
                await asyncio.sleep(self._player.seconds * QUIET_OF_DAY)
            if wave == DECLARED_AFTER and not self._tide.number:
                first = self._surge.of(Kind.TIDE)[0]
                await self._tide.declare(self._cases[first.index]["registered_at"])
            if wave == NEWS_AFTER:
                await self._tide.opened.wait()
                await self._tide.inform(1)

    async def _wave(self, calls: Sequence[SurgeCall]) -> None:
        """Let every agent take the calls that are his, one after the other."""

        async def agent(owner: str) -> None:
            for call in calls:
                if call.owner == owner:
                    await self._register(call)

        async with asyncio.TaskGroup() as agents:
            for owner in dict.fromkeys(call.owner for call in calls):
                agents.create_task(agent(owner))

    async def _register(self, call: Call) -> None:
        self._cases[call.index] = await self._player.register(call)
        self._player.advance("calls", len(self._surge.calls))

    async def _aside(self, wave: int) -> None:
        """Play the other cases of this wave, each from the call to its end."""

        async def one(call: Call) -> None:
            await self._register(call)
            await self._see_through(call)

        await self._player.each(self._surge.of(Kind.OTHER, Kind.EMERGENCY, wave=wave), one)

    async def _see_through(self, call: Call) -> None:
        await self._player.see_through(call, self._cases[call.index])

    async def _follow_up(self, call: Call) -> None:
        await self._see_through(call)
        self._player.advance("followed up", len(self._surge.of(*OF_THE_TIDE)))

    async def _link_up(self) -> None:
        """Link every case of the tide that the service has not linked by itself."""
        ends = asyncio.get_running_loop().time() + GATHERED_WITHIN_SECONDS
        while waiting := await self._unlinked(Kind.TIDE, Kind.OWN_CAUSE):
            if asyncio.get_running_loop().time() > ends:
                break
            all_of_it = len(self._surge.of(Kind.TIDE, Kind.OWN_CAUSE))
            self._player.progress("linked", all_of_it - len(waiting), all_of_it)
            await asyncio.sleep(LOOK_FOR_LINKS_EVERY_SECONDS)
        unlinked = await self._unlinked(Kind.TIDE, Kind.OWN_CAUSE, Kind.ASKED)
        await self._player.each(unlinked, self._link)
        if unlinked:
            self._player.say(f"linked by hand: {len(unlinked)} cases that no rule had found")

    async def _unlinked(self, *kinds: Kind) -> list[SurgeCall]:
        """Return the calls whose cases are not linked to the incident."""
        listed = await self._player.cases(self._surge.of(*kinds))
        linked = {index for index, cases in listed.items() if cases[0]["incident"] == self._tide.number}
        return [call for call in self._surge.of(*kinds) if call.index not in linked]

    async def _link(self, call: Call) -> None:
        await self._relink(call, {"incident": self._tide.number})

    async def _take_out(self, call: Call) -> None:
        """Take a case with another cause out of the incident, before the others are settled."""
        await self._relink(call, {"incident": None, "note": OWN_NOTE})

    async def _relink(self, call: Call, body: Json) -> None:
        dispatcher = self._player.staff.who(Role.DISPATCHER, owner="", department=None, turn=call.index)
        key = self._player.key(f"{call.index}-{'link' if body['incident'] else 'own'}")
        try:
            await self._player.act(self._cases[call.index], "link_incident", body, dispatcher, key)
        except Rejected as refusal:
            # The service may have linked it by itself meanwhile.
            if refusal.slug != "same-incident":
                raise

    async def _settled(self) -> None:
        """Return when every linked case has been replied to."""
        while True:
            incident = await self._tide.look()
            states = incident["cases_by_state"]
            done = states.get("pending_follow_up", 0) + states.get("closed", 0)
            self._player.progress("settled", done, incident["cases"])
            if incident["state"] == IncidentState.RESOLVED:
                return
            await asyncio.sleep(LOOK_EVERY_SECONDS)
