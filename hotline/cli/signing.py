"""The commands `hotline signing`: the keys with which the service signs what it sends to its workflows."""

import typer

from hotline.cli.shared import minute, show_table
from hotline.settings import Settings
from hotline.signing_keys import SigningKeyFile

app = typer.Typer(name="signing", no_args_is_help=True, help="Keys that sign what workflows are sent.")


@app.command("list")
def list_() -> None:
    """Show every key, the newest last, which signs; secrets are not shown."""
    keys = SigningKeyFile(Settings().signing_keys_file).list()
    show_table(("id", "created (UTC)"), ((key.id, minute(key.created_at)) for key in keys))


@app.command("rotate")
def rotate() -> None:
    """Add a key, which signs from now on. Older ones stay: they show who started the cases of their time."""
    key = SigningKeyFile(Settings().signing_keys_file).rotate()
    typer.echo(f"key {key.id} signs from now on")
