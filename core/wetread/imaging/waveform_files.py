"""Electrocardiograms in files that are not DICOM: WFDB records, CSV tables, NumPy arrays.

WFDB is read by the wfdb library, and only from files that lie beside the header: names in a header are data of
strangers, so one with a path, a parent folder or a URL is refused before anything is opened. CSV has one column per
lead and one row per sample: a heading names the leads (a unit in brackets, else millivolts), and a column ``time``
in seconds or a first line ``# rate_hz: 500`` tells the rate. NumPy: ``.npz`` with ``signals``, ``rate_hz`` and
``leads``; ``.npy`` of 12 or 8 leads by samples, where ten seconds are assumed and a remark says so.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.imaging.leads import INDEPENDENT, STANDARD, lead_of_words
from wetread.imaging.waveform import WINDOW_S, Recording, check_rate
from wetread.imaging.wrap_waveform import LONGEST_S, wrap_recording
from wetread.imaging.wrapped import LEFT_OUT, RATE_ASSUMED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from pydicom import Dataset

WAVEFORM_SUFFIXES = frozenset({".hea", ".csv", ".npz", ".dat", ".mat"})
"""Files that hold nothing but an ECG, by name; a ``.npy`` is one where the caller says ECG."""
_UNITS = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3, "nv": 1e-6}
_UNNAMED = {len(STANDARD): STANDARD, len(INDEPENDENT): INDEPENDENT}
_USUAL_RATES = frozenset({50, 100, 125, 128, 200, 240, 250, 256, 300, 360, 400, 500, 512, 600, 800, 1000})
_RATE_LINE = re.compile(r"^#.*?\b(?:rate_hz|rate|fs|hz)\b\s*[:=]\s*([-+0-9.eE]+|nan|inf)", re.IGNORECASE)
_TIME_NAMES = frozenset({"time", "t", "seconds", "time_s", "time (s)", "time [s]"})
_MOST_BYTES = 512 << 20
_MOST_ROWS = 20_000_000


def wrap_waveform_file(path: Path) -> Dataset:
    """One ECG file as one DICOM instance.

    Raises:
        RefusedInput: not such a file, damaged, or not an ECG that can be read honestly.
    """
    suffix = path.suffix.lower()
    if suffix in (".hea", ".dat", ".mat"):
        recording, started = _read_wfdb(path)
        return wrap_recording(recording, path, started)
    if path.stat().st_size > _MOST_BYTES:
        raise RefusedInput("a file of more than 512 MB", path, "give the minute that is to be read.")
    recording = _read_csv(path) if suffix == ".csv" else _read_numpy(path)
    return wrap_recording(recording, path)


def _read_wfdb(path: Path) -> tuple[Recording, str | None]:
    """A WFDB record and when it began."""
    header = path.with_suffix(".hea")
    if not header.is_file():
        raise RefusedInput("a WFDB signal file without its header", path, f"put {header.name} beside it.")
    try:
        import wfdb
    except ImportError as error:
        raise RefusedInput("WFDB needs the package wfdb", path, "install wetread[ecg].") from error
    name = str(header.with_suffix("").absolute())
    try:
        announced = wfdb.rdheader(name)
        _check_wfdb(announced, header)
        check_rate(float(announced.fs or 0), header)
        record = wfdb.rdrecord(name, sampto=_wanted_samples(announced))
    except RefusedInput:
        raise
    except Exception as error:  # the library raises many types for headers and signals that do not fit
        raise RefusedInput(f"not a whole WFDB record ({type(error).__name__})", header,
                           "get header and signal file again from their source.") from error  # fmt: skip
    if record.p_signal is None or len(record.p_signal) < int(_wanted_samples(announced) or 0):
        raise RefusedInput("truncated WFDB record", header, "get the signal file again from its source.")
    skew = max((int(late or 0) for late in record.skew or [0]), default=0)
    values = record.p_signal[: len(record.p_signal) - skew]  # the library leaves the end of skewed channels empty
    units = [_UNITS.get(str(unit).strip().lower()) for unit in record.units]
    columns = zip(record.sig_name, values.T, units, strict=True)
    signals, left_out = _named(columns, header)
    return Recording(signals, float(record.fs), (LEFT_OUT,) if left_out else ()), _moment(record)


def _check_wfdb(header: Any, path: Path) -> None:
    """Only single-segment records whose signal files lie beside the header.

    Raises:
        RefusedInput: several segments, no signals, or a file name that leads elsewhere.
    """
    if hasattr(header, "seg_name"):
        raise RefusedInput("a WFDB record of several segments", path, "give the header of one segment.")
    if not header.n_sig or not header.file_name:
        raise RefusedInput("a WFDB header without signals", path, "give the header of an ECG record.")
    folder = path.parent.resolve()
    for name in dict.fromkeys(str(name) for name in header.file_name):
        plain = name == Path(name).name and name not in ("", ".", "..") and "\\" not in name and ":" not in name
        if not plain or (folder / name).resolve().parent != folder:
            raise RefusedInput("the WFDB header names a file outside its folder", path,
                               "signal files must lie beside the header.")  # fmt: skip
        if not (folder / name).is_file():
            raise RefusedInput("the signal file of the WFDB header is not there", path, "put it beside the header.")


def _wanted_samples(header: Any) -> int | None:
    """How many samples are read: a little over what is wrapped, so that a longer recording is known as one."""
    wanted = int((LONGEST_S + 1.0) * float(header.fs))
    return min(wanted, int(header.sig_len)) if header.sig_len else None


def _moment(record: Any) -> str | None:
    if record.base_date is None or record.base_time is None:
        return None
    return f"{record.base_date:%Y%m%d}{record.base_time:%H%M%S}"


def _named(
    columns: Iterable[tuple[str, NDArray[np.float64], float | None]], where: object
) -> tuple[dict[str, NDArray[np.float64]], int]:
    """Standard leads in millivolts from named columns, and how many columns are none.

    Raises:
        RefusedInput: no column is a lead, one twice, or not in volts.
    """
    signals: dict[str, NDArray[np.float64]] = {}
    count = 0
    for name, values, factor in columns:
        count += 1
        signed = lead_of_words(name)
        if signed is None:
            continue
        lead, sign = signed
        if lead in signals:
            raise RefusedInput(f"lead {lead} twice", where, "name every lead once.")
        if factor is None:
            raise RefusedInput(f"lead {lead} is not measured in volts", where, "give an ECG in uV or mV.")
        signals[lead] = sign * factor * np.asarray(values, dtype=np.float64)
    if not signals:
        raise RefusedInput(f"none of {count} columns is a standard lead", where, f"name them: {', '.join(STANDARD)}.")
    return signals, count - len(signals)


def _read_csv(path: Path) -> Recording:
    rate, heading, rows = _csv_rows(path)
    try:
        values = np.array(rows, dtype=np.float64)
    except ValueError:
        raise RefusedInput("rows of different length, or cells that are no numbers", path,
                           "give one number per lead in every row.") from None  # fmt: skip
    if values.ndim != 2 or len(values) < 2:
        raise RefusedInput("a table without samples", path, "give one row per sample.")
    names = heading or list(_leads_of_count(values.shape[1], path))
    if len(names) != values.shape[1]:
        raise RefusedInput(f"{len(names)} headings over {values.shape[1]} columns", path, "give one heading a column.")
    times = [i for i, name in enumerate(names) if name.strip().lower() in _TIME_NAMES]
    if times:
        rate = _rate_of_times(values[:, times[0]], path)
    if rate is None:
        raise RefusedInput("a table that does not say its sampling rate", path,
                           "add a column 'time' in seconds, or a first line '# rate_hz: 500'.")  # fmt: skip
    columns = [(name, values[:, i], _unit_of(name)) for i, name in enumerate(names) if i not in times]
    signals, left_out = _named(columns, path)
    return Recording(signals, rate, (LEFT_OUT,) if left_out else ())


def _csv_rows(path: Path) -> tuple[float | None, list[str] | None, list[list[str]]]:
    """(rate of a comment line, heading, rows of cells; an empty cell is not a number)."""
    rate: float | None = None
    heading: list[str] | None = None
    rows: list[list[str]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = []
            for line in file:
                if line.startswith("#"):
                    found = _RATE_LINE.match(line)
                    rate = float(found[1]) if found else rate
                elif line.strip():
                    lines.append(line)
                if len(lines) > _MOST_ROWS:
                    raise RefusedInput("a table of too many rows", path, "give the minute that is to be read.")
            sample = lines[0] if lines else ""
            mark = max(",;\t", key=sample.count)
            for cells in csv.reader(lines, delimiter=mark):
                if heading is None and not rows and any(_is_word(cell) for cell in cells):
                    heading = [cell.strip() for cell in cells]
                else:
                    rows.append([cell.strip() or "nan" for cell in cells])
    except (UnicodeDecodeError, csv.Error, OSError, ValueError) as error:
        raise RefusedInput(f"not a readable table ({type(error).__name__})", path, "give CSV in UTF-8.") from error
    return rate, heading, rows


def _is_word(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return True
    return False


def _unit_of(name: str) -> float | None:
    """The factor to millivolts of a heading such as ``II (uV)``; 1 where it names no unit."""
    found = re.search(r"[\[(]\s*([^\])]+?)\s*[\])]\s*$", name)
    return _UNITS.get(found[1].lower()) if found else 1.0


def _rate_of_times(times: NDArray[np.float64], path: Path) -> float:
    steps = np.diff(times)
    step = float(np.median(steps)) if np.isfinite(steps).all() else 0.0
    if step <= 0 or not np.allclose(steps, step, rtol=0.0, atol=0.51 * step):
        raise RefusedInput("a time column that does not rise evenly", path, "give seconds at one sampling rate.")
    return round((len(times) - 1) / float(times[-1] - times[0]), 6)


def _leads_of_count(count: int, where: object) -> Sequence[str]:
    if count not in _UNNAMED:
        raise RefusedInput(f"{count} leads without names", where,
                           "give 12 leads in the usual order, the 8 leads I, II, V1 to V6, or name them.")  # fmt: skip
    return _UNNAMED[count]


def _read_numpy(path: Path) -> Recording:
    try:
        held = np.load(path, mmap_mode="r", allow_pickle=False)
        arrays = {"signals": held} if isinstance(held, np.ndarray) else {k: held[k] for k in held.files}
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise RefusedInput("not a readable NumPy file", path, "give .npy or .npz without pickled objects.") from error
    except Exception as error:  # zipfile and zlib raise their own types for damaged archives
        raise RefusedInput(f"damaged NumPy file ({type(error).__name__})", path, "write it again.") from error
    if "signals" not in arrays:
        raise RefusedInput("no array 'signals' in the file", path, "give signals, rate_hz and leads.")
    signals = np.asarray(arrays["signals"])
    if signals.ndim != 2 or signals.dtype.kind not in "iuf":
        raise RefusedInput(f"signals of shape {signals.shape} and type {signals.dtype}", path,
                           "give numbers, leads by samples.")  # fmt: skip
    names = [str(name) for name in np.asarray(arrays["leads"]).ravel()] if "leads" in arrays else None
    rows = len(names) if names is not None else None
    by_lead = signals if signals.shape[0] <= signals.shape[1] else signals.T
    if rows is not None and by_lead.shape[0] != rows:
        raise RefusedInput(f"{rows} lead names for {by_lead.shape[0]} leads", path, "name every lead once.")
    wanted = names if names is not None else list(_leads_of_count(by_lead.shape[0], path))
    remarks: tuple[str, ...] = ()
    if "rate_hz" in arrays:
        rate = _single_number(arrays["rate_hz"], path)
    else:
        rate = by_lead.shape[1] / WINDOW_S
        if rate not in _USUAL_RATES:
            raise RefusedInput(f"{by_lead.shape[1]} samples and no sampling rate", path,
                               "give .npz with signals, rate_hz and leads.")  # fmt: skip
        remarks = (RATE_ASSUMED,)
    columns = [(name, row.astype(np.float64), _unit_of(name)) for name, row in zip(wanted, by_lead, strict=True)]
    found, left_out = _named(columns, path)
    return Recording(found, rate, (*remarks, LEFT_OUT) if left_out else remarks)


def _single_number(value: Any, path: Path) -> float:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise RefusedInput("rate_hz is not one number", path, "give samples a second.")
    return float(array.ravel()[0])
