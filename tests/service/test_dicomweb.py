"""DICOMweb of the service, asked by dicomweb-client over a real socket, as a viewer would."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import requests
from dicomweb_client import DICOMwebClient
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels import pack_bits, pixel_array

from dicom_phantoms import ct_series
from wetread.archive import StoreState
from wetread.archive.content import differences, encoded
from wetread.archive.dicomweb import DicomwebArchive
from wetread.archive.folder import FolderArchive


def file(name: str) -> Dataset:
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str), f"pydicom does not install {name}"
    return dcmread(found)


def bit_image(rows: int = 5, columns: int = 7, frames: int = 3) -> Dataset:
    """Single-bit frames that do not end at a byte."""
    image = file("liver_1frame.dcm")
    image.Rows, image.Columns, image.NumberOfFrames = rows, columns, frames
    drawn = np.random.default_rng(5).integers(0, 2, frames * rows * columns).astype(np.uint8)
    image.PixelData = pack_bits(drawn, pad=True)
    return image


def uids(dataset: Dataset) -> tuple[str, str, str]:
    return dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID


@pytest.fixture
def ct(archive: FolderArchive) -> list[Dataset]:
    datasets = ct_series()
    archive.store(datasets).require_complete()
    return datasets


def test_search_finds_studies_series_and_instances(client: DICOMwebClient, ct: list[Dataset]) -> None:
    (study,) = client.search_for_studies(search_filters={"PatientName": "phantom*"})
    assert study["00201208"]["Value"] == [len(ct)]
    assert study["00080061"]["Value"] == ["CT"]
    (series,) = client.search_for_series(ct[0].StudyInstanceUID)
    assert series["00201209"]["Value"] == [len(ct)]
    assert len(client.search_for_instances(ct[0].StudyInstanceUID, ct[0].SeriesInstanceUID)) == len(ct)
    assert len(client.search_for_instances(limit=2)) == 2
    assert len(client.search_for_instances(get_remaining=True, limit=3)) == len(ct)
    assert client.search_for_studies(search_filters={"00100020": "nobody"}) == []
    assert client.search_for_studies(fields=["all"], fuzzymatching=True)


def test_a_search_for_what_is_not_indexed_is_a_400(address: str, ct: list[Dataset]) -> None:
    response = requests.get(f"{address}/dicom-web/studies?KVP=120", timeout=10)
    assert response.status_code == 400
    assert set(response.json()) == {"what", "where", "remedy"}


def test_instances_come_back_equal(client: DICOMwebClient, ct: list[Dataset]) -> None:
    assert differences(ct[0], client.retrieve_instance(*uids(ct[0]))) == ()
    back = client.retrieve_series(ct[0].StudyInstanceUID, ct[0].SeriesInstanceUID)
    assert {d.SOPInstanceUID for d in back} == {d.SOPInstanceUID for d in ct}
    assert len(list(client.iter_study(ct[0].StudyInstanceUID))) == len(ct)


def test_a_client_that_names_no_syntax_gets_plain_samples_and_one_that_says_any_gets_the_file(
    client: DICOMwebClient, archive: FolderArchive
) -> None:
    rle = file("MR_small_RLE.dcm")
    archive.store([rle])
    plain = client.retrieve_instance(*uids(rle), media_types=("application/dicom",))
    assert plain.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert np.array_equal(plain.pixel_array, rle.pixel_array)
    as_stored = client.retrieve_instance(*uids(rle), media_types=(("application/dicom", "*"),))
    assert as_stored.file_meta.TransferSyntaxUID == rle.file_meta.TransferSyntaxUID
    assert differences(rle, as_stored) == ()


def test_metadata_is_complete_and_leaves_pixels_to_an_address(client: DICOMwebClient, archive: FolderArchive) -> None:
    ct = file("CT_small.dcm")
    archive.store([ct])
    (metadata,) = client.retrieve_series_metadata(*uids(ct)[:2])
    assert metadata == client.retrieve_instance_metadata(*uids(ct))
    assert metadata["7FE00010"]["BulkDataURI"].startswith("http://127.0.0.1:")
    restored = Dataset.from_json({tag: element for tag, element in metadata.items() if "BulkDataURI" not in element})
    for element in restored:
        assert element.value == ct[element.tag].value or element.tag == 0x00080005
    (pixels,) = client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"])
    assert pixels == ct.PixelData


def test_bulk_data_inside_sequences_has_an_address(client: DICOMwebClient, archive: FolderArchive) -> None:
    ecg = file("waveform_ecg.dcm")
    archive.store([ecg]).require_complete()
    metadata = client.retrieve_instance_metadata(*uids(ecg))
    address = metadata["54000100"]["Value"][0]["54001010"]["BulkDataURI"]
    assert address.endswith("/bulkdata/54000100/0/54001010")
    assert client.retrieve_bulkdata(address) == [ecg.WaveformSequence[0].WaveformData]


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "MR_small_bigendian.dcm"])
def test_frames_as_octets_are_the_decoded_samples(client: DICOMwebClient, archive: FolderArchive, name: str) -> None:
    image = file(name)
    archive.store([image]).require_complete()
    (frame,) = client.retrieve_instance_frames(*uids(image), [1], media_types=("application/octet-stream",))
    expected = pixel_array(get_testdata_file(name), raw=True)
    assert frame == expected.astype(expected.dtype.newbyteorder("<")).tobytes()


def test_frames_as_stored_carry_their_transfer_syntax(address: str, archive: FolderArchive) -> None:
    image = file("JPEG2000.dcm")
    archive.store([image])
    study, series, sop = uids(image)
    response = requests.get(
        f"{address}/dicom-web/studies/{study}/series/{series}/instances/{sop}/frames/1",
        headers={"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"},
        timeout=10,
    )
    head, _, rest = response.content.partition(b"\r\n\r\n")
    assert b"image/jp2; transfer-syntax=1.2.840.10008.1.2.4.9" in head
    assert rest.startswith(b"\xff\x4f\xff\x51")


@pytest.mark.parametrize("numbers", [[1], [2, 3], [3, 1]])
def test_lists_of_frames_of_a_single_bit_segmentation(
    client: DICOMwebClient, archive: FolderArchive, numbers: list[int]
) -> None:
    seg = bit_image()
    archive.store([seg]).require_complete()
    frames = client.retrieve_instance_frames(*uids(seg), numbers, media_types=("application/octet-stream",))
    assert len(frames) == len(numbers)
    for number, frame in zip(numbers, frames, strict=True):
        bits = np.unpackbits(np.frombuffer(frame, np.uint8), bitorder="little")[: seg.Rows * seg.Columns]
        assert np.array_equal(bits.reshape(seg.Rows, seg.Columns), seg.pixel_array[number - 1])


@pytest.mark.parametrize(("numbers", "status"), [("0", 400), ("99", 400), ("a", 400), ("1,,2", 400), ("1", 200)])
def test_frame_numbers_are_checked(address: str, ct: list[Dataset], numbers: str, status: int) -> None:
    study, series, sop = uids(ct[0])
    url = f"{address}/dicom-web/studies/{study}/series/{series}/instances/{sop}/frames/{numbers}"
    assert requests.get(url, timeout=10).status_code == status


def test_what_cannot_be_given_is_a_406(address: str, ct: list[Dataset]) -> None:
    study, series, sop = uids(ct[0])
    instance = f"{address}/dicom-web/studies/{study}/series/{series}/instances/{sop}"
    for path, accept in [
        ("/frames/1", 'multipart/related; type="image/jpeg"'),
        ("", "text/html"),
        ("/metadata", "application/dicom+xml"),
        ("/rendered", "video/mp4"),
        ("", 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50'),
    ]:
        assert requests.get(instance + path, headers={"Accept": accept}, timeout=10).status_code == 406, path


@pytest.mark.parametrize("name", ["CT_small.dcm", "examples_rgb_color.dcm", "examples_palette.dcm", "liver_1frame.dcm"])
@pytest.mark.parametrize("kind", ["image/png", "image/jpeg"])
def test_a_frame_rendered_is_a_picture_of_its_size(
    client: DICOMwebClient, archive: FolderArchive, name: str, kind: str
) -> None:
    image = file(name)
    archive.store([image]).require_complete()
    for content in (
        client.retrieve_instance_rendered(*uids(image), media_types=(kind,)),
        client.retrieve_instance_frames_rendered(*uids(image), [1], media_types=(kind,)),
    ):
        picture = Image.open(BytesIO(content))
        assert picture.size == (image.Columns, image.Rows)
        assert picture.format == kind.removeprefix("image/").upper()
        if name != "liver_1frame.dcm":
            assert np.asarray(picture.convert("L")).std() > 5


def test_a_window_changes_the_picture_and_a_viewport_its_size(client: DICOMwebClient, ct: list[Dataset]) -> None:
    study, series, sop = uids(ct[0])
    narrow = client.retrieve_instance_rendered(study, series, sop, params={"window": "-5000,10,linear"})
    assert np.asarray(Image.open(BytesIO(narrow))).min() == 255
    small = client.retrieve_series_rendered(study, series, params={"viewport": "20,20"})
    assert max(Image.open(BytesIO(small)).size) == 20


def test_storing_through_the_client_and_finding_it_again(client: DICOMwebClient, archive: FolderArchive) -> None:
    sent = [file("CT_small.dcm"), file("MR_small.dcm")]
    answer = client.store_instances(sent)
    assert len(answer.ReferencedSOPSequence) == 2
    assert "FailedSOPSequence" not in answer
    assert len(client.search_for_studies()) == 2
    for dataset in sent:
        assert differences(dataset, client.retrieve_instance(*uids(dataset))) == ()
    assert len(client.store_instances(sent).ReferencedSOPSequence) == 2


def multipart_of(*contents: bytes) -> tuple[dict[str, str], bytes]:
    body = b"".join(b"--B\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n" for content in contents)
    return {"Content-Type": 'multipart/related; type="application/dicom"; boundary=B'}, body + b"--B--\r\n"


def test_good_and_garbage_are_told_apart(address: str, archive: FolderArchive) -> None:
    good = file("CT_small.dcm")
    headers, body = multipart_of(encoded(good), b"garbage", encoded(good)[:400])
    response = requests.post(f"{address}/dicom-web/studies", data=body, headers=headers, timeout=10)
    assert response.status_code == 202
    answer = response.json()
    assert [i["00081155"]["Value"][0] for i in answer["00081199"]["Value"]] == [good.SOPInstanceUID]
    assert len(answer["0008119A"]["Value"]) == 2
    assert len(archive.search_instances()) == 1


def test_a_conflict_is_a_409_and_the_old_content_stays(address: str, archive: FolderArchive) -> None:
    first = file("CT_small.dcm")
    archive.store([first])
    changed = file("CT_small.dcm")
    changed.PatientID = "other"
    headers, body = multipart_of(encoded(changed))
    response = requests.post(f"{address}/dicom-web/studies", data=body, headers=headers, timeout=10)
    assert response.status_code == 409
    assert response.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0x0111]
    assert archive.retrieve_instance(*uids(first)) == first


def test_another_study_than_in_the_address_is_a_409(address: str, archive: FolderArchive) -> None:
    headers, body = multipart_of(encoded(file("CT_small.dcm")))
    response = requests.post(f"{address}/dicom-web/studies/1.2.3", data=body, headers=headers, timeout=10)
    assert response.status_code == 409
    assert archive.search_studies() == []


def test_what_is_no_stow_request_is_refused_as_such(address: str) -> None:
    url = f"{address}/dicom-web/studies"
    assert requests.post(url, data=b"x", headers={"Content-Type": "text/plain"}, timeout=10).status_code == 415
    assert requests.post(url, data=b"x", headers={"Content-Type": "multipart/related"}, timeout=10).status_code == 415
    headers, _ = multipart_of()
    assert requests.post(url, data=b"--B--\r\n", headers=headers, timeout=10).status_code == 400


def deflate_bomb() -> bytes:
    meta = file("CT_small.dcm")
    head = encoded(meta)
    length = int.from_bytes(head[140:144], "little")
    start = head[: 144 + length].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    # The syntax UID grew by two bytes: its own length and the group's length say so.
    at = start.index(b"1.2.840.10008.1.2.1.99")
    start = start[: at - 2] + (22).to_bytes(2, "little") + start[at:]
    start = start[:140] + (len(start) - 144).to_bytes(4, "little") + start[144:]
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = squeeze.compress(b"\x09\x00\x10\x00UN\0\0\xff\xff\xff\x7f")
    return start + body + b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(300)) + squeeze.flush()


def test_a_deflate_bomb_is_refused(address: str, archive: FolderArchive) -> None:
    bomb = deflate_bomb()
    assert len(bomb) < 1_000_000
    headers, body = multipart_of(bomb)
    response = requests.post(f"{address}/dicom-web/studies", data=body, headers=headers, timeout=60)
    assert response.status_code == 409
    assert "0008119A" in response.json()
    assert requests.get(f"{address}/wetread/v1/health", timeout=10).status_code == 200


TRAVERSALS = ["..%2f..%2fetc%2fpasswd", "..", "1.2%00", "1..2", "%2e%2e", "1" * 65]


@pytest.mark.parametrize(
    "path",
    [
        "studies/{}/series", "studies/{}/metadata", "studies/{}", "studies/1.2/series/{}",
        "studies/1.2/series/{}/metadata",
        "studies/1.2/series/1.3/instances/{}", "studies/1.2/series/1.3/instances/{}/frames/1",
        "studies/1.2/series/1.3/instances/{}/rendered", "studies/1.2/series/1.3/instances/{}/bulkdata/7FE00010",
    ],
)  # fmt: skip
def test_what_is_no_uid_leads_nowhere(address: str, path: str) -> None:
    for uid in TRAVERSALS:
        request = requests.Request("GET", f"{address}/dicom-web/").prepare()
        request.url = f"{address}/dicom-web/{path.format(uid)}"
        response = requests.Session().send(request, timeout=10)
        assert response.status_code in (400, 404), uid
        assert "root:" not in response.text


def test_a_uid_that_climbs_is_not_stored(address: str, tmp_path: Path) -> None:
    bad = file("CT_small.dcm")
    content = encoded(bad)
    uid = str(bad.SOPInstanceUID).encode()
    climbing = (b"../../" * 20)[: len(uid) - 6] + b"passwd"
    headers, body = multipart_of(content.replace(uid, climbing))
    response = requests.post(f"{address}/dicom-web/studies", data=body, headers=headers, timeout=10)
    assert response.status_code == 409
    assert not list(tmp_path.rglob("*passwd*"))


def test_a_missing_study_is_a_404(address: str) -> None:
    for path in ("studies/1.2/metadata", "studies/1.2", "studies/1.2/series/1.3", "studies/1.2/series/1.3/rendered"):
        response = requests.get(f"{address}/dicom-web/{path}", timeout=10)
        assert response.status_code == 404, path
        assert set(response.json()) == {"what", "where", "remedy"}
    assert requests.get(f"{address}/dicom-web/studies/1.2/series", timeout=10).json() == []


def test_our_own_client_stores_into_our_own_service(address: str, archive: FolderArchive) -> None:
    remote = DicomwebArchive(f"{address}/dicom-web")
    sent = ct_series()
    assert {i.state for i in remote.store(sent).instances} == {StoreState.STORED}
    assert {i.state for i in remote.store(sent).instances} == {StoreState.IDENTICAL}
    changed = ct_series()[:1]
    changed[0].WindowWidth = 1
    assert remote.store(changed).instances[0].state is StoreState.CONFLICT
    back = remote.retrieve_series(sent[0].StudyInstanceUID, sent[0].SeriesInstanceUID)
    held = {dataset.SOPInstanceUID: dataset for dataset in back}
    assert [differences(dataset, held[dataset.SOPInstanceUID]) for dataset in sent] == [()] * len(sent)
