"""Fuzzing with atheris: whatever the bytes, the loader and the verifier answer in words, within memory and time.

    python tests/fuzz/readers.py loader  CORPUS [libFuzzer options]
    python tests/fuzz/readers.py verifier CORPUS [libFuzzer options]
    python tests/fuzz/readers.py twins CORPUS [libFuzzer options]

`twins` asks more: a slice in a series that is read by comparison gives what reading each file by itself gives.
`make fuzz` runs all three for a minute each. An exception other than a refusal, more memory than `-rss_limit_mb` and an
input that takes longer than `-timeout` end the run with an exit code and leave the input in a file. The corpus is
written anew from phantoms when it is empty.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["wetread", "pydicom"]):
    import pydicom

    import dicom_multiframe_phantoms as multiframe
    import dicom_phantoms as phantoms
    from both_ways import read_twice, require_equal
    from reporting_cases import CASES
    from wetread.archive.content import encoded
    from wetread.archive.intake import taken_in
    from wetread.errors import RefusedInput
    from wetread.imaging import load_sample
    from wetread.reporting import build_seg, build_sr
    from wetread.reporting.verifier import verify_files

FILE = Path(tempfile.mkdtemp(prefix="wetread-fuzz-")) / "input.dcm"
SERIES = Path(tempfile.mkdtemp(prefix="wetread-fuzz-"))


def loader(content: bytes) -> None:
    """A file that somebody opens, and the same as a part of a request."""
    FILE.write_bytes(content)
    for read in (lambda: load_sample(FILE), lambda: taken_in(content)):
        with suppress(RefusedInput):
            read()


def twins(content: bytes) -> None:
    """One slice among five others of its series."""
    (SERIES / "3.dcm").write_bytes(content)
    require_equal(*read_twice(SERIES))


def verifier(content: bytes) -> None:
    """A file that somebody verifies, also as its own source."""
    FILE.write_bytes(content)
    for defect in verify_files([FILE], [FILE]):
        assert "\n" not in str(defect)


def seeds(target: str) -> list[bytes]:
    """Small whole files of every kind that the target takes."""
    if target == "verifier":
        objects = []
        for name in ("dx", "ultrasound cine", "ct single slice"):
            _, sample, read = CASES[name]()
            seg = build_seg(read, sample)
            objects += [seg, build_sr(read, sample, seg)]
        return [encoded(dataset) for dataset in objects]
    if target == "twins":
        series = [encoded(dataset) for dataset in phantoms.ct_series(6, rows=4, columns=6)]
        for number, content in enumerate(series):
            (SERIES / f"{number}.dcm").write_bytes(content)
        return series[3:]
    images = [*phantoms.ct_series(1), *phantoms.dx_image(8, 8), *phantoms.visible_light(rows=8, columns=8),
              *phantoms.ultrasound_cine(), *multiframe.enhanced_mr()]  # fmt: skip
    names = ("MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "JPEG-lossy.dcm")
    found = (pydicom.data.get_testdata_file(name, download=False) for name in names)
    return [encoded(dataset) for dataset in [*images, *(pydicom.dcmread(path) for path in found if path)]]


def main() -> None:
    """Fill the corpus where it is empty, then fuzz."""
    target, corpus = sys.argv[1], Path(sys.argv[2])
    corpus.mkdir(parents=True, exist_ok=True)
    first = seeds(target)
    if not any(corpus.iterdir()):
        for number, content in enumerate(first):
            (corpus / f"seed-{number}").write_bytes(content)
    warnings.simplefilter("ignore")
    chosen = {"loader": loader, "verifier": verifier, "twins": twins}[target]
    atheris.Setup([sys.argv[0], str(corpus), *sys.argv[3:]], chosen)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
