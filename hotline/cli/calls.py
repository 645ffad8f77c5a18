"""The commands `hotline calls`: import of calls (话单, 排队日志) and of the roster (排班)."""

from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import Engine

from domain.calls.call import CLOCKS_DIFFER
from domain.catalogue.catalogue import Catalogue
from domain.rights.masking import mask_agent
from hotline.cli.shared import Encoding, catalogue_in_force, open_database, writing_sql
from hotline.settings import Settings
from hotline.telephony.asterisk import Cdr, QueueLog, is_queue_log
from hotline.telephony.call_lines import CallFile, CallFormat
from hotline.telephony.people import Agents, load_extensions, load_roster
from readmodel.base.database import reading, writing
from readmodel.base.statements import Imported
from readmodel.calls.calls import keep
from readmodel.calls.duties import keep_duties
from readmodel.people.people import directory

app = typer.Typer(name="calls", no_args_is_help=True, help="Calls of the telephone system, and the roster.")
NAMED = 20
"""Most unknown agents that are listed."""


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="Files of Asterisk: Master.csv or queue_log, also rotated ones.")],
    format_: Annotated[
        Literal["auto", "cdr", "queue_log"], typer.Option("--format", help="Format of the files; auto looks into each.")
    ] = "auto",
    encoding: Encoding = "utf-8",
    agents: Annotated[Path | None, typer.Option(help="CSV file of extensions and the people who answer them.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the files, and write no call.")] = False,
) -> None:
    """Check all files, then add their calls to what is known of them. Repeating it does no harm."""
    settings, catalogue = Settings(), catalogue_in_force()
    with open_database(settings) as database, ExitStack() as opened:
        with reading(database) as connection:
            people = directory(connection)
        extensions = load_extensions(agents, encoding, people) if agents else {}
        formats = _formats(settings, catalogue, Agents(people, extensions))
        sources = []
        for path in files:
            file = opened.enter_context(path.open("rb"))
            chosen = ("queue_log" if is_queue_log(file.readline()) else "cdr") if format_ == "auto" else format_
            sources.append(CallFile(file, opened.enter_context(TemporaryFile()), formats[chosen], encoding))
        for source in sources:
            source.check()
        unknown: Counter[str] = Counter()
        for source in sources:
            done = _import(source, None if dry_run else database, catalogue.area_code, unknown)
            typer.echo(f"{source.path}: {done}")
            _tell_left_out(source)
        _tell_unknown(unknown)


@app.command("roster")
def roster(
    file: Annotated[Path, typer.Argument(help="The CSV file with the columns person, from and to.")],
    encoding: Encoding = "utf-8",
) -> None:
    """Replace the duties of the days that a file covers. Repeating it does no harm."""
    zone = ZoneInfo(catalogue_in_force().calendar.timezone)
    with writing_sql() as connection:
        found = load_roster(file, encoding, zone, directory(connection))
        done = keep_duties(connection, found.duties, found.start, found.end)
    first, last = found.start.astimezone(zone), (found.end - timedelta(seconds=1)).astimezone(zone)
    typer.echo(
        f"{file}: {done.added} duties added, {done.removed} removed, {done.unchanged} as they were,"
        f" from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    )


def _formats(settings: Settings, catalogue: Catalogue, agents: Agents) -> dict[str, CallFormat]:
    latest = datetime.now(UTC) + CLOCKS_DIFFER
    contexts = [context.strip() for context in settings.calls_contexts.split(",") if context.strip()]
    zone = ZoneInfo(settings.calls_timezone or catalogue.calendar.timezone)
    cdr = Cdr(zone, contexts, agents, latest, menu=settings.calls_menu)
    return {"cdr": cdr, "queue_log": QueueLog(agents, latest)}


def _import(source: CallFile, database: Engine | None, area_code: str, unknown: Counter[str]) -> str:
    """Write the calls of a checked file, unless there is no database; count unknown agents, and say what was done."""
    count, done = 0, Imported()
    for group in source.groups():
        count += len(group)
        # A name of the telephone system may be a telephone.
        unknown.update(mask_agent(call.agent) for call in group if call.agent and not call.agent_known)
        if database is not None:
            with writing(database) as connection:
                done = Imported(*map(sum, zip(done, keep(connection, group, area_code), strict=True)))
    if database is None:
        return f"{count} calls, every line can be used; nothing was written"
    return f"{done.added} calls added, {done.changed} changed, {done.unchanged} as they were"


def _tell_left_out(source: CallFile) -> None:
    for reason, count in source.left_out.most_common():
        typer.echo(f"{source.path}: left out {count} {reason}, the first on line {source.first_lines[reason]}")
    if source.torn_line:
        typer.echo(f"{source.path}, line {source.torn_line}: the last line is torn, and is left out until it is whole")


def _tell_unknown(unknown: Counter[str]) -> None:
    if not unknown:
        return
    named = ", ".join(f"{name} ({count} calls)" for name, count in unknown.most_common(NAMED))
    more = f", and {len(unknown) - NAMED} others" if len(unknown) > NAMED else ""
    typer.echo(
        f"unknown agents, whose calls are kept under the telephone system's names: {named}{more}. To give the calls to"
        " people, add these (`hotline person add`) or name them in a file for --agents, and import again"
    )
