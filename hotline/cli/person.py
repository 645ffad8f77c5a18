"""The commands `hotline person`, of the people who act on cases, and `hotline handover` of all open cases of one."""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from domain.case.bulk import Handover, HandoverProgress
from domain.rights.rights import RIGHT_TO_HAND_OVER
from domain.shared.actors import OWNERS, Person, Role, StaffRole
from domain.shared.codes import CodeKind, UnknownCode
from domain.shared.explain import message
from hotline.cli.shared import catalogue_in_force, minute, reaching_both, reading_sql, show_table, writing_sql
from hotline.settings import Settings
from readmodel.people import people
from readmodel.people.people import PeopleError
from readmodel.people.workload import assigned_to, begin_handover, count_owned

app = typer.Typer(name="person", no_args_is_help=True, help="The people of the company, who act on cases.")
handovers = typer.Typer()

PersonId = Annotated[str, typer.Argument(help="The id that `hotline person list` shows.")]
Department = Annotated[str | None, typer.Option(help="Department, by code or name; a crew needs one.")]
LeaveCases = Annotated[bool, typer.Option("--leave-cases", help="Also if the person owns open cases.")]
Districts = Annotated[
    list[str] | None, typer.Option("--district", help="District of the person's work, by code or name; repeatable.")
]
Telephone = Annotated[str | None, typer.Option("--phone", help="Own telephone: no link to a caller's page goes to it.")]


@app.command("add")
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


@app.command("list")
def list_() -> None:
    """Show all people, also those who have left."""
    with reading_sql() as connection:
        found = people.directory(connection).people
    rows = ((p.id, p.name, p.role, p.department or "", " ".join(p.districts), minute(p.left_at)) for p in found)
    show_table(("id", "name", "role", "department", "districts", "left (UTC)"), rows)


@app.command("change")
def change(  # noqa: PLR0913 - an argument for each option
    person_id: PersonId,
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
    changes: dict[str, Any] = {"role": role, "name": name, "phone": phone, **_codes(department, district or ())}
    changes = {field: value for field, value in changes.items() if value}
    if department == "":
        changes["department"] = None
    if phone == "":
        changes["phone"] = None
    if everywhere:
        changes["districts"] = ()
    with named_faults(), writing_sql() as connection:
        found = people.change(connection, person_id, **changes)
        if role and found.role is Role.CREW and not leave_cases and (owned := count_owned(connection, found.id)):
            raise cases_left(found.id, owned)
    typer.echo(f"{found.id}: {found.name}, {found.role}")


@app.command("back")
def back(person_id: PersonId) -> None:
    """Take back a person who had left. Keys that were revoked stay revoked."""
    with writing_sql() as connection:
        if people.get(connection, person_id).left_at is None:
            raise PeopleError(f"{person_id} has not left; accepted: a person who has")
        found = people.change(connection, person_id, left_at=None)
    typer.echo(f"{found.id} is back: {found.name}, {found.role}; `hotline key create` makes a key")


@app.command("leave")
def leave(person_id: PersonId, leave_cases: LeaveCases = False) -> None:
    """Note that a person has left: every key is revoked, and nobody else ever gets the id."""
    now = datetime.now(UTC)
    with writing_sql() as connection:
        left = people.leave(connection, person_id, now)
        owned, assigned = count_owned(connection, left.id), len(assigned_to(connection, left.id))
        if owned and left.left_at == now and not leave_cases:
            raise cases_left(left.id, owned)
    typer.echo(f"{left.id} has left; open cases to hand over: {owned}, to assign to another: {assigned}")


def cases_left(person_id: str, owned: int) -> PeopleError:
    """Return the error of a person who could not act on the own cases any more. Raised in a transaction, it undoes."""
    first = f"`hotline handover {person_id} TO --reason TEXT --as PERSON`, or POST /v1/handovers"
    return PeopleError(
        f"{person_id} owns {owned} open case{'s' if owned > 1 else ''}, on which nobody could act as the owner;"
        f" accepted: {first} first, or --leave-cases"
    )


def checked(person_id: str, name: str, role: StaffRole, department: str | None, districts: Sequence[str]) -> Person:
    """Return the person. Raises PeopleError if an id or name cannot be shown, or a code is not in the catalogue."""
    codes = _codes(department, districts)
    with named_faults():
        return Person(id=person_id, name=name, role=role, **codes)


@contextmanager
def named_faults() -> Iterator[None]:
    """Raise PeopleError for a field that is not valid."""
    try:
        yield
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise PeopleError(f"{fault['loc'][0]} {fault['input']!r}: {message(fault)}") from error


def _codes(department: str | None, districts: Sequence[str]) -> dict[str, Any]:
    if not department and not districts:
        return {}
    catalogue = catalogue_in_force()

    def code(kind: CodeKind, given: str) -> str:
        try:
            return catalogue.code(kind, given)
        except UnknownCode as unknown:
            raise PeopleError(f"--{kind} {given!r}: {unknown}") from None

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
