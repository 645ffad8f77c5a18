"""The command `hotline openapi`: the OpenAPI document of the HTTP interface."""

import typer

app = typer.Typer()


@app.command("openapi")
def openapi() -> None:
    """Print the OpenAPI document of the HTTP interface, for generators of clients; no service need run."""
    from api.openapi import DOCUMENT

    typer.echo(DOCUMENT.read_text(encoding="utf-8"), nl=False)
