"""Timelines in words: what happened, by whom, and the facts of each event and incident in the reader's language."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, groupby
from typing import Any, NamedTuple

from pydantic import BaseModel

from api.desk import words
from api.desk.words import FIELDS, VALUES, Names
from api.responses import masked_for
from domain.case.actions.correct import Corrected
from domain.case.actions.follow_up import FollowedUp
from domain.case.case import Case
from domain.case.decide import CASE_KINDS
from domain.case.intake import Caller, Location
from domain.case.lifecycle import Event
from domain.case.progress import recipient_of
from domain.incident.incident import INCIDENT_KINDS, Incident
from domain.incident.state import Around, IncidentEvent
from domain.kit.event import BaseEvent, BaseKind
from domain.shared.actors import SYSTEM, Actor, Role
from domain.shared.value import NamedCode, Phrase, exhaustive
from workflows.incident.messages import OUTCOMES

_FACTS: dict[str, Phrase] = {
    "clock": ("时限", "Promise"),
    "percent": ("已用", "Used"),
    **{name: each for name, each in FIELDS.items() if name not in Caller.model_fields.keys() | Location.model_fields},
    "previous_department": ("原部门", "Former department"),
    "previous_incident": ("原突发事件", "Former incident"),
    "key": ("收件人", "Recipient"),
    "channel": ("渠道", "Channel"),
    "error": ("错误", "Error"),
}
"""Facts of an event that the timeline shows: none of the caller or the place, which some readers see masked."""
_OF_INCIDENT: dict[str, Phrase] = {
    **OUTCOMES,
    "opened_at": ("开始", "Opened"),
    "opened_by": ("上报", "Declared by"),
    "reply": FIELDS["message"],
    "closed_at": ("结束", "Ended"),
}
_SHOWN = (
    *("scope", "since", "opened_at", "opened_by", "department", "assignee", "expected_at", "result", "reply"),
    *("into", "closed_at"),
)
"""Facts of an incident on its page."""
_IN_SCOPE = {"services", "districts", *Around.model_fields}
"""Facts that the scope tells as well."""
_NAMES = sorted({name for kind in INCIDENT_KINDS.values() for name in kind.data.model_fields})
exhaustive("FIELDS or _OF_INCIDENT", (*_SHOWN, *_NAMES), {**FIELDS, **_OF_INCIDENT})


_IN_WORDS: dict[str, Callable[[Any, Names, Any], str]] = {
    "clock": lambda _, names, clock: names.say(words.CLOCK.get(clock, (clock, clock))),
    "percent": lambda _, __, percent: f"{percent} %",
    "department": lambda _, names, code: names.department(code),
    "previous_department": lambda _, names, code: names.department(code),
    "district": lambda _, names, code: names.district(code),
    "service_code": lambda _, names, code: names.service(code),
    "takes_over": lambda _, names, code: names.department(code),
    "findings": lambda _, names, code: names.among(names.catalogue.findings, code),
    **dict.fromkeys(("ground", "kind", "outcome"), lambda _, names, code: names.word(code)),
    "assignee": lambda holder, _, person: holder.people.get(person, person),
    **dict.fromkeys(("owner", "previous_owner"), lambda case, _, person: case.name_of(person)),
    "opened_by": lambda incident, names, person: (
        names.say(words.of_code(Role.SYSTEM)) if person == SYSTEM.id else incident.people.get(person, person)
    ),
    "scope": lambda _, names, scope: names.scope(scope),
    "amount": lambda case, _, amount: f"{amount} {case.terms.currency}",
    "key": lambda case, names, key: words.of_recipient(case, names, recipient_of(key)),
}
"""Values that are codes, ids or numbers."""


_NOT_REACHED: Phrase = ("第 %d 次未联系上", "not reached, try %d")
_MEANWHILE: Phrase = ("您填写期间：%s。现为%s，", "While you filled this in: %s. It is now %s: ")
_CHECK: Phrase = ("请核对后再提交。", "check, then send again.")
_OVER: Phrase = ("此操作已不能办理，无需再提交。", "the action is not possible any more, and nothing is to be sent.")
LONGEST_FACT = 60
"""Most characters of a fact within a sentence."""


class Entry(NamedTuple):
    """Event in words; each fact has its name and its value."""

    at: str
    action: str
    actor: str
    state: str
    facts: tuple[tuple[str, str], ...]

    @property
    def size(self) -> int:
        """Bytes on a page, with about so many for its elements."""
        return 150 + sum(len(text.encode()) for text in (self.action, self.actor, self.state, *chain(*self.facts)))


def entries(
    case: Case, events: Sequence[Event], names: Names, room: int, reader: Actor
) -> tuple[list[list[Entry]], int | None]:
    """Return entries of a timeline, the latest first, and the seq of the oldest if there are earlier ones.

    They are as many as fit into so many bytes, but one at least. What time brought in a row comes together.
    """
    made = list[tuple[Event, Entry]]()
    for event in reversed(events):
        entry = entry_of(case, event, names, reader)
        room -= entry.size
        if made and room < 0:
            break
        made.append((event, entry))
    oldest = made[-1][0].seq if made else 1
    return [*_grouped(made)], oldest if oldest > 1 else None


def _grouped(made: Sequence[tuple[Event, Entry]]) -> Iterator[list[Entry]]:
    for by_time, found in groupby(made, lambda each: CASE_KINDS[each[0].action].by_time):
        together = [entry for _, entry in found]
        yield from [together] if by_time else ([each] for each in together)


def entry_of(case: Case, event: Event, names: Names, reader: Actor) -> Entry:
    """Return an event of the case in words, masked as for this reader."""
    shown = masked_for(reader, event, case.state)
    values = vars(shown.data)
    if isinstance(shown.data, FollowedUp) and shown.data.outcome == "unreachable" and shown.role is not Role.CALLER:
        values = values | {"outcome": names.say(_NOT_REACHED) % shown.data.attempt}
    facts = (
        (names.say(phrase), _value(case, name, values[name], names))
        for name, phrase in _FACTS.items()
        if name in values and values[name] not in (None, "", ())
    )
    return with_facts(shown, CASE_KINDS[event.action], names, chain(_corrections(case, event, shown, names), facts))


def _corrections(case: Case, event: Event, shown: Event, names: Names) -> Iterator[tuple[str, str]]:
    """Yield each fact that a correction changed, with the old and the new value as its reader sees them."""
    if not isinstance(event.data, Corrected) or not isinstance(shown.data, Corrected):
        return
    before, after, old, new = (
        dict(_flat(each)) for data in (event.data, shown.data) for each in (data.before, data.after)
    )
    nothing = names.say(("无", "none"))
    for name in after:
        # Of what is masked whole, nothing is said.
        if before.get(name) != after[name] and (old.get(name), new[name]) != (None, None):
            was, now = (
                nothing if each is None else _value(case, name, each, names) for each in (old.get(name), new[name])
            )
            yield names.say(words.words_of(name)), f"{was} → {now}"


def _flat(facts: BaseModel) -> Iterator[tuple[str, Any]]:
    """Yield the facts of caller and place like the others."""
    for name, value in vars(facts).items():
        yield from vars(value).items() if isinstance(value, BaseModel) else [(name, value)]


def is_by_time(event: Event) -> bool:
    """Return True if nobody has acted on the case, and its state is the same."""
    return CASE_KINDS[event.action].by_time and event.from_state == event.to_state


def meanwhile(told: Sequence[Entry], names: Names, *, possible: bool) -> str:
    """Say what others did while somebody filled in a form, and if that is still to be sent."""
    comma, colon = names.say(("，", ", ")), names.say(("：", ": "))
    facts = [[f"{name}{colon}{value[:LONGEST_FACT]}" for name, value in each.facts] for each in told]
    done = [
        comma.join((f"{each.at} {each.actor} {each.action}", *more)) for each, more in zip(told, facts, strict=True)
    ]
    said = names.say(_MEANWHILE) % (names.say(("；", "; ")).join(done), told[-1].state)
    return said + names.say(_CHECK if possible else _OVER)


def with_facts(event: BaseEvent, kind: BaseKind[Any, Any], names: Names, facts: Iterable[tuple[str, str]]) -> Entry:
    by_system = event.role is Role.SYSTEM
    return Entry(
        names.local(event.at),
        names.say(words.of_event(event, kind)),
        names.say(words.of_code(Role.SYSTEM)) if by_system else event.people.get(event.actor, event.actor),
        names.say(words.of_code(event.to_state)),
        tuple(facts),
    )


def incident_entry(incident: Incident, event: IncidentEvent, names: Names) -> Entry:
    kind = INCIDENT_KINDS[event.action]
    left_out = _IN_SCOPE if "scope" in kind.data.model_fields else set[str]()
    shown = [name for name in kind.data.model_fields if name not in left_out]
    return with_facts(event, kind, names, _facts(incident, event.data, shown, names))


def facts_of(incident: Incident, names: Names) -> list[tuple[str, str]]:
    """Return the facts of an incident, each with its name."""
    return [*_facts(incident, incident, _SHOWN, names)]


def _facts(incident: Incident, given: BaseModel, shown: Iterable[str], names: Names) -> Iterator[tuple[str, str]]:
    for name in shown:
        if (value := getattr(given, name)) not in (None, "", (), 0):
            phrase = _OF_INCIDENT.get(name) or words.words_of(name, type(given))
            yield names.say(phrase), _value(incident, name, value, names)


def _value(case: Case | Incident, name: str, value: Any, names: Names) -> str:  # noqa: ANN401 - of any fact
    if isinstance(value, tuple):
        return names.say(("、", ", ")).join(_value(case, name, each, names) for each in value)
    if isinstance(value, bool):
        decided = ("同意", "Approved") if value else ("不同意", "Rejected")
        return names.say(decided if name == "approved" else VALUES[str(value).lower()])
    if isinstance(value, NamedCode):
        return names.say(words.of_code(value))
    if isinstance(value, datetime):
        return names.local(value)
    return _IN_WORDS[name](case, names, value) if name in _IN_WORDS else str(value)
