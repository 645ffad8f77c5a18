"""The commands `hotline key`: API keys, with which people act over HTTP."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from domain.shared.actors import Role, StaffRole
from hotline.cli import person
from hotline.cli.shared import minute, reading_sql, show_table, writing_sql
from hotline.files.data_folder import write_private
from hotline.settings import Settings
from readmodel.base.database import WriteConnection
from readmodel.people import people
from readmodel.people.people import PeopleScope
from readmodel.people.workload import count_owned

app = typer.Typer(name="key", no_args_is_help=True, help="API keys of people.")

KeyId = Annotated[str, typer.Argument(help="The id that `hotline key list` shows.")]
ADMIN = "admin"
"""Id of the administrator whose key `hotline key admin` writes."""


@app.command("create")
def create(  # noqa: PLR0913 - an argument for each option
    person_id: Annotated[str, typer.Argument(metavar="PERSON", help="Id of the person who acts with the key.")],
    *,
    role: Annotated[StaffRole | None, typer.Option(help="Adds the person in this role, if there is none yet.")] = None,
    department: person.Department = None,
    scope: Annotated[PeopleScope, typer.Option(help="What the key is good for.")] = "all",
    expires: Annotated[int | None, typer.Option(min=1, max=3650, help="Days until the key expires.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Revoke the person's other keys.")] = False,
    leave_cases: person.LeaveCases = False,
) -> None:
    """Create a key and print it. It cannot be shown again."""
    now = datetime.now(UTC)
    added = person.checked(person_id, person_id, role, department, ()) if role else None
    expires_at = now + timedelta(days=expires) if expires else None
    with writing_sql() as connection:
        if added:
            person_id = people.add_if_new(connection, added, now).id
        key, token = people.create_key(connection, person_id, now, scope=scope, expires_at=expires_at, replaces=replace)
        if replace and not leave_cases:
            _keep_an_owner(connection, key.person, now)
    typer.echo(f"key {key.id} for {key.person}", err=True)
    typer.echo(token)


@app.command("list")
def list_() -> None:
    """Show every key, also those that are valid no more; secrets are not kept."""
    with reading_sql() as connection:
        keys = people.directory(connection).keys
    instants = ("created", "expires", "revoked", "last_used")
    rows = ((k.id, k.person, k.scope, *(minute(getattr(k, f"{name}_at")) for name in instants)) for k in keys)
    columns = (f"{name.replace('_', ' ')} (UTC)" for name in instants)
    show_table(("id", "person", "scope", *columns), rows)


@app.command("rotate")
def rotate(
    key_id: KeyId,
    hours: Annotated[int, typer.Option(min=0, max=720, help="Hours for which the old key stays valid.")] = 24,
) -> None:
    """Print a new key for the same person and scope; the old one stays valid for some hours."""
    now = datetime.now(UTC)
    with writing_sql() as connection:
        key, token = people.rotate_key(connection, key_id, now, now + timedelta(hours=hours))
    typer.echo(f"key {key.id} for {key.person}; {key_id} stays valid for {hours} hours at most", err=True)
    typer.echo(token)


@app.command("revoke")
def revoke(key_id: KeyId, leave_cases: person.LeaveCases = False) -> None:
    """Revoke a key; every API process refuses it within HOTLINE_PEOPLE_SECONDS."""
    now = datetime.now(UTC)
    with writing_sql() as connection:
        key = people.revoke_key(connection, key_id, now)
        if key.revoked_at == now and not leave_cases:
            _keep_an_owner(connection, key.person, now)
    typer.echo(f"key {key.id} of {key.person} is revoked")


@app.command("admin")
def admin(
    file: Annotated[Path | None, typer.Argument(help="The private file of the key; default: admin.key.")] = None,
) -> None:
    """Write a key into the administrator's file, if no administrator has one. `hotline up` does so at each start."""
    now = datetime.now(UTC)
    with writing_sql() as connection:
        found = people.directory(connection)
        chiefs = {each.id for each in found.people if each.role is Role.ADMIN and each.left_at is None}
        if any(key.person in chiefs and key.scope == "all" and key.is_live(now) for key in found.keys):
            return
        if chiefs and ADMIN not in chiefs:
            typer.echo(f"no administrator has a key; accepted: hotline key create {min(chiefs)}", err=True)
            return
        _, token = people.issue(connection, person.checked(ADMIN, ADMIN, Role.ADMIN, None, ()), now)
        # Written before the commit: a key that is in SQL alone could not be used by anybody.
        write_private(file or Settings().data_dir / "admin.key", f"{token}\n")


def _keep_an_owner(connection: WriteConnection, person_id: str, now: datetime) -> None:
    """Raise PeopleError if a person owns open cases and has no key any more with which to act on them."""
    keys = people.directory(connection).keys
    can_act = any(key.person == person_id and key.scope == "all" and key.is_live(now) for key in keys)
    if not can_act and (owned := count_owned(connection, person_id)):
        raise person.cases_left(person_id, owned)
