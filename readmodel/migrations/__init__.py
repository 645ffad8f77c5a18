"""Alembic's migrations of the read model, packaged with it; `readmodel.migrate` runs them."""
