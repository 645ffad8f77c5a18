"""catalogue_change 改用新服务目录: another catalogue is in force, and the case is held to its terms."""

from datetime import datetime

from domain.case.new_terms import Moved, changed_terms, held_to, hold_to, moved_promises
from domain.case.progress import CatalogueChange
from domain.case.state import CaseState, Event, EventData, EventKind
from domain.catalogue.terms import Edition, Terms
from domain.shared.value import Value, omit_default

SAME_TERMS = "same_terms"
"""The answer of a case that nothing changes for."""


class NewTerms(Value):
    """Terms that a case would have under a catalogue, and which catalogue that is."""

    terms: Terms
    edition: Edition
    acknowledged: int = omit_default(0, "The version that SQL has: the answer holds what came after it.")


class CatalogueChanged(EventData):
    """New terms, the catalogue that they are of, what differs in them, and each promise that moved."""

    catalogue: Edition
    terms: Terms
    changed: tuple[str, ...]
    moved: tuple[Moved, ...]

    def evolve(self, case: CaseState, event: Event) -> None:
        hold_to(case, self.terms, event)
        case.catalogue_change = CatalogueChange(seq=event.seq, at=event.at, catalogue=self.catalogue)


def is_change(case: CaseState, new: NewTerms, at: datetime) -> bool:
    return held_to(case.terms, new.terms) != case.terms and case.is_active(at)


def data(case: CaseState, new: NewTerms, at: datetime) -> CatalogueChanged:
    terms = held_to(case.terms, new.terms)
    return CatalogueChanged(
        catalogue=new.edition,
        terms=terms,
        changed=changed_terms(case.terms, terms),
        moved=moved_promises(case, terms, at),
    )


KIND = EventKind(
    name="catalogue_change",
    zh="改用新服务目录",
    description="Another catalogue is in force; the event gives reasons for moved due times.",
    data=CatalogueChanged,
)
