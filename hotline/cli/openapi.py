"""The command `hotline openapi`: the OpenAPI document of the HTTP interface."""

import typer

from hotline.settings import Settings

app = typer.Typer()


@app.command("openapi")
def openapi() -> None:
    """Print the OpenAPI document of the HTTP interface, for generators of clients; no service need run."""
    from api.__main__ import unserved
    from api.openapi import written

    typer.echo(written(unserved(Settings()).openapi()), nl=False)
