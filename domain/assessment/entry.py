"""Entries of figures: what the events of a case count for, in which month and for whom.

docs/assessment.md has the rules. An entry belongs to the month of the event that decided it, and to those who had the
case right after that event; of a return, follow-up or reopening, to the department and person right before it. So
nothing that happens later changes a month, and every promise is judged once.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from heapq import merge
from operator import attrgetter
from typing import Any, NamedTuple

from domain.case.clocks import APPROVE
from domain.case.decide import CASE_KINDS
from domain.case.intake import THANKS_SERVICE
from domain.case.lifecycle import State
from domain.case.progress import SATISFIED
from domain.case.state import Holder
from domain.catalogue.figures import EntryKind
from domain.catalogue.terms import MISS, USUAL_CURRENCY
from domain.shared.phones import same_phone
from domain.shared.value import exhaustive

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
    """Clock of a promise that was kept, and stopped then; part 0 is the case itself."""

    name: str
    part: int
    cycle: int
    at: datetime


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
    """From `since` on, before `until`. Money in another currency does not count."""
    fold, at = _Fold(case, since, currency), attrgetter("at")
    kept = sorted((each for each in case.kept if each.name not in WITH_EVENT), key=at)
    # Of one instant, events come first.
    steps: Iterable[Fact | KeptPromise] = merge(_as_last_said(case.facts, until), kept, key=at)
    for step in steps:
        if step.at >= until:
            break
        if isinstance(step, Fact):
            fold.follow(step)
        else:
            fold.judge(step.name, step.part, step.at, kept=True)
    return fold.result()


def _as_last_said(facts: Iterable[Fact], until: datetime) -> list[Fact]:
    """Put a changed answer of a caller in the place of the first one: what was said later changes no earlier month."""
    said = list[Fact]()
    for fact in facts:
        if fact.action == "follow_up" and fact.data.get("changes") and fact.at < until:
            first = max(place for place, each in enumerate(said) if each.action == fact.action)
            said[first] = said[first]._replace(to_state=fact.to_state, data=fact.data)
        else:
            said.append(fact)
    return said


WITH_EVENT = frozenset({"resolve", "follow_up"})
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
        """Leave out thanks that were withdrawn or refused."""
        if self.state in (State.WITHDRAWN, State.REFUSED):
            return [entry for entry in self.entries if entry.kind is not EntryKind.THANKS]
        return self.entries

    def judge(self, name: str, part: int, at: datetime, *, kept: bool) -> None:
        self.add(EntryKind(name), at, self.holders.get(part, self.holders[0]), counts=kept)

    def add(
        self, kind: EntryKind, at: datetime, holder: Holder, *, counts: bool = True, amount: int | None = None
    ) -> None:
        """Ignore what is not of the month."""
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

    def register(self, fact: Fact) -> None:
        # The table of cases has what came of a hand-over or a correction; its first event tells what was before.
        case, facts = self.case, self.case.facts
        self.agent = _first(facts, "hand_over", "previous_owner") or case.owner
        self.service = case.first_service
        place = _first(facts, "correct", "before", "location")
        self.district = place.get("district") if place else case.district
        self.add(EntryKind.REGISTERED, fact.at, Holder())
        if self.service == THANKS_SERVICE and fact.at >= self.since:
            thanked = _first(case.intake_facts, "register", "intake", "thanked")
            self.add(EntryKind.THANKS, fact.at, Holder(assignee=thanked))
            self.entries[-1] = self.entries[-1]._replace(agent=thanked)

    def dispatch(self, fact: Fact) -> None:
        self.hand_to(fact, fact.data["department"], fact.data.get("assignee"))

    def involve(self, fact: Fact) -> None:
        part = Holder(fact.data["department"])
        self.holders[fact.data["part"]] = part
        self.add_once(EntryKind.RECEIVED, fact.at, part, part.department)

    def sign_for(self, fact: Fact) -> None:
        self.assign(fact)
        holder = self.holders[fact.data.get("part") or 0]
        self.add_once(EntryKind.SIGNED_FOR, fact.at, holder, holder.assignee)

    def assign(self, fact: Fact) -> None:
        part = fact.data.get("part") or 0
        self.holders[part] = self.holders[part]._replace(assignee=fact.data.get("assignee") or fact.actor)

    def return_(self, fact: Fact) -> None:
        part = fact.data.get("part") or 0
        self.add_once(EntryKind.RETURNED, fact.at, self.holders[part], self.holders[part].department)
        self.holders[part] = self.holders[part]._replace(assignee=None)

    def hand_over(self, fact: Fact) -> None:
        self.agent = fact.data["owner"]
        self.phone_by_owner = self.phone_by_owner or self.phone_by == self.agent

    def correct(self, fact: Fact) -> None:
        after = fact.data.get("after", {})
        self.service = after.get("service_code") or self.service
        if place := after.get("location"):
            self.district = place.get("district")
        before, caller = fact.data.get("before", {}).get("caller"), after.get("caller")
        if before and caller and not same_phone(before.get("phone"), caller.get("phone")):
            self.phone_by, self.phone_by_owner = fact.actor, fact.actor == self.agent

    def urge(self, fact: Fact) -> None:
        self.add_once(EntryKind.URGED, fact.at, self.holders[0])

    def decide_extension(self, fact: Fact) -> None:
        if fact.data["approved"]:
            self.add_once(EntryKind.EXTENDED, fact.at, self.holders[0])

    def reply(self, fact: Fact) -> None:
        for promise in self.case.kept:
            if promise.name == "resolve" and promise.cycle == fact.cycle and promise.at <= fact.at:
                self.judge("resolve", promise.part, fact.at, kept=True)

    def escalate(self, fact: Fact) -> None:
        if fact.data["percent"] == MISS and fact.data["clock"] != APPROVE:
            self.judge(fact.data["clock"], fact.data.get("part") or 0, fact.at, kept=False)

    def follow_up(self, fact: Fact) -> None:
        # Of several tries at one instant, each keeps one.
        if sum(each.name == "follow_up" and each.at == fact.at for each in self.case.kept) > self.kept_at[fact.at]:
            self.kept_at[fact.at] += 1
            self.judge("follow_up", 0, fact.at, kept=True)
        if fact.to_state == State.PENDING_FOLLOW_UP:  # the caller is to be called again
            return
        data, holder = fact.data, self.holders[0]
        outcome, solved, satisfaction = data["outcome"], data.get("solved"), data.get("satisfaction")
        contacted = outcome != "unreachable"
        self.add(EntryKind.CONTACTED, fact.at, holder, counts=contacted)
        # Of the short form, `dissatisfied` does not tell if it was solved.
        if contacted and (solved is not None or outcome == "satisfied"):
            self.add(EntryKind.SOLVED, fact.at, holder, counts=solved is not False)
        if contacted:
            satisfied = outcome == "satisfied" if satisfaction is None else satisfaction in SATISFIED
            # Whoever answers at such a telephone may be the owner.
            if not (satisfied and self.phone_by_owner):
                self.add(EntryKind.SATISFIED, fact.at, holder, counts=satisfied)
        if fact.to_state == State.DISPATCHED:
            self.add(EntryKind.REWORKED, fact.at, holder)
            self.hand_to(fact, data.get("department") or data.get("rework_by"))

    def reopen(self, fact: Fact) -> None:
        self.add_once(EntryKind.REOPENED, fact.at, self.holders[0])
        self.hand_to(fact, fact.data["department"])

    def decide_money(self, fact: Fact) -> None:
        data = fact.data
        is_final = data.get("final", fact.to_state != State.AWAITING_APPROVAL)
        is_counted = data.get("currency", USUAL_CURRENCY) == self.currency
        if data["approved"] and is_final and is_counted and data.get("amount"):
            amount = int(Decimal(data["amount"]) * 100)
            self.add(EntryKind.MONEY, fact.at, self.holders[0], amount=amount)

    def end(self, _: Fact) -> None:
        """Count nothing: the event ends a case, or takes that back, and its state alone tells if thanks count."""


def _first(facts: Sequence[Fact], action: str, *path: str) -> Any:  # noqa: ANN401 - a value of the data
    """None if there was no such event, or if it had nothing there."""
    for fact in facts:
        found: Any = fact.data
        for name in path if fact.action == action else ():
            found = found.get(name) if found else None
        if fact.action == action and found is not None:
            return found
    return None


_COUNTED: Mapping[str, Callable[[_Fold, Fact], None] | None] = exhaustive(
    "_COUNTED",
    CASE_KINDS,
    {
        "register": _Fold.register,
        "dispatch": _Fold.dispatch,
        "involve": _Fold.involve,
        "sign_for": _Fold.sign_for,
        "assign": _Fold.assign,
        "return": _Fold.return_,
        "hand_over": _Fold.hand_over,
        "correct": _Fold.correct,
        "urge": _Fold.urge,
        "decide_extension": _Fold.decide_extension,
        "answer": _Fold.reply,
        "reply": _Fold.reply,
        "escalate": _Fold.escalate,
        "follow_up": _Fold.follow_up,
        "reopen": _Fold.reopen,
        "decide_approval": _Fold.decide_money,
        "decide_credit": _Fold.decide_money,
        **dict.fromkeys(("withdraw", "reinstate", "refuse"), _Fold.end),
        **dict.fromkeys(("reject_return", "arrive", "suspend", "resume", "request_approval", "complete", "send_back")),
        **dict.fromkeys(("comment", "send_link", "revoke_links", "unsubscribe", "subscribe", "supervise")),
        **dict.fromkeys(("link_incident", "notice", "criticise", "undelivered", "recognise", "cancellation_requested")),
        **dict.fromkeys(("request_extension", "release", "catalogue_change", "credit", "left_out")),
    },
)
"""Effect of each kind of event: it counts for something, or changes whose case it is; None: neither: it is not read."""
exhaustive("CASE_KINDS", _COUNTED, CASE_KINDS)  # An action of another name would no longer be counted.
COUNTED_ACTIONS = frozenset(name for name, count in _COUNTED.items() if count)
_WITHOUT_DATA = frozenset({_Fold.register, _Fold.urge, _Fold.reply, _Fold.end})
WITH_DATA = frozenset(name for name in COUNTED_ACTIONS if _COUNTED[name] not in _WITHOUT_DATA)
TELL_INTAKE = frozenset({"register"})
