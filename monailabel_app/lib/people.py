"""Who asks: the person of the token where access control is on, else the name that the client gives itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lib.gate import asking
from wetread.service.access.people import EVERYBODY

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 64


def person_of(said: Mapping[str, Any]) -> str:
    """A login for ledger and leases.

    Args:
        said: a request or a label's info, with MONAI Label's `client_id`.
    """
    person = asking.get()
    if person is not EVERYBODY:
        return person.login
    name = "".join(c for c in str(said.get("client_id") or "") if c.isprintable())[:LONGEST].strip()
    return name or EVERYBODY.login
