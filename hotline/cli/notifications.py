"""The commands `hotline letters`, of dead letters, and `hotline channels`; checks before a process starts."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.shared.errors import FileError, OperatorError
from hotline.cli.shared import catalogue_in_force, minute, reading_sql, show_table, writing_sql
from hotline.files.catalogue_store import CatalogueInForce, CatalogueStore
from hotline.settings import Settings
from readmodel.notifications import dead_letters, resend_all
from readmodel.notifications import resend as apply

if TYPE_CHECKING:
    from activities.notifications.routing import ChannelFile

letters = typer.Typer(
    name="letters", no_args_is_help=True, help="Dead letters: notifications that could not be delivered."
)
channels = typer.Typer(name="channels", no_args_is_help=True, help="Channels: how notifications are sent.")


@letters.command("list")
def list_(limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most dead letters to show.")] = 50) -> None:
    """Show dead letters, the newest first."""
    with reading_sql() as connection:
        page = dead_letters(connection, limit=limit)
    rows = (
        (each.key, minute(each.dead_at), each.error or "", f"{each.text_zh}\n{each.text_en}") for each in page.items
    )
    show_table(("key", "given up (UTC)", "why", "notification"), rows)
    if page.next_cursor:
        typer.echo(f"there are more; --limit shows more than {limit}")


@letters.command("resend")
def resend(
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Keys from the list.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Send all dead letters again.")] = False,
) -> None:
    """Send dead letters again by the present channels: all named ones, or none if one of them cannot be sent."""
    if every is bool(keys):
        raise OperatorError("accepted: keys of dead letters, or --all")
    at = datetime.now(UTC)
    with writing_sql() as connection:
        if every:
            count = resend_all(connection, at)
        else:
            done = apply(connection, list(dict.fromkeys(keys or ())), at)
            wrong = [*(f"{key} is unknown" for key in done.unknown), *(f"{key} is not dead" for key in done.not_dead)]
            if wrong:
                raise OperatorError(
                    f"nothing is sent again: {', '.join(wrong)}; accepted: keys of `hotline letters list`"
                )
            count = len(done.due)
    typer.echo(f"{count} dead letters are due again")


@channels.command("check")
def check(file: Annotated[Path, typer.Argument(help="The TOML file.")]) -> None:
    """Check a file of channels with its environment variables, and the templates.

    Its routes name departments of the catalogue in force.
    """
    found = check_notifications(Settings(channels=file))
    known = [department.code for department in catalogue_in_force().departments]
    problems = [
        f"{file}: the route to {to} names no department of the catalogue; accepted: {', '.join(known)}"
        for to in found.departments_named
        if to.partition(":")[2] not in known
    ]
    if problems:
        raise FileError(problems)
    typer.echo(f"{file}: {len(found.channels)} channels, {len(found.routes)} routes; all templates can be used")


def check_notifications(settings: Settings) -> "ChannelFile":
    """Raise FileError if the channels, or the templates, cannot be used."""
    from worker import courier_config

    check_documents(settings)
    in_force = CatalogueInForce(CatalogueStore(settings.catalogues_dir), settings.catalogue)
    return courier_config(settings, in_force).channels


def check_documents(settings: Settings) -> None:
    """Raise FileError if the templates of documents cannot be used."""
    from api.documents import Documents

    Documents(settings.templates)
