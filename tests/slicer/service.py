"""The real service, in a process of its own, for the tests that run in Slicer's Python.

`python service.py --archive DIR ...` says its address on the first line; `--pacs URL,USER,PASSWORD` puts a PACS behind
it. The reader `marks` is a test double of the Reader alone: it marks what is bright on every plane, and finds a box
without a mask, so that geometry can be held against the phantom; with `--gate`, its reads wait until FILE exists.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from bright_pixel_reader import BrightPixelReader
from wetread.archive.dicomweb import DicomwebArchive
from wetread.archive.folder import FolderArchive
from wetread.errors import ReadCancelled
from wetread.findings import Box, BoxFrame, Finding, Mask, Read
from wetread.reading import Reader, ReadEvent
from wetread.service.access.token_file import TokenFile
from wetread.service.app import create_app
from wetread.service.queue import new_uid
from wetread.service.serving import open_listener
from wetread.terminology import find_target

BOX = (5.25, 7.5, 17.75, 20.5)
BRIGHT = 150.0


class MarksReader(BrightPixelReader):
    """What is brighter than `BRIGHT` (or than the mean, where nothing is) on every plane; and a box on the first."""

    def __init__(self, gate_file: Path | None) -> None:
        super().__init__()
        self.gate_file = gate_file

    def read(self, sample: Any, question: str | None = None, *, cancel: threading.Event | None = None,
             on_event: Any = None, **given: Any) -> Read:  # fmt: skip
        told = on_event or (lambda event: None)
        told(ReadEvent("writing", 0.3, "Bright pixels "))
        while self.gate_file is not None and not self.gate_file.exists():
            if cancel is not None and cancel.is_set():
                raise ReadCancelled("cancelled")
            time.sleep(0.02)
        made = super().read(sample, question, on_event=on_event, cancel=cancel, **given)
        values = np.stack([np.asarray(p.values, float).reshape(p.rows, p.columns, -1).mean(-1) for p in sample.planes])
        marked = values > (BRIGHT if (values > BRIGHT).any() and sample.modality == "CT" else values.mean())
        mask, liver, spleen = Mask.from_dense(marked), find_target("liver"), find_target("spleen")
        assert liver is not None
        assert spleen is not None
        findings = (
            Finding(liver, new_uid(), 0.75, mask.key_plane, mask.box(mask.key_plane), mask, description="Bright."),
            Finding(spleen, new_uid(), 0.5, 0, Box(*BOX, BoxFrame.IMAGE), None, description="A box."),
        )
        return Read(
            uid=new_uid(), question=made.question, reasoning=made.reasoning + pointed_at(self.pointing),
            findings=findings, diagnoses=("liver",), abstention=None, answer=made.answer, provenance=made.provenance,
        )  # fmt: skip


def pointed_at(pointing: Any) -> str:
    """In words, so that a test sees that it arrived."""
    if pointing is None:
        return ""
    return f" Pointed at: {len(pointing.boxes)} box, {len(pointing.points)} points, {len(pointing.drawn)} drawn."


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--reader", choices=("marks", "real"), default="marks")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--gate", type=Path)
    parser.add_argument("--tokens", type=Path)
    parser.add_argument("--pacs", help="URL,USER,PASSWORD of a DICOMweb PACS to use instead of a folder")
    given = parser.parse_args()
    reader = Reader() if given.reader == "real" else MarksReader(given.gate)
    access = TokenFile(given.tokens) if given.tokens else None
    listener = open_listener("127.0.0.1", given.port)
    archive, database = FolderArchive(given.archive), None
    if given.pacs:
        url, user, password = given.pacs.split(",")
        archive, database = DicomwebArchive(url, user=user, password=password), given.archive / "records.sqlite"
    app = create_app(archive, reader, access=access, database=database)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2))
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
