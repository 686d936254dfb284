"""A small MIMIC-IV with the published tables and columns as csv.gz: people who never were, and broken rows.

Patient 10000001 has two admissions, the first of them through the emergency department and to hospice; 10000002 dies
after 40 hours; 10000003 stays 13 days; rows are written out of order, some late, some without a number or a time.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from PIL import Image

COLUMNS = {
    "hosp/patients": "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod",
    "hosp/admissions": (
        "subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,admit_provider_id,admission_location,"
        "discharge_location,insurance,language,marital_status,race,edregtime,edouttime,hospital_expire_flag"
    ),
    "hosp/labevents": (
        "labevent_id,subject_id,hadm_id,specimen_id,itemid,order_provider_id,charttime,storetime,value,valuenum,"
        "valueuom,ref_range_lower,ref_range_upper,flag,priority,comments"
    ),
    "hosp/d_labitems": "itemid,label,fluid,category",
    "hosp/prescriptions": (
        "subject_id,hadm_id,pharmacy_id,poe_id,poe_seq,order_provider_id,starttime,stoptime,drug_type,drug,"
        "formulary_drug_cd,gsn,ndc,prod_strength,form_rx,dose_val_rx,dose_unit_rx,form_val_disp,form_unit_disp,"
        "doses_per_24_hrs,route"
    ),
    "hosp/diagnoses_icd": "subject_id,hadm_id,seq_num,icd_code,icd_version",
    "hosp/d_icd_diagnoses": "icd_code,icd_version,long_title",
    "hosp/procedures_icd": "subject_id,hadm_id,seq_num,chartdate,icd_code,icd_version",
    "icu/chartevents": (
        "subject_id,hadm_id,stay_id,caregiver_id,charttime,storetime,itemid,value,valuenum,valueuom,warning"
    ),
    "icu/d_items": "itemid,label,abbreviation,linksto,category,unitname,param_type,lownormalvalue,highnormalvalue",
    "icu/icustays": "subject_id,hadm_id,stay_id,first_careunit,last_careunit,intime,outtime,los",
    "icu/inputevents": (
        "subject_id,hadm_id,stay_id,caregiver_id,starttime,endtime,storetime,itemid,amount,amountuom,rate,rateuom,"
        "orderid,linkorderid,ordercategoryname,secondaryordercategoryname,ordercomponenttypedescription,"
        "ordercategorydescription,patientweight,totalamount,totalamountuom,isopenbag,continueinnextdept,"
        "statusdescription,originalamount,originalrate"
    ),
    "icu/procedureevents": (
        "subject_id,hadm_id,stay_id,caregiver_id,starttime,endtime,storetime,itemid,value,valueuom,location,"
        "locationcategory,orderid,linkorderid,ordercategoryname,ordercategorydescription,patientweight,isopenbag,"
        "continueinnextdept,statusdescription,originalamount,originalrate"
    ),
    "note/discharge": "note_id,subject_id,hadm_id,note_type,note_seq,charttime,storetime,text",
    "note/radiology": "note_id,subject_id,hadm_id,note_type,note_seq,charttime,storetime,text",
    "mimic-cxr/mimic-cxr-2.0.0-metadata": (
        "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,"
        "ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning"
    ),
    "mimic-iv-ecg/record_list": "subject_id,study_id,file_name,ecg_time,path",
}

HOSPICE, DEAD, LONG, SECOND = 20000001, 20000002, 20000003, 20000004
SECRET = "SECRET-AFTER-THE-CUT"
"""Stands in every row that no text may show."""
NAMES = {
    "A419": "Sepsis, unspecified organism", "I10": "Essential (primary) hypertension", "N179": "Acute kidney failure",
    "J189": "Pneumonia, unspecified organism", "E119": "Type 2 diabetes mellitus", "I509": "Heart failure",
}  # fmt: skip


def table(root: Path, name: str, rows: list[dict | str], *, zipped: bool = True) -> Path:
    """Write rows (dictionaries, or text for broken ones) with the published header."""
    header = COLUMNS[name].split(",")
    lines = [COLUMNS[name]]
    for row in rows:
        if isinstance(row, str):
            lines.append(row)
            continue
        assert set(row) <= set(header), set(row) - set(header)
        cells = [str(row.get(column, "")) for column in header]
        lines.append(",".join(f'"{c}"' if "," in c or "\n" in c else c for c in cells))
    path = root / f"{name}.csv{'.gz' if zipped else ''}"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(data) if zipped else data)
    return path


def lab(hadm: int, item: int, time: str, value: object, stored: str = "", **more: object) -> dict:
    """A row of labevents."""
    return {"labevent_id": 1, "subject_id": subject_of(hadm), "hadm_id": hadm, "itemid": item, "charttime": time,
            "storetime": stored or time, "value": value, "valuenum": value, **more}  # fmt: skip


def chart(hadm: int, item: int, time: str, value: object, stored: str = "", **more: object) -> dict:
    """A row of chartevents."""
    return {"subject_id": subject_of(hadm), "hadm_id": hadm, "stay_id": 3, "charttime": time, "itemid": item,
            "storetime": stored or time, "value": value, "valuenum": value, "warning": 0, **more}  # fmt: skip


def subject_of(hadm: int) -> int:
    return {HOSPICE: 10000001, SECOND: 10000001, DEAD: 10000002, LONG: 10000003}[hadm]


def mimic_root(root: Path) -> Path:
    """All modules below one folder, in PhysioNet's layout."""
    people(root)
    names(root)
    measurements(root)
    treatments(root)
    discharge_papers(root)
    pictures(root)
    ecgs(root)
    return root


def people(root: Path) -> None:
    """Three patients, four admissions, one said twice, one of nobody, one without a time."""
    table(root, "hosp/patients", [
        {"subject_id": 10000001, "gender": "F", "anchor_age": 60, "anchor_year": 2150},
        {"subject_id": 10000002, "gender": "M", "anchor_age": 71, "anchor_year": 2160},
        {"subject_id": 10000003, "gender": "M", "anchor_age": 45, "anchor_year": 2170, "dod": "2175-01-01"},
    ])  # fmt: skip
    base = {
        "admission_type": "EW EMER.",
        "admission_location": "EMERGENCY ROOM",
        "race": "WHITE",
        "language": "English",
    }
    hospice = base | {"subject_id": 10000001, "hadm_id": HOSPICE, "admittime": "2152-03-01 10:00:00",
                      "dischtime": "2152-03-03 09:59:00", "edregtime": "2152-03-01 06:30:00",
                      "discharge_location": "HOSPICE", "hospital_expire_flag": 0}  # fmt: skip
    table(root, "hosp/admissions", [
        base | {"subject_id": 10000003, "hadm_id": LONG, "admittime": "2171-05-01 08:00:00",
                "dischtime": "2171-05-14 08:00:00", "discharge_location": "HOME", "hospital_expire_flag": 0},
        hospice,
        base | {"subject_id": 10000002, "hadm_id": DEAD, "admittime": "2161-07-01 00:00:00",
                "dischtime": "2161-07-02 16:00:00", "deathtime": "2161-07-02 16:00:00",
                "discharge_location": "DIED", "hospital_expire_flag": 1},
        base | {"subject_id": 10000001, "hadm_id": SECOND, "admittime": "2153-01-01 00:00:00",
                "dischtime": "2153-01-05 23:00:00", "discharge_location": "HOME"},
        hospice,
        base | {"subject_id": 19999999, "hadm_id": 29999999, "admittime": "2153-01-01 00:00:00"},
        base | {"subject_id": 10000003, "hadm_id": 29999998, "admittime": "soon"},
    ])  # fmt: skip
    table(root, "icu/icustays", [
        {"subject_id": 10000003, "hadm_id": LONG, "stay_id": 3, "first_careunit": "Medical Intensive Care Unit (MICU)",
         "last_careunit": SECRET, "intime": "2171-05-01 09:00:00", "outtime": "2171-05-10 09:00:00", "los": 9},
        {"subject_id": 10000003, "hadm_id": LONG, "stay_id": 4, "first_careunit": SECRET,
         "last_careunit": SECRET, "intime": "2171-05-12 09:00:00", "outtime": "2171-05-13 09:00:00", "los": 1},
    ])  # fmt: skip


def names(root: Path) -> None:
    """What items and codes are called."""
    table(root, "hosp/d_labitems", [
        {"itemid": 50912, "label": "Creatinine", "fluid": "Blood", "category": "Chemistry"},
        {"itemid": 51222, "label": "Hemoglobin", "fluid": "Blood", "category": "Hematology"},
        {"itemid": 59999, "label": SECRET, "fluid": "Blood", "category": "Chemistry"},
    ])  # fmt: skip
    table(root, "icu/d_items", [
        {"itemid": 220045, "label": "Heart Rate", "linksto": "chartevents", "category": "Routine Vital Signs"},
        {"itemid": 220210, "label": "Respiratory Rate", "linksto": "chartevents", "category": "Respiratory"},
        {"itemid": 228096, "label": "Richmond-RAS Scale", "linksto": "chartevents", "category": "Pain/Sedation"},
        {"itemid": 221906, "label": "Norepinephrine", "linksto": "inputevents", "category": "Medications"},
        {"itemid": 225792, "label": "Invasive Ventilation", "linksto": "procedureevents", "category": "2-Ventilation"},
        {"itemid": 229999, "label": SECRET, "linksto": "chartevents", "category": "Alarms"},
    ])  # fmt: skip
    table(root, "hosp/d_icd_diagnoses",
          [{"icd_code": code, "icd_version": 10, "long_title": name} for code, name in NAMES.items()])  # fmt: skip


def measurements(root: Path) -> None:
    """Out of order, doubled, late, without number, without admission, and broken."""
    unit = {"valueuom": "mg/dL", "ref_range_lower": 0.4, "ref_range_upper": 1.1}
    table(root, "hosp/labevents", [
        lab(LONG, 50912, "2171-05-02 06:00:00", 2.1, flag="abnormal", **unit),
        lab(LONG, 50912, "2171-05-01 08:30:00", 0.9, **unit),
        lab(LONG, 50912, "2171-05-01 08:30:00", 0.9, **unit),
        lab(LONG, 51222, "2171-05-01 08:30:00", 13.5, valueuom="g/dL", ref_range_lower=13, ref_range_upper=17),
        lab(LONG, 51222, "2171-05-02 08:30:00", "", comments="hemolyzed, see note"),
        lab(LONG, 59999, "2171-05-03 08:00:00", 1.0, valueuom=SECRET),
        lab(LONG, 59999, "2171-05-03 07:59:00", 1.0, "2171-05-03 08:00:00", valueuom=SECRET),
        lab(LONG, 59999, "2171-04-29 08:00:00", 1.0, valueuom=SECRET),
        lab(HOSPICE, 50912, "2152-03-01 07:00:00", 1.5, **unit),
        lab(HOSPICE, 59999, "2152-03-01 06:00:00", 1.5, valueuom=SECRET),
        {"labevent_id": 9, "subject_id": 10000001, "itemid": 50912, "charttime": "2152-03-01 07:00:00", "valuenum": 1},
        "1,2,3",
        lab(DEAD, 50912, "2161-07-01 30:00:00", 1.0),
        lab(DEAD, 50912, "2161-07-01 03:00:00", "1.0abc"),
        lab(DEAD, 50912, "2161-07-01 04:00:00", 3.3, valueuom="mg/dL"),
        lab(DEAD, 59999, "2161-07-02 16:30:00", 3.3, valueuom=SECRET),
    ])  # fmt: skip
    rate = {"valueuom": "bpm"}
    table(root, "icu/chartevents", [
        chart(LONG, 220045, "2171-05-03 07:59:00", 120, **rate),
        chart(LONG, 220045, "2171-05-01 09:00:00", 80, **rate),
        chart(LONG, 220045, "2171-05-02 09:00:00", 95, warning=1, **rate),
        chart(LONG, 229999, "2171-05-03 08:00:00", 999, valueuom=SECRET),
        chart(LONG, 229999, "2171-05-10 08:00:00", 999, valueuom=SECRET),
        chart(LONG, 220210, "2171-05-01 09:00:00", 22, valueuom="insp/min"),
        chart(LONG, 228096, "2171-05-01 10:00:00", -2),
        '10000003,20000003,3,,2171-05-01 11:00:00,"torn',
    ])  # fmt: skip


def treatments(root: Path) -> None:
    """Drugs, an infusion and a procedure that go on beyond the cut."""
    table(root, "hosp/prescriptions", [
        {"subject_id": 10000003, "hadm_id": LONG, "starttime": "2171-05-01 12:00:00", "stoptime": "2171-05-09 12:00:00",
         "drug": "Vancomycin", "dose_val_rx": "1000", "dose_unit_rx": "mg", "route": "IV"},
        {"subject_id": 10000003, "hadm_id": LONG, "starttime": "2171-05-05 12:00:00", "drug": SECRET},
        {"subject_id": 10000003, "hadm_id": LONG, "starttime": "", "drug": SECRET},
    ])  # fmt: skip
    table(root, "icu/inputevents", [
        {"subject_id": 10000003, "hadm_id": LONG, "starttime": "2171-05-01 13:00:00", "endtime": "2171-05-01 14:00:00",
         "storetime": "2171-05-01 14:05:00", "itemid": 221906, "amount": 4.5, "amountuom": "mg", "rate": 0.1,
         "rateuom": "mcg/kg/min"},
        {"subject_id": 10000003, "hadm_id": LONG, "starttime": "2171-05-03 07:00:00", "endtime": "2171-05-03 11:00:00",
         "storetime": "2171-05-03 07:05:00", "itemid": 221906, "amount": 777.7, "amountuom": SECRET, "rate": 0.2,
         "rateuom": "mcg/kg/min"},
    ])  # fmt: skip
    table(root, "icu/procedureevents", [
        {"subject_id": 10000003, "hadm_id": LONG, "starttime": "2171-05-01 10:00:00", "endtime": "2171-05-08 10:00:00",
         "storetime": "2171-05-01 10:05:00", "itemid": 225792, "value": 9999, "valueuom": "min"},
    ])  # fmt: skip


def discharge_papers(root: Path) -> None:
    """What is written at discharge: codes, and notes with commas, quotes and line breaks."""
    codes = [(HOSPICE, 1, "A419"), (HOSPICE, 2, "N179"), (DEAD, 1, "J189"), (LONG, 2, "I10"), (LONG, 1, "I509"),
             (LONG, 2, "I10"), (SECOND, 1, "E119"), (SECOND, 2, "XXXX")]  # fmt: skip
    table(root, "hosp/diagnoses_icd", [
        {"subject_id": subject_of(hadm), "hadm_id": hadm, "seq_num": number, "icd_code": code, "icd_version": 10}
        for hadm, number, code in codes
    ])  # fmt: skip
    table(root, "hosp/procedures_icd", [
        {"subject_id": 10000003, "hadm_id": LONG, "seq_num": 1, "chartdate": "2171-05-01", "icd_code": SECRET,
         "icd_version": 10},
    ])  # fmt: skip
    note = {
        "subject_id": 10000003,
        "hadm_id": LONG,
        "note_type": "DS",
        "note_seq": 1,
        "charttime": "2171-05-01 00:00:00",
    }
    for name in ("discharge", "radiology"):
        table(root, f"note/{name}", [note | {"note_id": f"10000003-{name}", "text": f"{SECRET}, line one\nline two"}])


def pictures(root: Path) -> None:
    """Chest X-rays inside and outside the windows, one of them not on disk."""
    rows = []
    studies = ((50000001, "20.0", "a", "LATERAL"), (50000002, "93000.123", "b", "PA"), (50000003, "233000", "c", "AP"))
    for study, clock, name, view in studies:
        day = "21710502" if study != 50000001 else "21710501"
        rows.append({"dicom_id": name, "subject_id": 10000003, "study_id": study, "ViewPosition": view,
                     "StudyDate": day, "StudyTime": clock if study != 50000001 else "100000.0"})  # fmt: skip
    rows.append({"dicom_id": SECRET, "subject_id": 10000003, "study_id": 50000009, "ViewPosition": "PA",
                 "StudyDate": "21710503", "StudyTime": "80000.0"})  # fmt: skip
    rows.append({"dicom_id": "gone", "subject_id": 10000002, "study_id": 50000010, "ViewPosition": "PA",
                 "StudyDate": "21610701", "StudyTime": "80000.0"})  # fmt: skip
    table(root, "mimic-cxr/mimic-cxr-2.0.0-metadata", rows)
    for row in rows:
        if row["dicom_id"] == "gone":
            continue
        path = root / f"mimic-cxr/files/p10/p{row['subject_id']}/s{row['study_id']}/{row['dicom_id']}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((30, 40), 90, np.uint8)).save(path)


def ecgs(root: Path) -> None:
    """A 12-lead record inside the window and one after it."""
    import wfdb

    leads = ["I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"]
    rows = []
    for study, time in ((40000001, "2171-05-01 09:00:00"), (40000002, "2171-05-04 09:00:00")):
        folder = root / f"mimic-iv-ecg/files/p1000/p10000003/s{study}"
        folder.mkdir(parents=True)
        seconds = np.arange(5000) / 500
        signal = np.stack([(i + 1) * 0.1 * np.sin(2 * np.pi * seconds) for i in range(12)], axis=1)
        wfdb.wrsamp(str(study), 500, ["mV"] * 12, leads, signal, fmt=["16"] * 12, write_dir=str(folder))
        rows.append({"subject_id": 10000003, "study_id": study, "file_name": study, "ecg_time": time,
                     "path": f"files/p1000/p10000003/s{study}/{study}"})  # fmt: skip
    table(root, "mimic-iv-ecg/record_list", rows, zipped=False)
