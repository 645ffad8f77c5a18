"""The commands `hotline key`: people who may act over HTTP, and their roles."""

from typing import Annotated

import typer

from domain.shared.actors import Role
from domain.shared.codes import UnknownCode
from hotline.cli.shared import catalogue_in_force, minute, show_table
from hotline.keyring import IssuedRole, Keyring, KeyringError
from hotline.settings import Settings

app = typer.Typer(name="key", no_args_is_help=True, help="API keys of people and their roles.")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Name of the person who acts with the key; it is shown on every event.")],
    role: Annotated[IssuedRole, typer.Option(help="Role of the person.")],
    department: Annotated[
        str | None, typer.Option(help="Department that the person acts for, by code or name; a crew needs one.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Revoke the live key that has this name.")] = False,
) -> None:
    """Create a key and print it. It cannot be shown again."""
    if department is not None or role is Role.CREW:
        department = _code(department)
    ring = Keyring(Settings().keys_file)
    key, token = ring.create(name, role, department, namesakes="revoke" if replace else "refuse")
    typer.echo(f"key {key.id} for {key.name}, {key.role}{f' of {department}' if department else ''}", err=True)
    typer.echo(token)


@app.command("list")
def list_() -> None:
    """Show every key, revoked ones too; secrets are not kept."""
    keys = Keyring(Settings().keys_file).list()
    rows = ((k.id, k.name, k.role, k.department or "", minute(k.created_at), minute(k.revoked_at)) for k in keys)
    show_table(("id", "name", "role", "department", "created (UTC)", "revoked (UTC)"), rows)


@app.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="The id that `hotline key list` shows.")]) -> None:
    """Revoke a key; a running API refuses it from the next request on."""
    key = Keyring(Settings().keys_file).revoke(key_id)
    typer.echo(f"key {key.id} of {key.name} is revoked")


def _code(department: str | None) -> str:
    """Return the code of the department. Raises KeyringError if it is missing or the catalogue does not have it."""
    try:
        return catalogue_in_force().code("department", department or "")
    except UnknownCode as unknown:
        given = "a crew's key needs --department" if department is None else f"--department {department!r}"
        raise KeyringError(f"{given}: {unknown}") from None
