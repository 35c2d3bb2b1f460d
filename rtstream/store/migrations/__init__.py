"""Schema changes of the database, as Alembic migrations. How to add one: docs/developers/migrations.md."""
