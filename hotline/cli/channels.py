"""The commands `hotline channels`, and the checks of channels and templates before a process starts."""

from pathlib import Path
from typing import Annotated

import typer

from hotline.errors import OperatorError
from hotline.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Channels: how messages leave the house.")


@app.command("check")
def check(file: Annotated[Path, typer.Argument(help="The TOML file.")]) -> None:
    """Say whether a file of channels can be used here, with its variables and the templates."""
    typer.echo(f"{file}: {check_notifications(Settings(channels=file))}")


def check_notifications(settings: Settings) -> str:
    """Return a summary of the channels and templates. Raises OperatorError if they cannot be used."""
    from activities.notifications.rendering import TemplatesError
    from hotline.courier import load_post

    check_documents(settings)
    try:
        post = load_post(settings)
    except TemplatesError as error:
        raise OperatorError(str(error)) from error
    if post is None:
        return "the log channel alone"
    return f"{len(post.file.channels)} channels, {len(post.file.routes)} routes; all templates can be used"


def check_documents(settings: Settings) -> None:
    """Raise OperatorError if the templates of documents cannot be used."""
    from activities.notifications.rendering import TemplatesError
    from api.documents.papers import Papers

    try:
        Papers(settings.templates)
    except TemplatesError as error:
        raise OperatorError(str(error)) from error
