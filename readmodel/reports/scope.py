"""Scope of a report: its period, and the catalogue that names codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_

from domain.catalogue.catalogue import Catalogue
from domain.reports.report import Cell, Column, ColumnKind, Period
from domain.shared.codes import Coded

Codes = TypeVar("Codes", bound=tuple[str | None, ...])
NOTHING = (None, "none", "无")
"""Code and names of what a case does not have."""
SERVICE = Column(name="service", title="Service", title_zh="服务项目").with_names()
DISTRICT = Column(name="district", title="District", title_zh="区域").with_names()
DEPARTMENT = Column(name="department", title="Department", title_zh="部门").with_names()
CASES = Column(name="cases", title="Cases", title_zh="工单数", kind=ColumnKind.COUNT)


@dataclass(frozen=True)
class ReportScope:
    """Period from `start` until before `end`, both UTC, and the catalogue in force.

    `until` ends the figures of a period that has not ended; None: they end with the period.
    """

    period: Period
    start: datetime
    end: datetime
    catalogue: Catalogue
    until: datetime | None = None

    @classmethod
    def of(cls, period: Period, catalogue: Catalogue, until: datetime | None = None) -> "ReportScope":
        start, after = period.bounds(ZoneInfo(catalogue.calendar.timezone))
        return cls(period, start, min(until or after, after), catalogue, until)

    @property
    def before(self) -> "ReportScope":
        """The period before; of one that has not ended its first days alone, until the same time on the wall."""
        before, until = self.period.before, None
        if self.until:
            local = self.until.astimezone(self.zone)
            day = before.first + (local.date() - self.period.first)
            until = datetime.combine(day, local.time(), self.zone).astimezone(UTC)
        return ReportScope.of(before, self.catalogue, until)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.catalogue.calendar.timezone)

    def has(self, instant: ColumnElement[datetime]) -> ColumnElement[bool]:
        return and_(instant >= self.start, instant < self.end)

    def service(self, code: str | None) -> tuple[Cell, ...]:
        return named(self.catalogue.services, code)

    def district(self, code: str | None) -> tuple[Cell, ...]:
        return named(self.catalogue.districts, code)

    def department(self, code: str | None) -> tuple[Cell, ...]:
        return named(self.catalogue.departments, code)


def named(entries: Sequence[Coded], code: str | None) -> tuple[Cell, ...]:
    """Code with its names; the code itself for each if the catalogue has it no more."""
    if code is None:
        return NOTHING
    entry = next((each for each in entries if each.code == code), None)
    return (code, entry.name, entry.name_zh) if entry else (code, code, code)


def in_words(code: str, zh: str) -> tuple[Cell, ...]:
    """Code with its names; the English one is made of the code."""
    return code, code.replace("_", " "), zh


def most_first(counted: Mapping[Codes, int]) -> list[tuple[Codes, int]]:
    """Highest first, equal ones in the order of the codes."""
    return sorted(counted.items(), key=lambda each: (-each[1], *(code or "" for code in each[0])))
