"""An admission, the hours of it that a question may show, and the outcomes that it asks for.

The window is half open, [start, cut). It starts with the visit to the emergency department that led to the admission
(`edregtime`, at most 24 hours before it), else with the admission; what was measured earlier belongs to another
visit. It is cut `hours` after admission. A row counts when it was charted inside the window and, where the table
says so, stored before the cut: a result that nobody could read yet is not evidence. Death and discharge inside the
window cut it short, so that no text tells of them by going on or by ending with them.

Outcomes (QoQ-Med, appendix D.3). Length of stay: whole days from admission to discharge, as 0-4, 5-8, 9-12 and more
than 12 days (4 days and 23 hours are 4 days). Mortality: death, or discharge to hospice, less than 48 hours after
admission ("Will the patient survive for at least 48 hours?"); the published builder's own flag leaves hospice out.
Because evidence runs up to 48 hours as well, `MortalityRule.AFTER_CUT` offers the question without that overlap:
death or hospice within 48 hours after the cut, of patients who are still in the hospital at the cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from wetread.training.data.mimic.tables import ADMISSIONS, PATIENTS, Places, numbers, times, whole

if TYPE_CHECKING:
    import pandas as pd

    from wetread.training.data.item import Faults

EMERGENCY_HOURS = 24.0
"""An emergency visit longer before the admission than this is cut at this many hours."""
HOSPICE = "HOSPICE"
STAY_CLASSES = ("0-4 days", "5-8 days", "9-12 days", "more than 12 days")
_STAY_LIMITS = (5, 9, 13)


class MortalityRule(StrEnum):
    """What "48-hour in-hospital mortality" counts from."""

    FROM_ADMISSION = "from-admission"
    """Published: death or hospice less than 48 hours after admission."""
    AFTER_CUT = "after-cut"
    """Leak-free: death or hospice less than 48 hours after the evidence ends, of those still there."""


@dataclass(frozen=True, slots=True)
class Admission:
    """One admission to the hospital.

    Args:
        subject: of the patient.
        hadm: of the admission.
        admitted: time of admission.
        discharged: time of discharge; None where unknown.
        died: time of death in the hospital; None where the patient left it alive.
        hospice: discharged to hospice.
        registered: arrival in the emergency department; None where there was no such visit.
        sex: "F" or "M", as written.
        age: years at admission; MIMIC gives 91 for everybody older than 89.
        race: as written.
        kind: type of admission.
        came_from: location of admission.
    """

    subject: int
    hadm: int
    admitted: datetime
    discharged: datetime | None
    died: datetime | None
    hospice: bool
    registered: datetime | None
    sex: str
    age: int | None
    race: str
    kind: str
    came_from: str

    @property
    def stay_days(self) -> float | None:
        """Days from admission to discharge; None where one is unknown or they are reversed."""
        if self.discharged is None or self.discharged < self.admitted:
            return None
        return (self.discharged - self.admitted) / timedelta(days=1)

    @property
    def lost(self) -> datetime | None:
        """Time of death, or of discharge to hospice; None for all others."""
        return self.died or (self.discharged if self.hospice else None)


@dataclass(frozen=True, slots=True)
class Window:
    """The half-open time [start, cut) whose rows are evidence."""

    start: datetime
    cut: datetime

    def holds(self, charted: datetime, stored: datetime | None = None) -> bool:
        """True where a row is charted inside and was stored before the cut."""
        return self.start <= charted < self.cut and (stored is None or stored < self.cut)

    def filter(self, events: pd.DataFrame) -> pd.DataFrame:
        """The rows of `events` (columns charted, stored, ended) inside; what ends later is not told to its end."""
        import pandas as pd

        start, cut = pd.Timestamp(self.start), pd.Timestamp(self.cut)
        inside = (events["charted"] >= start) & (events["charted"] < cut)
        inside &= events["stored"].isna() | (events["stored"] < cut)
        kept = events[inside].copy()
        unfinished = kept["ended"].notna() & (kept["ended"] >= cut)
        kept.loc[unfinished, ["value", "unit", "ended"]] = None
        return kept


def window_of(admission: Admission, hours: float = 48.0) -> Window:
    """The evidence of an admission; see the module's text for its rule."""
    start = admission.admitted
    if admission.registered is not None and admission.registered < start:
        start = max(admission.registered, start - timedelta(hours=EMERGENCY_HOURS))
    ends = [admission.admitted + timedelta(hours=hours)]
    ends += [end for end in (admission.died, admission.discharged) if end is not None and end > start]
    return Window(start, min(ends))


def stay_class(admission: Admission) -> str | None:
    """One of `STAY_CLASSES` by whole days; None where the stay is unknown."""
    days = admission.stay_days
    return None if days is None else STAY_CLASSES[sum(int(days) >= limit for limit in _STAY_LIMITS)]


def survives(
    admission: Admission, hours: float = 48.0, rule: MortalityRule = MortalityRule.FROM_ADMISSION
) -> bool | None:
    """True for yes; None where the question does not arise (no longer there at the cut, or no discharge known)."""
    if admission.discharged is None and admission.died is None:
        return None
    cut = admission.admitted + timedelta(hours=hours)
    begin = admission.admitted if rule is MortalityRule.FROM_ADMISSION else cut
    left = min(t for t in (admission.died, admission.discharged) if t is not None)
    if rule is MortalityRule.AFTER_CUT and left < cut:
        return None
    return admission.lost is None or admission.lost - begin >= timedelta(hours=48)


def read_admissions(places: Places, faults: Faults) -> list[Admission]:
    """Every admission with a known patient and time, ordered by hadm_id; of a repeated hadm_id the first.

    Raises:
        RefusedInput: a table is torn.
    """
    rows = whole(places, ADMISSIONS, faults)
    patients = whole(places, PATIENTS, faults).drop_duplicates("subject_id").set_index("subject_id")
    for column in ("admittime", "dischtime", "deathtime", "edregtime"):
        rows[column] = times(rows[column])
    for column in ("subject_id", "hadm_id"):
        rows[f"{column}_n"] = numbers(rows[column])
    usable = rows["admittime"].notna() & rows["hadm_id_n"].notna() & rows["subject_id"].isin(patients.index)
    for place in rows.index[~usable]:
        faults.add("admission without patient or time", f"hosp/admissions:{place + 2}")
    repeated = rows["hadm_id_n"].duplicated() & usable
    if repeated.any():
        faults.counts["admission said twice"] += int(repeated.sum())
    found = [_admission(row, patients) for row in rows[usable & ~repeated].to_dict("records")]
    return sorted(found, key=lambda one: one.hadm)


def _admission(row: dict, patients: pd.DataFrame) -> Admission:
    person = patients.loc[row["subject_id"]]
    admitted = row["admittime"].to_pydatetime()
    age = _age(person["anchor_age"], person["anchor_year"], admitted.year)
    return Admission(
        subject=int(row["subject_id_n"]),
        hadm=int(row["hadm_id_n"]),
        admitted=admitted,
        discharged=_time(row["dischtime"]),
        died=_time(row["deathtime"]),
        hospice=HOSPICE in _text(row["discharge_location"]).upper(),
        registered=_time(row["edregtime"]),
        sex=_text(person["gender"]),
        age=age,
        race=_text(row["race"]),
        kind=_text(row["admission_type"]),
        came_from=_text(row["admission_location"]),
    )


def _age(anchor_age: object, anchor_year: object, year: int) -> int | None:
    try:
        return int(float(str(anchor_age))) + year - int(float(str(anchor_year)))
    except ValueError:
        return None


def _time(value: object) -> datetime | None:
    import pandas as pd

    return None if pd.isna(value) else value.to_pydatetime()  # type: ignore[attr-defined]


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
