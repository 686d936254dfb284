"""Every family from an image file to valid DICOM, and its boxes in the image, with tiny random checkpoints.

Random weights write no findings, and a read says so; where a box has to be read, an answer is put in their mouth.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiny_checkpoints import LAYOUTS, build_checkpoint
from wetread import cli
from wetread.findings import Box, BoxFrame
from wetread.geometry import Resize
from wetread.imaging.sample import Plane, Sample, SampleKind, Source
from wetread.model.options import ModelOptions
from wetread.reading import Reader, answering
from wetread.reading.engine import InProcessEngine
from wetread.reading.written import Written
from wetread.terminology import Modality

ROWS, COLUMNS = 120, 200
FEW_PIXELS = ["--most-pixels", "70000"]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("checkpoints")
    return {kind: build_checkpoint(kind, parent) for kind in LAYOUTS}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    picture = np.random.default_rng(0).integers(0, 256, (ROWS, COLUMNS, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "image.png")
    return tmp_path / "image.png"


@pytest.mark.parametrize("kind", sorted(LAYOUTS))
def test_a_read_writes_valid_files_and_says_that_nothing_could_be_taken(
    kind: str, checkpoints: dict[str, Path], image: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(answering, "LONGEST_LARGE", 24)
    out = tmp_path / "out"
    arguments = ["read", str(image), "--modality", "pathology", "--out", str(out), "--model", str(checkpoints[kind])]
    assert cli.main([*arguments, *FEW_PIXELS, "--device", "cpu", "--quiet"]) == 0
    said = json.loads((out / "read.json").read_text(encoding="utf-8"))
    assert said["findings"] == []
    assert "no readable JSON list of objects was written" in said["remarks"]
    assert cli.main(["verify", str(out / "seg.dcm"), str(out / "sr.dcm")]) == 0
    assert checkpoints[kind].name in capsys.readouterr().out


@pytest.mark.parametrize("kind", sorted(LAYOUTS))
def test_a_box_in_the_familys_frame_is_reported_where_it_lies_in_the_image(
    kind: str, checkpoints: dict[str, Path], monkeypatch
) -> None:
    reader = Reader(checkpoints[kind], options=ModelOptions(device="cpu", most_pixels=70_000))
    known = Box(20.0, 30.0, 120.0, 90.0, BoxFrame.IMAGE)
    seen = reader.engine.model().preprocessing.size(ROWS, COLUMNS)
    numbers = [round(v) for v in Resize((ROWS, COLUMNS), seen).convert(known, reader.info.box_frame).corners]
    spoken = f'<think>A tumour.</think>```json\n[{{"bbox_2d": {numbers}, "label": "nuclei"}}]\n```\\boxed{{nuclei}}'
    answers = iter([spoken, "<think>Nothing.</think>```json\n[]\n```\\boxed{none}"])  # the second about the blank
    monkeypatch.setattr(InProcessEngine, "write", lambda *_, **__: Written(next(answers), (1, 2), (3,), finished=True))
    picture = np.random.default_rng(0).integers(0, 256, (ROWS, COLUMNS, 3), dtype=np.uint8)
    sample = Sample(
        SampleKind.IMAGE, Modality.PATHOLOGY, (Plane(picture, Source("1.2", "1.2.3", "1.2.4", "1.2.5")),), ()
    )
    (finding,) = reader.read(sample).findings
    assert finding.mask is None
    assert finding.grounded
    assert finding.box is not None
    assert finding.box.iou(known) > 0.95
    reader.close()


@pytest.mark.parametrize("kind", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_a_head_in_a_folder_of_its_own_gives_masks_to_a_base_that_knows_no_seg_token(
    kind: str, checkpoints: dict[str, Path], tmp_path: Path, monkeypatch
) -> None:
    reader = Reader(companion(checkpoints[kind], tmp_path), options=ModelOptions(device="cpu", most_pixels=70_000))
    model = reader.engine.model()
    spoken = '```json\n[{"bbox_2d": [1, 2, 30, 40], "label": "nuclei"}]\n```\\boxed{nuclei}'
    ids = tuple(model.tokenizer(spoken, add_special_tokens=False)["input_ids"])
    monkeypatch.setattr(
        InProcessEngine,
        "write",
        lambda _, encoded, text, *__, **___: Written(spoken, tuple(model.prompt(text, encoded)), ids, finished=True),
    )
    picture = np.random.default_rng(0).integers(0, 256, (ROWS, COLUMNS, 3), dtype=np.uint8)
    plane = Plane(picture, Source("1.2", "1.2.3", "1.2.4", "1.2.5"))
    (finding,) = reader.read(Sample(SampleKind.IMAGE, Modality.PATHOLOGY, (plane,), ())).findings
    assert finding.mask is not None
    assert finding.mask.shape == (1, ROWS, COLUMNS)
    reader.close()


def companion(base: Path, folder: Path) -> Path:
    """A head that marks something on any picture, for a base that is named and not copied."""
    import torch

    from wetread.model.checkpoint import save_head
    from wetread.model.grounding import GroundingHead, GroundingSize

    settings = {"width": 16, "heads": 2, "detail": [4, 4, 8, 8], "mask": 4}
    torch.manual_seed(3)
    head = GroundingHead(GroundingSize(language=48, width=16, heads=2, detail=(4, 4, 8, 8), mask=4))
    for bias in (head.fine_bias.bias, head.presence.bias):
        torch.nn.init.constant_(bias, 5.0)
    save_head(head, folder)
    said = {"name": "head", "base": str(base), "labels": ["nuclei"], "head": settings}
    (folder / "wetread.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


def test_an_adapter_for_another_base_is_one_line_at_the_command_line(image: Path, tmp_path: Path, capsys) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": "Qwen/Qwen3-VL-8B-Instruct"}), encoding="utf-8"
    )
    arguments = ["read", str(image), "--modality", "pathology", "--out", str(tmp_path / "out"), "--quiet"]
    assert cli.main([*arguments, "--adapter", str(adapter)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "an adapter for another base (qwen3-vl-8b-instruct, not wetread-mini)" in said
    assert not (tmp_path / "out").exists()
