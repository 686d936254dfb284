"""`wetread data check` and `wetread data mimic`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def check(options: argparse.Namespace) -> int:
    """Say which CLIMB data sets are on disk; 0 also where some are broken, for the report says so."""
    from wetread.training.data.check import check as look
    from wetread.training.data.check import table

    report = look(options.root, progress=not options.quiet)
    print(json.dumps(report, indent=1, ensure_ascii=False) if options.json else table(report))
    return 0


def mimic(options: argparse.Namespace) -> int:
    """Build question sets from MIMIC-IV."""
    from wetread.training.data.mimic.build import build

    manifest = build(
        options.root,
        options.out,
        hours=options.hours,
        tokens=options.tokens,
        model=options.model,
        mortality=options.mortality,
        limit=options.limit,
        seed=options.seed,
        progress=not options.quiet,
    )
    for task, parts in manifest["questions"].items():
        print(f"{task}: " + ", ".join(f"{part} {count}" for part, count in parts.items()))
    for line in manifest["left_out"]:
        print(f"left out: {line}")
    print(f"The question sets are in {options.out}")
    return 0
