"""The commands `hotline letters` and `hotline channels`."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hotline.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

letters = typer.Typer(no_args_is_help=True, help="Dead letters: messages that no channel took.")
channels = typer.Typer(no_args_is_help=True, help="Channels: how messages are sent.")


class PostError(Exception):
    """Error of dead letters or channels, for the operator."""


@letters.command("list")
def list_(limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most letters that are shown.")] = 50) -> None:
    """Show dead letters, the last to be given up first."""
    from rich.console import Console
    from rich.table import Table

    from readmodel.database import reading
    from readmodel.dead_letters import dead_letters

    with _database() as database, reading(database) as connection:
        page = dead_letters(connection, limit=limit)
    table = Table("key", "given up (UTC)", "why", "message")
    for letter in page.items:
        given_up = letter.dead_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
        table.add_row(letter.key, given_up, letter.error or "", f"{letter.text_zh}\n{letter.text_en}")
    Console().print(table)
    if page.next_cursor:
        typer.echo(f"there are more; --limit shows more than {limit}")


@letters.command("resend")
def resend(
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Keys that the list shows.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Have dead letters sent again, by the channels as they are now; all that are named, or none."""
    from readmodel.database import writing
    from readmodel.dead_letters import resend as apply
    from readmodel.dead_letters import resend_all

    if every is bool(keys):
        raise PostError("accepted: keys of dead letters, or --all")
    at = datetime.now(UTC)
    with _database() as database, writing(database) as connection:
        if every:
            count = resend_all(connection, at)
        else:
            done = apply(connection, list(dict.fromkeys(keys or ())), at)
            wrong = [*(f"{key} is unknown" for key in done.unknown), *(f"{key} is not dead" for key in done.not_dead)]
            if wrong:
                raise PostError(f"nothing is sent again: {', '.join(wrong)}; accepted: keys of `hotline letters list`")
            count = len(done.due)
    typer.echo(f"{count} letters are due again")


@channels.command("check")
def check(file: Annotated[Path, typer.Argument(help="The TOML file.")]) -> None:
    """Say whether a file of channels can be used here, with its variables and the templates."""
    told = check_post(Settings(channels=file))
    typer.echo(f"{file}: {told}")


def check_post(settings: Settings) -> str:
    """Return a summary of the files of channels and templates. Raises PostError if they cannot be used."""
    from activities.notifications.texts import TemplatesError
    from hotline.files.catalogue import CatalogueError
    from hotline.files.catalogue_store import CatalogueStore, InForce
    from hotline.files.channels import ChannelsError
    from worker import courier_config

    check_documents(settings)
    try:
        in_force = InForce.begin(CatalogueStore(settings.catalogues_dir), settings.catalogue)
        file = courier_config(settings, in_force).channels
    except (ChannelsError, TemplatesError, CatalogueError) as error:
        raise PostError(str(error)) from error
    if settings.channels is None:
        return "the log channel alone"
    return f"{len(file.channels)} channels, {len(file.routes)} routes; all templates can be used"


def check_documents(settings: Settings) -> None:
    """Raise PostError if the templates of documents cannot be used."""
    from activities.notifications.texts import TemplatesError
    from api.documents.documents import Documents

    try:
        Documents(settings.templates)
    except TemplatesError as error:
        raise PostError(str(error)) from error


def _database() -> AbstractContextManager["Engine"]:
    """Open the database. Raises PostError if it cannot be used."""
    from hotline.cli.open_database import opened

    return opened(Settings().database_url, PostError)
