"""A salt tide, played as the day is: one cause, one incident from the suspicion to its end, news, one reply to all."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from rich.console import Console

from demo.calls import Call
from demo.client import Json, Rejected
from demo.offers import District, Offer
from demo.people import Person
from demo.plans import LINK
from demo.play import DONE, LARGEST_PAGE, LOOK_EVERY_SECONDS, REGISTERED, Player, Verdict
from demo.surge import AFTER, BEFORE, TASTE, TEXTS, WAVES, Kind, plan_surge
from demo.tide_check import Findings, read_messages
from demo.tide_report import report_surge
from domain.incident.state import LINKABLE, IncidentState
from domain.shared.actors import Role

NEWS_AFTER = WAVES[1]
"""Wave after which the first news go out; a person declares the incident then if nothing was suspected before."""
QUIET_OF_DAY = 0.1
"""The time between two waves, as a share of the day."""
GATHERED_WITHIN_SECONDS = 20.0
"""The service looks for further cases 15 s after the confirmation; a person links the others after that."""
LOOK_FOR_LINKS_EVERY_SECONDS = 1.0
HOURS_UNTIL_WATER = 6


class Tide:
    """A surge. `log` is the file of sent messages, if this machine has it; `found` is the result of the last check."""

    def __init__(
        self, cases: int, seed: int, offers: Sequence[Offer], districts: Sequence[District], log: Path | None
    ) -> None:
        self._surge = plan_surge(cases, seed, offers, districts)
        self.calls = self._surge.calls
        where = f"about {', '.join(self._surge.services)} from {', '.join(self._surge.districts)}"
        self.title = f"a salt tide (咸潮) of {cases} calls, {where}"
        self._scope = {"services": [*self._surge.services], "districts": [*self._surge.districts]}
        self._log = log
        self._gathered = False
        self.found = Findings()

    async def direct(self, player: Player) -> None:
        """Let wave after wave come, and do the dispatcher's work on the incident. Raises Rejected, Unreachable."""
        player.reach(BEFORE)
        await player.all_are(DONE, self._surge.of(wave=BEFORE))
        async with asyncio.TaskGroup() as beside:
            beside.create_task(self._watch(player))
            for wave in WAVES:
                await self._wave(player, wave)
            await self._link_up(player)
            for call in self._surge.of(Kind.OWN_CAUSE):
                await self._link(player, call, {"incident": None, "note": TEXTS["own_cause"]["note"]})
            player.reach("gathered")
            self._gathered = True
        await self._inform(player, 2)
        await self._act(player, "resolve", {"result": TEXTS["result"], "message": TEXTS["reply"]})
        player.say("resolved; the cases are completed and replied to")
        player.reach(AFTER)
        await self._settled(player)
        player.reach("settled")

    async def _wave(self, player: Player, wave: int) -> None:
        calls = self._surge.of(wave=wave)
        player.reach(wave)
        await player.all_are(REGISTERED, calls)
        player.say(f"wave {wave}: {len(calls)} calls")
        if wave != WAVES[-1]:
            await asyncio.sleep(player.seconds * QUIET_OF_DAY)
        if wave == NEWS_AFTER:
            if not player.incident:
                await self._declare(player)
            await player.reaches("opened")
            await self._inform(player, 1)

    async def _watch(self, player: Player) -> None:
        """Open the incident, and merge others of the tide into it, until all its cases are linked and it is alone."""
        while not (found := await self._open_ones(player)):  # noqa: ASYNC110 - HTTP calls nobody
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        # One that is confirmed already was left by a run that was ended in its middle, and takes the calls.
        first = min(found, key=lambda each: (each["state"] == IncidentState.SUSPECTED, each["opened_at"]))
        player.incident = first["number"]
        await self._open(player, first)
        player.reach("opened")
        while (others := await self._open_ones(player, besides=player.incident)) or not self._gathered:
            for number in (other["number"] for other in others):
                # The list may be old: it was merged already.
                if await _unless_done(self._act(player, "merge", {"into": player.incident}, on=number)):
                    player.say(f"merged the suspicion {number} into it")
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _declare(self, player: Player) -> None:
        """Declare the incident as a person: the service suspected none so far, because no rule matched."""
        since = min(case["registered_at"] for case in player.known.values())
        body = {"title": TEXTS["title"], **self._scope, "since": since}
        await player.hotline.post("/incidents", body, by=player.staff.who(Role.DISPATCHER), key=player.key("declare"))
        player.say("declared an incident by hand")

    async def _open(self, player: Player, incident: Json) -> None:
        """Confirm it, dispatch it once, and sign for it."""
        if incident["state"] == IncidentState.SUSPECTED:
            await self._act(player, "confirm", {"title": TEXTS["title"], **self._scope})
            begun = await player.timeline(f"/incidents/{player.incident}")
            player.say(f"suspected {player.incident} after {begun[0]['data'].get('calls')} calls; confirmed")
        # A run that was ended may have done so.
        await _unless_done(self._act(player, "dispatch", {"department": TASTE}))
        crew = player.staff.who(Role.CREW, department=TASTE)
        await _unless_done(self._act(player, "sign_for", {}, by=crew))

    async def _inform(self, player: Player, nth: int) -> None:
        """Send the news number `nth` to all callers of linked cases."""
        incident = await self._look(player)
        expected = datetime.fromisoformat(incident["opened_at"]) + timedelta(hours=HOURS_UNTIL_WATER)
        await self._act(player, "inform", {**TEXTS["news"][nth - 1], "expected_at": expected.isoformat()}, nth=nth)
        player.say(f"news {nth} to the callers of {incident['cases']} cases")

    async def _act(
        self, player: Player, action: str, body: Json, *, by: Person | None = None, on: str = "", nth: int = 1
    ) -> None:
        """Act on the incident or another one, as a dispatcher if nobody is named. Raises Rejected, Unreachable."""
        path, by = f"/incidents/{on or player.incident}/actions/{action}", by or player.staff.who(Role.DISPATCHER)
        await player.hotline.post(path, body, by=by, key=player.key(f"{action}-{on or nth}"))

    async def _look(self, player: Player) -> Json:
        """Return the incident, with its cases by state."""
        return await player.hotline.get(f"/incidents/{player.incident}")

    async def _all(self, player: Player) -> list[Json]:
        """Return the latest incidents of the tide's services and districts, whatever became of them."""
        latest = await player.hotline.get("/incidents", {"limit": LARGEST_PAGE})
        services, places = {*self._surge.services}, {*self._surge.districts}
        return [each for each in latest["items"] if {*each["services"]} <= services and places & {*each["districts"]}]

    async def _open_ones(self, player: Player, besides: str = "") -> list[Json]:
        return [each for each in await self._all(player) if each["state"] in LINKABLE and each["number"] != besides]

    async def _link_up(self, player: Player) -> None:
        """Link every case of the tide that the service has not linked by itself."""
        ends = asyncio.get_running_loop().time() + GATHERED_WITHIN_SECONDS
        while waiting := await self._unlinked(player, Kind.TIDE, Kind.OWN_CAUSE):
            if asyncio.get_running_loop().time() > ends:
                break
            all_of_it = len(self._surge.of(Kind.TIDE, Kind.OWN_CAUSE))
            player.progress("linked", all_of_it - len(waiting), all_of_it)
            await asyncio.sleep(LOOK_FOR_LINKS_EVERY_SECONDS)
        unlinked = await self._unlinked(player, Kind.TIDE, Kind.OWN_CAUSE, Kind.ASKED)
        for call in unlinked:
            await self._link(player, call, {"incident": player.incident})
        if unlinked:
            player.say(f"linked by hand: {len(unlinked)} cases that no rule had found")

    async def _unlinked(self, player: Player, *kinds: Kind) -> list[Call]:
        """Return the calls whose cases are not linked to the incident."""
        calls = self._surge.of(*kinds)
        listed = await player.cases(calls)
        linked = {index for index, cases in listed.items() if cases[0]["incident"] == player.incident}
        return [call for call in calls if call.index not in linked]

    async def _link(self, player: Player, call: Call, body: Json) -> None:
        """Link a case to the incident, or take it out; the service may have linked it by itself meanwhile."""
        if case := player.known.get(call.index):
            key = player.key(f"{call.index}-{'link' if body['incident'] else 'own'}")
            await _unless_done(player.act(case, LINK, body, player.staff.who(Role.DISPATCHER, turn=call.index), key))

    async def _settled(self, player: Player) -> None:
        """Return when every linked case has been replied to."""
        while True:
            incident = await self._look(player)
            states = incident["cases_by_state"]
            done = states.get("pending_follow_up", 0) + states.get("closed", 0)
            player.progress("settled", done, incident["cases"])
            if incident["state"] == IncidentState.RESOLVED:
                return
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def faults(self, player: Player, verdict: Verdict) -> Iterable[str]:
        """Return each fault of the incidents and of the messages."""
        since = min((case["registered_at"] for case in verdict.complaints.values()), default="")
        others = [each for each in await self._all(player) if each["number"] != player.incident]
        self.found = Findings(
            incident=await self._look(player),
            happened=await player.timeline(f"/incidents/{player.incident}"),
            merged=[each for each in others if each["opened_at"] >= since],
        )
        if self._log and self._log.exists():
            self.found.messages = read_messages(self._log, verdict.complaints.values())
        return self.found.faults(self._surge, verdict)

    def report(self, console: Console, verdict: Verdict, url: str) -> None:
        """Print the figures of the surge, and where to look."""
        report_surge(console, self._surge, verdict, self.found, url)

    @property
    def praise(self) -> str:
        """Return what is said if everything is as planned."""
        told = "what was sent is not known here: this machine has no log of the messages"
        if self.found.messages is not None:
            told = f"{self.found.messages.total()} messages were sent, none of them twice"
        return (
            f"Nothing is lost: all {len(self.calls)} calls are there and closed, one incident is left, every case was "
            f"replied to once in each cycle; {told}."
        )


async def _unless_done(request: Awaitable[object]) -> bool:
    """Return True if the request is accepted, False if it conflicts with what is done. Raises Rejected, Unreachable."""
    try:
        await request
    except Rejected as refusal:
        if refusal.status != HTTPStatus.CONFLICT:
            raise
        return False
    return True
