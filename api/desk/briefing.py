"""Briefing of a crew: words of others on its case, and what was done before the case came again."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from api.desk.timeline import Entry, with_facts
from api.desk.words import Names
from api.responses import masked_for
from domain.case.actions import comment, complete, dispatch, follow_up, reopen, send_back, supervise, suspend, urge
from domain.case.decide import CASE_KINDS
from domain.case.lifecycle import Event, State
from domain.shared.actors import Actor

BRIEFING = [each.ACTION.name for each in (comment, complete, dispatch, follow_up, reopen, send_back, supervise, urge)]
"""Actions whose words a crew has to know, beside why the case is suspended."""
BRIEFING.append(suspend.ACTION.name)
MOST_COMMENTS = 3
"""Comments of a briefing; of all else, the latest words count."""
LONGEST = 120
"""Characters of each of its texts, and (`LONGEST_ON_PAPER`) of those on a sheet; the page of the case has all."""
LONGEST_ON_PAPER = 50
_WORDS = ("result", "reason", "note")


def briefing(events: Sequence[Event], state: State, reader: Actor, names: Names, longest: int = LONGEST) -> list[Entry]:
    """Return these events of a case as its reader sees them, the latest first; the one fact of each is its words."""
    return [*_entries(reversed(events), state, reader, names, longest)]


def _entries(events: Iterable[Event], state: State, reader: Actor, names: Names, longest: int) -> Iterator[Entry]:
    found = Counter[str]()
    for event in events:
        data = masked_for(reader, event, state).data
        said = " · ".join(filter(None, (getattr(data, name, None) for name in _WORDS)))
        is_over = event.action == suspend.ACTION.name and state is not State.SUSPENDED
        is_redone = getattr(data, "outcome", "dissatisfied") == "dissatisfied"
        most = MOST_COMMENTS if event.action == comment.ACTION.name else 1
        if said and is_redone and not is_over and found[event.action] < most:
            found[event.action] += 1
            text = said[:longest] + ("…" if len(said) > longest else "")
            yield with_facts(event, CASE_KINDS[event.action], names, [("", text)])
