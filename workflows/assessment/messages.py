"""Messages of an assessment's workflow, and what the Temporal UI shows of it: attributes and details."""

from collections.abc import Iterator

from pydantic import Field

from domain.assessment.assessment import Assessment, AssessmentOpening, limit_zh
from domain.assessment.state import AssessmentEvent, Objection
from domain.catalogue.figures import Subject
from domain.shared.value import omit_default
from workflows.kit import search_attributes as keys
from workflows.kit.entity import EntityOutcome, EntityStart
from workflows.kit.words import CatalogueNames, local, markdown, plain


class AssessmentStart(EntityStart):
    """Start of the workflow of a month's assessment: the opening, or the assessment of an earlier run."""

    source: AssessmentOpening | Assessment
    stale: bool = omit_default(default=False, description="The figures are to be computed anew.")
    names: CatalogueNames = CatalogueNames()


class AssessmentOutcome(EntityOutcome):
    """Answer of an update or query of an assessment."""

    assessment: Assessment
    events: tuple[AssessmentEvent, ...] = Field((), description="Those that SQL is not known to have.")


def search_attributes(month: Assessment) -> keys.Values:
    """Take the next time that ends as the due time."""
    ends = [limit.ends_at for limit in month.limits]
    due = min(ends, default=None)
    return {keys.STATE: month.state.value, keys.NEXT_DUE_AT: due, keys.HEADLINE: keys.headline(month.state.zh)}


MOST_ROWS = 60
"""Rows of a table that are shown; the API has the rest."""


def details(month: Assessment, names: CatalogueNames) -> str:
    zone, computed = names.timezone, month.computed
    rows = {
        "状态 | State": f"{month.state.zh} {month.state.value}",
        f"公示时间 ({zone}) | Published": local(month.published_at, zone),
        **{f"{limit_zh(each.name)}截止 | End of {each.name}": local(each.ends_at, zone) for each in month.limits},
        f"定稿时间 ({zone}) | Final": local(month.closed_at, zone),
        "考核标准 | Catalogue": f"{plain(month.edition.name_zh)} {month.edition.digest}",
        "计数条目 | Entries counted": str(computed.entries) if computed else "-",
        "校验码 | Digest": f"`{computed.digest[:16]}`" if computed else "-",
        "质检 | Inspected": f"{len(month.inspections)} / {len(month.sample)} (seed `{plain(month.seed)}`)",
        "申诉 | Objections": f"{len(month.objections)}, 待裁决 undecided {len(month.undecided)}",
    }
    lines = [f"## {month.number}", "| 项目 | Item | |", "|---|---|---|"]
    lines += [f"| {what} | {value} |" for what, value in rows.items()]
    return markdown([*lines, *_objections(month, zone), *_scores(month, names)])


def _scores(month: Assessment, names: CatalogueNames) -> Iterator[str]:
    grades = {grade.code: f"{grade.name_zh} {grade.name}" for grade in month.standard.grades}
    for by in Subject:
        found = [each for each in month.computed.results if each.by is by] if month.computed else []
        if not found:
            continue
        yield from ("", f"### {by.zh}得分 · Scores by {by}", "| | 得分 Score | 等级 Grade |", "|---|---|---|")
        for each in sorted(found, key=lambda result: (-result.score, result.subject))[:MOST_ROWS]:
            shown = f"{names.departments.get(each.subject, '')} {plain(each.subject)}".strip()
            yield f"| {shown} | {each.score} | {grades.get(each.grade or '', '-')} |"


def _objections(month: Assessment, zone: str) -> Iterator[str]:
    if not month.objections:
        return
    yield from (
        "",
        "### 申诉 · Objections",
        "| # | 对象 Subject | 指标 Figure | 工单 Case | 理由 Reason | 裁决 Decision |",
    )
    yield "|---|---|---|---|---|---|"
    for each in month.objections[:MOST_ROWS]:
        facts = (str(each.id), f"{each.by.zh} {plain(each.subject)}", each.figure, each.complaint or "-")
        yield f"| {' | '.join(facts)} | {plain(each.reason)} | {_decision(each, zone)} |"


def _decision(objection: Objection, zone: str) -> str:
    if objection.accepted is None:
        return f"待裁决 until {local(objection.due_at, zone)}"
    word = "成立 accepted" if objection.accepted else "不成立 rejected"
    return f"{word}: {plain(objection.decision_reason or '')}"
