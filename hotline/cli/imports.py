"""The commands `hotline calls`, of calls (话单, 排队日志) and roster (排班), and `hotline customers` (客户档案)."""

from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy import Engine

from domain.calls.call import CLOCKS_DIFFER
from domain.catalogue.catalogue import Catalogue
from domain.customers.customer import Customer
from domain.rights.rights import mask_agent
from domain.shared.codes import UNKNOWN_CODE
from domain.shared.errors import FileError, message
from hotline.cli.shared import Encoding, catalogue_in_force, open_database, reading_sql, show_table, writing_sql
from hotline.files.formats import ColumnFile, Row
from hotline.settings import Settings
from hotline.telephony.asterisk import Cdr, QueueLog, is_queue_log
from hotline.telephony.call_lines import CallFile, CallFormat
from hotline.telephony.people import Agents, load_extensions, load_roster
from readmodel.base.database import Imported, reading, writing
from readmodel.calls.calls import save_calls
from readmodel.calls.report import replace_duties
from readmodel.customers import get_customer, save_customers
from readmodel.people.people import directory

calls = typer.Typer(name="calls", no_args_is_help=True, help="Calls of the telephone system, and the roster.")
customers = typer.Typer(name="customers", no_args_is_help=True, help="The registry of customers and their accounts.")
MOST_AGENTS = 20
"""Most unknown agents that are listed."""


@calls.command("import")
def import_calls(
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
            for reason, count in source.left_out.most_common():
                first = source.first_lines[reason]
                typer.echo(f"{source.path}: left out {count} {reason}, the first on line {first}")
            if torn := source.torn_line:
                typer.echo(f"{source.path}, line {torn}: the last line is torn, and is left out until it is whole")
        _tell_unknown(unknown)


@calls.command("roster")
def roster(
    file: Annotated[Path, typer.Argument(help="The CSV file with the columns person, from and to.")],
    encoding: Encoding = "utf-8",
) -> None:
    """Replace the duties of the days that a file covers. Repeating it does no harm."""
    zone = ZoneInfo(catalogue_in_force().calendar.timezone)
    with open_database() as database:
        with reading(database) as connection:
            people = directory(connection)
        # Before the transaction, for which others wait: a year's roster of a large company takes a minute.
        found = load_roster(file, encoding, zone, people)
        with writing(database) as connection:
            done = replace_duties(connection, found.duties, found.start, found.end)
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
                done = Imported(*map(sum, zip(done, save_calls(connection, group, area_code), strict=True)))
    if database is None:
        return f"{count} calls, every line can be used; nothing was written"
    return f"{done.added} calls added, {done.changed} changed, {done.unchanged} as they were"


def _tell_unknown(unknown: Counter[str]) -> None:
    if not unknown:
        return
    named = ", ".join(f"{name} ({count} calls)" for name, count in unknown.most_common(MOST_AGENTS))
    more = f", and {len(unknown) - MOST_AGENTS} others" if len(unknown) > MOST_AGENTS else ""
    typer.echo(
        f"unknown agents, whose calls are kept under the telephone system's names: {named}{more}. To give the calls to"
        " people, add these (`hotline person add`) or name them in a file for --agents, and import again"
    )


@customers.command("import")
def import_customers(
    file: Annotated[Path, typer.Argument(help="The CSV file; its first line names the columns.")],
    encoding: Encoding = "utf-8",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file, and write nothing.")] = False,
) -> None:
    """Add and update the customers of a file, all or none. Repeating it does no harm."""
    catalogue = catalogue_in_force()
    found = load_customers(file, encoding, catalogue)
    if dry_run:
        typer.echo(f"{file}: {len(found)} customers, every line can be used; nothing was written")
        return
    with writing_sql() as connection:
        done = save_customers(connection, found, catalogue.area_code)
    typer.echo(f"{file}: {done.added} customers added, {done.changed} changed, {done.unchanged} as they were")


@customers.command("show")
def show(account_no: Annotated[str, typer.Argument(help="The account number (户号).")]) -> None:
    """Show the data of an account in the registry."""
    with reading_sql() as connection:
        customer = get_customer(connection, account_no)
    if customer is None:
        raise FileError([f"the registry has no account {account_no}; accepted: a registered account number"])
    shown = {True: "yes 是", False: "no 否", None: ""}
    show_table((), ((name, CUSTOMER_COLUMNS[name], shown.get(value, str(value))) for name, value in customer))


CUSTOMER_COLUMNS = {
    "account_no": "户号",
    "name": "户名/姓名",
    "phone": "电话",
    "address": "地址",
    "district": "区域",
    "meter": "水表",
    "customer_class": "客户类别",
    "hardship": "困难户",
    "hardship_grounds": "困难原因",
    "free_allowance_m3": "免费水量",
    "notes": "备注",
}
"""Columns by name, with the Chinese name or two. Optional ones may be left out."""
REQUIRED_COLUMNS = tuple(name for name in CUSTOMER_COLUMNS if Customer.model_fields[name].is_required())
_IN_CHINESE = {
    "hardship": {"是": "yes", "否": "no"},
    "customer_class": {"居民": "household", "单位": "business"},
}


def load_customers(path: Path, encoding: str, catalogue: Catalogue) -> list[Customer]:
    """Districts may be given by code or name of the catalogue. Raises FileError, OSError."""
    source = ColumnFile(path, CUSTOMER_COLUMNS, REQUIRED_COLUMNS)
    return source.read(encoding, partial(_customer, source, catalogue))


def _customer(source: ColumnFile, catalogue: Catalogue, given: Row) -> Customer | None:
    for name, words in _IN_CHINESE.items():
        if name in given:
            given[name] = words.get(given[name], given[name])
    if account_no := given.get("account_no"):
        source.note_repeated(account_no, ", account_no: this account stands on line {} already")
    try:
        return Customer.model_validate(given, context={"codes": catalogue.code})
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            source.fault(_explained(fault))
    return None


def _explained(fault: ErrorDetails) -> str:
    """Name the column and what it accepts. The value is not repeated: it may be personal."""
    if not fault["loc"]:
        return f", hardship: {message(fault)}"
    name = str(fault["loc"][0])
    if fault["type"] == UNKNOWN_CODE:
        return f", {name}: {message(fault)}"
    missing = "is missing; " if fault["type"] == "missing" else ""
    return f", {name}: {missing}accepted: {Customer.model_fields[name].description}"
