"""The tables. Times are UTC as ISO 8601 text with microseconds: equal on every database, and sortable.

`jobs`, `job_events` and `job_files` belong to service.queue, `case_leases` to service.worklist, `audit` to
service.access.audit, `ledger` and `ledger_blobs` to review.ledger, `outbox` to archive.outbox. A change here needs a
migration in `migrations/versions`; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text

METADATA = MetaData()
NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only INTEGER primary keys by itself

JOBS = Table(
    "jobs", METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("uid", String(64), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("request", Text, nullable=False),
    Column("created", String(32), nullable=False),
    Column("not_before", String(32), nullable=False),
    Column("started", String(32)),
    Column("finished", String(32)),
    Column("worker", String(200)),
    Column("lease_until", String(32)),
    Column("attempts", Integer, nullable=False),
    Column("cancel", Integer, nullable=False),
    Column("stage", String(64), nullable=False),
    Column("progress", Float, nullable=False),
    Column("text", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("result", Text),
    Index("jobs_waiting", "state", "priority", "number"),
)  # fmt: skip

JOB_EVENTS = Table(
    "job_events", METADATA,
    Column("job", String(64), ForeignKey("jobs.uid", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("data", Text, nullable=False),
)  # fmt: skip

JOB_FILES = Table(
    "job_files", METADATA,
    Column("job", String(64), ForeignKey("jobs.uid", ondelete="CASCADE"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)  # fmt: skip

CASE_LEASES = Table(
    "case_leases", METADATA,
    Column("series_uid", String(64), primary_key=True),
    Column("study_uid", String(64), nullable=False),
    Column("login", String(200), nullable=False),
    Column("until", String(32), nullable=False),
)  # fmt: skip

LEDGER = Table(
    "ledger", METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("recorded", String(32), nullable=False),
    Column("study_uid", String(64), nullable=False),
    Column("read_uid", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Index("ledger_of_study", "study_uid", "number"),
    Index("ledger_of_read", "read_uid", "number"),
)  # fmt: skip

LEDGER_BLOBS = Table(
    "ledger_blobs", METADATA,
    Column("hash", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)  # fmt: skip

OUTBOX = Table(
    "outbox", METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("archive", String(500), nullable=False),
    Column("bundle", String(64), nullable=False),
    Column("position", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("study_uid", String(64), nullable=False),
    Column("series_uid", String(64), nullable=False),
    Column("sop_instance_uid", String(64), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", String(32), nullable=False),
    Column("lease_until", String(32)),
    Column("created", String(32), nullable=False),
    Column("finished", String(32)),
    Index("outbox_waiting", "state", "number"),
    Index("outbox_object", "archive", "sop_instance_uid", unique=True),
)  # fmt: skip

AUDIT = Table(
    "audit", METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("moment", String(32), nullable=False),
    Column("login", String(100), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Index("audit_of_login", "login", "number"),
    Index("audit_of_subject", "subject", "number"),
)  # fmt: skip
