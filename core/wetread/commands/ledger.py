"""``wetread ledger``: check, count and export what a service has kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wetread.commands.learning import DATABASE_VARIABLE
from wetread.errors import RefusedInput

if TYPE_CHECKING:
    import argparse

    from wetread.archive import Archive
    from wetread.review.ledger import Ledger

SOUND, BROKEN = 0, 1


def run(options: argparse.Namespace) -> int:
    """Do what was asked."""
    ledger, archive = _opened(options)
    if options.action == "check":
        return check(ledger, options.head)
    if options.action == "stats":
        return stats(ledger)
    from wetread.service.ledger_export import ExportForm, export

    done = export(ledger, options.out, ExportForm(options.format), archive)
    print(f"{done.lines} lines and {done.files} files are in {options.out}")
    for reason, count in done.left_out.items():
        print(f"left out: {count} x {reason}")
    return 0


def check(ledger: Ledger, noted: str | None) -> int:
    """One line for each place where the chain does not hold; 1 where there is any."""
    head = None
    if noted is not None:
        number, _, hashed = noted.partition(":")
        if not number.isdigit() or len(hashed) != 64:
            raise RefusedInput("not the end of a ledger", "--head", "give NUMBER:HASH as an earlier check showed it")
        head = (int(number), hashed)
    breaks = ledger.breaks(head)
    for one in breaks:
        print(f"entry {one.number}: {one.reason}")
    last, hash_ = ledger.head()
    print(f"{last} entries, {'sound' if not breaks else f'{len(breaks)} defects'}; it ends with {last}:{hash_}")
    return BROKEN if breaks else SOUND


def stats(ledger: Ledger) -> int:
    """Entries by kind, and accept rates."""
    from wetread.service.ledger_export import figures

    found = figures(ledger)
    for kind, count in sorted(found["entries"].items()):
        print(f"{count:8} {kind}")
    print(f"{found['studies']:8} studies\n{found['people']:8} people")
    for rate in found["accept_rates"]:
        judged = rate["accepted"] + rate["corrected"] + rate["rejected"]
        share = "" if rate["rate"] is None else f" = {rate['rate']:.2f} [{rate['low']:.2f}, {rate['high']:.2f}]"
        print(f"{rate['model']} {rate['version']}: {rate['accepted']} of {judged} accepted{share}, "
              f"{rate['corrected']} corrected, {rate['rejected']} rejected, {rate['added']} added")  # fmt: skip
    return SOUND


def _opened(options: argparse.Namespace) -> tuple[Ledger, Archive | None]:
    from wetread.archive import open_archive
    from wetread.records.database import Database
    from wetread.review.ledger import Ledger
    from wetread.service.backing import default_database

    archive = None if options.archive is None else open_archive(options.archive)
    place = options.database or os.environ.get(DATABASE_VARIABLE)
    if place is None:
        if archive is None:
            raise RefusedInput("no database", "--database",
                               f"give the service's, or its --archive, or set {DATABASE_VARIABLE}")  # fmt: skip
        place = default_database(archive)
    if "://" not in str(place) and not os.path.exists(place):
        raise RefusedInput("no such database", str(place), "give the one that the service keeps")
    return Ledger(Database(place)), archive
