"""The Slicer client on real MRML: how long the interface thread is kept, and what a large mask costs.

Run in the environment of `make test-slicer`:

    .venv-slicer/bin/python benchmarks/slicer_client.py [--json FILE]

A drawn CT of 300 slices of 512 x 512 is read by a test double that marks a ball on most of them; the client follows
the read as in Slicer, with `poll` and `tick` called by a loop that stands for Slicer's timer. Medians (and worst) of
five reads: `running_ms`, the longest such call on the wall while the read runs; `showing_ms`, the longest while the
finished read is fetched, decoded and shown; `show_cpu_s`, CPU seconds of this process, all threads, from the end of the
read to segments and ROIs in the scene; `compare_ms`, one look for what was painted, after a stroke.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "slicer"))
import conftest  # noqa: F401  (puts the places of Slicer's modules in order)
import numpy as np
import slicer
from outside import Service, agreed, until
from slicer_scene import load

from dicom_phantoms import ct_series
from WetreadLib.background import Background
from WetreadLib.drafts import Drafts
from WetreadLib.session import Session
from WetreadLib.transfers import upload

SLICES, PIXELS, RUNS = 300, 512, 5


def main() -> None:
    """Measure, print, and keep where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        service = Service(folder / "archive")
        try:
            runs = measured(service, folder)
        finally:
            service.close()
    names = ("running_ms", "showing_ms", "show_cpu_s", "compare_ms")
    found = {name: round(statistics.median(run[name] for run in runs), 3) for name in names}
    found |= {f"{name}_worst": round(max(run[name] for run in runs), 3) for name in names}
    found["marked_planes"] = runs[0]["marked_planes"]
    print(json.dumps(found, indent=1))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


def measured(service: Service, folder: Path) -> list[dict[str, float]]:
    """One dict of figures for each run."""
    scene = slicer.vtkMRMLScene()
    slicer.mrmlScene = scene
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(scene)
    session = Session(scene, Background(), Drafts(folder / "drafts"), lambda: None)
    session.connect(agreed(service.address))
    spacing = 60 / PIXELS
    series = ct_series(SLICES, PIXELS, PIXELS, row_spacing=spacing, column_spacing=spacing, slice_spacing=15 / SLICES)
    node = load(scene, series, folder / "files")
    upload(session.client, sorted((folder / "files").glob("*.dcm")))
    session.open(node)
    calls: list[float] = []

    def often() -> None:
        begun = time.perf_counter()
        session.background.poll()
        session.decisions.tick()
        calls.append(time.perf_counter() - begun)

    until(lambda: session.planes, 120, often)
    ended: list[float] = []
    fetch = session._fetch

    def fetch_when_the_read_is_over() -> None:
        ended.append(time.process_time())
        fetch()

    session._fetch = fetch_when_the_read_is_over
    runs = []
    for _ in range(RUNS):
        calls.clear()
        ended.clear()
        session.ask("Please segment liver in the given image.")
        until(lambda: bool(ended), 300, often)
        running = max(calls)
        calls.clear()
        until(lambda: session.screen.shown is not None, 300, often)
        spent, showing = time.process_time() - ended[0], max(calls)
        voxels = slicer.util.arrayFromSegmentInternalBinaryLabelmap(
            session.screen.segmentation, session.read["findings"][0]["tracking_uid"]
        )
        voxels[0, 0, 0] = 1
        session.screen.segmentation.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap").Modified()
        begun = time.perf_counter()
        assert session.screen.corrections(node), "the stroke is found"
        compare = time.perf_counter() - begun
        runs.append({
            "running_ms": 1e3 * running, "showing_ms": 1e3 * showing, "show_cpu_s": spent, "compare_ms": 1e3 * compare,
            "marked_planes": int(np.count_nonzero(voxels.any(axis=(1, 2)))),
        })
    session.close()
    return runs


if __name__ == "__main__":
    main()
