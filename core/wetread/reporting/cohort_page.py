"""`index.html` of a cohort: what was found how often, what was not read and why, and a picture of every read.

One file that needs no network: thumbnails are inside it, small and in JPEG; the full overlays, reads and objects are
linked in their folders. Words from models and file names are strangers' words, and are escaped.
"""

from __future__ import annotations

import base64
import html
import io
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wetread.reporting.cohort_table import Done

PAGE_FILE = "index.html"
_SIDE, _QUALITY = 220, 72
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:80rem;padding:0 1rem;color:#1b1b1b}
h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .6rem;border-bottom:1px solid #ccc}
.notice{color:#8a3b00;margin:.3rem 0 1rem}.sums{display:flex;gap:2rem;flex-wrap:wrap}
.sums b{font-size:1.6rem;display:block}
table{border-collapse:collapse}th,td{padding:.25rem .7rem .25rem 0;text-align:left;vertical-align:top}
td.bar{width:16rem}td.bar i{display:block;height:.8rem;margin-top:.3rem;background:#0072b2}
td,figcaption{overflow-wrap:anywhere}
.reads{display:grid;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));gap:1rem}
figure{margin:0;border:1px solid #ddd;border-radius:4px}figcaption{padding:.45rem .6rem;font-size:13px}
figure img{display:block;width:100%;height:11rem;object-fit:contain;background:#111}figcaption b{display:block}
.wide img{background:#fff}.why{color:#555}small a{margin-right:.6rem}
"""


def write_page(done: Sequence[Done], failed: Mapping[str, str], total: int, folder: Path, reads: str) -> None:
    """Write the page whole or not at all.

    Args:
        done: the studies that were read, in the order of the cohort.
        failed: input -> reason.
        total: studies of the cohort.
        folder: of the cohort.
        reads: name of the folder below it with a folder for each read.
    """
    abstained = [one for one in done if one.document["abstention"] is not None]
    waiting = total - len(done) - len(failed)
    sums = [(len(done) - len(abstained), "read"), (len(abstained), "abstained"), (len(failed), "failed")]
    sums += [(waiting, "still to be read")] if waiting else []
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>Wetread: {total} studies</title><style>{_STYLE}</style><h1>{total} studies</h1>",
        "<p class=notice>Preliminary, written by a model and reviewed by nobody; not for diagnosis.</p>",
        "<div class=sums>", *(f"<div><b>{count}</b>{name}</div>" for count, name in sums), "</div>",
        _labels(done), _reasons(abstained), _failures(failed), "<h2>Reads</h2><div class=reads>",
        *(_figure(one, folder, reads) for one in done), "</div>\n</html>\n",
    ]  # fmt: skip
    part = folder / f".{PAGE_FILE}.part"
    part.write_text("\n".join(part_ for part_ in parts if part_), encoding="utf-8")
    part.replace(folder / PAGE_FILE)


def _labels(done: Sequence[Done]) -> str:
    count = Counter(label for one in done for label in {f["label"] for f in one.document["findings"]})
    if not count:
        return ""
    most = max(count.values())
    rows = "".join(
        f"<tr><td>{html.escape(label)}<td>{n}<td class=bar><i style='width:{100 * n / most:.0f}%'></i>"
        for label, n in sorted(count.items(), key=lambda pair: (-pair[1], pair[0]))
    )
    return f"<h2>Findings</h2><table><tr><th>label<th>studies<th>{rows}</table>"


def _reasons(abstained: Sequence[Done]) -> str:
    if not abstained:
        return ""
    count = Counter(str(one.document["abstention"]) for one in abstained)
    rows = "".join(f"<tr><td>{n}<td>{html.escape(why)}" for why, n in count.most_common())
    return f"<h2>Abstentions</h2><table><tr><th>studies<th>why{rows}</table>"


def _failures(failed: Mapping[str, str]) -> str:
    if not failed:
        return ""
    rows = "".join(f"<tr><td>{html.escape(_last(named))}<td>{html.escape(why)}" for named, why in failed.items())
    return f"<h2>Failures</h2><table><tr><th>study<th>why{rows}</table>"


def _figure(one: Done, folder: Path, reads: str) -> str:
    said, place = one.document, f"{reads}/{quote(one.name)}"
    shown: dict[str, float] = {}
    for finding in said["findings"]:
        shown[finding["label"]] = max(finding["presence"], shown.get(finding["label"], 0.0))
    words = ", ".join(f"{html.escape(label)} {presence:.2f}" for label, presence in shown.items())
    if said["abstention"] is not None:
        words = f"<span class=why>abstained: {html.escape(said['abstention'])}</span>"
    files = [name for name in ("read.json", "sr.dcm", "seg.dcm") if (folder / reads / one.name / name).is_file()]
    links = "".join(f"<a href='{place}/{name}'>{name}</a>" for name in files)
    wide = " class=wide" if said["kind"] == "waveform" else ""
    return (
        f"<figure{wide}><a href='{place}/overlay.png'>"
        f"<img alt='' src='{_thumbnail(folder / reads / one.name / 'overlay.png')}'></a>"
        f"<figcaption><b>{html.escape(_last(one.named))}</b>{html.escape(said['modality'])}: "
        f"{words or 'nothing found'}<br><small>{links}</small></figcaption></figure>"
    )


def _thumbnail(file: Path) -> str:
    from PIL import Image

    with Image.open(file) as picture:
        small = picture.convert("RGB")
        small.thumbnail((2 * _SIDE, _SIDE))
        held = io.BytesIO()
        small.save(held, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(held.getvalue()).decode()


def _last(named: str) -> str:
    return named.rstrip("/").rsplit("/", 1)[-1]
