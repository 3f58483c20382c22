"""Alembic's entry: run the migrations over the connection that `avsearch.catalog.migrate` hands in."""

from alembic import context

from avsearch.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
