"""The directory of people for tests: as `hotline person` and `hotline key` change it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.shared.actors import Person, Role
from readmodel.base.database import WriteConnection, engine, writing
from readmodel.migrate import migrate
from readmodel.people import people
from readmodel.people.people import ApiKey, Member


class Directory:
    """People and keys in the database of this URL."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        migrate(database_url)

    def enter(self, person: str, role: Role, department: str | None = None, **more: Any) -> str:
        """Add a person who is not there yet, and return the text of a new key."""
        return self.issue(person, role, department, **more)[1]

    def enter_all(self, everybody: Mapping[str, tuple[Role, str | None]]) -> dict[str, str]:
        """Add people by role and department in one transaction, and return the texts of their keys."""
        now = datetime.now(UTC)
        with self._written() as sql:
            return {
                name: people.issue(sql, Person(id=name, name=name, role=role, department=department), now)[1]
                for name, (role, department) in everybody.items()
            }

    def issue(
        self, person: str, role: Role, department: str | None = None, name: str | None = None, **key: Any
    ) -> tuple[ApiKey, str]:
        """Add a person who is not there yet, and a key."""
        entry = Person(id=person, name=name or person, role=role, department=department)
        with self._written() as sql:
            return people.issue(sql, entry, datetime.now(UTC), **key)

    def change(self, person: str, **changes: Any) -> Member:
        with self._written() as sql:
            return people.change(sql, person, **changes)

    def leave(self, person: str) -> Member:
        with self._written() as sql:
            return people.leave(sql, person, datetime.now(UTC))

    def revoke(self, key_id: str) -> ApiKey:
        with self._written() as sql:
            return people.revoke_key(sql, key_id, datetime.now(UTC))

    def rotate(self, key_id: str, hours: float) -> str:
        """Return the text of the key that takes the place of another, which goes on for some hours."""
        with self._written() as sql:
            now = datetime.now(UTC)
            return people.rotate_key(sql, key_id, now, now + timedelta(hours=hours))[1]

    def read(self) -> people.Directory:
        with self._written() as sql:
            return people.directory(sql)

    @contextmanager
    def _written(self) -> Iterator[WriteConnection]:
        database = engine(self._url)
        try:
            with writing(database) as connection:
                yield connection
        finally:
            database.dispose()
