"""The commands `hotline calls`: import of calls (话单, 排队日志) and of the roster (排班)."""

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, BinaryIO, Literal
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import Engine

from domain.calls.call import CLOCKS_DIFFER, Call
from domain.catalogue.catalogue import Catalogue
from domain.rights.masking import mask_agent
from hotline.cli.shared import catalogue_in_force, open_database
from hotline.settings import Settings
from hotline.telephony.agents import Agents, load_extensions
from hotline.telephony.call_lines import CallFile, CallFormat
from hotline.telephony.cdr import Cdr
from hotline.telephony.queue_log import QueueLog, is_queue_log
from hotline.telephony.roster import load_roster
from readmodel.base.database import Imported, reading, writing
from readmodel.calls.calls import keep
from readmodel.calls.duties import keep_duties
from readmodel.people.people import Directory, directory

app = typer.Typer(name="calls", no_args_is_help=True, help="Calls of the telephone system, and the roster.")
NAMED = 20
"""Most unknown agents that are listed."""
Encoding = Annotated[Literal["utf-8", "gb18030"], typer.Option(help="Encoding of the files; gb18030 includes GBK.")]


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
        formats = _formats(settings, catalogue, _agents(database, agents, encoding))
        sources = []
        for path in files:
            file = opened.enter_context(path.open("rb"))
            chosen = formats[_format_of(file) if format_ == "auto" else format_]
            kept = opened.enter_context(TemporaryFile())
            sources.append(CallFile(file, kept, chosen, encoding))
        for source in sources:
            source.check()
        unknown: Counter[str] = Counter()
        for source in sources:
            done = _read(source, unknown) if dry_run else _written(database, source, catalogue.area_code, unknown)
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
    with open_database() as database:
        found = load_roster(file, encoding, zone, _directory(database))
        with writing(database) as connection:
            done = keep_duties(connection, found.duties, found.start, found.end)
    first, last = found.start.astimezone(zone), (found.end - timedelta(seconds=1)).astimezone(zone)
    typer.echo(
        f"{file}: {done.added} duties added, {done.removed} removed, {done.unchanged} as they were,"
        f" from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    )


def _directory(database: Engine) -> Directory:
    with reading(database) as connection:
        return directory(connection)


def _agents(database: Engine, extensions: Path | None, encoding: str) -> Agents:
    people = _directory(database)
    return Agents(people, load_extensions(extensions, encoding, people) if extensions else {})


def _formats(settings: Settings, catalogue: Catalogue, agents: Agents) -> dict[str, CallFormat]:
    latest = datetime.now(UTC) + CLOCKS_DIFFER
    contexts = [context.strip() for context in settings.calls_contexts.split(",") if context.strip()]
    zone = ZoneInfo(settings.calls_timezone or catalogue.calendar.timezone)
    cdr = Cdr(zone, contexts, agents, latest, menu=settings.calls_menu)
    return {"cdr": cdr, "queue_log": QueueLog(agents, latest)}


def _format_of(file: BinaryIO) -> str:
    return "queue_log" if is_queue_log(file.readline()) else "cdr"


def _written(database: Engine, source: CallFile, area_code: str, unknown: Counter[str]) -> str:
    done = Imported()
    for group in source.groups():
        with writing(database) as connection:
            done = Imported(*map(sum, zip(done, keep(connection, group, area_code), strict=True)))
        _count_unknown(group, unknown)
    return f"{done.added} calls added, {done.changed} changed, {done.unchanged} as they were"


def _read(source: CallFile, unknown: Counter[str]) -> str:
    count = 0
    for group in source.groups():
        count += len(group)
        _count_unknown(group, unknown)
    return f"{count} calls, every line can be used; nothing was written"


def _count_unknown(calls: Iterable[Call], unknown: Counter[str]) -> None:
    # A name of the telephone system may be a telephone.
    unknown.update(mask_agent(call.agent) for call in calls if call.agent and not call.agent_known)


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
