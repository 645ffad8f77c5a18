"""Words of the Temporal UI: local time, durations in Chinese and English, safe Markdown."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import Field

from domain.calendar.work_calendar import USUAL_ZONE, on_the_wall
from domain.catalogue.catalogue import Catalogue
from domain.kit.event import BaseEvent
from domain.shared.actors import Actor, Role
from domain.shared.value import Immutable, NamedCode, Phrase, omit_default

LONGEST_TEXT = 1000
"""Characters of a text that the details show."""
LONGEST_DETAILS = 80_000
"""Characters of all details: the UI asks for them in an address, with up to 12 bytes a character, and takes 1 MiB."""
BREAK = "  \n  "
"""End of a line within an item of a list."""
_MARKUP = re.compile(r"([\\`*_\[\]<>|~#:])")
"""Signs of Markdown; without a colon, nothing becomes a link by itself, in which an escape would be lost."""
_SPACE = re.compile(r"\s+")
ANYBODY = Actor(id="anybody", role=Role.ADMIN)
"""Reader of the Temporal UI, which shows what any role may do."""


class CatalogueNames(Immutable):
    """Chinese names of the codes of a catalogue, and its time zone, for the Temporal UI."""

    services: dict[str, str] = Field({})
    districts: dict[str, str] = Field({})
    departments: dict[str, str] = Field({})
    timezone: str = omit_default(USUAL_ZONE, "In which times are shown.")

    @classmethod
    def of(cls, catalogue: Catalogue) -> "CatalogueNames":
        return cls(
            services={each.code: each.name_zh for each in catalogue.services},
            districts={each.code: each.name_zh for each in catalogue.districts},
            departments={each.code: each.name_zh for each in catalogue.departments},
            timezone=catalogue.calendar.timezone,
        )

    def named(self, section: str, code: str) -> str:
        """Name and code of an entry of `services`, `districts` or `departments`."""
        return f"{getattr(self, section).get(code, '')} {code}".strip()


def both(words: Phrase) -> str:
    """In both languages; marks of punctuation as in English."""
    return " ".join(words).strip() if words[0].isalnum() or len(words[0]) > 1 else words[1]


class WorkerNames(NamedTuple):
    """Names that a worker knows and a case does not: both names of codes, titles of incidents by number."""

    districts: Mapping[str, str] = {}
    incidents: Mapping[str, str] = {}
    findings: Mapping[str, str] = {}


def plain(text: str | None, longest: int = LONGEST_TEXT) -> str:
    """On one line, without effect as Markdown; a dash for nothing."""
    if not text:
        return "-"
    line = _SPACE.sub(" ", text).strip()
    return _MARKUP.sub(r"\\\1", line if len(line) <= longest else f"{line[: longest - 1]}…")


def markdown(lines: Iterable[str]) -> str:
    """For the UI, which draws tables without space between the columns."""
    # Markdown does not trim this space.
    text = "\n".join(lines).replace(" | ", "\N{EN SPACE}| ")
    return text if len(text) <= LONGEST_DETAILS else f"{text[: LONGEST_DETAILS - 1]}…"


def entry_line(event: BaseEvent[Any], zh: str, state: NamedCode, zone: str, facts: Iterable[str]) -> str:
    """Entry of a timeline on one line: when, what, who, the state it led to, and its facts."""
    actor = "系统 system" if event.role is Role.SYSTEM else plain(event.people.get(event.actor, event.actor))
    head = f"- {local(event.at, zone)} · **{zh}** `{event.action}` · {actor} → {state.zh} {state}"
    return "; ".join((head, *facts))


def local(at: datetime | None, zone: str = USUAL_ZONE) -> str:
    """To the minute, as clocks show it in this zone; a dash for None."""
    return f"{on_the_wall(at, zone):%Y-%m-%d %H:%M}" if at else "-"


def duration(seconds: float, day_seconds: int, day: Phrase = ("天", "d")) -> Phrase:
    """In its largest unit; `day_seconds` is the length of what is called a day."""
    for size, (zh, en) in ((day_seconds, day), (3600, ("小时", "h")), (60, ("分钟", "min"))):
        if seconds >= size:
            return f"{round(seconds / size, 1):g} {zh}", f"{round(seconds / size, 1):g} {en}"
    return f"{seconds:.0f} 秒", f"{seconds:.0f} s"
