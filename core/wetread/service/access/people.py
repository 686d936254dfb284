"""People and roles. A role includes those below it: who may review may read, who administers may do both."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from wetread.errors import WetreadError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request


class Role(IntEnum):
    """What somebody may do."""

    READER = 1
    """See studies and reads, ask for reads."""
    REVIEWER = 2
    """Decide on findings and sign them."""
    ADMIN = 3
    """Train, switch models, see queue, outbox and audit log."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who was let in.

    Args:
        login: the same for the same person; kept in the ledger and the audit log.
        name: as it goes into a signed report (PN, ``Family^Given``); the login where the provider tells none.
        role: the highest one.
        organisation: as it goes into a signed report.
    """

    login: str
    role: Role
    name: str = ""
    organisation: str = ""

    def may(self, role: Role) -> bool:
        """True where this person has the role."""
        return self.role >= role


EVERYBODY = Person("local", Role.ADMIN, "Local^User")
"""Who everybody is where access is off: on this machine alone."""


def person_of(request: Request) -> Person:
    """Who asks; the local user where access is off."""
    person: Person = getattr(request.state, "person", None) or EVERYBODY
    return person


class NotLetIn(WetreadError):  # noqa: N818 - the words that people read
    """No valid token (401)."""


class MayNot(WetreadError):  # noqa: N818
    """A valid token without the role (403)."""


class Access(Protocol):
    """What tells who somebody is."""

    def person(self, token: str) -> Person:
        """Who a bearer token belongs to.

        Raises:
            NotLetIn: no one; the text says why in general words and repeats nothing of the token.
        """
        ...


def highest(names: Iterable[object]) -> Role | None:
    """The highest role among names as a provider spells them: ``wetread-reviewer``, ``reviewer``, ``REVIEWER``."""
    known = {role.name.lower(): role for role in Role}
    found = [known[plain] for name in names if (plain := str(name).lower().removeprefix("wetread-")) in known]
    return max(found, default=None)
