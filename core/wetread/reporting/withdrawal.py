"""Taking objects back: a Key Object Selection that rejects them (IHE IOCM; PS3.16 TID 2010, CID 7011).

Nothing stored is ever deleted or overwritten by us. What was wrong is named in a note, and an archive that follows IHE
IOCM hides it. Only objects that Wetread made can be withdrawn: rejecting a scanner's images is not ours to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.sequence import Sequence

from wetread.errors import RefusedInput
from wetread.reporting.identity import CHARACTER_SET, MANUFACTURER, derived_uid, name_text, person_name
from wetread.reporting.verifier import SEGMENTATIONS
from wetread.reporting.verify_chain import REPORTS
from wetread.terminology import Concept

if TYPE_CHECKING:
    from collections.abc import Sequence as PySequence
    from datetime import datetime

    from pydicom import Dataset

SERIES_NUMBER = 9904
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
REASONS = {
    "quality": Concept("113001", "DCM", "Rejected for Quality Reasons"),
    "safety": Concept("113037", "DCM", "Rejected for Patient Safety Reasons"),
}
"""For wrong content, and for content of another patient or one that may harm."""


def build_withdrawal(objects: PySequence[Dataset], reason: str, person: str, moment: datetime) -> Dataset:
    """The rejection note for objects of one study, complete with file meta information.

    Args:
        objects: SEG, SR or PDF that Wetread made.
        reason: a key of `REASONS`.
        person: who takes them back, as DICOM writes names.
        moment: when.

    Raises:
        RefusedInput: an object that Wetread did not make, or objects of several patients or studies.
    """
    from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
    from highdicom.sr import CodedConcept, ObserverContext, PersonObserverIdentifyingAttributes

    _refuse_foreign(objects)
    named = sorted(str(dataset.SOPInstanceUID) for dataset in objects)
    title, first = REASONS[reason], objects[0]
    observer = ObserverContext(
        CodedConcept("121006", "DCM", "Person"), PersonObserverIdentifyingAttributes(name=person_name(person))
    )
    content = KeyObjectSelection(
        CodedConcept(title.code, title.scheme, title.meaning), list(objects), observer_person_context=observer
    )
    key = " ".join([*named, reason])
    note: Dataset = KeyObjectSelectionDocument(
        evidence=list(objects), content=content, series_instance_uid=derived_uid(key, "withdrawal series"),
        series_number=SERIES_NUMBER, sop_instance_uid=derived_uid(key, "withdrawal"), instance_number=1,
        manufacturer=MANUFACTURER,
    )  # fmt: skip
    # highdicom leaves these out, which makes names beyond ASCII unreadable and the study module incomplete.
    note.SpecificCharacterSet = CHARACTER_SET
    for keyword in ("PatientName", "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "ReferringPhysicianName"):
        setattr(note, keyword, first.get(keyword) or None)
    note.ReferencedPerformedProcedureStepSequence = Sequence()
    note.ManufacturerModelName, note.SeriesDescription = MANUFACTURER, name_text(title.meaning)
    local = moment.astimezone()
    note.ContentDate = note.InstanceCreationDate = local.strftime("%Y%m%d")
    note.ContentTime = note.InstanceCreationTime = local.strftime("%H%M%S")
    return note


def _refuse_foreign(objects: PySequence[Dataset]) -> None:
    if not objects:
        raise RefusedInput("nothing to withdraw", "the objects", "name at least one SEG, SR or PDF")
    ours = REPORTS | SEGMENTATIONS | {ENCAPSULATED_PDF}
    for dataset in objects:
        if str(dataset.get("SOPClassUID")) not in ours or dataset.get("Manufacturer") != MANUFACTURER:
            raise RefusedInput("an object that Wetread did not make", dataset.get("SOPInstanceUID", "without a UID"),
                               "withdraw SEG, SR and PDF of Wetread's only")  # fmt: skip
    if len({(str(dataset.get("PatientID")), str(dataset.get("StudyInstanceUID"))) for dataset in objects}) > 1:
        raise RefusedInput("objects of several studies", "the objects", "withdraw those of one study at a time")
