"""Assessments (月度考核): results of a month, the cases behind each number, and the sample that is inspected."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.assessments import answers
from api.assessments.assessments import (
    CASE_NOT_COUNTED,
    EXCLUSION_NOT_FOUND,
    UNKNOWN_FIGURE,
    UNKNOWN_SUBJECT,
    TheAssessments,
    number_of,
)
from api.assessments.scores import scores
from api.complaints.cases import TheCases
from api.edge.limits import TOO_MANY_ACTIONS
from api.edge.problems import BEHIND_SQL, OUT_OF_TURN, WORKFLOW_LOST, ProblemKind, kind_of
from api.exports.files import CSV, XLSX, ListFormat, one_page
from api.parameters import INVALID_NUMBER, POST_ERRORS, CaseParam, Paging, RequestKey, number_in
from api.reports.readable import Language, file_of
from api.responses import Page, also, formats, problems
from api.routing import StrictRoute, TheBackend, needs
from domain.assessment import state
from domain.assessment.actions import DECIDE_OBJECTION, INSPECT, OBJECT, DecideObjection, Inspect, Object
from domain.catalogue.figures import Subject
from domain.reports.report import MONTH
from domain.rights.rights import DECIDE_EXCLUSIONS, READ_ASSESSMENTS, READ_CASES, REQUEST_EXCLUSIONS, right_to
from domain.shared.actors import Actor
from domain.shared.codes import Code
from domain.shared.value import Name
from readmodel.assessments import exclusions, months
from readmodel.assessments.bridge import bridge_of
from readmodel.assessments.months import CountedCase
from readmodel.base.paging import RowPage

Month = Annotated[
    str,
    Path(
        alias="month",
        pattern=f"^{MONTH}$",
        description="The month, in the time zone of the catalogue.",
        examples=["2026-08"],
    ),
]


class AssessmentQuery(BaseModel, extra="forbid"):
    """Kind of subjects, and the format. Unknown parameters are refused."""

    by: Subject = Field(Subject.COMPANY, description="Kind of subjects.", examples=["agent"])
    format: ListFormat = Field("json", description="`csv` and `xlsx` have a row for each figure of each subject.")
    language: Language = None


class CaseListing(Paging):
    """Number whose cases are listed, and the page."""

    by: Subject = Field(description="Kind of the subject.", examples=["agent"])
    subject: Name = Field(description="Id of the person, or code; `company`.", examples=["10023"])
    figure: Code = Field(description="Name of the figure.", examples=["replied_in_time"])
    format: ListFormat = Field("json", description="`csv` and `xlsx` have all cases.")


_ACTED = (*POST_ERRORS, OUT_OF_TURN, BEHIND_SQL, WORKFLOW_LOST, TOO_MANY_ACTIONS)
_CHECKED = (UNKNOWN_SUBJECT, UNKNOWN_FIGURE, CASE_NOT_COUNTED, INVALID_NUMBER)


def _problems(action: state.AssessmentAction) -> tuple[ProblemKind, ...]:
    return (*_ACTED, *map(kind_of, action.problems))


router = APIRouter(tags=["assessments"], route_class=StrictRoute)


@router.get(answers.ASSESSMENTS, summary="List assessed months 考核月份")
async def list_assessments(
    actor: Annotated[Actor, needs(READ_ASSESSMENTS)], backend: TheBackend
) -> Page[answers.MonthSummary]:
    """List the months that are or were assessed, the latest first, all on one page."""
    found = await backend.reader.ask(months.all_months)
    return Page[answers.MonthSummary](items=[answers.MonthSummary.of(each, actor) for each in found])


@router.get(
    f"{answers.ASSESSMENTS}/{{month}}",
    summary="Read the assessment of a month 月度考核",
    response_model=answers.AssessedMonth,
    responses=formats(CSV, XLSX),
)
async def get_assessment(
    month: Month,
    wanted: Annotated[AssessmentQuery, Query()],
    actor: Annotated[Actor, needs(READ_ASSESSMENTS)],
    assessments: TheAssessments,
) -> answers.AssessedMonth | Response:
    """Read figures, scores and grades of all subjects of one kind. Each figure links to what it counts."""
    found, backend = await assessments.of(month), assessments.backend
    items = await backend.reader.ask(months.items, month, found.serial, wanted.by)
    names = assessments.names(wanted.by)
    shown = [answers.AssessedItem.of(found, item, names(item.subject)) for item in items]
    standard = answers.StandardItem.of(found.standard, wanted.by)
    if wanted.format != "json":
        if wanted.language:
            table = scores(standard, wanted.by, shown, zh=wanted.language == "zh")
            return await file_of(table, month, wanted.format, backend, wanted.language)
        pages = one_page(answers.score_cells(shown))
        return await backend.file(wanted.format, f"{month}-{wanted.by}", answers.SCORE_COLUMNS, pages)
    bridge = await backend.reader.ask(bridge_of, month)
    return answers.AssessedMonth.of(found, actor, by=wanted.by, standard=standard, bridge=bridge, items=shown)


@router.get(
    f"{answers.ASSESSMENTS}/{{month}}/cases",
    summary="List the cases behind a number",
    response_model=Page[answers.CountedCaseItem],
    dependencies=[needs(READ_ASSESSMENTS)],
    responses=formats(CSV, XLSX) | problems(UNKNOWN_FIGURE),
)
async def list_counted_cases(
    month: Month,
    wanted: Annotated[CaseListing, Query()],
    assessments: TheAssessments,
) -> Page[answers.CountedCaseItem] | Response:
    """List the entries that a figure of a subject counts, by case number, the excluded ones marked."""
    backend = assessments.backend
    number = number_of(await assessments.of(month), wanted.by, wanted.subject, wanted.figure)
    if wanted.format != "json":

        async def read(cursor: str | None) -> RowPage[CountedCase]:
            return await backend.reader.ask(months.cases_behind, number, cursor, answers.EXPORTED_PAGE)

        pages = await backend.export_throttle.pages(read, answers.case_cells, wanted.cursor)
        return await backend.file(wanted.format, f"{month}-{wanted.figure}", answers.CASE_COLUMNS, pages)
    page = await backend.reader.ask(months.cases_behind, number, wanted.cursor, wanted.limit)
    return Page[answers.CountedCaseItem].of(page, answers.CountedCaseItem.of)


@router.get(
    f"{answers.ASSESSMENTS}/{{month}}/inspections",
    summary="List the sample of a month 质检样本",
    dependencies=[needs(READ_ASSESSMENTS)],
)
async def list_inspections(month: Month, assessments: TheAssessments) -> Page[answers.InspectionItem]:
    """List the cases drawn to be inspected, by agent, with the points of those that were, all on one page."""
    return Page[answers.InspectionItem](items=answers.InspectionItem.all_of(await assessments.of(month)))


@router.post(
    f"{answers.ASSESSMENTS}/{{month}}/inspections",
    summary="质检 inspect: give points to a case of the sample",
    responses=also(202, answers.InspectionItem) | problems(*_problems(INSPECT), INVALID_NUMBER),
)
async def inspect_case(
    month: Month,
    body: answers.NewInspection,
    actor: Annotated[Actor, needs(right_to(INSPECT))],
    key: RequestKey,
    assessments: TheAssessments,
    response: Response,
) -> answers.InspectionItem:
    """Give the points of each criterion of the form; nobody inspects a case of their own."""
    number = number_in(body.complaint)
    given = {"note": body.note} if body.note else {}
    action_body = Inspect(complaint=number, scores=body.scores, **given)
    after = await assessments.after(month, action_body, actor, key, response)
    return next(each for each in answers.InspectionItem.all_of(after) if each.complaint == number)


@router.get(
    f"{answers.ASSESSMENTS}/{{month}}/objections",
    summary="List the objections of a month 申诉",
    dependencies=[needs(READ_ASSESSMENTS)],
)
async def list_objections(month: Month, assessments: TheAssessments) -> Page[answers.ObjectionItem]:
    """List the objections with their decisions, the oldest first, all on one page."""
    found = await assessments.of(month)
    return Page[answers.ObjectionItem](items=[answers.ObjectionItem.of(month, each) for each in found.objections])


@router.post(
    f"{answers.ASSESSMENTS}/{{month}}/objections",
    summary="申诉 object: to a figure of a published month",
    status_code=201,
    responses=also(202, answers.ObjectionItem) | problems(*_problems(OBJECT), *_CHECKED),
)
async def object_to_figure(
    month: Month,
    body: answers.NewObjection,
    actor: Annotated[Actor, needs(right_to(OBJECT))],
    key: RequestKey,
    assessments: TheAssessments,
    response: Response,
) -> answers.ObjectionItem:
    """Object to a figure of a subject: to one case that it counts, or to the figure as a whole."""
    complaint = number_in(body.complaint) if body.complaint else None
    fields = body.model_dump(exclude_none=True) | ({"complaint": complaint} if complaint else {})
    # Of values that were validated already; `by` is looked up.
    action_body = Object.model_construct(**{"by": None, **fields})
    after = await assessments.after(month, action_body, actor, key, response)
    return answers.ObjectionItem.of(month, _objection_like(after, body, complaint))


@router.post(
    f"{answers.ASSESSMENTS}/{{month}}/objections/{{id}}/decision",
    summary="申诉裁决 decide: on an objection",
    responses=also(202, answers.ObjectionItem) | problems(*_problems(DECIDE_OBJECTION)),
)
async def decide_on_objection(  # noqa: PLR0913, PLR0917 - with two parts of the path
    month: Month,
    objection_id: Annotated[int, Path(alias="id", ge=1, le=9_999_999, description="Its id.", examples=[1])],
    body: answers.ObjectionDecision,
    actor: Annotated[Actor, needs(right_to(DECIDE_OBJECTION))],
    key: RequestKey,
    assessments: TheAssessments,
    response: Response,
) -> answers.ObjectionItem:
    """Accept or reject an objection: not its author, its subject, who gave the points or is of the case."""
    action_body = DecideObjection(objection=objection_id, **dict(body))
    found = (await assessments.after(month, action_body, actor, key, response)).objection(objection_id)
    assert found is not None  # noqa: S101 - the workflow has decided on it
    return answers.ObjectionItem.of(month, found)


def _objection_like(
    month: state.AssessmentFields, body: answers.NewObjection, complaint: str | None
) -> state.Objection:
    """Objection that this request has raised, now or before: no other is to the same figure and case."""
    wanted = (body.subject, body.figure, complaint)
    return next(
        each
        for each in reversed(month.objections)
        if (each.subject, each.figure, each.complaint) == wanted and body.by in (None, each.by)
    )


_OF_CASE = "/v1/complaints/{number}/exclusions"
_REFUSED = tuple(map(kind_of, (state.UNKNOWN_EXCLUSION_GROUND, state.EVIDENCE_NEEDED, state.ASSESSMENT_FINAL)))
_UNDECIDED = tuple(map(kind_of, (state.EXCLUSION_DECIDED, state.OWN_EXCLUSION, state.ASSESSMENT_FINAL)))


class ExclusionListing(Paging):
    """Filter and page of a list of exclusions."""

    decided: bool = Field(False, description="`true`: those that were decided on; else those that wait for it.")


@router.get("/v1/exclusions", summary="List exclusions 剔除", dependencies=[needs(READ_ASSESSMENTS)])
async def list_exclusions(
    wanted: Annotated[ExclusionListing, Query()], backend: TheBackend
) -> Page[answers.ExclusionItem]:
    """List the exclusions that wait for a decision, or those that were decided on, the oldest first."""
    page = await backend.reader.ask(exclusions.page_of_exclusions, wanted.cursor, wanted.limit, decided=wanted.decided)
    return Page[answers.ExclusionItem].of(page, answers.ExclusionItem.of)


@router.get(_OF_CASE, summary="List the exclusions of a complaint")
async def list_exclusions_of_complaint(
    number: CaseParam, actor: Annotated[Actor, needs(READ_CASES)], cases: TheCases
) -> Page[answers.ExclusionItem]:
    """List all exclusions of a complaint with their decisions, the oldest first, all on one page."""
    await cases.in_sql(number, actor, READ_CASES)
    found = await cases.reader.ask(exclusions.exclusions_of, number)
    return Page[answers.ExclusionItem](items=[*map(answers.ExclusionItem.of, found)])


@router.post(
    _OF_CASE, summary="剔除 exclude: ask that a complaint is excluded from assessments", responses=problems(*_REFUSED)
)
async def request_exclusion(
    number: CaseParam,
    body: answers.NewExclusion,
    actor: Annotated[Actor, needs(REQUEST_EXCLUSIONS)],
    cases: TheCases,
    assessments: TheAssessments,
    key: RequestKey,
) -> answers.ExclusionItem:
    """Ask that the complaint does not count in the months that are not final; it counts until that is approved."""
    case = await cases.in_sql(number, actor, REQUEST_EXCLUSIONS)
    return answers.ExclusionItem.of(await assessments.request_exclusion(case, body, actor, key))


@router.post(
    f"{_OF_CASE}/{{id}}/decision",
    summary="剔除审批 decide: on an exclusion",
    responses=problems(EXCLUSION_NOT_FOUND, *_UNDECIDED),
)
async def decide_on_exclusion(
    number: CaseParam,
    exclusion_id: Annotated[
        str, Path(alias="id", pattern="^[0-9a-f]{32}$", description="Its id.", examples=["0" * 32])
    ],
    body: answers.ExclusionDecision,
    actor: Annotated[Actor, needs(DECIDE_EXCLUSIONS)],
    assessments: TheAssessments,
) -> answers.ExclusionItem:
    """Approve or reject an exclusion; it counts from the next computation of the months that are not final."""
    return answers.ExclusionItem.of(await assessments.decide_exclusion(number, exclusion_id, body, actor))
