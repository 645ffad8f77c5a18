"""Work on many cases: handover (全部移交) of a person's open cases, and rollout of a catalogue (服务目录)."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from pydantic import Field

from domain.case.automatic.internal_updates import CatalogueChanged, NewTerms
from domain.case.case import Case
from domain.case.new_terms import Moved
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import Edition, Terms
from domain.shared.actors import Actor, PersonId
from domain.shared.codes import UnknownCode
from domain.shared.value import Immutable, Text, omit_default


class Handover(Immutable):
    """Order of a supervisor: who owned the cases, and who is to own them."""

    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    previous_owner: PersonId
    owner: PersonId
    reason: Text
    actor: Actor
    people: dict[str, str] = omit_default({}, "Name of the new owner by the id, if they differ.")


class HandoverProgress(Immutable):
    """Progress of a handover; `refused` has the reason by the number of each case that was not handed over."""

    handover: Handover
    handed_over: int = 0
    refused: dict[str, str] = Field({})
    state: Literal["running", "done", "ended"] = Field(
        "running", description="`ended`: its workflow was ended by hand. What it has done stays."
    )


class OpenWork(Immutable):
    """Work on a case, or on a part of it, that a person is to do."""

    number: str
    department: str | None = Field(description="Department whose work it is, the case's own or that of a part.")


@dataclass
class RolloutTerms:
    """Terms of open cases under a catalogue, computed once for each kind of case and day of registration."""

    catalogue: Catalogue
    _terms: dict[tuple[str, str | None, date], Terms] = field(default_factory=dict, init=False)

    def terms(self, case: Case) -> Terms:
        """Raise UnknownCode if the catalogue lacks its service, district or department: then it keeps its own."""
        if case.department is not None:
            self.catalogue.department(case.department)
        day = self.catalogue.calendar.local_date(case.registered_at)
        service, district = case.intake.service_code, case.intake.location.district
        key = (service, district, day)
        if key not in self._terms:
            self._terms[key] = self.catalogue.terms(service, district, case.registered_at)
        return self._terms[key]


@dataclass
class ClockEffect:
    """Effect on one clock of one service, over all cases. `later` and `earlier` are the widest of each."""

    cases: int = 0
    later: timedelta = timedelta()
    earlier: timedelta = timedelta()
    first_due: datetime | None = None
    last_due: datetime | None = None
    past: int = 0
    """Promises that would be missed at once."""
    why: Counter[str] = field(default_factory=Counter)

    def add(self, moved: Moved, at: datetime) -> None:
        before, after = moved.due_before, moved.due_after
        self.cases += 1
        self.why.update(moved.why)
        if after is None:
            return
        self.past += after <= at
        self.first_due = min(after, self.first_due or after)
        self.last_due = max(after, self.last_due or after)
        if before is not None:
            self.later = max(self.later, after - before)
            self.earlier = max(self.earlier, before - after)


@dataclass
class RolloutPreview:
    """Effect of a catalogue on open cases, if it were put in force at `at`."""

    rollout: RolloutTerms
    edition: Edition
    at: datetime
    changed: int = 0
    same: int = 0
    unknown: int = 0
    """Cases of which SQL has lost the first event: nobody can say whether they would change."""
    kept: list[tuple[str, str]] = field(default_factory=list)
    """Cases that keep their terms, each with the code that the catalogue lacks."""
    effects: dict[tuple[str, str], ClockEffect] = field(default_factory=dict)

    def add(self, case: Case | None) -> None:
        """None stands for a case that is unknown."""
        if case is None:
            self.unknown += 1
            return
        try:
            terms = self.rollout.terms(case)
        except UnknownCode as error:
            self.kept.append((case.number, f"{error.kind} {error.code}"))
            return
        events = case.model_copy().change_catalogue(NewTerms(terms=terms, edition=self.edition), self.at)
        changed = next((event.data for event in events if isinstance(event.data, CatalogueChanged)), None)
        if changed is None:
            self.same += 1
            return
        self.changed += 1
        for moved in changed.moved:
            self.effects.setdefault((terms.service_code, moved.clock), ClockEffect()).add(moved, self.at)
