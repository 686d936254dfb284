"""Small labelled data sets in every layout that `wetread triplets` reads, drawn here, broken items among them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

import dicom_phantoms
import reporting_reads
from wetread.imaging import to_sample
from wetread.reporting.segmentation import build_seg
from wetread.training.layouts import rle

ROWS, COLUMNS = 48, 64


def drawn(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A grey picture with two bright blocks, and its label map (1 and 2); the picture's own place depends on `seed`."""
    labels = np.zeros((ROWS, COLUMNS), dtype=np.uint8)
    labels[5 + seed % 5 : 20, 6:22] = 1
    labels[28:40, 34 + seed % 7 : 58] = 2
    noise = np.random.default_rng(seed).integers(0, 30, labels.shape)
    return (noise + 90 * (labels > 0) + 60 * (labels == 2)).astype(np.uint8), labels


def save(array: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def write_json(content: object, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def volume(path: Path, array: np.ndarray) -> None:
    import SimpleITK as sitk

    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.5, 0.5, 2.0))
    sitk.WriteImage(image, str(path))


def biomedparse(root: Path, count: int = 6) -> Path:
    """Good: `count` of train and one of test; bad: a mask without image, one of another size, one of no modality."""
    for number in range(count):
        picture, labels = drawn(number)
        name = f"case_{number:03d}_MRI-T1_brain"
        save(picture, root / "train" / f"{name}.png")
        save((labels == 1).astype(np.uint8) * 255, root / "train_mask" / f"{name}_left+hippocampus.png")
        save((labels == 2).astype(np.uint8) * 255, root / "train_mask" / f"{name}_brain+tumor.png")
    picture, labels = drawn(99)
    save(np.stack([picture] * 3, axis=2), root / "test" / "last_pathology_colon.png")
    save((labels > 0).astype(np.uint8), root / "test_mask" / "last_pathology_colon_glands.png")
    save(picture, root / "test_mask" / "gone_CT_abdomen_liver.png")
    save(picture, root / "test" / "small_CT_abdomen.png")
    save(picture[:9], root / "test_mask" / "small_CT_abdomen_liver.png")
    save(picture, root / "test" / "odd_gizmo_abdomen.png")
    save(picture, root / "test_mask" / "odd_gizmo_abdomen_liver.png")
    write_json({"annotations": [{"file_name": "../../etc/passwd", "mask_file": "gone.png"}]}, root / "train.json")
    return root


def coco(root: Path) -> Path:
    """Good: polygons, counts, a string; bad: a path that leads out, broken counts, a missing file, a short polygon."""
    items, annotations = [], []

    def add(file: str, *segmentations: object) -> None:
        number = len(items) + 1
        items.append({"id": number, "file_name": file, "width": COLUMNS, "height": ROWS})
        for drawing in segmentations:
            annotations.append({"id": len(annotations), "image_id": number, "category_id": 7, "segmentation": drawing})

    picture, labels = drawn(1)
    save(picture, root / "images" / "a.png")
    for name in "bc":
        save(picture, root / "images" / f"{name}.jpg")
    save(picture, root.parent / "secret.png")
    counts = rle.encode(labels == 2)
    add("a.png", [[6, 6, 22, 6, 22, 20, 6, 20]], {"size": [ROWS, COLUMNS], "counts": counts})
    add("b.jpg", {"size": [ROWS, COLUMNS], "counts": rle.pack(counts)})
    add("../../secret.png", [[6, 6, 22, 6, 22, 20]])
    add("c.jpg", {"size": [ROWS, COLUMNS], "counts": [1, 2]})
    add("missing.jpg", [[6, 6, 22, 6, 22, 20]])
    add("c.jpg", [[6, 6, 22, 6]])
    add("c.jpg")
    content = {"images": items, "annotations": annotations, "categories": [{"id": 7, "name": "polyp"}],
               "licenses": [{"id": 1, "name": "CC BY 4.0"}]}  # fmt: skip
    write_json(content, root / "annotations" / "instances_train.json")
    return root


def labelmaps(root: Path, suffix: str = "png") -> Path:
    """Good: two; bad: a value without a name, an image without labels, labels without an image, no picture at all."""
    for number in range(3):
        picture, labels = drawn(number)
        if number == 2:
            labels[0, 0] = 9
        if suffix == "png":
            save(picture, root / "images" / f"{number}.png")
            save(labels, root / "labels" / f"{number}.png")
        else:
            stack = np.stack([np.zeros_like(labels), labels, labels, np.zeros_like(labels)])
            volume(root / "images" / f"{number}_0000.{suffix}", (stack * 100.0 - 50).astype(np.int16))
            volume(root / "labels" / f"{number}.{suffix}", stack)
    save(picture, root / "images" / "alone.png")
    save(picture, root / "labels" / "orphan.png")
    (root / "images" / "notes.txt").write_text("none", encoding="utf-8")
    write_json({"labels": {"1": "liver", "2": "kidney_left"}, "modality": "CT", "licence": "CC0"}, root / "labels.json")
    return root


def decathlon(root: Path) -> Path:
    """Good: two volumes of which one has two channels; bad: a label of another size, a path that leads out, no pair."""
    stack = np.zeros((6, ROWS, COLUMNS), dtype=np.uint8)
    stack[1:4, 10:30, 12:40] = 1
    stack[2, 32:40, 40:60] = 2
    grey = stack.astype(np.int16) * 200 + 10
    for number in range(2):
        volume(root / "imagesTr" / f"h{number}.nii.gz", grey)
        volume(root / "labelsTr" / f"h{number}.nii.gz", stack)
    volume(root / "imagesTr" / "short.nii.gz", grey[:3])
    volume(root / "labelsTr" / "short.nii.gz", stack)
    pairs = [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in
             ("h0", "h1", "short")]  # fmt: skip
    pairs += [{"image": "/etc/passwd", "label": "../x.nii.gz"}, "imagesTr/h0.nii.gz"]
    content = {"modality": {"0": "MRI"}, "labels": {"0": "background", "1": "Anterior hippocampus", "2": "gizmo"},
               "licence": "CC-BY-SA 4.0", "training": pairs, "test": []}  # fmt: skip
    write_json(content, root / "dataset.json")
    return root


def dicom_seg(root: Path) -> Path:
    """Good: a CT series with its SEG of two segments; bad: a SEG whose source is not there."""
    for name in ("here", "gone"):
        datasets = dicom_phantoms.ct_series(6, name=name)
        sample = to_sample(datasets)
        liver = reporting_reads.finding(sample, "liver", reporting_reads.asymmetric_mask(sample, [1, 2, 4]))
        lesion = reporting_reads.finding(sample, "liver tumor", reporting_reads.asymmetric_mask(sample, [2], 20, 30), 2)
        seg = build_seg(reporting_reads.read_of([liver, lesion], uid=f"2.25.471{len(name)}{ord(name[0])}"), sample)
        dicom_phantoms.write([seg], root / f"seg-{name}")
        if name == "here":
            dicom_phantoms.write(datasets, root / "images")
    (root / "images" / "notes.dcm").write_bytes(b"no DICOM at all")
    return root


def manifest(root: Path) -> Path:
    """Good: two, one an instance map with 300 cells; bad: a missing mask; without a mask: one."""
    picture, labels = drawn(3)
    save(picture, root / "a.png")
    save((labels == 1).astype(np.uint8), root / "liver.png")
    cells = np.zeros((ROWS, COLUMNS), dtype=np.uint16)
    for number in range(300):
        row, column = divmod(number, 20)
        cells[row * 3 : row * 3 + 2, column * 3 : column * 3 + 2] = number + 1
    save(cells, root / "cells.png")
    lines = [
        {"id": "a", "group": "p1", "modality": "CT", "image": "a.png",
         "masks": [{"label": "liver", "path": "liver.png"}]},
        {"id": "b", "group": "p2", "modality": "pathology", "image": "a.png", "label_map": "cells.png",
         "masks": [{"label": "nuclei (instances)", "path": "cells.png"}]},
        {"id": "c", "modality": "CT", "image": "a.png", "masks": [{"label": "liver", "path": "none.png"}]},
        {"id": "d", "modality": "CT", "image": "a.png", "masks": []},
    ]  # fmt: skip
    (root / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (root / "SOURCE.md").write_text("# Drawn\nLicence: CC0\n", encoding="utf-8")
    return root


def ledger(root: Path) -> Path:
    """Good: two reads, of whose findings one was rejected; bad: no JSON, no image; nothing accepted: one."""
    picture, labels = drawn(4)
    save(picture, root / "pixels" / "1.png")
    save((labels == 1).astype(np.uint8) * 255, root / "masks" / "1.png")
    packed = {"size": [ROWS, COLUMNS], "counts": rle.pack(rle.encode(labels == 2))}

    def read(name: str, *findings: tuple[str, object, str], image: str = "pixels/1.png") -> dict:
        given = [dict(zip(("label", "mask", "verdict"), finding, strict=True)) for finding in findings]
        return {"id": name, "group": "p", "modality": "X-ray", "image": image, "findings": given, "licence": "own"}

    lines = [
        json.dumps(read("r1", ("lung nodule", "masks/1.png", "accept"), ("lungs", packed, "reject"))),
        json.dumps(read("r2", ("right lung", packed, "correct"), ("lung nodule", "masks/1.png", "add"))),
        json.dumps(read("r3", ("lungs", packed, "reject"))),
        json.dumps(read("r4", ("lungs", packed, "accept"), image="../outside.png")),
        "{broken",
    ]
    (root / "ledger.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return root
