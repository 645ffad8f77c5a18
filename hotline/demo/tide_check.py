"""Check of a surge over HTTP, and in the file of sent messages if there is one: nothing lost, no message twice."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from domain.incident.lifecycle import IncidentState
from domain.incident.notifications import NEWS
from hotline.demo.client import Json
from hotline.demo.play import Verdict
from hotline.demo.surge import OF_THE_TIDE, Surge

KNOWN_AFTER = timedelta(seconds=5)
"""A case tells the incident that it is linked, which takes a moment: who is linked just before news may miss them."""
CALLER = "caller:"


@dataclass
class Messages:
    """The messages about some cases: how many, the replies by case, the keys of news, the keys that came twice."""

    sent: int = 0
    replies: Counter[str] = field(default_factory=Counter)
    news: set[str] = field(default_factory=set)
    twice: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, log: Path, cases: Iterable[Json]) -> Self:
        """Return the notifications of these cases. Raises OSError if the file cannot be read."""
        numbers = {case["number"] for case in cases}
        keys: Counter[str] = Counter()
        found = cls()
        with log.open(encoding="utf-8") as lines:
            for line in lines:
                # The last line may be being written.
                if not line.endswith("\n") or (message := json.loads(line))["number"] not in numbers:
                    continue
                keys[message["key"]] += 1
                if message["recipient"].startswith(CALLER):
                    found.replies[message["number"]] += message["kind"] == "reply"
                    found.news |= {message["key"]} if message["kind"] == NEWS else set()
        found.sent = keys.total()
        found.twice = {key: times for key, times in keys.items() if times > 1}
        return found


@dataclass
class Findings:
    """Result of the check besides the cases: the incident, its timeline, those merged into it, and the messages."""

    incident: Json = field(default_factory=dict)
    happened: list[Json] = field(default_factory=list)
    merged: list[Json] = field(default_factory=list)
    messages: Messages | None = None

    def faults(self, surge: Surge, verdict: Verdict) -> Iterator[str]:
        """Yield each fault of the incidents and of the messages."""
        if self.incident["state"] != IncidentState.RESOLVED:
            yield f"the incident {self.incident['number']} is {self.incident['state']}, not resolved"
        for other in self.merged:
            if other["state"] != IncidentState.MERGED:
                yield f"a second incident of the tide is left: {other['number']} is {other['state']}"
        if self.messages:
            yield from self._faults_of_messages(self.messages, surge, verdict)

    def _faults_of_messages(self, messages: Messages, surge: Surge, verdict: Verdict) -> Iterator[str]:
        for key, times in messages.twice.items():
            yield f"the message {key} was sent {times} times"
        for index, timeline in verdict.timelines.items():
            number, owed = verdict.complaints[index]["number"], Counter(item["action"] for item in timeline)["reply"]
            if messages.replies[number] != owed:
                yield f"{number}: {messages.replies[number]} replies were sent, {owed} are owed"
        incident = self.incident["number"]
        linked = {
            verdict.complaints[call.index]["number"]: datetime.fromisoformat(link["at"])
            for call in surge.of(*OF_THE_TIDE)
            if (link := link_to(incident, verdict.timelines.get(call.index, ())))
        }
        yield from news_differences(messages, incident, self.happened, linked)


def link_to(incident: str, timeline: Sequence[Json]) -> Json | None:
    """Return the event that linked a case to the incident, its registration or a later one; None if there is none."""
    links = (item for item in timeline if item["action"] in ("register", "link_incident"))
    return next((item for item in links if item["data"].get("incident") == incident), None)


def news_differences(
    messages: Messages, incident: str, happened: Sequence[Json], linked: Mapping[str, datetime]
) -> Iterator[str]:
    """Return a line for each notification that is missing. `linked` maps the linked cases to the time of the link."""
    for item in happened:
        if item["action"] != "inform":
            continue
        known_before = datetime.fromisoformat(item["at"]) - KNOWN_AFTER
        for number, since in linked.items():
            if since < known_before and f"{incident}-{item['seq']}-{CALLER}{number}" not in messages.news:
                yield f"{number}: its caller was not told the news of version {item['seq']}"
