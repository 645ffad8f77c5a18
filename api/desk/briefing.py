"""Briefing of a crew: words of others on its case, and what was done before the case came again."""

from collections.abc import Iterator, Sequence

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

    Comments leave room for all else, but the latest is there.
    """
    found = [*_said(events, state, reader)]
    others = {event.action: event for event, _ in reversed(found)}
    comments = [event for event, _ in found if event.action == comment.ACTION.name]
    room = min(MOST_COMMENTS, max(1, most - len(others.keys() - {comment.ACTION.name})))
    shown = {event.seq for event in (*others.values(), *comments[:room])}
    return [
        with_facts(event, CASE_KINDS[event.action], names, [("", text[:longest] + "…" * (len(text) > longest))])
        for event, text in found
        if event.seq in shown
    ][:most]


def _said(events: Sequence[Event], state: State, reader: Actor) -> Iterator[tuple[Event, str]]:
    """Yield events with their words, the latest first: of follow-ups, those that make the crew do it again."""
    for event in reversed(events):
        data = masked_for(reader, event, state).data
        text = " · ".join(filter(None, (getattr(data, name, None) for name in _WORDS)))
        is_over = event.action == suspend.ACTION.name and state is not State.SUSPENDED
        if text and not is_over and getattr(data, "outcome", "dissatisfied") == "dissatisfied":
            yield event, text
