"""Notifications in the file of the log channel: news and replies by recipient, and those that came twice."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from domain.incident.notifications import NEWS
from hotline.demo.client import Json

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
