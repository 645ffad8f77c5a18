"""A salt tide (咸潮): calls in waves with one cause, one incident, news, one reply to all, follow-ups."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from hotline.demo.calls import Call
from hotline.demo.client import Json
from hotline.demo.offers import District, Offer
from hotline.demo.play import Player
from hotline.demo.show import Places, Show, Verdict
from hotline.demo.surge.incident import Tide
from hotline.demo.surge.plan import Kind, plan_surge
from hotline.demo.surge.play import SurgePlay
from hotline.demo.surge.report import report_surge
from hotline.demo.surge.verify import Findings, Messages, case_differences


class SurgeShow(Show):
    """A surge. `log` is the file of sent messages, if this machine has it; `found` is the result of the last check."""

    def __init__(
        self, cases: int, seed: int, offers: Sequence[Offer], districts: Sequence[District], log: Path | None
    ) -> None:
        self._surge = plan_surge(cases, seed, offers, districts)
        self.calls = self._surge.calls
        self._log = log
        self.found = Findings()

    @property
    def title(self) -> str:
        """Return the number of the calls and what they are about."""
        where = f"about {', '.join(self._surge.services)} from {', '.join(self._surge.districts)}"
        return f"a salt tide (咸潮) of {len(self.calls)} calls, {where}"

    async def play(self, player: Player) -> None:
        """Play the surge to its end. Raises Rejected, Unreachable, also in groups."""
        await SurgePlay(player, self._surge).play()

    def differences(self, call: Call, complaint: Json, timeline: Sequence[Json], incident: str) -> Iterable[str]:
        """Return each fault of a case at the end of the run."""
        return case_differences(Kind(call.plan.name), complaint, timeline, incident)

    async def faults(self, player: Player, verdict: Verdict) -> Iterable[str]:
        """Return each fault of the incidents and of the messages."""
        tide = Tide(player, self._surge)
        since = min((case["registered_at"] for case in verdict.complaints.values()), default="")
        others = [each for each in await tide.all() if each["number"] != tide.number]
        self.found = Findings(
            incident=await tide.look(),
            happened=await tide.timeline(),
            merged=[each for each in others if each["opened_at"] >= since],
        )
        if self._log and self._log.exists():
            self.found.messages = Messages.read(self._log, verdict.complaints.values())
        return self.found.faults(self._surge, verdict)

    def report(self, console: Console, verdict: Verdict, places: Places) -> None:
        """Print the figures of the surge, and where to look."""
        report_surge(console, self._surge, verdict, self.found, places)

    @property
    def praise(self) -> str:
        """Return what is said if everything is as planned."""
        messages = self.found.messages
        told = (
            f"{messages.sent} messages were sent, none of them twice"
            if messages
            else "what was sent is not known here: this machine has no log of the messages"
        )
        return (
            f"Nothing is lost: all {len(self.calls)} calls are there and closed, one incident is left, every case was "
            f"replied to once in each cycle; {told}."
        )
