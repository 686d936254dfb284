"""What must survive a restart: the database of jobs, ledger and outbox, and nothing about what they mean.

SQLite in one file by default, PostgreSQL by URL; both through SQLAlchemy Core, both migrated by Alembic.
"""
