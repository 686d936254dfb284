"""Many clients at once on a running service: is every job done once, and does it answer quickly meanwhile?

    python benchmarks/service_load.py --clients 50 --json benchmarks/results/service-load.json

Starts `wetread serve` with the shipped model over a fresh folder archive of one small drawn CT slice. Each client
submits one read, listens to its events and fetches the result; meanwhile one more process asks `/wetread/v1/health`
all the time, as it did before on the idle service. Clients run on the same machine and take their share of its cores,
which the figures include.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import requests

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

API = "wetread/v1"


def measure(clients: int, workers: int) -> dict[str, Any]:
    """One run."""
    from dicom_phantoms import ct_series
    from wetread.archive.folder import FolderArchive

    with tempfile.TemporaryDirectory() as folder:
        image = ct_series(1, 64, 64)
        FolderArchive(Path(folder)).store(image).require_complete()
        body = {"study_uid": image[0].StudyInstanceUID, "series_uid": image[0].SeriesInstanceUID}
        command = [
            sys.executable,
            "-m",
            "wetread",
            "serve",
            "--archive",
            folder,
            "--port",
            "0",
            "--workers",
            str(workers),
        ]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            url = next(word for word in server.stdout.readline().split() if word.startswith("http")) + API
            _read(url, body, [])  # loads the weights
            return _under_load(url, body, clients) | {"clients": clients, "workers": workers}
        finally:
            server.terminate()
            server.wait(60)


def _under_load(url: str, body: dict[str, str], clients: int) -> dict[str, Any]:
    errors: list[str] = []
    idle = _probed(url, 3.0)
    over = multiprocessing.Event()
    with ProcessPoolExecutor(1, initializer=_share, initargs=(over,)) as probing:
        busy = probing.submit(_probed, url, None)
        began = time.perf_counter()
        threads = [threading.Thread(target=_read, args=(url, body, errors)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        over.set()
        delays = busy.result()
    jobs = requests.get(f"{url}/reads", timeout=30).json()
    return {
        "errors": errors,
        "completed": sum(job["state"] == "COMPLETED" for job in jobs) - 1,
        "seconds": round(seconds, 2),
        "reads_per_second": round(clients / seconds, 2),
        "health_requests": len(delays),
        "health_ms": _told(delays),
        "health_ms_idle": _told(idle),
    }


_OVER: list[Any] = []


def _share(over: Any) -> None:
    _OVER.append(over)


def _probed(url: str, seconds: float | None) -> list[float]:
    """Seconds that each sign of life took, for so long, or until the clients are done."""
    delays, ends = [], None if seconds is None else time.perf_counter() + seconds
    with requests.Session() as session:
        while not _OVER[0].is_set() if ends is None else time.perf_counter() < ends:
            began = time.perf_counter()
            session.get(f"{url}/health", timeout=30).raise_for_status()
            delays.append(time.perf_counter() - began)
            time.sleep(0.01)
    return delays


def _told(delays: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(delays, n=100)
    figures = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "most": max(delays)}
    return {name: round(value * 1e3, 1) for name, value in figures.items()}


def _read(url: str, body: dict[str, str], errors: list[str]) -> None:
    try:
        job = requests.post(f"{url}/reads", json=body, timeout=60).json()["uid"]
        events = requests.get(f"{url}/reads/{job}/events", timeout=600).text
        if '"COMPLETED"' not in events or requests.get(f"{url}/reads/{job}/result", timeout=60).status_code != 200:
            errors.append(events[-200:])
    except requests.RequestException as error:
        errors.append(type(error).__name__)


def main() -> None:
    """Measure and say."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clients", type=int, default=50, metavar="N")
    parser.add_argument("--workers", type=int, default=1, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    found = measure(options.clients, options.workers)
    found |= {"cores": os.cpu_count(), "machine": platform.machine(), "load_before": round(load, 1)}
    text = json.dumps(found, indent=1)
    sys.stdout.write(text + "\n")
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
