"""The data sets of CLIMB as data: where each lies under the root, what it shows, how large the paper says it is.

Facts from CLIMB's Dataset_Info.md (45 headings) and its loaders; a folder of "" means that no loader of the published
code names one. `classes` and `records` are the published table's, for the check command to set beside what is on
disk. They are not the label sets: those are read from the questions (`label_sets`), and `note` says where the two
differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Metric = Literal["macro-F1", "Dice", "other"]
Masks = Literal["", "beside", "whole-slide", "volume"]


@dataclass(frozen=True, slots=True)
class ClimbSet:
    """One data set of CLIMB.

    Args:
        domain: first folder under the root.
        folder: second folder; together they are the data set's place, alone it is DRPO's published domain key.
        name: as CLIMB writes it.
        modality: what is shown.
        classes: number of classes in the published table; None where it gives none.
        records: number of records in the published table; None where it gives none.
        metric: what an evaluation reports; macro-F1 in the published definition where labels are asked for.
        masks: "beside" (a mask file beside each picture), "whole-slide" (patches of a masked picture), "volume" (a
            segmentation beside each volume), or "".
        trained: the published model was trained on it.
        note: where label strings or files differ from what the table lets one expect.
    """

    domain: str
    folder: str
    name: str
    modality: str
    classes: int | None
    records: int | None
    metric: Metric = "macro-F1"
    masks: Masks = ""
    trained: bool = False
    note: str = ""

    @property
    def key(self) -> str:
        """``domain/folder``: unique, also for the two sets of the folder `vindr`."""
        return f"{self.domain}/{self.folder}"


def _trained(
    domain: str, folder: str, name: str, modality: str, classes: int, records: int, *, masks: Masks = "", note: str = ""
) -> ClimbSet:
    return ClimbSet(domain, folder, name, modality, classes, records, "macro-F1", masks, True, note)


_CHEXPERT_NAMES = "answers are the 14 CheXpert names"

CLIMB_SETS: tuple[ClimbSet, ...] = (
    _trained("ecg", "ptbxl", "PTB-XL", "ECG", 7, 21_837),
    _trained("ecg", "ChapmanShaoxing", "Chapman-Shaoxing", "ECG", 7, 40_258),
    _trained("ecg", "Ga", "Georgia", "ECG", 7, 20_689),
    _trained("ecg", "CPSC", "CPSC", "ECG", 7, 6_192),
    ClimbSet("eeg", "IIIC", "IIIC", "EEG", 6, 134_450),
    ClimbSet("eeg", "TUAB", "TUAB", "EEG", 2, 409_500),
    ClimbSet("eeg", "TUEV", "TUEV", "EEG", 6, 111_900),
    _trained("chest_xray", "mimic-cxr", "MIMIC-CXR", "chest X-ray", 14, 356_225, note=_CHEXPERT_NAMES),
    _trained("chest_xray", "chexpert_full", "CheXpert", "chest X-ray", 14, 212_498, note=_CHEXPERT_NAMES),
    _trained("chest_xray", "vindr", "VinDr-CXR", "chest X-ray", 6, 18_000,
             note=_CHEXPERT_NAMES + "; cases that do not map to one are left out"),
    _trained("chest_xray", "covid19", "COVID-19", "chest X-ray", 4, 2_990),
    _trained("chest_xray", "coronahack", "CoronaHack", "chest X-ray", 3, 5_908),
    _trained("mammo", "vindr", "VinDr-Mammo", "mammography", 5, 20_000, note="answers BIRAD 1 to BIRAD 5"),
    _trained("mammo", "cbis", "CBIS-DDSM", "mammography", 6, 2_825,
             note="questions offer BIRAD 1 to 5, the table counts 0 to 5"),
    _trained("mammo", "cmmd", "CMMD", "mammography", 2, 1_872),
    _trained("derm", "isic2020", "ISIC-2020", "dermoscopy", 2, 33_126),
    _trained("derm", "ham10000", "HAM10000", "dermoscopy", 5, 10_015),
    _trained("derm", "pad_ufes_20", "PAD-UFES-20", "clinical photograph", 5, 2_298),
    _trained("fundus", "Messidor-2", "Messidor-2", "fundus", 5, 1_744),
    _trained("fundus", "aptos", "APTOS 2019", "fundus", 5, 3_662),
    _trained("fundus", "jinchi", "Jichi", "fundus", 3, 9_939,
             note="questions offer four grades, the table counts three"),
    _trained("ct", "lndb", "LNDb", "CT", 3, 5_561, note="questions offer 'no nodule' and 'has nodule' only; videos"),
    _trained("ct", "inspect", "INSPECT", "CT", 5, 23_240, note="videos"),
    _trained("ct", "kits23", "KiTS23", "CT", 2, 478, masks="volume", note="videos made of the volumes"),
    _trained("ct", "hemorrhage", "Hemorrhage", "CT", 2, 2_501, note="two images a question, brain and bone window"),
    _trained("ct", "rspect", "RSPECT", "CT", 3, 1_790_594),
    ClimbSet("ultrasound", "EchoNet-Dynamic", "EchoNet-Dynamic", "ultrasound", None, 10_247, "Dice", note="videos"),
    _trained("ultrasound", "busi", "BUSI", "ultrasound", 3, 780, masks="beside",
             note="masks end in _mask.png, further ones in _mask_1.png; split alphabetically 75 to 25"),
    _trained("ultrasound", "COVID-BLUES", "COVID-BLUES", "ultrasound", 2, 362,
             note="videos; its questions list no answers"),
    _trained("ultrasound", "covid_us", "COVID-US", "ultrasound", 3, 99, note="videos; labels in lower case"),
    _trained("mri", "brain_tumor", "Brain Tumor", "MR", 4, 3_264),
    _trained("mri", "brain_tumor_2", "Brain MRI", "MR", 2, 253),
    ClimbSet("mri", "ABCD", "ABCD", "brain network", 2, None),
    ClimbSet("mri", "ABIDE", "ABIDE", "brain network", 2, None),
    ClimbSet("mri", "PPMI", "PPMI", "brain network", 2, None),
    ClimbSet("molecule", "", "PROTEINS", "molecule", 2, None),
    ClimbSet("molecule", "", "PPI", "molecule", None, None, "other"),
    _trained("pathology", "lc25000", "LC25000", "pathology", 5, 18_750, note="labels listed with bullets"),
    _trained("pathology", "bcss", "BCSS", "pathology", 4, 5_264, masks="whole-slide",
             note="labels are Tumor, Stroma, Inflammatory and Necrosis; patches of jpgs/, masks of the whole region"),
    ClimbSet("endoscopic", "cholec80", "Cholec80", "video", 7, None,
             note="annotation_*_phase.jsonl and *_tool.jsonl; the key is 'video'"),
    ClimbSet("gait", "hugadb", "HuGaDB", "IMU", 4, None),
    ClimbSet("genom", "expression_atlas", "Expression Atlas", "gene expression", None, None, "other"),
    ClimbSet("genom", "ftp.ncbi.nlm.nih.gov", "Geo", "gene expression", None, None),
    ClimbSet("multimodal", "", "Vital", "vital signs", None, 210_000, "other"),
    ClimbSet("multimodal", "mimiciv", "MIMIC-IV", "EHR, chest X-ray and ECG", 2, None,
             note="tables, not questions: build them with `wetread data mimic`"),
)  # fmt: skip


def find_set(domain: str, folder: str) -> ClimbSet | None:
    """The data set of a place under the root; letters of either case, as file systems differ in it."""
    wanted = f"{domain}/{folder}".lower()
    return next((one for one in CLIMB_SETS if one.folder and one.key.lower() == wanted), None)
