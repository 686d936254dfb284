"""Where the planes of a read lie, told so that a client needs no DICOM header."""

from __future__ import annotations

import pytest
import requests

from dicom_phantoms import ORIENTATIONS, ct_series, dx_image, ultrasound_cine
from wetread.service.access.audit import action


def planes_of(address, archive, series):
    archive.store(series).require_complete()
    body = {"study_uid": series[0].StudyInstanceUID, "series_uid": series[0].SeriesInstanceUID}
    job = requests.post(f"{address}/wetread/v1/reads", json=body, timeout=30).json()["uid"]
    requests.get(f"{address}/wetread/v1/reads/{job}/events", timeout=60)
    return requests.get(f"{address}/wetread/v1/reads/{job}/planes", timeout=30).json()


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_each_plane_lies_where_its_instance_says(address, archive, orientation):
    series = ct_series(3, orientation=orientation, row_spacing=0.9, column_spacing=1.6)
    planes = planes_of(address, archive, series)
    by_uid = {str(one.SOPInstanceUID): one for one in series}
    assert {plane["sop_instance_uid"] for plane in planes} == set(by_uid)
    for plane in planes:
        place, source = plane["place"], by_uid[plane["sop_instance_uid"]]
        assert place["position"] == pytest.approx([float(v) for v in source.ImagePositionPatient])
        assert [*place["row_cosines"], *place["column_cosines"]] == pytest.approx(
            [float(v) for v in source.ImageOrientationPatient], abs=1e-6
        )
        assert (place["row_spacing"], place["column_spacing"]) == (0.9, 1.6)
        assert place["frame_of_reference_uid"] == source.FrameOfReferenceUID


def test_before_a_read_they_are_the_same(address, archive):
    series = ct_series(3, orientation="oblique")
    planes = planes_of(address, archive, series)
    at = f"{address}/wetread/v1/studies/{series[0].StudyInstanceUID}/series/{series[0].SeriesInstanceUID}/planes"
    assert requests.get(at, timeout=30).json() == planes


def test_a_radiograph_has_a_plane_and_no_place(address, archive):
    (plane,) = planes_of(address, archive, dx_image())
    assert plane["place"] is None
    assert plane["frame_number"] is None


def test_the_frames_of_a_cine_are_numbered(address, archive):
    planes = planes_of(address, archive, ultrasound_cine())
    assert [plane["frame_number"] for plane in planes] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("route", ["planes", "masks", "masks.nrrd", "result"])
def test_who_looked_is_in_the_audit_log(route):
    assert action("GET", f"/wetread/v1/reads/1.2.3/{route}") == ("looked at a read", "1.2.3")
