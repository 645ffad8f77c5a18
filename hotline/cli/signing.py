"""The commands `hotline signing` and `hotline links`: keys of what workflows are sent, and of callers' links."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from hotline.cli.shared import minute, show_table
from hotline.settings import Settings
from hotline.signing_keys import KeyEntry, SigningKeyFile

InMinutes = Annotated[
    int, typer.Option("--in", min=0, help="Minutes until it is used: time to copy the file to other machines.")
]

app = typer.Typer()
signing = typer.Typer(no_args_is_help=True, help="Keys that sign what workflows are sent.")
links = typer.Typer(no_args_is_help=True, help="Keys that encrypt callers' links.")
app.add_typer(signing, name="signing")
app.add_typer(links, name="links")


@signing.command("list")
def list_() -> None:
    """Show every key, the newest last, which signs from its time on; secrets are not shown."""
    _show(SigningKeyFile(Settings().signing_keys_file))


@signing.command("rotate")
def rotate(in_minutes: InMinutes = 0) -> None:
    """Add a key, which signs from now on. Older ones stay: they show who started the cases of their time."""
    key = SigningKeyFile(Settings().signing_keys_file).rotate(timedelta(minutes=in_minutes))
    typer.echo(f"key {key.id} signs from {_from(key, in_minutes)} on")


@signing.command("merge")
def merge(file: Annotated[Path, typer.Argument(help="File of signing keys, of a backup for example.")]) -> None:
    """Add the keys of a file that are missing, older ones before newer ones."""
    added = SigningKeyFile(Settings().signing_keys_file).merge(file)
    typer.echo(f"added: {', '.join(key.id for key in added)}" if added else "no key was missing")


@links.command("list")
def list_links() -> None:
    """Show every key, the newest last, which encrypts from its time on; secrets are not shown."""
    _show(SigningKeyFile(Settings().link_keys_file))


@links.command("rotate")
def rotate_links(in_minutes: InMinutes = 0) -> None:
    """Add a key, which encrypts from now on. Keys whose links have all expired are dropped."""
    from activities.notifications.caller_links import VALID

    key = SigningKeyFile(Settings().link_keys_file).rotate(timedelta(minutes=in_minutes), VALID)
    typer.echo(f"key {key.id} encrypts from {_from(key, in_minutes)} on")


def _from(key: KeyEntry, in_minutes: int) -> str:
    return f"{minute(key.signs_from)} UTC" if in_minutes else "now"


def _show(file: SigningKeyFile) -> None:
    rows = ((key.id, minute(key.created_at), minute(key.signs_from)) for key in file.list())
    show_table(("id", "created (UTC)", "used from (UTC)"), rows)
