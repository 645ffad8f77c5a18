"""The commands `hotline customers`: import and display of the customer registry (客户档案)."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from domain.catalogue.catalogue import Catalogue
from domain.customers.customer import Customer
from domain.shared.codes import UNKNOWN_CODE
from domain.shared.errors import FileError
from domain.shared.explain import message
from hotline.cli.shared import Encoding, catalogue_in_force, reading_sql, show_table, writing_sql
from hotline.files.formats import ColumnFile, Row
from readmodel.customers import get_customer, keep

app = typer.Typer(name="customers", no_args_is_help=True, help="The registry of customers and their accounts.")


@app.command("import")
def import_(
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
        done = keep(connection, found, catalogue.area_code)
    typer.echo(f"{file}: {done.added} customers added, {done.changed} changed, {done.unchanged} as they were")


@app.command("show")
def show(account_no: Annotated[str, typer.Argument(help="The account number (户号).")]) -> None:
    """Show the data of an account in the registry."""
    with reading_sql() as connection:
        customer = get_customer(connection, account_no)
    if customer is None:
        raise FileError([f"the registry has no account {account_no}; accepted: a registered account number"])
    shown = {True: "yes 是", False: "no 否", None: ""}
    show_table((), ((name, COLUMNS[name], shown.get(value, str(value))) for name, value in customer))


COLUMNS = {
    "account_no": "户号",
    "name": "姓名",
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
"""Columns by name, with the Chinese name. Optional ones may be left out."""
REQUIRED = tuple(name for name in COLUMNS if Customer.model_fields[name].is_required())
_IN_CHINESE = {
    "hardship": {"是": "yes", "否": "no"},
    "customer_class": {"居民": "household", "单位": "business"},
}


def load_customers(path: Path, encoding: str, catalogue: Catalogue) -> list[Customer]:
    """Return the customers of this file, each account once; they name districts of the catalogue by code or name.

    Raises FileError if the file, or any line of it, cannot be used, and OSError if it cannot be read.
    """
    source = ColumnFile(path, COLUMNS, REQUIRED)
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
    """Return the column and what it accepts. The value is not repeated: it may be personal."""
    if not fault["loc"]:
        return f", hardship: {message(fault)}"
    name = str(fault["loc"][0])
    if fault["type"] == UNKNOWN_CODE:
        return f", {name}: {message(fault)}"
    missing = "is missing; " if fault["type"] == "missing" else ""
    return f", {name}: {missing}accepted: {Customer.model_fields[name].description}"
