"""Briefing of a crew: words of others on its case, and what was done before the case came again."""

from collections.abc import Iterator, Sequence
from operator import attrgetter

from api.desk.timeline import Entry, with_facts
from api.desk.words import Names
from api.responses import masked_for
from domain.case.actions import comment, complete, dispatch, follow_up, reopen, send_back, suspend
from domain.case.decide import CASE_KINDS
from domain.case.lifecycle import Event, State
from domain.shared.actors import Actor

BRIEFING = [each.ACTION.name for each in (comment, complete, dispatch, follow_up, reopen, send_back, suspend)]
"""Actions whose words a crew has to know: of each the latest, of comments more."""
MOST, MOST_ON_PAPER = 9, 4
MOST_COMMENTS = 3
LONGEST, LONGEST_ON_PAPER = 120, 50
"""Characters of each text; the page of the case has all."""
_WORDS = ("result", "reason", "note")


def briefing(
    events: Sequence[Event], state: State, reader: Actor, names: Names, most: int = MOST, longest: int = LONGEST
) -> list[Entry]:
    """Return these events of a case as its reader sees them, the latest first; the one fact of each is its words.

    The latest comment and the dispatcher's note are there before all else, further comments where there is room.
    """
    found = [*_said(events, state, reader)]
    latest = {event.action: event for event, _ in reversed(found)}
    first = [latest.pop(name) for name in (comment.ACTION.name, dispatch.ACTION.name) if name in latest]
    comments = [event for event, _ in found if event.action == comment.ACTION.name]
    chosen = [*first, *sorted(latest.values(), key=attrgetter("seq"), reverse=True), *comments[1:MOST_COMMENTS]]
    shown = {event.seq for event in chosen[:most]}
    return [
        with_facts(event, CASE_KINDS[event.action], names, [("", text[:longest] + "…" * (len(text) > longest))])
        for event, text in found
        if event.seq in shown
    ]


def _said(events: Sequence[Event], state: State, reader: Actor) -> Iterator[tuple[Event, str]]:
    """Yield events with their words, the latest first: of follow-ups, those that make the crew do it again."""
    for event in reversed(events):
        data = masked_for(reader, event, state).data
        text = " · ".join(filter(None, (getattr(data, name, None) for name in _WORDS)))
        is_over = event.action == suspend.ACTION.name and state is not State.SUSPENDED
        if text and not is_over and getattr(data, "outcome", "dissatisfied") == "dissatisfied":
            yield event, text
