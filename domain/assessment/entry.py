"""Entries of figures: what the events of a case count for, in which month and for whom.

docs/assessment.md has the rules. An entry belongs to the month of the event that decided it, and to those who had the
case right after that event; of a return, follow-up or reopening, to the department and person right before it. So
nothing that happens later changes a month, and every promise is judged once.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from operator import attrgetter
from typing import Any, NamedTuple

from domain.case.clocks import APPROVE
from domain.case.decide import CASE_KINDS
from domain.case.intake import THANKS_SERVICE
from domain.case.kind import Holder
from domain.case.lifecycle import State
from domain.case.progress import SATISFIED
from domain.catalogue.figures import EntryKind
from domain.catalogue.terms import MISS, USUAL_CURRENCY
from domain.shared.text import same_phone
from domain.shared.value import complete

NEVER_EXCLUDED = frozenset({EntryKind.THANKS, EntryKind.MONEY, EntryKind.INSPECTED})
"""Kinds of entries that an exclusion leaves in."""


class Fact(NamedTuple):
    """Event of a case, with its data as they are written; empty for an action that counts for nothing."""

    seq: int
    at: datetime
    actor: str
    action: str
    to_state: str
    cycle: int
    data: Mapping[str, Any]


class KeptPromise(NamedTuple):
    """Clock of a promise that was kept, and stopped at this instant; part 0 is the case itself."""

    name: str
    part: int
    cycle: int
    stopped_at: datetime


class CaseRecord(NamedTuple):
    """Case as it is read to be counted: owner, service and district as SQL has them now.

    `intake_facts` are the events that hold its intake; they are long, and read only of thanks, which name a person.
    """

    number: str
    owner: str
    service: str
    district: str | None
    facts: Sequence[Fact]
    kept: Sequence[KeptPromise]
    intake_facts: Sequence[Fact] = ()

    @property
    def first_service(self) -> str:
        service: str = _first(self.facts, "correct", "before", "service_code") or self.service
        return service

    @property
    def is_thanks(self) -> bool:
        return self.first_service == THANKS_SERVICE


class FigureEntry(NamedTuple):
    """Entry of a figure: one case, counted once. `serial` tells the entries of a case in one month apart.

    `counts` is False for what counts against the subject, as a promise that was missed. `amount` is in hundredths.
    """

    kind: EntryKind
    number: str
    serial: int
    at: datetime
    counts: bool
    amount: int | None
    agent: str | None
    crew: str | None
    department: str | None
    service: str
    district: str | None


def entries_of(case: CaseRecord, since: datetime, until: datetime, currency: str = USUAL_CURRENCY) -> list[FigureEntry]:
    """Return the entries of a case from `since` on, before `until`. Money in another currency does not count."""
    fold = _Fold(case, since, currency)
    with_clock = (each for each in case.kept if each.name not in _WITH_EVENT and each.stopped_at < until)
    kept = deque(sorted(with_clock, key=attrgetter("stopped_at")))
    facts = [fact for fact in case.facts if fact.at < until]
    for fact, after in zip_longest(facts, facts[1:]):
        fold.follow(fact)
        while kept and (after is None or kept[0].stopped_at < after.at):
            promise = kept.popleft()
            fold.judge(promise.name, promise.part, promise.stopped_at, kept=True)
    return fold.result()


_WITH_EVENT = frozenset({"resolve", "follow_up"})
"""Promises that are judged with an event: work may be sent back until the reply, and a follow-up may take it away."""


@dataclass(slots=True)
class _Fold:
    """A case as its events make it, and the entries so far."""

    case: CaseRecord
    since: datetime
    currency: str
    entries: list[FigureEntry] = field(default_factory=list)
    agent: str = ""
    service: str = ""
    district: str | None = None
    holders: dict[int, Holder] = field(default_factory=lambda: {0: Holder()})
    state: str = ""
    counted: set[object] = field(default_factory=set)
    kept_at: Counter[datetime] = field(default_factory=Counter)
    phone_by: str | None = None
    """Person who has changed the caller's telephone last."""
    phone_by_owner: bool = False
    """True if that person owned the case then or later."""

    def follow(self, fact: Fact) -> None:
        self.state = fact.to_state
        if count := _COUNTED[fact.action]:
            count(self, fact)

    def result(self) -> list[FigureEntry]:
        """Return the entries; thanks that were withdrawn or refused are none."""
        if self.state in (State.WITHDRAWN, State.REFUSED):
            return [entry for entry in self.entries if entry.kind is not EntryKind.THANKS]
        return self.entries

    def judge(self, name: str, part: int, at: datetime, *, kept: bool) -> None:
        self.add(EntryKind(name), at, self.holders.get(part, self.holders[0]), counts=kept)

    def add(
        self, kind: EntryKind, at: datetime, holder: Holder, *, counts: bool = True, amount: int | None = None
    ) -> None:
        """Add an entry, if it is of the month."""
        if at < self.since:
            return
        number, serial = self.case.number, len(self.entries) + 1
        owned = (self.agent, holder.assignee, holder.department, self.service, self.district)
        self.entries.append(FigureEntry(kind, number, serial, at, counts, amount, *owned))

    def add_once(self, kind: EntryKind, at: datetime, holder: Holder, of: object = None) -> None:
        """Add an entry unless the month has one of this kind for the case, or for `of` within it."""
        if at >= self.since and (kind, of) not in self.counted:
            self.counted.add((kind, of))
            self.add(kind, at, holder)

    def hand_to(self, fact: Fact, department: str | None, crew: str | None = None) -> None:
        self.holders[0] = Holder(department, crew)
        self.add_once(EntryKind.RECEIVED, fact.at, self.holders[0], department)


def _first(facts: Sequence[Fact], action: str, *path: str) -> Any:  # noqa: ANN401 - a value of the data
    """Return what the first event of an action had in its data there; None if there is none."""
    for fact in facts:
        found: Any = fact.data
        for name in path if fact.action == action else ():
            found = found.get(name) if found else None
        if fact.action == action and found is not None:
            return found
    return None


def _register(fold: _Fold, fact: Fact) -> None:
    # The table of cases has what came of a hand-over or a correction; its first event tells what was before.
    case, facts = fold.case, fold.case.facts
    fold.agent = _first(facts, "hand_over", "previous_owner") or case.owner
    fold.service = case.first_service
    place = _first(facts, "correct", "before", "location")
    fold.district = place.get("district") if place else case.district
    fold.add(EntryKind.REGISTERED, fact.at, Holder())
    if fold.service == THANKS_SERVICE and fact.at >= fold.since:
        thanked = _first(case.intake_facts, "register", "intake", "thanked")
        fold.add(EntryKind.THANKS, fact.at, Holder(assignee=thanked))
        fold.entries[-1] = fold.entries[-1]._replace(agent=thanked)


def _dispatch(fold: _Fold, fact: Fact) -> None:
    fold.hand_to(fact, fact.data["department"], fact.data.get("assignee"))


def _involve(fold: _Fold, fact: Fact) -> None:
    part = Holder(fact.data["department"])
    fold.holders[fact.data["part"]] = part
    fold.add_once(EntryKind.RECEIVED, fact.at, part, part.department)


def _sign_for(fold: _Fold, fact: Fact) -> None:
    _assign(fold, fact)
    holder = fold.holders[fact.data.get("part") or 0]
    fold.add_once(EntryKind.SIGNED_FOR, fact.at, holder, holder.assignee)


def _assign(fold: _Fold, fact: Fact) -> None:
    part = fact.data.get("part") or 0
    fold.holders[part] = fold.holders[part]._replace(assignee=fact.data.get("assignee") or fact.actor)


def _return(fold: _Fold, fact: Fact) -> None:
    part = fact.data.get("part") or 0
    fold.add_once(EntryKind.RETURNED, fact.at, fold.holders[part], fold.holders[part].department)
    fold.holders[part] = fold.holders[part]._replace(assignee=None)


def _hand_over(fold: _Fold, fact: Fact) -> None:
    fold.agent = fact.data["owner"]
    fold.phone_by_owner = fold.phone_by_owner or fold.phone_by == fold.agent


def _correct(fold: _Fold, fact: Fact) -> None:
    after = fact.data.get("after", {})
    fold.service = after.get("service_code") or fold.service
    if place := after.get("location"):
        fold.district = place.get("district")
    before, caller = fact.data.get("before", {}).get("caller"), after.get("caller")
    if before and caller and not same_phone(before.get("phone"), caller.get("phone")):
        fold.phone_by, fold.phone_by_owner = fact.actor, fact.actor == fold.agent


def _urge(fold: _Fold, fact: Fact) -> None:
    fold.add_once(EntryKind.URGED, fact.at, fold.holders[0])


def _decide_extension(fold: _Fold, fact: Fact) -> None:
    if fact.data["approved"]:
        fold.add_once(EntryKind.EXTENDED, fact.at, fold.holders[0])


def _reply(fold: _Fold, fact: Fact) -> None:
    for promise in fold.case.kept:
        if promise.name == "resolve" and promise.cycle == fact.cycle and promise.stopped_at <= fact.at:
            fold.judge("resolve", promise.part, fact.at, kept=True)


def _escalate(fold: _Fold, fact: Fact) -> None:
    if fact.data["percent"] == MISS and fact.data["clock"] != APPROVE:
        fold.judge(fact.data["clock"], fact.data.get("part") or 0, fact.at, kept=False)


def _follow_up(fold: _Fold, fact: Fact) -> None:
    # Of several tries at one instant, each keeps one.
    if sum(each.name == "follow_up" and each.stopped_at == fact.at for each in fold.case.kept) > fold.kept_at[fact.at]:
        fold.kept_at[fact.at] += 1
        fold.judge("follow_up", 0, fact.at, kept=True)
    if fact.to_state == State.PENDING_FOLLOW_UP:  # the caller is to be called again
        return
    data, holder = fact.data, fold.holders[0]
    outcome, solved, satisfaction = data["outcome"], data.get("solved"), data.get("satisfaction")
    contacted = outcome != "unreachable"
    fold.add(EntryKind.CONTACTED, fact.at, holder, counts=contacted)
    # Of the short form, `dissatisfied` does not tell if it was solved.
    if contacted and (solved is not None or outcome == "satisfied"):
        fold.add(EntryKind.SOLVED, fact.at, holder, counts=solved is not False)
    if contacted:
        satisfied = outcome == "satisfied" if satisfaction is None else satisfaction in SATISFIED
        # Whoever answers at such a telephone may be the owner.
        if not (satisfied and fold.phone_by_owner):
            fold.add(EntryKind.SATISFIED, fact.at, holder, counts=satisfied)
    if fact.to_state == State.DISPATCHED:
        fold.add(EntryKind.REWORKED, fact.at, holder)
        fold.hand_to(fact, data.get("department") or data.get("rework_by"))


def _reopen(fold: _Fold, fact: Fact) -> None:
    fold.add_once(EntryKind.REOPENED, fact.at, fold.holders[0])
    fold.hand_to(fact, fact.data["department"])


def _decide_money(fold: _Fold, fact: Fact) -> None:
    data = fact.data
    is_final = data.get("final", fact.to_state != State.AWAITING_APPROVAL)
    if data["approved"] and is_final and data.get("amount") and data.get("currency", USUAL_CURRENCY) == fold.currency:
        amount = int(Decimal(data["amount"]) * 100)
        fold.add(EntryKind.MONEY, fact.at, fold.holders[0], amount=amount)


def _end(_: _Fold, __: Fact) -> None:
    """Count nothing: the event ends a case, or takes that back, and its state alone tells if thanks count."""


_COUNTED: Mapping[str, Callable[[_Fold, Fact], None] | None] = complete(
    "_COUNTED",
    CASE_KINDS,
    {
        "register": _register,
        "dispatch": _dispatch,
        "involve": _involve,
        "sign_for": _sign_for,
        "assign": _assign,
        "return": _return,
        "hand_over": _hand_over,
        "correct": _correct,
        "urge": _urge,
        "decide_extension": _decide_extension,
        "answer": _reply,
        "reply": _reply,
        "escalate": _escalate,
        "follow_up": _follow_up,
        "reopen": _reopen,
        "decide_approval": _decide_money,
        "decide_credit": _decide_money,
        **dict.fromkeys(("withdraw", "reinstate", "refuse"), _end),
        **dict.fromkeys(("reject_return", "arrive", "suspend", "resume", "request_approval", "complete", "send_back")),
        **dict.fromkeys(("comment", "send_link", "revoke_links", "supervise", "request_extension", "release")),
        **dict.fromkeys(("link_incident", "notice", "criticise", "undelivered", "recognise", "cancellation_requested")),
        **dict.fromkeys(("catalogue_change", "credit", "left_out")),
    },
)
"""Effect of each kind of event: it counts for something, or changes whose case it is; None: neither: it is not read."""
complete("CASE_KINDS", _COUNTED, CASE_KINDS)  # An action of another name would no longer be counted.
COUNTED_ACTIONS = frozenset(name for name, count in _COUNTED.items() if count)
"""Actions that are read."""
_WITHOUT_DATA = frozenset({_register, _urge, _reply, _end})
WITH_DATA = frozenset(name for name in COUNTED_ACTIONS if _COUNTED[name] not in _WITHOUT_DATA)
"""Actions whose data are read."""
TELL_INTAKE = frozenset({"register"})
"""Actions that hold the intake of a case."""
