"""The audit log: who read, decided, exported or administered what, and whether it was allowed. UIDs, never names.

Written beside the ordinary log, which holds none of it. Looking at the page's own parts and at the state of a job is
not worth an entry; looking at a patient's images and results is.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from wetread.records.database import NotRecorded
from wetread.records.tables import AUDIT
from wetread.records.times import stamp

if TYPE_CHECKING:
    from wetread.records.database import Database
    from wetread.service.access.people import Person

logger = logging.getLogger("wetread.service")

_UID = r"(?P<subject>[0-9.]{1,64})"
ACTIONS: tuple[tuple[str, str, str], ...] = (
    ("GET", rf"/wetread/v1/studies/{_UID}/.*", "looked at a study"),
    ("GET", rf"/dicom-web/studies/{_UID}(/.*)?", "looked at a study"),
    ("GET", r"/dicom-web/studies", "searched"),
    ("POST", rf"/dicom-web/studies(/{_UID})?", "stored instances"),
    ("POST", r"/wetread/v1/reads", "asked for a read"),
    ("DELETE", rf"/wetread/v1/reads/{_UID}", "cancelled a read"),
    ("GET", rf"/wetread/v1/reads/{_UID}/(result|overlay\.png|files/.*|masks.*|planes|report\..*)", "looked at a read"),
    ("POST", rf"/wetread/v1/reads/{_UID}/verdicts", "decided"),
    ("POST", rf"/wetread/v1/reads/{_UID}/signature", "signed"),
    ("GET", r"/wetread/v1/ledger/export", "exported"),
    ("GET", rf"/wetread/v1/history/{_UID}", "looked at a study"),
    ("(POST|DELETE)", r"/wetread/v1/worklist/next", "took or gave back a case"),
    ("POST", r"/wetread/v1/worklist/prepare", "asked for reads ahead"),
    ("(POST|PUT|DELETE)", r"/wetread/v1/.*", "administered"),
)
"""(method, path, what it is called); the first that fits."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing somebody did, or tried to: `status` is the HTTP status of the answer."""

    number: int
    moment: str
    login: str
    action: str
    subject: str
    status: int


class AuditLog:
    """The audit log in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, person: Person, method: str, path: str, status: int) -> None:
        """Note a request, where it is of a kind that is noted."""
        named = action(method, path)
        if named is None:
            return
        try:
            with self._database.writing() as connection:
                connection.execute(insert(AUDIT).values(
                    moment=stamp(), login=person.login, action=named[0], subject=named[1], status=status))  # fmt: skip
        except NotRecorded as error:
            # The answer is on its way already; what changes anything needs the same disk and was refused there.
            logger.error("an entry is missing in the audit log: %s", error.what)

    def entries(self, *, login: str | None = None, subject: str | None = None, limit: int = 500) -> list[AuditEntry]:
        """The latest entries, newest first."""
        wanted = select(AUDIT).order_by(AUDIT.c.number.desc()).limit(limit)
        for column, value in ((AUDIT.c.login, login), (AUDIT.c.subject, subject)):
            wanted = wanted if value is None else wanted.where(column == value)
        with self._database.reading() as connection:
            return [AuditEntry(**row) for row in connection.execute(wanted).mappings()]


def action(method: str, path: str) -> tuple[str, str] | None:
    """What a request is called, and the UID it is about ("" for none); None where it is not noted."""
    for methods, pattern, name in ACTIONS:
        if re.fullmatch(methods, method) and (match := re.fullmatch(pattern, path)):
            return name, match.groupdict().get("subject") or ""
    return None
