"""People (人员) and their API keys: written by commands, read by every API process as one directory.

A key is shown once, as `hk_<id>_<secret>`; SQL has the SHA-256 of the secret. The secret is 32 random bytes, so a slow
password hash would add nothing but load.
"""

import hashlib
import logging
import re
import secrets
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator
from sqlalchemy import Column, ForeignKey, Integer, Select, String, Table, exists, func, insert, or_, select, update

from domain.shared.actors import OWNERS, STAFF_ROLES, Person, Role, is_reserved
from domain.shared.errors import OperatorError
from domain.shared.phones import Phone
from domain.shared.value import INVISIBLE, Immutable, Instant
from readmodel.base.database import ReadConnection, WriteConnection, row, upsert
from readmodel.base.schema import CODE, PERSON, JsonOf, UtcDateTime, metadata

log = logging.getLogger("hotline.people")

TOKEN = re.compile(r"hk_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
TOKEN_SHAPE = "hk_, 8 hexadecimal digits, _ and 43 letters, digits, - or _"  # noqa: S105 - describes one, is none
_Row = TypeVar("_Row", bound=Immutable)
PeopleScope = Literal["all", "read", "board"]
"""Use of a key: for all that its person may do, for reading alone, or for a screen that shows the board alone."""
people = Table(
    "people",
    metadata,
    Column("id", PERSON, primary_key=True),
    Column("folded_id", PERSON, nullable=False, unique=True, comment="readmodel.people.people.folded"),
    Column("name", String(80), nullable=False),
    Column("role", CODE, nullable=False),
    Column("department", CODE),
    Column("districts", JsonOf(tuple[str, ...]), nullable=False),
    Column("phone", String(26), comment="The person's own, which gets no link to a caller's page."),
    Column("added_at", UtcDateTime, nullable=False),
    Column("left_at", UtcDateTime),
    Column("session_number", Integer, nullable=False, comment="Sessions with a lower one have ended."),
)
"""People of the company (人员). A row stays when its person leaves: the id is never given to another."""

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", CODE, primary_key=True),
    Column("person", PERSON, ForeignKey("people.id"), nullable=False, index=True),
    Column("secret_sha256", String(64), nullable=False),
    Column("scope", CODE, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
)

_AUTHORITY = ("role", "department", "districts", "left_at")
"""Fields of a person whose change ends the sessions."""


class PeopleError(OperatorError):
    """Error of an operation on people or keys; the text gives the reason and what is accepted."""


class Member(Person):
    """Person in the directory. Instants are UTC. No link to a caller's page goes to the person's own telephone."""

    added_at: Instant
    left_at: Instant | None = None
    phone: Phone | None = None
    session_number: int = 0  # of the sessions (会话) that go on

    @model_validator(mode="after")
    def _can_be_shown(self) -> Self:
        """Raise PeopleError if events could not show the person, or if nothing would bound what a crew may do."""
        if not any(character.isalnum() for character in self.id) or INVISIBLE.search(self.id):
            raise PeopleError(
                "the id of a person has a letter or digit, and nothing invisible; accepted: a staff number"
            )
        if is_reserved(self.folded_id):
            raise PeopleError(f"{self.id} stands for the service or a caller on events; accepted: the id of a person")
        if self.role not in STAFF_ROLES:
            raise PeopleError(f"nobody has the role {self.role}; accepted: {', '.join(sorted(STAFF_ROLES))}")
        if self.role is Role.CREW and self.department is None:
            raise PeopleError("a crew needs a department: without one it would act for all")
        return self

    @property
    def folded_id(self) -> str:
        return folded(self.id)

    @property
    def is_administrator(self) -> bool:
        return self.role is Role.ADMIN and self.left_at is None


class ApiKey(Immutable):
    """API key of a person. Instants are UTC; of `last_used_at`, the API notes one a minute."""

    id: str
    person: str
    secret_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    scope: PeopleScope = "all"
    created_at: Instant
    expires_at: Instant | None = None
    revoked_at: Instant | None = None
    last_used_at: Instant | None = None

    def is_live(self, at: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)

    def opens_with(self, secret: str) -> bool:
        return secrets.compare_digest(_digest(secret), self.secret_sha256)


class NamingFault(Exception):  # noqa: N818 - a refusal is an answer, and no error
    """Fault of a text that is to name an owner or assignee, and the people whom it names.

    `nobody` and `several` are of any text, `crew` of an owner, `elsewhere` of an assignee of no or another department.
    """

    def __init__(
        self, kind: Literal["nobody", "several", "crew", "elsewhere"], people: tuple[Member, ...] = ()
    ) -> None:
        super().__init__(kind)
        self.kind, self.people = kind, people


class Directory(Immutable):
    """All people and keys, also those who have left and what was revoked, in the order in which they were made."""

    people: tuple[Member, ...] = ()
    keys: tuple[ApiKey, ...] = ()

    def named(self, text: str) -> tuple[Member, ...]:
        """People whom an id, or else a shown name, means; without those who have left."""
        wanted = folded(text)
        # The id of somebody who has left is nobody else's name.
        by_id = [person for person in self.people if person.folded_id == wanted]
        found = by_id or [person for person in self.people if folded(person.name) == wanted]
        return tuple(person for person in found if person.left_at is None)

    def one(self, text: str) -> Member:
        """Raise NamingFault unless exactly one person is meant."""
        found = self.named(text)
        if len(found) != 1:
            raise NamingFault("several" if found else "nobody", found)
        return found[0]

    def owner(self, text: str) -> Member:
        """Person of no crew, as a crew works for its department. Raises NamingFault."""
        person = self.one(text)
        if person.role not in OWNERS:
            raise NamingFault("crew", (person,))
        return person

    def assignee(self, text: str, department: str | None) -> Member:
        """Person of this department, or of any if it is None. Raises NamingFault."""
        person = self.one(text)
        if person.department is None or department not in (None, person.department):
            raise NamingFault("elsewhere", (person,))
        return person

    def has_had(self, text: str) -> bool:
        """Return True if this is the id or name of a person, also of one who has left, or reserved for the service."""
        wanted = folded(text)
        return is_reserved(wanted) or any(wanted in (each.folded_id, folded(each.name)) for each in self.people)


def directory(connection: ReadConnection) -> Directory:
    """Leave out rows that cannot be read: their people and keys open nothing."""
    # First: on PostgreSQL each statement sees what was committed by then, and no key comes before its person.
    keys = tuple(_readable(connection, ApiKey, api_keys, api_keys.c.created_at))
    return Directory(people=tuple(_readable(connection, Member, people, people.c.added_at)), keys=keys)


def restore(connection: WriteConnection, kept: Directory) -> int:
    """Write the people and keys of a directory if SQL has none, as after its loss; return the number of people."""
    if not kept.people or has_people(connection):
        return 0
    upsert(connection, people, [row(people, person) for person in kept.people])
    upsert(connection, api_keys, [row(api_keys, key) for key in kept.keys])
    return len(kept.people)


def has_people(connection: ReadConnection) -> bool:
    """Return True if there is a person, also one who has left."""
    return bool(connection.scalar(select(exists().select_from(people))))


def add(connection: WriteConnection, person: Person, at: datetime, phone: str | None = None) -> Member:
    """Add a person. Raises PeopleError: the id is taken or cannot be shown, or the role needs a department."""
    member = Member(**person.model_dump(), added_at=at, phone=phone)
    if known := find(connection, person.id):
        taken = f"{known.id} is {known.name}, {known.role}{f' of {known.department}' if known.department else ''}"
        raise PeopleError(f"{taken}; accepted: another id, or `hotline person change`")
    connection.execute(insert(people), [row(people, member)])
    return member


def add_if_new(connection: WriteConnection, person: Person, at: datetime) -> Member:
    """Add a person, unless the very same is there. Raises PeopleError if another has the id, or role or department."""
    known = find(connection, person.id)
    same = known and (known.role, known.department) == (person.role, person.department) and known.left_at is None
    return known if known and same else add(connection, person, at)


def change(connection: WriteConnection, person_id: str, **changes: Any) -> Member:  # noqa: ANN401 - values of its fields
    """Change what is known of a person; the id stays. `left_at=None` takes back who had left.

    Another role, department or district ends the sessions. Raises PeopleError, also for the last administrator, and
    ValidationError for a name that cannot be shown.
    """
    known = get(connection, person_id)
    member = Member.model_validate({**known.model_dump(), **changes})
    if known.is_administrator and not member.is_administrator:
        others = people.c.left_at.is_(None) & (people.c.role == Role.ADMIN) & (people.c.id != member.id)
        if not connection.scalar(select(exists().where(others))):
            raise PeopleError(
                f"{member.id} is the last administrator; accepted: somebody else, or add another one first"
            )
    if any(getattr(known, name) != getattr(member, name) for name in _AUTHORITY):
        member = member.model_copy(update={"session_number": known.session_number + 1})
    upsert(connection, people, [row(people, member)])
    return member


def end_sessions(connection: WriteConnection, person_id: str) -> None:
    """End all sessions of a person, given by the id as it is written."""
    ended = update(people).values(session_number=people.c.session_number + 1)
    connection.execute(ended.where(people.c.id == person_id))


def leave(connection: WriteConnection, person_id: str, at: datetime) -> Member:
    """Revoke the keys as well; once more changes nothing. The id is never given to another.

    Raises PeopleError, also for the last administrator.
    """
    member = change(connection, person_id, left_at=get(connection, person_id).left_at or at)
    _revoke_keys(connection, member, at)
    return member


def _revoke_keys(connection: WriteConnection, person: Member, at: datetime) -> None:
    live = (api_keys.c.person == person.id) & api_keys.c.revoked_at.is_(None)
    connection.execute(update(api_keys).where(live).values(revoked_at=at))


def get(connection: WriteConnection, person_id: str) -> Member:
    """Find by the id, whatever its case and width. Raises PeopleError."""
    if found := find(connection, person_id):
        return found
    raise PeopleError(f"there is no person {person_id!r}; accepted: an id that `hotline person list` shows")


def create_key(
    connection: WriteConnection,
    person_id: str,
    at: datetime,
    *,
    scope: PeopleScope = "all",
    expires_at: datetime | None = None,
    replaces: bool = False,
) -> tuple[ApiKey, str]:
    """Add a key for a person, which expires at an instant, or never; return it and its text, which is not stored.

    `replaces`: revoke the person's other keys, and end the sessions. Raises PeopleError: there is no such person, or
    the person has left.
    """
    person = get(connection, person_id)
    if person.left_at is not None:
        raise PeopleError(f"{person.id} has left; accepted: a person who has not; `hotline person back` takes back")
    if replaces:
        _revoke_keys(connection, person, at)
        end_sessions(connection, person.id)
    secret = secrets.token_urlsafe(32)
    key = ApiKey(
        id=secrets.token_hex(4),
        person=person.id,
        secret_sha256=_digest(secret),
        scope=scope,
        created_at=at,
        expires_at=expires_at,
    )
    # An id that is taken by chance, one time in a million keys, is refused by its constraint.
    connection.execute(insert(api_keys), [row(api_keys, key)])
    return key, f"hk_{key.id}_{secret}"


def issue(connection: WriteConnection, person: Person, at: datetime, **key: Any) -> tuple[ApiKey, str]:  # noqa: ANN401 - as `create_key`
    """Add a person who is not there yet, and a key; see `add_if_new` and `create_key`. Raises PeopleError."""
    return create_key(connection, add_if_new(connection, person, at).id, at, **key)


def rotate_key(connection: WriteConnection, key_id: str, at: datetime, until: datetime) -> tuple[ApiKey, str]:
    """Add a key like this one, let this one expire at `until`, and end the sessions. Raises PeopleError."""
    old = get_key(connection, key_id)
    if not old.is_live(at):
        raise PeopleError(f"the key {old.id} is not valid any more; accepted: a live one, or `hotline key create`")
    lasts = old.expires_at and at + (old.expires_at - old.created_at)
    made = create_key(connection, old.person, at, scope=old.scope, expires_at=lasts)
    ends_at = min(until, old.expires_at or until)
    connection.execute(update(api_keys).where(api_keys.c.id == old.id).values(expires_at=ends_at))
    end_sessions(connection, old.person)
    return made


def revoke_key(connection: WriteConnection, key_id: str, at: datetime) -> ApiKey:
    """Revoke a key from now on, and end its person's sessions; once more changes nothing. Raises PeopleError."""
    key = get_key(connection, key_id)
    if key.revoked_at is None:
        end_sessions(connection, key.person)
        connection.execute(update(api_keys).where(api_keys.c.id == key.id).values(revoked_at=at))
        key = key.model_copy(update={"revoked_at": at})
    return key


def get_key(connection: WriteConnection, key_id: str) -> ApiKey:
    """Raise PeopleError if there is no such key."""
    if found := _only(connection, ApiKey, select(api_keys).where(api_keys.c.id == key_id), f"the key {key_id!r}"):
        return found
    raise PeopleError(f"there is no key {key_id!r}; accepted: an id that `hotline key list` shows")


def note_used(connection: WriteConnection, used: Mapping[str, datetime]) -> None:
    """Note when keys were used last; another process may have noted a later use."""
    # In one order: two processes that lock the same rows must not wait for each other.
    for key_id, at in sorted(used.items()):
        earlier = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < at)
        connection.execute(update(api_keys).where(api_keys.c.id == key_id, earlier).values(last_used_at=at))


def folded(text: str) -> str:
    """Id or name without differences of case, width and encoding of accents."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def find(connection: ReadConnection, person_id: str) -> Member | None:
    """Find by the id, whatever its case and width. Raises PeopleError for an unreadable row."""
    statement = select(people).where(people.c.folded_id == folded(person_id))
    return _only(connection, Member, statement, f"{person_id!r} in people")


def _only(connection: ReadConnection, kind: type[_Row], statement: Select[Any], name: str) -> _Row | None:
    """None without a row. Raises PeopleError if it cannot be read."""
    try:
        found = connection.execute(statement).mappings().one_or_none()
        return None if found is None else kind.model_validate(found)
    except (ValueError, TypeError, PeopleError) as error:
        raise PeopleError(f"the row of {name} cannot be read; mend it in SQL: {_in_one_line(error)}") from error


def _readable(connection: ReadConnection, kind: type[_Row], table: Table, order: Column[Any]) -> list[_Row]:
    """Leave out rows that another release or somebody's SQL has made unreadable."""
    try:
        rows = connection.execute(select(table).order_by(order, table.c.id)).mappings()
        return [kind.model_validate(row) for row in rows]
    except Exception as error:  # noqa: BLE001 - of any type: the driver's, a column's, ours
        log.warning("people and keys are read one by one: %s", type(error).__name__)
    found = []
    # One bad value fails the whole statement, an id as well; whom it is about must not decide for all others.
    for place in range(connection.scalar(select(func.count()).select_from(table)) or 0):
        try:
            one = select(table).order_by(table.c.id).limit(1).offset(place)
            found.append(kind.model_validate(connection.execute(one).mappings().one()))
        except Exception as error:  # noqa: BLE001 - as above
            log.error("the row %d by id of %s cannot be read: %s", place + 1, table.name, _in_one_line(error))  # noqa: TRY400 - one line will do
    return found


def _in_one_line(error: Exception) -> str:
    return str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error).partition("\n")[0]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
