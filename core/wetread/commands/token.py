"""``wetread token``: who may come into the service, kept in a file that holds no token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wetread.service.access.people import Role
from wetread.service.access.token_file import add_token, listed, remove_tokens

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Add, remove or list."""
    if options.action == "add":
        token = add_token(options.file, options.login, Role[options.role.upper()], name=options.name,
                          organisation=options.organisation, days=options.days)  # fmt: skip
        print(token)
        return 0
    if options.action == "remove":
        print(f"{remove_tokens(options.file, options.login)} token(s) of {options.login} removed")
        return 0
    for entry in listed(options.file):
        print(f"{entry['login']}  {entry['role']}  {entry['name'] or '-'}  until {entry['expires'] or 'for ever'}")
    return 0
