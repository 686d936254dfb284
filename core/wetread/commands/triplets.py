"""``wetread triplets``: a labelled data set in, shards of image, masks, description and questions out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from wetread.commands.present import field
from wetread.imaging.kinds import parse_modality
from wetread.training.layouts.detecting import Layout
from wetread.training.layouts.picture import Options
from wetread.training.triplet_reader import MANIFEST
from wetread.training.triplets import BAD, Request, build, make_plan

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Build, or with ``--dry-run`` only say what would be built."""
    request = Request(
        source=options.source,
        out=options.out,
        kind=options.format,
        layout=Layout(options.layout) if options.layout else None,
        workers=options.workers,
        seed=options.seed,
        shard_items=options.shard_size,
        limit=options.limit,
        overlay=options.overlay,
        name=options.name or "",
        options=Options(parse_modality(options.modality), options.licence or ""),
    )
    if options.dry_run:
        print("\n".join(_planned(request)))
    else:
        print("\n".join(_built(request, build(request, progress=not options.quiet))))
    return 0


def _planned(request: Request) -> list[str]:
    plan = make_plan(request)
    counts = Counter(entry.modality.value for shard in plan.shards for entry in shard)
    lines = field("Layout", plan.layout)
    lines += field("Items", f"{plan.items} in {len(plan.shards)} shards ({_listed(counts)})")
    lines += field("Licence", plan.origin.licence or "unknown; say it with --licence")
    lines += field("Left out", f"{plan.found.unmarked} without a mask, {len(plan.found.bad)} bad")
    for item, reason in plan.found.bad[:5]:
        lines += field("", f"{item}: {reason}")
    return [*lines, *field("", "Nothing was written.")]


def _built(request: Request, manifest: dict[str, Any]) -> list[str]:
    lines = field("Triplets", f"{manifest['samples']} of {manifest['items']} items, {len(manifest['shards'])} shards")
    lines += field("Modalities", _listed(manifest["modalities"]))
    most = sorted(manifest["targets"].items(), key=lambda pair: (-pair[1], pair[0]))
    lines += field("Targets", _listed(dict(most[:12])) + (f" and {len(most) - 12} more" if len(most) > 12 else ""))
    lines += field("Questions", _listed(manifest["questions"]))
    lines += field("Licence", ", ".join(manifest["licences"]))
    lines += field("Left out", f"{manifest['unmarked_items']} without a mask, {manifest['bad_items']} bad ({BAD})")
    return [*lines, *field("Written", f"{request.out}: {MANIFEST} and its shards")]


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
