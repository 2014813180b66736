"""What Alembic runs: with the connection of the store, or, offline, as text for a database administrator."""

from alembic import context

from medanomaly.store.schema import metadata

if context.is_offline_mode():
    context.configure(
        dialect_name=context.config.attributes.get("dialect", "oracle"),
        target_metadata=metadata,
        literal_binds=True,
        output_buffer=context.config.output_buffer,
    )
else:
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        # SQLite changes tables in transactions as well
        transactional_ddl=True,
    )
with context.begin_transaction():
    context.run_migrations()
