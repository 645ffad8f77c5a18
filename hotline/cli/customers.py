"""The commands `hotline customers`: import and display of the customer registry (客户档案)."""

from pathlib import Path
from typing import Annotated

import typer

from domain.shared.errors import FileError
from hotline.cli.shared import Encoding, catalogue_in_force, reading_sql, show_table, writing_sql
from hotline.files.customers import COLUMNS, load_customers
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
