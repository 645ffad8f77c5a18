"""The commands `hotline person` and `key`, of people and their API keys, and `hotline handover` of open cases."""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from domain.case.bulk import Handover, HandoverProgress
from domain.rights.rights import RIGHT_TO_HAND_OVER
from domain.shared.actors import OWNERS, Person, Role, StaffRole
from domain.shared.codes import UnknownCode
from domain.shared.errors import message
from hotline.cli.shared import catalogue_in_force, minute, reaching_both, reading_sql, show_table, writing_sql
from hotline.files.data_folder import write_private
from hotline.settings import Settings
from readmodel.base.database import WriteConnection
from readmodel.people import people
from readmodel.people.people import PeopleError, PeopleScope
from readmodel.people.workload import assigned_to, begin_handover, count_owned

persons = typer.Typer(name="person", no_args_is_help=True, help="The people of the company, who act on cases.")
keys = typer.Typer(name="key", no_args_is_help=True, help="API keys of people.")
handovers = typer.Typer()

ADMIN = "admin"
"""Id of the administrator whose key `hotline key admin` writes."""
PersonArgument = Annotated[str, typer.Argument(help="The id that `hotline person list` shows.")]
KeyId = Annotated[str, typer.Argument(help="The id that `hotline key list` shows.")]
Department = Annotated[str | None, typer.Option(help="Department, by code or name; a crew needs one.")]
LeaveCases = Annotated[bool, typer.Option("--leave-cases", help="Also if the person owns open cases.")]
Districts = Annotated[
    list[str] | None, typer.Option("--district", help="District of the person's work, by code or name; repeatable.")
]
Telephone = Annotated[str | None, typer.Option("--phone", help="Own telephone: no link to a caller's page goes to it.")]


@persons.command("add")
def add(
    person_id: Annotated[str, typer.Argument(metavar="ID", help="Staff number or login; it never changes.")],
    role: Annotated[StaffRole, typer.Option(help="Role of the person.")],
    name: Annotated[str | None, typer.Option(help="Name as it is shown; by default the id.")] = None,
    department: Department = None,
    district: Districts = None,
    phone: Telephone = None,
) -> None:
    """Add a person. `hotline key create` makes a key; with OIDC none is needed."""
    person = checked(person_id, name or person_id, role, department, district or ())
    with named_faults(), writing_sql() as connection:
        people.add(connection, person, datetime.now(UTC), phone)
    typer.echo(f"{person.id}: {person.name}, {person.role}")


@persons.command("list")
def list_people() -> None:
    """Show all people, also those who have left."""
    with reading_sql() as connection:
        found = people.directory(connection).people
    rows = ((p.id, p.name, p.role, p.department or "", " ".join(p.districts), minute(p.left_at)) for p in found)
    show_table(("id", "name", "role", "department", "districts", "left (UTC)"), rows)


@persons.command("change")
def change(  # noqa: PLR0913 - an argument for each option
    person_id: PersonArgument,
    *,
    role: Annotated[StaffRole | None, typer.Option(help="Another role.")] = None,
    name: Annotated[str | None, typer.Option(help="Another shown name.")] = None,
    department: Department = None,
    district: Districts = None,
    phone: Telephone = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="No districts any more.")] = False,
    leave_cases: LeaveCases = False,
) -> None:
    """Change a person. Keys stay valid, and act for the person as changed. `""` takes a department or telephone away.

    A person who owns open cases does not become a crew.
    """
    with named_faults():
        given: dict[str, Any] = {"role": role, "name": name or None, "department": department, "phone": phone}
        given |= _codes(department, district or ())
        changes = {field: value or None for field, value in given.items() if value not in (None, ())}
        if everywhere:
            changes["districts"] = ()
        with writing_sql() as connection:
            found = people.change(connection, person_id, **changes)
            if role and found.role is Role.CREW and not leave_cases:
                _require_no_cases(connection, found.id)
    typer.echo(f"{found.id}: {found.name}, {found.role}")


@persons.command("back")
def back(person_id: PersonArgument) -> None:
    """Take back a person who had left. Keys that were revoked stay revoked."""
    with writing_sql() as connection:
        if people.get(connection, person_id).left_at is None:
            raise PeopleError(f"{person_id} has not left; accepted: a person who has")
        found = people.change(connection, person_id, left_at=None)
    typer.echo(f"{found.id} is back: {found.name}, {found.role}; `hotline key create` makes a key")


@persons.command("leave")
def leave(person_id: PersonArgument, leave_cases: LeaveCases = False) -> None:
    """Note that a person has left: every key is revoked, and nobody else ever gets the id."""
    now = datetime.now(UTC)
    with writing_sql() as connection:
        left = people.leave(connection, person_id, now)
        if left.left_at == now and not leave_cases:
            _require_no_cases(connection, left.id)
        owned, assigned = count_owned(connection, left.id), len(assigned_to(connection, left.id))
    typer.echo(f"{left.id} has left; open cases to hand over: {owned}, to assign to another: {assigned}")


@keys.command("create")
def create(  # noqa: PLR0913 - an argument for each option
    person_id: Annotated[str, typer.Argument(metavar="PERSON", help="Id of the person who acts with the key.")],
    *,
    role: Annotated[StaffRole | None, typer.Option(help="Adds the person in this role, if there is none yet.")] = None,
    department: Department = None,
    scope: Annotated[PeopleScope, typer.Option(help="What the key is good for.")] = "all",
    expires: Annotated[int | None, typer.Option(min=1, max=3650, help="Days until the key expires.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Revoke the person's other keys.")] = False,
    leave_cases: LeaveCases = False,
) -> None:
    """Create a key and print it. It cannot be shown again."""
    now = datetime.now(UTC)
    added = checked(person_id, person_id, role, department, ()) if role else None
    expires_at = now + timedelta(days=expires) if expires else None
    with writing_sql() as connection:
        person_id = people.add_if_new(connection, added, now).id if added else person_id
        key, token = people.create_key(connection, person_id, now, scope=scope, expires_at=expires_at, replaces=replace)
        if replace and not leave_cases:
            _require_key_or_no_cases(connection, key.person, now)
    typer.echo(f"key {key.id} for {key.person}", err=True)
    typer.echo(token)


@keys.command("list")
def list_keys() -> None:
    """Show every key, also those that are valid no more; secrets are not kept."""
    with reading_sql() as connection:
        keys = people.directory(connection).keys
    instants = ("created", "expires", "revoked", "last_used")
    rows = ((k.id, k.person, k.scope, *(minute(getattr(k, f"{name}_at")) for name in instants)) for k in keys)
    show_table(("id", "person", "scope", *(f"{name.replace('_', ' ')} (UTC)" for name in instants)), rows)


@keys.command("rotate")
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


@keys.command("revoke")
def revoke(key_id: KeyId, leave_cases: LeaveCases = False) -> None:
    """Revoke a key; every API process refuses it within HOTLINE_PEOPLE_SECONDS."""
    now = datetime.now(UTC)
    with writing_sql() as connection:
        key = people.revoke_key(connection, key_id, now)
        if key.revoked_at == now and not leave_cases:
            _require_key_or_no_cases(connection, key.person, now)
    typer.echo(f"key {key.id} of {key.person} is revoked")


@keys.command("admin")
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
        _, token = people.issue(connection, checked(ADMIN, ADMIN, Role.ADMIN, None, ()), now)
        # Written before the commit: a key that is in SQL alone could not be used by anybody.
        write_private(file or Settings().data_dir / "admin.key", f"{token}\n")


def _require_key_or_no_cases(connection: WriteConnection, person_id: str, now: datetime) -> None:
    """Raise PeopleError if a person owns open cases and has no key any more with which to act on them."""
    found = people.directory(connection).keys
    if not any(key.person == person_id and key.scope == "all" and key.is_live(now) for key in found):
        _require_no_cases(connection, person_id)


def _require_no_cases(connection: WriteConnection, person_id: str) -> None:
    """Raise PeopleError, which undoes the transaction, if a person owns open cases, on which nobody could act."""
    if owned := count_owned(connection, person_id):
        first = f"`hotline handover {person_id} TO --reason TEXT --as PERSON`, or POST /v1/handovers"
        raise PeopleError(
            f"{person_id} owns {owned} open case{'s' if owned > 1 else ''}, on which nobody could act as the owner;"
            f" accepted: {first} first, or --leave-cases"
        )


def checked(person_id: str, name: str, role: StaffRole, department: str | None, districts: Sequence[str]) -> Person:
    """Raise PeopleError if an id or name cannot be shown, or a code is not in the catalogue."""
    with named_faults():
        return Person(id=person_id, name=name, role=role, **_codes(department, districts))


@contextmanager
def named_faults() -> Iterator[None]:
    """Raise PeopleError for a field that is not valid, or a code that is not in the catalogue."""
    try:
        yield
    except UnknownCode as unknown:
        raise PeopleError(f"--{unknown.kind} {unknown.code!r}: {unknown}") from None
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise PeopleError(f"{fault['loc'][0]} {fault['input']!r}: {message(fault)}") from error


def _codes(department: str | None, districts: Sequence[str]) -> dict[str, Any]:
    if not department and not districts:
        return {}
    code = catalogue_in_force().code
    found = {"department": department and code("department", department)}
    return found | {"districts": tuple(code("district", each) for each in districts)}


@handovers.command("handover")
def handover(
    previous_owner: Annotated[str, typer.Argument(metavar="FROM", help="Id of the owner, who may have left.")],
    owner: Annotated[str, typer.Argument(metavar="TO", help="Id of the new owner, a person of no crew.")],
    reason: Annotated[str, typer.Option(help="Reason; it stands on the timeline of each case.")],
    by: Annotated[str, typer.Option("--as", help="Id of the supervisor or administrator who orders it.")],
) -> None:
    """Hand over all open cases of a person, and wait for the end; it does not depend on this command."""
    with writing_sql() as connection:
        known, to, actor = (people.get(connection, each) for each in (previous_owner, owner, by))
        if to.left_at or to.role not in OWNERS or to.id == known.id:
            gets_none = f"{to.id} cannot get the cases of {known.id}"
            raise PeopleError(f"{gets_none}; accepted: another person of no crew, at work")
        if actor.left_at or actor.role not in RIGHT_TO_HAND_OVER.reach:
            accepted = " or ".join(sorted(RIGHT_TO_HAND_OVER.reach))
            raise PeopleError(f"{actor.id} hands no cases over; accepted: {accepted}, at work")
        with named_faults():
            order = Handover(
                id=uuid.uuid4().hex,
                previous_owner=known.id,
                owner=to.id,
                people=to.actor.people,
                reason=reason,
                actor=actor.actor,
            )
        begin_handover(connection, order, datetime.now(UTC))
    with reaching_both(f"handover-{order.id} may be under way; see the Temporal UI"):
        done = asyncio.run(_hand_over(order))
    typer.echo(f"handed over: {done.handed_over}; refused: {len(done.refused)}")
    for number, why in done.refused.items():
        typer.echo(f"  {number}: {why}")


async def _hand_over(order: Handover) -> HandoverProgress:
    from hotline.installation import connect_to_own
    from workflows.bulk import HandoverStart
    from workflows.clients.bulk import start_handover
    from workflows.clients.start import Request

    settings = Settings()
    start, request = HandoverStart.of(order), Request(key=order.id)
    return await (await start_handover(await connect_to_own(settings), settings.task_queue, start, request)).result()
