"""Small data sets in CLIMB's published layouts: its folders, questions and files, with what goes wrong in them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

CHEXPERT = (
    "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation", "Pneumonia",
    "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices", "No Finding",
)  # fmt: skip
CHEXPERT_QUESTION = (
    "<image>\nAbove is a chest X-ray image of a patient. What is the diagnosis of the patient in the X-ray image?"
    "Answer with one or multiple phrases from the following:\n" + "\n".join(CHEXPERT)
)
BUSI_QUESTION = (
    "<image>\nAbove is a breast ultrasound image. What is the diagnosis based on this breast ultrasound image? "
    "Answer with one word from the following:\nNormal\nBenign\nMalignant"
)
BCSS_QUESTION = (
    "<image>\nAbove is a histopathological image patch from breast cancer tissue. What type of tissue is shown in "
    "this image patch? Choose from:\nTumor\nStroma\nInflammatory\nNecrosis"
)
KITS_QUESTION = (
    "<video>\nAbove is a kidney CT scan of a patient. Is the tumor in the CT Scan benign or malignant? "
    "Answer with one of the following:\nBenign\nMalignant"
)
COVID_QUESTION = "<video>\nAbove is a lung ultrasound video. Based on the ultrasound, does the patient have COVID?"
ISIC_QUESTION = (
    "<image>\nAbove is a dermoscopy image of a patient. Is the skin lesion benign or malignant? "
    "Answer with one word from the following: Benign\nMalignant\n"
)
HEMORRHAGE_QUESTION = (
    "<image>\n<image>\nAbove is a brain CT scan slice. Is there any hemorrhage present in this CT scan slice? "
    "Answer with one of the following:\nNo Hemorrhage\nHas Hemorrhage"
)
ECG_QUESTION = (
    "<time-series>\nAbove is a 12-lead ECG. What is the diagnosis? Answer with one or multiple phrases from the "
    "following:\nNormal\nCD\nHYP\nMI\nSTTC\nA. Fib/Aflutter\nOther"
)


def turn(question: str, answer: str, **media: object) -> dict:
    """A line of a per-set annotation file."""
    return {
        **media,
        "explanation": "",
        "conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": answer}],
    }


def write_lines(path: Path, lines: list[dict | str]) -> Path:
    """Dictionaries as JSON, strings as they are (broken lines)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    return path


def picture(path: Path, rows: int = 40, columns: int = 60, seed: int = 0) -> Path:
    """A picture that is not square."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (rows, columns, 3), dtype=np.uint8)).save(path)
    return path


def video(path: Path, frames: int = 9, rows: int = 32, columns: int = 48) -> Path:
    """An mp4 whose frame i is grey 20 * i."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = columns, rows, "yuv420p"
        for index in range(frames):
            grey = np.full((rows, columns, 3), 20 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    return path


def climb_root(root: Path) -> Path:
    """A root with six per-set data sets; `chexpert_full` and `busi` have faults."""
    chexpert(root)
    busi(root)
    bcss(root)
    kits(root)
    simple(root, "derm", "isic2020", ISIC_QUESTION, ("Benign", "Malignant"))
    hemorrhage(root)
    return root


def chexpert(root: Path) -> None:
    """Several pictures a patient, several labels an answer; a broken, a torn, an empty and an escaping line."""
    folder = root / "chest_xray" / "chexpert_full"
    lines: list[dict | str] = []
    for patient in range(4):
        for view in range(2):
            name = f"train/patient{patient:05d}/study1/view{view}_frontal.jpg"
            picture(folder / name, seed=patient * 2 + view)
            answer = "Edema, Pleural Effusion" if patient % 2 else "No Finding"
            facts = {"sex": "Female" if patient % 2 else "Male", "age": 40 + patient}
            lines.append(turn(CHEXPERT_QUESTION, answer, images=[name]) | facts)
    lines += [
        '{"images": ["train/patient00000/study1/view0_frontal.jpg"], "conv',
        "",
        "[1, 2, 3]",
        turn(CHEXPERT_QUESTION, "Edema", images=["train/patient09999/study1/view0_frontal.jpg"]),
        turn(CHEXPERT_QUESTION, " ", images=["train/patient00000/study1/view0_frontal.jpg"]),
        turn(CHEXPERT_QUESTION, "Edema", images=["../../../outside.jpg"]),
        {"images": ["train/patient00000/study1/view0_frontal.jpg"], "conversations": "none"},
    ]
    write_lines(folder / "annotation_train.jsonl", lines)
    write_lines(folder / "annotation_valid.jsonl", list(lines[:2]))


def busi(root: Path) -> None:
    """Masks beside the pictures, one picture with two; the last mask is missing."""
    folder = root / "ultrasound" / "busi"
    lines: list[dict | str] = []
    for index in range(4):
        name = f"benign/benign ({index + 1}).png"
        picture(folder / name, seed=index)
        lines.append(turn(BUSI_QUESTION, "Benign", images=[name]))
        if index < 3:
            mask = np.zeros((40, 60), np.uint8)
            mask[5:15, 10:30] = 255
            Image.fromarray(mask).save(folder / f"benign/benign ({index + 1})_mask.png")
    second = np.zeros((40, 60), np.uint8)
    second[30:35, 50:55] = 255
    Image.fromarray(second).save(folder / "benign/benign (1)_mask_1.png")
    write_lines(folder / "annotation_train.jsonl", lines)
    write_lines(folder / "annotation_test.jsonl", lines[:1])


def bcss(root: Path) -> None:
    """A patch of a masked region, and where it was cut."""
    folder = root / "pathology" / "bcss"
    region = "TCGA-A1-A0SK-DX1_xmin1_ymin2_MPP-0.2500.png"
    labels = np.zeros((300, 400), np.uint8)
    labels[50:150, 100:300] = 2
    (folder / "masks").mkdir(parents=True)
    Image.fromarray(labels).save(folder / "masks" / region)
    patch = f"{region[:-4]}_2_0.jpg"
    picture(folder / "jpgs" / patch, 120, 230)
    where = {"image_name": patch, "label": 1, "original_label": 2, "bbox": [90, 40, 230, 120], "is_split": False}
    found = {"images": {region: {"site_code": "A1", "patches": [where]}}}
    (folder / "annotations.json").write_text(json.dumps(found), encoding="utf-8")
    for part in ("train", "test"):
        write_lines(folder / f"annotation_{part}.jsonl", [turn(BCSS_QUESTION, "Stroma", images=[f"jpgs/{patch}"])])


def kits(root: Path) -> None:
    """A video made of a volume along the array's first axis, and the volume's segmentation."""
    import SimpleITK as sitk

    folder = root / "ct" / "kits23"
    case = folder / "dataset" / "case_00001"
    video(case / "imaging.mp4", frames=9, rows=32, columns=48)
    labels = np.zeros((9, 32, 48), np.uint8)
    labels[8, 4:10, 20:30] = 1
    # nibabel's first axis is ITK's x, so the array is written with its axes reversed.
    sitk.WriteImage(sitk.GetImageFromArray(labels.transpose(2, 1, 0)), str(case / "segmentation.nii.gz"))
    for part in ("train", "test"):
        line = turn(KITS_QUESTION, "Malignant", videos=["dataset/case_00001/imaging.mp4"])
        write_lines(folder / f"annotation_{part}.jsonl", [line])


def hemorrhage(root: Path) -> None:
    """Two images a question."""
    folder = root / "ct" / "hemorrhage"
    names = [f"Patients_CT/049/{kind}/14.jpg" for kind in ("brain", "bone")]
    for index, name in enumerate(names):
        picture(folder / name, seed=index)
    for part in ("train", "valid"):
        write_lines(folder / f"annotation_{part}.jsonl", [turn(HEMORRHAGE_QUESTION, "Has Hemorrhage", images=names)])


def simple(root: Path, domain: str, folder: str, question: str, answers: tuple[str, ...], count: int = 4) -> None:
    """One picture and one of the answers a line."""
    place = root / domain / folder
    lines: list[dict | str] = []
    for index in range(count):
        picture(place / f"train/{index}.jpg", seed=index)
        lines.append(turn(question, answers[index % len(answers)], images=[f"train/{index}.jpg"]))
    for part in ("train", "test"):
        write_lines(place / f"annotation_{part}.jsonl", lines)


def consolidated(root: Path, name: str = "geom_train.jsonl") -> Path:
    """The trainer's file: pictures with mask or box, a video, an ECG tensor, and lines that cannot be used."""
    import torch

    picture(root / "derm" / "ham10000" / "images" / "ISIC_1.jpg", 45, 60)
    mask = np.zeros((45, 60), np.uint8)
    mask[10:20, 5:25] = 1
    (root / "derm" / "ham10000" / "masks").mkdir()
    Image.fromarray(mask).save(root / "derm" / "ham10000" / "masks" / "ISIC_1.png")
    picture(root / "chest_xray" / "vindr" / "train" / "a.png", 50, 70)
    picture(root / "mammo" / "vindr" / "jpegs" / ("0" * 32) / "b.jpg", 70, 30)
    video(root / "ultrasound" / "covid_us" / "v.mp4")
    ecg = root / "ecg" / "ptbxl" / "records500" / "00001.pt"
    ecg.parent.mkdir(parents=True)
    torch.save(torch.arange(20_000, dtype=torch.float32).reshape(8, 2500) / 1000, ecg)
    derm = {"images": ["derm/ham10000/images/ISIC_1.jpg"], "problem": ISIC_QUESTION, "answer": "Malignant"}
    lines: list[dict | str] = [
        derm | {"segmentation_path": "derm/ham10000/masks/ISIC_1.png", "dataset": "ham10000", "data_source": "derm",
                "demo": "sex: Male, age: 68"},
        {"images": ["chest_xray/vindr/train/a.png"], "problem": CHEXPERT_QUESTION, "answer": "Cardiomegaly, Edema",
         "bbox": [10, 5, 60, 40], "dataset": "vindr", "data_source": "chest_xray"},
        {"images": [f"mammo/vindr/jpegs/{'0' * 32}/b.jpg"], "answer": "BIRAD 2", "videos": [],
         "problem": "<image>\nAnswer with one phrase from the following: BIRAD 1\nBIRAD 2\nBIRAD 3\n"},
        {"videos": ["ultrasound/covid_us/v.mp4"], "answer": "covid", "images": [],
         "problem": "<video>\nAnswer with one word from the following options:\ncovid\npneumonia\nnormal"},
        {"time-series": ["ecg/ptbxl/records500/00001.pt"], "problem": ECG_QUESTION, "answer": "MI, A. Fib/Aflutter",
         "dataset": "ptbxl", "data_source": "ecg", "demo": "age: 71"},
        derm | {"segmentation_path": "derm/ham10000/masks/missing.png"},
        derm | {"bbox": ["a", 2, 3, 4]},
        derm | {"images": [], "problem": ISIC_QUESTION},
        "\ufeff{not json",
        derm | {"images": ["/etc/hostname"]},
        derm | {"images": ["derm/ham10000/images/none.jpg"]},
    ]  # fmt: skip
    return write_lines(root / name, lines)
