"""The commands `hotline assessment`, of a month (月度考核) and its points, and `hotline report` (日报、月报)."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from domain.assessment.assessment import Assessment
from domain.assessment.score import FigureValue
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.figures import GivenPoints, Subject
from domain.reports.report import Period, Report, ReportKind, Table, month_of, shown
from domain.shared.errors import OperatorError
from hotline.cli import shared
from hotline.files.catalogue_store import edition_of
from hotline.files.formats import ColumnFile, LineFault, Row
from hotline.settings import Settings
from hotline.telephony.people import NAME, person_id
from readmodel.assessments import months
from readmodel.assessments.months import GivenValue
from readmodel.base.database import ReadConnection, reading
from readmodel.people.people import Directory, directory
from readmodel.reports.reports import first_case_at, get_report

SUBJECTS_IN_ROW = 3
"""Subjects beside each other in a table, which is not wider than 80 columns."""
POINTS_COLUMNS = {"figure": "指标", "subject": "对象", "value": "得分", "by": "对象类别"}
"""Columns of a file of points, with the Chinese name; `by` is needed if the figure has several kinds of subjects."""
REQUIRED_COLUMNS = ("figure", "subject", "value")
MOST_POINTS = 1_000_000
FindSubject = Callable[[Subject, str], str | None]
reports = typer.Typer()
assessment = typer.Typer(
    name="assessment", no_args_is_help=True, help="The monthly assessment of staff and departments."
)
Month = Annotated[str, typer.Argument(metavar="MONTH", help="The month, as 2026-08.")]


@assessment.command("begin")
def begin(month: Month) -> None:
    """Begin the assessment of a month that is over, or go on with one whose workflow was lost or terminated."""
    catalogue = shared.catalogue_in_force()
    with shared.reading_sql() as connection:
        first, known = first_case_at(connection), months.get(connection, month)
    zone = ZoneInfo(catalogue.calendar.timezone)
    Period.parse(ReportKind.MONTHLY, month).check(datetime.now(UTC), zone, first)
    if known and known.over:
        raise OperatorError(f"the assessment of {month} is final; `hotline assessment show {month}` shows it")
    if catalogue.assessment is None:
        raise OperatorError("the catalogue has no [assessment]; docs/catalogue.md has one")
    with shared.reaching_both("run the command again, a month is begun once"):
        begun = asyncio.run(_begin(month, known, catalogue))
    typer.echo(f"assessment-{month} {'was begun' if begun else 'is there already'}; see the Temporal UI")


@assessment.command("show")
def show(month: Month, by: Annotated[Subject, typer.Option(help="Kind of subjects.")] = Subject.COMPANY) -> None:
    """Show figures, scores and grades of a month."""
    with shared.reading_sql() as connection:
        found = _assessment(connection, month)
        results = months.items(connection, month, found.serial, by)
    typer.echo(f"{month}: {found.state.zh} {found.state}")
    for start in range(0, len(results), SUBJECTS_IN_ROW):
        items = results[start : start + SUBJECTS_IN_ROW]
        names = dict.fromkeys(name for item in items for name in item.figures)
        rows = [[name, *(_shown(item.figures.get(name)) for item in items)] for name in names]
        rows.append(["score 得分", *("" if item.score is None else str(item.score) for item in items)])
        rows.append(["grade 等级", *(item.grade or "" for item in items)])
        shared.show_table(("figure 指标", *(item.subject for item in items)), rows)


@assessment.command("import")
def import_(
    month: Month,
    file: Annotated[Path, typer.Argument(help="The CSV file with the columns figure, subject and value.")],
    encoding: shared.Encoding = "utf-8",
) -> None:
    """Replace the points of a month, as for training, of the figures that a file has. Repeating it does no harm."""
    catalogue, now = shared.catalogue_in_force(), datetime.now(UTC)
    present = month_of(now, ZoneInfo(catalogue.calendar.timezone))
    if Period.parse(ReportKind.MONTHLY, month).name > present:
        raise OperatorError(f"{month} has not begun; accepted: {present} or earlier")
    given = catalogue.assessment.given if catalogue.assessment else ()
    with shared.writing_sql() as connection:
        found = load_points(file, encoding, given, _subjects(catalogue, directory(connection)))
        known = months.get(connection, month)
        if known and known.is_settled(now):
            raise OperatorError(f"the assessment of {month} is final; accepted: points of a month that is not")
        months.replace_given_values(connection, month, {value.figure for value in found}, found)
    typer.echo(f"{file}: {len(found)} points of {month}; they count from its next computation")


def load_points(path: Path, encoding: str, given: tuple[GivenPoints, ...], subject_id: FindSubject) -> list[GivenValue]:
    """Each subject stands once for each figure of the catalogue.

    `subject_id` returns the id or code of a subject by its kind and what a line has; None for one that is not known.
    Raises FileError if a line cannot be used, and OSError if the file cannot be read.
    """
    source = ColumnFile(path, POINTS_COLUMNS, REQUIRED_COLUMNS, "a figure, a subject and a number")
    figures = {each.code: each for each in given}

    def points(row: Row) -> GivenValue:
        figure = row["figure"]
        if figure not in figures:
            accepted = ", ".join(figures) or "none, as the catalogue has no [assessment.given]"
            raise LineFault("figure", f"accepted: {accepted}")
        kinds = [kind.value for kind in figures[figure].by]
        by = row.get("by", kinds[0] if len(kinds) == 1 else "")
        if by not in kinds:
            raise LineFault("by", f"accepted: {', '.join(kinds)}")
        subject = subject_id(Subject(by), row["subject"])
        if subject is None:
            raise LineFault("subject", f"accepted: a known {by}, by id or code")
        value = _number(row["value"])
        source.note_repeated((figure, by, subject), ", subject: line {} has the points of the same subject already")
        return GivenValue(figure, by, subject, value)

    return source.read(encoding, points)


def _number(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (value := float(text)) <= MOST_POINTS:
            return value
    raise LineFault("value", f"accepted: a number from 0 to {MOST_POINTS}")


def _subjects(catalogue: Catalogue, people: Directory) -> FindSubject:
    """Finder of the id of a person, also of one who has left, or the code of another subject."""
    takes_anybody = Settings().unknown_people == "allow"
    codes = {by: catalogue.subjects(by) for by in Subject}

    def find(by: Subject, text: str) -> str | None:
        if (known := codes[by]) is not None:
            return text if text in known else None
        return person_id(people, text) or (text if takes_anybody and NAME.fullmatch(text) else None)

    return find


@assessment.command("verify")
def verify(month: Month) -> None:
    """Compute a month again from events and exclusions as of its last computation, and compare every byte."""
    from activities.assessments import verify as compute_again

    with shared.open_database() as database:
        with reading(database) as connection:
            found = _assessment(connection, month)
        if found.computed is None:
            raise OperatorError(f"{month} is not computed yet")
        again = asyncio.run(compute_again(database, found, found.computed.as_of)).digest
    if again != found.computed.digest:
        open_yet = "" if found.over else "; points that were imported since count from its next computation"
        typer.echo(f"{month}: DIFFERENT: {again}, stored is {found.computed.digest}{open_yet}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{month}: the same, {found.computed.entries} entries, SHA-256 {again}")


async def _begin(month: str, known: Assessment | None, catalogue: Catalogue) -> bool:
    """Go on with the assessment that SQL has, if any. Returns False if its workflow is there already."""
    from hotline.installation import connect_to_own
    from workflows.clients.periods import open_assessment, resume_assessment
    from workflows.kit.words import CatalogueNames

    settings = Settings()
    client = await connect_to_own(settings)
    if known:
        return await resume_assessment(client, settings.task_queue, known, CatalogueNames.of(catalogue))
    now = datetime.now(UTC)
    return await open_assessment(client, settings.task_queue, month, now, catalogue, edition_of(catalogue))


def _assessment(connection: ReadConnection, month: str) -> Assessment:
    """Raise OperatorError that names the assessments that there are."""
    found = months.get(connection, month)
    if found is None:
        known = ", ".join(months.months(connection)) or "none yet"
        raise OperatorError(f"{month} was not assessed; accepted: {known}")
    return found


def _shown(value: FigureValue | None) -> str:
    if value is None:
        return ""
    share = f" {value.numerator}/{value.denominator}" if value.denominator else ""
    lines = (
        "" if value.value is None else f"{value.value}{share}",
        f"excluded {value.excluded}" if value.excluded else "",
        "" if value.weight is None else f"weight {value.weight}",
        value.left_out or "",
    )
    return "\n".join(filter(None, lines))


@reports.command("report")
def report(
    kind: Annotated[ReportKind, typer.Argument(help="Length of the period.")],
    name: Annotated[
        str | None,
        typer.Argument(metavar="PERIOD", help="As 2026-08-03 or 2026-08; left out, the last that has ended."),
    ] = None,
    make: Annotated[
        bool, typer.Option("--make", help="Make the report if it is not made yet; the worker does it.")
    ] = False,
) -> None:
    """Print a report; it stays as it was made first."""
    now, zone = datetime.now(UTC), ZoneInfo(shared.catalogue_in_force().calendar.timezone)
    period = Period.parse(kind, name) if name else Period.ended_before(kind, now, zone)
    with shared.reading_sql() as connection:
        found = get_report(connection, period)
        if found is None:
            period.check(now, zone, first_case_at(connection))
    if found is None and make:
        with shared.reaching_both(f"the report of {period.name} is not made, or still under way; see the Temporal UI"):
            asyncio.run(_made(period))
        with shared.reading_sql() as connection:
            found = get_report(connection, period)
    if found is None:
        raise OperatorError(f"the report of {period.name} is not made yet; add --make to make it")
    _show(found)


async def _made(period: Period) -> str:
    from hotline.installation import connect_to_own
    from workflows.clients.periods import report_handle, start_report

    settings = Settings()
    client = await connect_to_own(settings)
    await start_report(client, settings.task_queue, period.kind, period.name)
    return await report_handle(client, period.kind, period.name).result()


def _show(report: Report) -> None:
    typer.echo(f"{report.kind.zh} {report.kind.value.capitalize()} report {report.period}, {report.timezone}")
    for table in map(Table.readable, report.tables):
        typer.echo(f"\n{table.title_zh} {table.title}")
        titles = [f"{column.title_zh} {column.title}" for column in table.columns]
        rows = [shown(row, table.columns, report) for row in table.rows]
        if table.is_headline:
            shared.show_table((), zip(titles, rows[0], strict=True))
        elif rows:
            shared.show_table(titles, rows)
        else:
            typer.echo("无 none")
