"""Check of a surge over HTTP, and in the file of sent messages if there is one: nothing lost, no message twice."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from demo.client import Json
from demo.play import Verdict
from demo.surge import OF_THE_TIDE, Surge
from domain.incident.incident import NEWS
from domain.incident.state import IncidentState

KNOWN_AFTER = timedelta(seconds=5)
"""A case tells the incident that it is linked, which takes a moment: who is linked just before news may miss them."""
CALLER = "caller:"
REPLY = "reply"


Messages = Counter[tuple[str, str]]
"""Times that each message was sent, by its kind and key."""


def read_messages(log: Path, cases: Iterable[Json]) -> Messages:
    """Return the notifications of these cases. Raises OSError if the file cannot be read."""
    numbers, found = {case["number"] for case in cases}, Messages()
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            # The last line may be being written.
            if line.endswith("\n") and (message := json.loads(line))["number"] in numbers:
                found[message["kind"], message["key"]] += 1
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
        if self.messages is None:
            return
        yield from (
            f"the message {key} was sent {times} times" for (_, key), times in self.messages.items() if times > 1
        )
        replied = {key for kind, key in self.messages if kind == REPLY and CALLER in key}
        owed = {
            f"{verdict.complaints[index]['number']}-{item['seq']}-{CALLER}{verdict.complaints[index]['number']}"
            for index, timeline in verdict.timelines.items()
            for item in timeline
            if item["action"] == REPLY
        }
        yield from (f"the reply {key} is owed, and was not sent" for key in sorted(owed - replied))
        yield from (f"the reply {key} was sent, and is not owed" for key in sorted(replied - owed))
        incident = self.incident["number"]
        linked = {
            verdict.complaints[call.index]["number"]: datetime.fromisoformat(link["at"])
            for call in surge.of(*OF_THE_TIDE)
            if (link := link_to(incident, verdict.timelines.get(call.index, ())))
        }
        yield from news_differences(self.messages, incident, self.happened, linked)


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
            if since < known_before and (NEWS, f"{incident}-{item['seq']}-{CALLER}{number}") not in messages:
                yield f"{number}: its caller was not told the news of version {item['seq']}"
