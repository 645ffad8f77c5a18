"""Actions of the dispatcher: one incident for the whole tide, from the suspicion to the end."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from http import HTTPStatus

from domain.incident.lifecycle import LINKABLE, IncidentState
from domain.shared.actors import Role
from hotline.demo.client import Json, Rejected
from hotline.demo.play import LARGEST_PAGE, LOOK_EVERY_SECONDS, Player
from hotline.demo.surge import words
from hotline.demo.surge.plan import TASTE, Surge

HOURS_UNTIL_WATER = 6


class Tide:
    """The incident of the surge. `opened` is set once calls are linked to it as they are registered."""

    def __init__(self, player: Player, surge: Surge) -> None:
        self._player = player
        self._surge = surge
        self._scope = {"services": [*surge.services], "districts": [*surge.districts]}
        self._dispatcher = player.staff.who(Role.DISPATCHER, owner="", department=None, turn=0)
        self.opened = asyncio.Event()

    @property
    def number(self) -> str:
        """Return the incident's number; empty before there is one."""
        return self._player.run.incident

    def covers(self, incident: Json) -> bool:
        """Return True if the incident has the tide's services and districts."""
        services, districts = {*incident["services"]}, {*incident["districts"]}
        return services <= {*self._surge.services} and bool(districts & {*self._surge.districts})

    async def look(self) -> Json:
        """Return the incident, with its cases by state."""
        return await self._player.hotline.get(f"/incidents/{self.number}")

    async def timeline(self) -> list[Json]:
        """Return the timeline of the incident, oldest first."""
        return await self._player.timeline(f"/incidents/{self.number}")

    async def all(self) -> list[Json]:
        """Return the latest incidents of the tide's scope, whatever became of them."""
        latest = await self._player.hotline.get("/incidents", {"limit": LARGEST_PAGE})
        return [each for each in latest["items"] if self.covers(each)]

    async def watch(self) -> None:
        """Confirm the first suspected incident, and merge later ones of the tide into it, until cancelled."""
        while True:
            found = await self._open_ones()
            if not self.number and found:
                # One that is confirmed already was left by a run that was ended in its middle, and takes the calls.
                first = min(found, key=lambda each: (each["state"] == IncidentState.SUSPECTED, each["opened_at"]))
                self._player.run.incident = first["number"]
            if self.number:
                await self._open()
                for other in found:
                    if other["number"] != self.number:
                        await self._merge(other["number"])
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def alone(self) -> None:
        """Wait until no other incident of the tide is open."""
        while {each["number"] for each in await self._open_ones()} - {self.number}:  # noqa: ASYNC110 - HTTP calls nobody
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def declare(self, since: str) -> None:
        """Open the incident as a person, if the service suspected none since then, because no rule matched."""
        body = {"title": words.TITLE, **self._scope, "since": since}
        incident = await self._player.hotline.post(
            "/incidents", body, by=self._dispatcher, key=self._player.key("declare")
        )
        self._player.run.incident = incident["number"]
        self._player.say(f"declared {self.number} by hand")

    async def inform(self, nth: int) -> None:
        """Send the news number `nth` to all callers of linked cases."""
        message, in_english = words.NEWS[nth - 1]
        incident = await self.look()
        expected = datetime.fromisoformat(incident["opened_at"]) + timedelta(hours=HOURS_UNTIL_WATER)
        body = {"message": message, "message_en": in_english, "expected_at": expected.isoformat()}
        if await self._act("inform", body, nth):
            self._player.say(f"news {nth} to the callers of {incident['cases']} cases")

    async def resolve(self) -> None:
        """Resolve the incident: every linked case is completed and replied to from now on."""
        if await self._act("resolve", {"result": words.RESULT, "message": words.REPLY}):
            self._player.say("resolved; the cases are completed and replied to")

    async def _open_ones(self) -> list[Json]:
        return [each for each in await self.all() if each["state"] in LINKABLE]

    async def _open(self) -> None:
        """Confirm it, dispatch it once, and sign for it."""
        if self.opened.is_set():
            return
        incident = await self.look()
        if incident["state"] == IncidentState.SUSPECTED:
            await self._act("confirm", {"title": words.TITLE, **self._scope})
            begun = await self.timeline()
            self._player.say(f"suspected {self.number} after {begun[0]['data'].get('calls')} calls; confirmed")
        self.opened.set()
        await self._act("dispatch", {"department": TASTE})
        await self._act("sign_for", {})

    async def _act(self, action: str, body: Json, nth: int = 1) -> bool:
        """Act on the incident unless an earlier run did; return True if done now. Raises Rejected, Unreachable."""
        done = Counter(item["action"] for item in await self.timeline())
        if done[action] >= nth:
            return False
        by = self._dispatcher
        if action == "sign_for":
            by = self._player.staff.who(Role.CREW, owner="", department=TASTE, turn=0)
        key = self._player.key(f"{action}-{nth}")
        await self._player.hotline.post(f"/incidents/{self.number}/actions/{action}", body, by=by, key=key)
        return True

    async def _merge(self, other: str) -> None:
        path, body = f"/incidents/{other}/actions/merge", {"into": self.number}
        try:
            await self._player.hotline.post(path, body, by=self._dispatcher, key=self._player.key(f"merge-{other}"))
        except Rejected as refusal:
            # The list may be a moment old: it was merged already.
            if refusal.status != HTTPStatus.CONFLICT:
                raise
        else:
            self._player.say(f"merged the suspicion {other} into it")
