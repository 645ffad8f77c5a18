"""The command `hotline keys`: keys that seal what Temporal stores, callers' links, and sessions."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from hotline.cli.shared import minute, show_table
from hotline.keys import ring_of
from hotline.settings import Settings

app = typer.Typer()
keys = typer.Typer(no_args_is_help=True, help="Keys that seal what Temporal stores, callers' links, and sessions.")
app.add_typer(keys, name="keys")


@keys.command("list")
def list_() -> None:
    """Show every key, the newest last; secrets are not shown."""
    rows = ((key.id, minute(key.created_at), minute(key.seals_from)) for key in ring_of(Settings()).list())
    show_table(("id", "created (UTC)", "seals from (UTC)"), rows)


@keys.command("rotate")
def rotate(
    in_minutes: Annotated[int, typer.Option("--in", min=0, help="Minutes until it seals at the earliest.")] = 0,
) -> None:
    """Add a key, which seals once every process has it. Older ones stay, to open what they sealed."""
    key = ring_of(Settings()).rotate(timedelta(minutes=in_minutes))
    since = f"from {minute(key.seals_from)} UTC on, " if in_minutes else ""
    typer.echo(f"key {key.id} seals {since}once every process has it: merge it into the file of each other machine")


@keys.command("merge")
def merge(file: Annotated[Path, typer.Argument(help="File of keys, of another machine or a backup.")]) -> None:
    """Add the keys of a file that are missing, older ones before newer ones."""
    added = ring_of(Settings()).merge(file)
    typer.echo(f"added: {', '.join(key.id for key in added)}" if added else "no key was missing")
