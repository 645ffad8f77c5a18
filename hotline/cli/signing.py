"""The commands `hotline signing` and `hotline links`: keys of what workflows are sent, and of callers' links."""

import typer

from hotline.cli.shared import minute, show_table
from hotline.settings import Settings
from hotline.signing_keys import SigningKeyFile

app = typer.Typer()
signing = typer.Typer(no_args_is_help=True, help="Keys that sign what workflows are sent.")
links = typer.Typer(no_args_is_help=True, help="Keys that encrypt callers' links.")
app.add_typer(signing, name="signing")
app.add_typer(links, name="links")


@signing.command("list")
def list_() -> None:
    """Show every key, the newest last, which signs; secrets are not shown."""
    _show(SigningKeyFile(Settings().signing_keys_file))


@signing.command("rotate")
def rotate() -> None:
    """Add a key, which signs from now on. Older ones stay: they show who started the cases of their time."""
    key = SigningKeyFile(Settings().signing_keys_file).rotate()
    typer.echo(f"key {key.id} signs from now on")


@links.command("list")
def list_links() -> None:
    """Show every key, the newest last, which encrypts; secrets are not shown."""
    _show(SigningKeyFile(Settings().link_keys_file))


@links.command("rotate")
def rotate_links() -> None:
    """Add a key, which encrypts from now on. Keys whose links have all expired are dropped."""
    from activities.notifications.caller_links import VALID

    key = SigningKeyFile(Settings().link_keys_file).rotate(VALID)
    typer.echo(f"key {key.id} encrypts from now on")


def _show(file: SigningKeyFile) -> None:
    show_table(("id", "created (UTC)"), ((key.id, minute(key.created_at)) for key in file.list()))
