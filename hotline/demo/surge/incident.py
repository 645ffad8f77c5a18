"""Actions of the dispatcher: one incident for the whole tide, from the suspicion to the end.

What has been done is read from the incident's timeline, so a demo that was killed goes on in the middle.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus

from domain.incident.lifecycle import LINKABLE, TAKING, IncidentState
from domain.shared.actors import Role
from hotline.demo.client import Json, Rejected
from hotline.demo.surge import words
from hotline.demo.surge.course import Session
from hotline.demo.surge.plan import TASTE, Surge

LOOK_EVERY_SECONDS = 0.5
HOURS_UNTIL_WATER = 6
LARGEST_PAGE = "200"

Say = Callable[[str], None]


class Tide:
    """The incident of the surge. `opened` is set once calls are linked to it as they are registered."""

    def __init__(self, session: Session, surge: Surge, say: Say) -> None:
        self._session = session
        self._surge = surge
        self._say = say
        self._dispatcher = session.staff.who(Role.DISPATCHER, owner="", department=None, turn=0)
        self.opened = asyncio.Event()

    @property
    def number(self) -> str:
        """Return the incident's number. Raises LookupError before there is one."""
        if self._session.journal.incident is None:
            raise LookupError("there is no incident yet")
        return self._session.journal.incident

    def covers(self, incident: Json) -> bool:
        """Return True if the incident has the tide's services and districts."""
        services, districts = {*incident["services"]}, {*incident["districts"]}
        return services <= {*self._surge.services} and bool(districts & {*self._surge.districts})

    async def look(self) -> Json:
        """Return the incident, with its cases by state."""
        return await self._session.hotline.get(f"/incidents/{self.number}")

    async def timeline(self) -> list[Json]:
        """Return the timeline of the incident, oldest first."""
        return [item async for item in self._session.hotline.items(f"/incidents/{self.number}/timeline")]

    async def watch(self) -> None:
        """Confirm the first suspected incident, and merge later ones of the tide into it, until cancelled."""
        while True:
            found = await self._open_ones()
            if self._session.journal.incident is None and found:
                # One that is confirmed already was left by a run that died before it wrote the number down.
                first = min(found, key=lambda each: (each["state"] == IncidentState.SUSPECTED, each["opened_at"]))
                self._session.journal.note_incident(first["number"])
            if self._session.journal.incident is not None:
                await self._open()
                for other in found:
                    if other["number"] != self.number:
                        await self._merge(other["number"])
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def alone(self) -> None:
        """Wait until no other incident of the tide is open."""
        while {each["number"] for each in await self._open_ones()} - {self.number}:  # noqa: ASYNC110 - HTTP calls nobody
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def declare(self, since: datetime) -> None:
        """Open the incident as a person, if the service suspected none: no rule matched, or the demo was away."""
        scope = {"services": [*self._surge.services], "districts": [*self._surge.districts]}
        body = {"title": words.TITLE, **scope, "since": since.isoformat()}
        key = f"surge-{self._session.journal.run}-declare"
        incident = await self._session.hotline.post("/incidents", body, by=self._dispatcher, key=key)
        self._session.journal.note_incident(incident["number"])
        self._say(f"declared {incident['number']} by hand")

    async def inform(self, nth: int) -> None:
        """Send the news number `nth` to all callers of linked cases."""
        first = nth == 1
        incident = await self.look()
        # Computed from what does not change, so that it may be sent again under its key.
        expected = datetime.fromisoformat(incident["opened_at"]) + timedelta(hours=HOURS_UNTIL_WATER)
        body = {
            "message": words.FIRST_NEWS if first else words.SECOND_NEWS,
            "message_en": words.FIRST_NEWS_EN if first else words.SECOND_NEWS_EN,
            "expected_at": expected.isoformat(),
        }
        if await self._act("inform", body, nth):
            self._say(f"news {nth} to the callers of {incident['cases']} cases")

    async def resolve(self) -> None:
        """Resolve the incident: every linked case is completed and replied to from now on."""
        if await self._act("resolve", {"result": words.RESULT, "message": words.REPLY}):
            self._say("resolved; the cases are completed and replied to")

    async def _open_ones(self) -> list[Json]:
        latest = await self._session.hotline.get("/incidents", {"limit": LARGEST_PAGE})
        return [each for each in latest["items"] if each["state"] in LINKABLE and self.covers(each)]

    async def _open(self) -> None:
        """Confirm it, dispatch it once, and sign for it."""
        if self.opened.is_set():
            return
        incident = await self.look()
        if incident["state"] == IncidentState.SUSPECTED:
            scope = {"services": [*self._surge.services], "districts": [*self._surge.districts]}
            await self._act("confirm", {"title": words.TITLE, **scope})
            begun = await self.timeline()
            self._say(f"suspected {self.number} after {begun[0]['data'].get('calls')} calls; confirmed")
        self.opened.set()
        if incident["state"] in TAKING | {IncidentState.SUSPECTED}:
            await self._act("dispatch", {"department": TASTE})
            await self._act("sign_for", {})

    async def _act(self, action: str, body: Json, nth: int = 1) -> bool:
        """Act on the incident unless it was done before; return True if done now. Raises Rejected, Unreachable."""
        done = Counter(item["action"] for item in await self.timeline())
        if done[action] >= nth:
            return False
        path = f"/incidents/{self.number}/actions/{action}"
        by = self._dispatcher
        if action == "sign_for":
            by = self._session.staff.who(Role.CREW, owner="", department=TASTE, turn=0)
        await self._session.hotline.post(path, body, by=by, key=f"surge-{self._session.journal.run}-{action}-{nth}")
        return True

    async def _merge(self, other: str) -> None:
        path, body = f"/incidents/{other}/actions/merge", {"into": self.number}
        try:
            await self._session.hotline.post(path, body, by=self._dispatcher, key=f"surge-merge-{other}-{self.number}")
        except Rejected as refusal:
            # The list may be a moment old: it was merged already.
            if refusal.status != HTTPStatus.CONFLICT:
                raise
        else:
            self._say(f"merged the suspicion {other} into it")
