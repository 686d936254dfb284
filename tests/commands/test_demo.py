"""The demo: real files that the dependencies install, every way from the archive into it, and honest words."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
from pydicom import dcmread

from threshold_reader import NOT_COVERED, ThresholdReader
from wetread import cli
from wetread.archive import open_archive
from wetread.commands import demo
from wetread.errors import RefusedInput
from wetread.model.checkpoint import MODEL_FILE, SHIPPED

SHIPPED_MODEL = SHIPPED / cli.DEFAULT_MODEL
needs_weights = pytest.mark.skipif(
    not (SHIPPED_MODEL / MODEL_FILE).is_file(), reason=f"{cli.DEFAULT_MODEL} has no weights in this checkout"
)


def demo_in(folder, *more):
    arguments = ["demo", "--archive", str(folder / "archive"), "--out", str(folder / "reads"), "--quiet"]
    return cli.main([*arguments, *more])


@pytest.fixture
def threshold(monkeypatch):
    monkeypatch.setattr("wetread.reading.Reader", ThresholdReader)


@pytest.mark.parametrize("study", demo.STUDIES, ids=lambda study: study.name)
def test_every_study_is_installed_by_a_dependency(study):
    assert study.path().is_file()


def test_a_file_that_a_dependency_no_longer_brings_is_refused_in_words():
    with pytest.raises(RefusedInput, match=r"pydicom came without gone\.dcm"):
        demo.DemoStudy("gone", "Gone", "Nothing.", "pydicom", "gone.dcm").path()


@pytest.mark.usefixtures("threshold")
class TestRun:
    def test_every_study_is_read_stored_read_back_or_refused_in_words(self, tmp_path, capsys):
        assert demo_in(tmp_path, "--once") == 0
        said = capsys.readouterr().out
        for study in demo.STUDIES:
            assert study.title in said
            assert study.shows[:40] in said
        assert said.count("as sent, no defect found") == len(demo.STUDIES)
        assert sorted(path.name for path in (tmp_path / "reads").iterdir()) == ["ct", "ecg", "mr", "retina", "tissue"]
        kinds = [series.Modality for series in open_archive(tmp_path / "archive").search_series()]
        assert kinds.count("SEG") == kinds.count("SR") - 1 == len(demo.STUDIES) - 1

    def test_a_second_run_works_and_does_not_double_the_images(self, tmp_path):
        def images():
            held = open_archive(tmp_path / "archive").search_instances()
            return sorted(str(i.SOPInstanceUID) for i in held if i.Modality not in ("SEG", "SR"))

        assert demo_in(tmp_path, "--once") == 0
        before = images()
        assert demo_in(tmp_path, "--once") == 0
        assert images() == before
        assert len(before) == len(demo.STUDIES)

    def test_it_serves_unless_it_is_asked_to_leave(self, tmp_path, monkeypatch):
        served = []
        monkeypatch.setattr("wetread.service.serve", lambda *place, **_: served.append(place))
        monkeypatch.setenv("DEMO_ONCE", "1")
        assert demo_in(tmp_path) == 0
        assert served == []
        monkeypatch.setenv("DEMO_ONCE", "")
        assert demo_in(tmp_path, "--port", "9999") == 0
        assert served[0][0].location == str(tmp_path / "archive")
        assert served[0][1:] == ("127.0.0.1", 9999)

    def test_an_abstention_is_the_studys_result(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr("wetread.reading.Reader", lambda model: ThresholdReader(model, abstain=True))
        assert demo_in(tmp_path, "--once") == 0
        said = capsys.readouterr().out
        assert NOT_COVERED in said
        assert said.count("not covered by the model, no finding") == len(demo.STUDIES)

    def test_an_archive_that_changes_pixels_is_found_out(self, tmp_path):
        class Tampering:
            location = "a tampering archive"

            def retrieve_instance(self, *_):
                held = dcmread(tmp_path / "reads" / "ct" / "seg.dcm")
                held.PixelData = bytes(len(held.PixelData))
                return held

        assert demo_in(tmp_path, "--once") == 0
        archive = open_archive(tmp_path / "archive")
        series = demo.through_archive(demo.STUDIES[1], archive)
        outcome = demo.read_series(series, reader=ThresholdReader())
        with pytest.raises(RefusedInput, match=r"SEG differs from what was sent .*PixelData"):
            demo.check_held(outcome, Tampering(), series)

    def test_where_nothing_comes_through_the_demo_fails(self, tmp_path, monkeypatch, capsys):
        dose = demo.DemoStudy("dose", "Dose", "No image.", "pydicom", "rtdose.dcm")
        monkeypatch.setattr(demo, "STUDIES", (dose,))
        assert demo_in(tmp_path, "--once") == 1
        assert "no study came through" in capsys.readouterr().err


@pytest.fixture(scope="module")
def shipped_reads(tmp_path_factory):
    """The demo as `make demo DEMO_ONCE=1` runs it, once for this module."""
    folder = tmp_path_factory.mktemp("demo")
    options = argparse.Namespace(
        archive=str(folder / "archive"),
        out=folder / "reads",
        model=cli.DEFAULT_MODEL,
        port=0,
        once=True,
        quiet=True,
    )
    assert demo.run(options) == 0
    return folder / "reads"


@needs_weights
class TestWithTheShippedModel:
    def test_nuclei_are_found_in_the_stained_tissue_where_the_haematoxylin_is(self, shipped_reads):
        """Haematoxylin stains nuclei and DAB does not (Ruifrok and Johnston 2001 take the stains apart)."""
        import skimage.io
        from skimage.color import rgb2hed

        haematoxylin = rgb2hed(skimage.io.imread(demo.STUDIES[0].path()))[..., 0]
        marked = dcmread(shipped_reads / "tissue" / "seg.dcm").pixel_array.astype(bool)
        marked = marked.any(axis=0) if marked.ndim == 3 else marked
        assert 0.01 < marked.mean() < 0.6
        assert haematoxylin[marked].mean() > 1.5 * haematoxylin[~marked].mean()

    def test_the_fundus_photograph_is_abstained_on_in_words(self, shipped_reads):
        assert not np.any(dcmread(shipped_reads / "retina" / "seg.dcm").pixel_array)
