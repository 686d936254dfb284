"""Which images a client may name."""

import tempfile
from pathlib import Path

import pytest

from lib.admission import ForbiddenImage, admit
from wetread.errors import RefusedInput


@pytest.fixture
def studies(tmp_path):
    folder = tmp_path / "studies"
    (folder / "series").mkdir(parents=True)
    (folder / "head.nii.gz").write_bytes(b"")
    (tmp_path / "secret.nii.gz").write_bytes(b"")
    return folder


@pytest.mark.parametrize("inside", ["head.nii.gz", "series", ".", "series/../head.nii.gz"])
def test_paths_in_the_studies_folder_pass(studies, inside):
    admit(str(studies / inside), [str(studies)])


def test_an_id_that_is_no_path_is_left_to_the_datastore(studies):
    admit("head", [str(studies)])


@pytest.mark.parametrize("outside", ["..", "../secret.nii.gz", "series/../../secret.nii.gz"])
def test_paths_outside_are_forbidden_however_they_are_written(studies, outside):
    with pytest.raises(ForbiddenImage):
        admit(str(studies / outside), [str(studies)])


def test_a_link_inside_that_leads_outside_is_forbidden(studies):
    (studies / "link.nii.gz").symlink_to(studies.parent / "secret.nii.gz")
    with pytest.raises(ForbiddenImage):
        admit(str(studies / "link.nii.gz"), [str(studies)])


def test_a_folder_whose_name_only_begins_alike_is_outside(studies):
    neighbour = studies.with_name("studies-of-others")
    neighbour.mkdir()
    with pytest.raises(ForbiddenImage):
        admit(str(neighbour), [str(studies)])


def test_the_refusal_does_not_repeat_the_path(studies):
    with pytest.raises(ForbiddenImage) as refusal:
        admit(str(studies.parent / "secret.nii.gz"), [str(studies)])
    assert "secret" not in str(refusal.value)


def test_a_file_that_came_with_the_request_passes_and_other_temporary_files_do_not(studies):
    with tempfile.NamedTemporaryFile(suffix=".nii.gz") as upload:
        admit(upload.name, [str(studies)])
    with tempfile.TemporaryDirectory() as folder, pytest.raises(ForbiddenImage):
        admit(folder, [str(studies)])
    named = Path(tempfile.gettempdir()) / "wetread-admission-test.nii.gz"
    named.write_bytes(b"")
    try:
        with pytest.raises(ForbiddenImage):
            admit(str(named), [str(studies)])
    finally:
        named.unlink()


@pytest.mark.parametrize("image", [None, "", 7, ["head"], "head\0.nii"])
def test_what_is_not_a_name_is_refused(studies, image):
    with pytest.raises(RefusedInput):
        admit(image, [str(studies)])
