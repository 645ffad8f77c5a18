"""The commands `hotline customers`: bringing the registry (客户档案) up to date from a file, and looking into it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hotline.cli.shared import catalogue_in_force, open_database, show_table
from hotline.errors import FileError

app = typer.Typer(no_args_is_help=True, help="The registry of customers: whom an account belongs to.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The CSV file; its first line names the columns.")],
    encoding: Annotated[
        Literal["utf-8", "gb18030"], typer.Option(help="How its characters are kept; gb18030 reads GBK too.")
    ] = "utf-8",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file only; nothing is written.")] = False,
) -> None:
    """Add customers and bring known ones up to date, all or none; again without harm."""
    from hotline.files.customers import load_customers
    from readmodel.customers import keep
    from readmodel.database import writing

    catalogue = catalogue_in_force()
    found = load_customers(file, encoding, catalogue)
    if dry_run:
        typer.echo(f"{file}: {len(found)} customers, every line can be used; nothing was written")
        return
    with open_database() as database, writing(database) as connection:
        done = keep(connection, found, catalogue.area_code)
    typer.echo(f"{file}: {done.added} customers added, {done.changed} changed, {done.unchanged} as they were")


@app.command("show")
def show(account_no: Annotated[str, typer.Argument(help="The account (户号).")]) -> None:
    """Show what the registry says of an account."""
    from hotline.files.customers import COLUMNS
    from readmodel.customers import get_customer
    from readmodel.database import reading

    with open_database() as database, reading(database) as connection:
        customer = get_customer(connection, account_no)
    if customer is None:
        raise FileError([f"the registry has no account {account_no}"])
    shown = {True: "yes 是", False: "no 否", None: ""}
    show_table("   ", ((name, COLUMNS[name], shown.get(value, str(value))) for name, value in customer), header=False)
