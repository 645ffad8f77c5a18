"""Entry of Alembic. It runs in the transaction that `readmodel.migrate` passes."""

from alembic import context

from readmodel.migrate import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("run migrations by readmodel.migrate.migrate(url), or `hotline migrate`")
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
