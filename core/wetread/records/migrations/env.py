"""Alembic's entry: migrates over the connection that `records.database` has open, in its transaction."""

from __future__ import annotations

from alembic import context

from wetread.records.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
context.run_migrations()
