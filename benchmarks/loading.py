"""How fast a series of 300 slices of 512 x 512 comes into memory: from a folder, and from a real Orthanc.

    python benchmarks/loading.py --json benchmarks/results/loading.json

A CT is drawn and written into a folder, uncompressed, with `--elements` header elements a file. Ways are measured in
turn, five rounds in one run; figures are medians of wall-clock seconds, with files in the system's cache. `wetread`
is the whole way to a checked, sorted and classified Sample; `wetread, values of every plane` makes float32 of all its
planes as well. Peak memory is the largest resident set (VmHWM of Linux) of a process of its own for each way, and
beside it that of a process which only imports the same. Orthanc is measured where it is
installed, without a network or a proxy between. Last, whether compressed slices gain from threads.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

SLICES, SIDE = 300, 512


def draw(folder: Path, elements: int) -> None:
    """Write the series; headers are filled up with what scanners write, half of it the same in every slice."""
    from dicom_phantoms import ct_series, write

    series = ct_series(SLICES, SIDE, SIDE, slice_spacing=1.25)
    for number, dataset in enumerate(series):
        block = dataset.private_block(0x0019, "WETREAD BENCHMARK", create=True)
        for place in range(max(0, elements - len(dataset) - 1)):
            value = f"{place}.{number}" if place % 2 else f"constant {place}"
            block.add_new(place, "DS" if place % 2 else "LO", value)
    write(series, folder)


def files_of(folder: Path) -> list[Path]:
    """The slices."""
    return sorted(folder.glob("*.dcm"))


def read_bytes(folder: Path) -> Any:
    """All files in memory, and nothing else."""
    return [path.read_bytes() for path in files_of(folder)]


def read_and_drop(folder: Path) -> None:
    """All files read, none kept."""
    for path in files_of(folder):
        path.read_bytes()


def stack_with_pydicom(folder: Path) -> Any:
    """Stored values, sorted by position; nothing is checked."""
    series = sorted((pydicom.dcmread(path) for path in files_of(folder)), key=lambda d: d.ImagePositionPatient[2])
    return np.stack([dataset.pixel_array for dataset in series])


def stack_values_with_pydicom(folder: Path) -> Any:
    """As above, with the rescale, in float32."""
    series = sorted((pydicom.dcmread(path) for path in files_of(folder)), key=lambda d: d.ImagePositionPatient[2])
    return np.stack([
        d.pixel_array.astype(np.float32) * np.float32(d.RescaleSlope) + np.float32(d.RescaleIntercept) for d in series
    ])  # fmt: skip


def load(folder: Path) -> Any:
    """A Sample."""
    from wetread.imaging import load_sample

    return load_sample(folder)


def load_values(folder: Path) -> Any:
    """A Sample, and the values of all planes."""
    sample = load(folder)
    return sample, [plane.values for plane in sample.planes]


def imports_only(_: Path) -> None:
    """What the processes that are measured have loaded before they read anything."""
    import wetread.imaging  # noqa: F401


WAYS: dict[str, Callable[[Path], Any]] = {
    "bytes": read_bytes, "bytes, not kept": read_and_drop, "pydicom": stack_with_pydicom, "wetread": load,
    "pydicom, values": stack_values_with_pydicom, "wetread, values of every plane": load_values,
}  # fmt: skip


def medians(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Wall-clock seconds of each way, measured in turn after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            made = way()
            spent = time.perf_counter() - began
            del made
            if turn:
                seconds[name].append(spent)
    return {name: round(statistics.median(values), 4) for name, values in seconds.items()}


def peak_mb(way: str, folder: Path) -> int:
    """Largest resident set of a process that does it once."""
    command = [sys.executable, __file__, "--once", way, "--folder", str(folder)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def from_folder(folder: Path, rounds: int) -> dict[str, Any]:
    """Seconds, ratios and memory of every way."""
    seconds = medians({name: lambda way=way: way(folder) for name, way in WAYS.items()}, rounds)
    return {
        "seconds": seconds,
        "wetread_over_pydicom": round(seconds["wetread"] / seconds["pydicom"], 3),
        "wetread_over_bytes": round(seconds["wetread"] / seconds["bytes"], 2),
        "wetread_over_bytes_not_kept": round(seconds["wetread"] / seconds["bytes, not kept"], 2),
        "values_over_pydicom_values": round(seconds["wetread, values of every plane"] / seconds["pydicom, values"], 3),
        "peak_memory_mb": {name: peak_mb(name, folder) for name in ("imports", *WAYS)},
        "pixel_mb": SLICES * SIDE * SIDE * 2 >> 20,
        "file_kb": files_of(folder)[0].stat().st_size >> 10,
    }


def from_orthanc(folder: Path, rounds: int) -> dict[str, Any] | str:
    """The same series over DICOMweb; in a network namespace of its own, beside the Orthanc in it."""
    from orthanc import _namespace, why_not

    if reason := why_not():
        return reason
    command = [*_namespace(), sys.executable, __file__, "--inside", "--folder", str(folder), "--rounds", str(rounds)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def inside(folder: Path, rounds: int) -> None:
    """Start Orthanc, fill it, and measure: instance by instance, and as one streamed answer."""
    import requests

    from orthanc import PLUGIN, _program

    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as storage:
        settings = {
            "HttpPort": 8042, "DicomServerEnabled": False, "AuthenticationEnabled": False, "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}, "StorageDirectory": storage, "IndexDirectory": storage,
        }  # fmt: skip
        Path(storage, "orthanc.json").write_text(json.dumps(settings))
        server = subprocess.Popen([str(_program()), f"{storage}/orthanc.json"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)  # fmt: skip
        try:
            root, session = "http://127.0.0.1:8042", requests.Session()
            while True:
                try:
                    version = session.get(f"{root}/system", timeout=5).json()["Version"]
                    break
                except requests.RequestException:
                    if server.poll() is not None:
                        raise
                    time.sleep(0.2)
            for path in files_of(folder):
                session.post(f"{root}/instances", path.read_bytes(), timeout=60).raise_for_status()
            sys.stdout.write(json.dumps({"orthanc": version, **over_dicomweb(f"{root}/dicom-web", folder, rounds)}))
        finally:
            server.terminate()
            server.wait(20)


def over_dicomweb(url: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Seconds of each way to the series."""
    from wetread.archive.dicomweb import DicomwebArchive
    from wetread.imaging import to_sample

    archive = DicomwebArchive(url)
    header = pydicom.dcmread(files_of(folder)[0], stop_before_pixels=True)
    study, series = str(header.StudyInstanceUID), str(header.SeriesInstanceUID)

    def one_by_one() -> Any:
        found = archive.search_instances(study, series)
        datasets = [archive.retrieve_instance(study, series, one.SOPInstanceUID) for one in found]
        return np.stack([d.pixel_array for d in sorted(datasets, key=lambda d: d.ImagePositionPatient[2])])

    ways = {
        "one by one, stacked with pydicom": one_by_one,
        "one stream": lambda: archive.retrieve_series(study, series),
        "one stream, Sample": lambda: to_sample(archive.retrieve_series(study, series)),
    }
    seconds = medians(ways, rounds)
    over = seconds["one stream, Sample"] / seconds["one by one, stacked with pydicom"]
    return {"seconds": seconds, "stream_and_sample_over_one_by_one": round(over, 3)}


def in_threads(rounds: int, slices: int = 24) -> dict[str, dict[str, float]]:
    """Compressed slices one after another and in two threads, by the decoders that pydicom uses."""
    from concurrent.futures import ThreadPoolExecutor

    from pydicom.pixels import pixel_array
    from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

    from dicom_phantoms import ct_series

    random, seconds = np.random.default_rng(0), {}
    for name, syntax in (("JPEG 2000", JPEG2000Lossless), ("JPEG-LS", JPEGLSLossless)):
        series = ct_series(slices, SIDE, SIDE)
        for dataset in series:
            noise = random.integers(0, 20, (SIDE, SIDE), dtype=np.uint16)
            dataset.PixelData = (dataset.pixel_array + noise).tobytes()
            dataset.compress(syntax, generate_instance_uid=False)

        def threaded(series: list[Any] = series) -> Any:
            with ThreadPoolExecutor(2) as threads:
                return list(threads.map(pixel_array, series))

        ways = {"one after another": lambda series=series: list(map(pixel_array, series)), "two threads": threaded}
        seconds[name] = medians(ways, rounds)
    return seconds


def once(way: str, folder: Path) -> None:
    """One way in this process, then its peak in MB on standard output."""
    imports_only(folder)
    made = (imports_only if way == "imports" else WAYS[way])(folder)
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    sys.stdout.write(str(int(peak.split()[1]) >> 10))
    del made


def main() -> None:
    """Measure, print and, where asked, store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--elements", type=int, default=120, help="elements of each header")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--once", choices=("imports", *WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        once(options.once, options.folder)
        return
    if options.inside:
        inside(options.folder, options.rounds)
        return
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as plain, tempfile.TemporaryDirectory() as filled:
        draw(Path(plain), 0)
        draw(Path(filled), options.elements)
        results = {
            "slices": SLICES, "side": SIDE, "rounds": options.rounds,
            "folder": from_folder(Path(plain), options.rounds),
            f"folder_of_{options.elements}_elements": from_folder(Path(filled), options.rounds),
            "dicomweb": from_orthanc(Path(plain), options.rounds),
            "24_compressed_slices": in_threads(options.rounds),
            "date": time.strftime("%Y-%m-%d", time.gmtime()), "cores": os.cpu_count(),
            "processor": platform.machine(), "load_before": round(load_before, 1),
            "versions": {"python": platform.python_version(), "pydicom": pydicom.__version__, "numpy": np.__version__},
        }  # fmt: skip
    text = json.dumps(results, indent=1)
    sys.stdout.write(text + "\n")
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
