"""What a catalogue (服务目录) says for cases that are open already, and what would become of them."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from domain.case.automatic.catalogue_change import CatalogueChanged, Moved, NewTerms
from domain.case.case import Case
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import Edition, Terms
from domain.shared.codes import UnknownCode


class Held(NamedTuple):
    """What decides on a case's terms."""

    number: str
    service_code: str
    district: str | None
    department: str | None
    registered_at: datetime

    @classmethod
    def of(cls, case: Case) -> "Held":
        """Of this case."""
        where = case.intake.location.district
        return cls(case.number, case.intake.service_code, where, case.department, case.registered_at)


class Renewal:
    """The terms of open cases under a catalogue, each kind of case and day of registration computed once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._terms: dict[tuple[str, str | None, date], Terms] = {}

    def terms(self, held: Held) -> Terms:
        """What a case would have taken with it, had it been registered under this catalogue.

        Raises UnknownCode where the catalogue lacks its service, district or department: it keeps what it has.
        """
        if held.department is not None:
            self._catalogue.department(held.department)
        day = self._catalogue.calendar.local_date(held.registered_at)
        key = (held.service_code, held.district, day)
        if key not in self._terms:
            self._terms[key] = self._catalogue.terms(held.service_code, held.district, held.registered_at)
        return self._terms[key]


@dataclass
class Shift:
    """How one clock of one service would move, over all cases. `later` and `earlier` are the widest of each."""

    cases: int = 0
    later: timedelta = timedelta()
    earlier: timedelta = timedelta()
    first_due: datetime | None = None
    last_due: datetime | None = None
    past: int = 0
    """Promises whose time would be up at once."""
    why: Counter[str] = field(default_factory=Counter)


@dataclass
class Outlook:
    """What a catalogue would change for open cases, if it were put in force at `at`."""

    renewal: Renewal
    edition: Edition
    at: datetime
    changed: int = 0
    same: int = 0
    kept: list[tuple[str, str]] = field(default_factory=list)
    """Cases that keep their terms, and what the catalogue lacks for them."""
    shifts: dict[tuple[str, str], Shift] = field(default_factory=dict)

    def look(self, case: Case) -> None:
        """Take one more case into account."""
        try:
            terms = self.renewal.terms(Held.of(case))
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
            self._add(self.shifts.setdefault((terms.service_code, moved.clock), Shift()), moved)

    def _add(self, shift: Shift, moved: Moved) -> None:
        before, after = moved.due_before, moved.due_after
        shift.cases += 1
        shift.why.update(moved.why)
        if after is None:
            return
        shift.past += after <= self.at
        shift.first_due = min(after, shift.first_due or after)
        shift.last_due = max(after, shift.last_due or after)
        if before is not None:
            shift.later = max(shift.later, after - before)
            shift.earlier = max(shift.earlier, before - after)
