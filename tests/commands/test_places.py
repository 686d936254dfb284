"""From what a person names to a series."""

from __future__ import annotations

import pytest
from PIL import Image

import dicom_phantoms as phantoms
from wetread.archive import open_archive
from wetread.commands.places import open_input
from wetread.errors import RefusedInput


def test_dicom_files_are_not_wrapped_and_pictures_are(tmp_path):
    phantoms.write(phantoms.dx_image(), tmp_path / "dx")
    Image.fromarray(phantoms.stained_tissue()).save(tmp_path / "tissue.png")
    assert not open_input(str(tmp_path / "dx"), None, None).wrapped
    assert open_input(str(tmp_path / "tissue.png"), "pathology", None).wrapped


def test_a_wrapped_picture_is_the_same_study_every_time(tmp_path):
    Image.fromarray(phantoms.stained_tissue()).save(tmp_path / "tissue.png")
    first, second = (open_input(str(tmp_path / "tissue.png"), "pathology", None).datasets[0] for _ in range(2))
    assert first == second


def test_uids_are_looked_up_in_the_archive(tmp_path):
    archive = open_archive(tmp_path)
    sent = phantoms.ct_series()
    archive.store(sent)
    series = open_input(f"{sent[0].StudyInstanceUID}/{sent[0].SeriesInstanceUID}", None, archive)
    assert {d.SOPInstanceUID for d in series.datasets} == {d.SOPInstanceUID for d in sent}
    assert not series.wrapped


def test_a_study_alone_is_answered_with_its_series(tmp_path):
    archive = open_archive(tmp_path)
    image = phantoms.dx_image()[0]
    archive.store([image])
    with pytest.raises(RefusedInput, match=f"{image.StudyInstanceUID}/{image.SeriesInstanceUID} .DX."):
        open_input(str(image.StudyInstanceUID), None, archive)
    with pytest.raises(RefusedInput, match="no series of this study"):
        open_input("1.2.3", None, archive)
