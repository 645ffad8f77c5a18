"""The schema that migrations lead to is the one that the tables declare."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from readmodel.database import engine, reading
from readmodel.migrate import migrate
from readmodel.tables import POSTGRESQL_ONLY, metadata


def test_migrated_schema_is_the_declared_one(database_url: str) -> None:
    migrate(database_url)
    database = engine(database_url)
    with reading(database) as connection:
        missing = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
        if connection.dialect.name == "sqlite":
            missing = [change for change in missing if change[1].name not in POSTGRESQL_ONLY]
        assert missing == []
    database.dispose()
