"""Exclusion (剔除) of a case from assessments: asked for on a ground of the catalogue, decided by somebody else."""

from collections.abc import Collection
from datetime import datetime, tzinfo
from typing import NamedTuple

from domain.catalogue.figures import Standard
from domain.reports.report import month_of, next_month
from domain.shared.errors import ProblemType, Refused

UNKNOWN_EXCLUSION_GROUND = ProblemType(
    "invalid", "unknown_exclusion_ground", "Unknown ground of exclusion", "没有这个剔除理由"
)
EVIDENCE_NEEDED = ProblemType("invalid", "evidence_needed", "Exclusion without evidence", "剔除须附证据")
ASSESSMENT_FINAL = ProblemType("conflict", "assessment_final", "Assessment final", "考核已定稿")
EXCLUSION_DECIDED = ProblemType("conflict", "exclusion_decided", "Exclusion decided already", "剔除已裁决")
OWN_EXCLUSION = ProblemType("forbidden", "own_exclusion", "Decision on one's own exclusion", "不能裁决本人提出的剔除")


class Exclusion(NamedTuple):
    """Exclusion of a case; `approved` is None until it is decided."""

    id: str
    number: str
    ground: str
    reason: str
    evidence: str | None
    requested_by: str
    requested_at: datetime
    approved: bool | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None

    def decide(self, person: str, at: datetime, *, approved: bool, reason: str) -> "Exclusion":
        """Return the exclusion once it is decided; the same decision again changes nothing. Raises Refused."""
        if (self.decided_by, self.approved) == (person, approved):
            return self
        if self.approved is not None:
            raise Refused(EXCLUSION_DECIDED, f"{self.decided_by} has decided on it.", ())
        if person == self.requested_by:
            raise Refused(OWN_EXCLUSION, f"{person} has asked for it.", ("another supervisor",))
        return self._replace(approved=approved, decided_by=person, decided_at=at, decision_reason=reason)


class CasePeriod(NamedTuple):
    """Time in which something may have happened to a case; `until` is None while it is open."""

    since: datetime
    until: datetime | None

    def months(self, now: datetime, zone: tzinfo) -> list[str]:
        """Return its months in this time zone, until the present one."""
        found, last = [month_of(self.since, zone)], month_of(self.until or now, zone)
        while found[-1] < last:
            found.append(next_month(found[-1]))
        return found


def check_ground(standard: Standard | None, ground: str, evidence: str | None) -> None:
    """Raise Refused for a ground that the catalogue lacks, and for one that lacks its evidence."""
    grounds = {each.code: each for each in standard.grounds} if standard else {}
    if ground not in grounds:
        message = f"There is no ground {ground!r}; accepted: {', '.join(grounds) or 'none'}."
        raise Refused(UNKNOWN_EXCLUSION_GROUND, message, tuple(grounds))
    if grounds[ground].needs_evidence and not evidence:
        message = f"The ground {ground} needs evidence."
        raise Refused(EVIDENCE_NEEDED, message, ("evidence: what proves it, or where it lies",))


def check_not_final(number: str, months: Collection[str], final: Collection[str]) -> None:
    """Raise Refused if the assessment of every month of a case is final: its exclusion would change nothing."""
    if months and {*months} <= {*final}:
        message = f"The case {number} is of {', '.join(months)}, whose assessment is final."
        raise Refused(ASSESSMENT_FINAL, message, ("a case with a month that is not final",))
