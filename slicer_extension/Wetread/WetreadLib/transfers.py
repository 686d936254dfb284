"""Series between this computer and the server's archive, over DICOMweb; everything here runs in a thread.

dicomweb-client, pydicom and requests come with Slicer 5.12.
"""

from pathlib import Path

import requests
from slicer.i18n import tr as _

from .client import ServiceClient, ServiceError

BATCH_BYTES = 32 * 1024 * 1024  # of one request to store


def download(client: ServiceClient, study: str, series: str, folder: Path, tell=lambda count: None) -> list:
    """Write the instances of a series into a folder.

    :param tell: called with the number of instances so far.
    :return: the paths.
    :raises ServiceError: no answer, or one that says no.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    try:
        for dataset in _dicomweb(client).iter_series(study, series):
            path = folder / f"{len(paths):06d}.dcm"
            dataset.save_as(path, enforce_file_format=True)
            paths.append(path)
            tell(len(paths))
    except requests.RequestException as error:
        raise _serviceError(error) from None
    if not paths:
        raise ServiceError("refused", _("The archive has no such series."))
    return paths


def upload(client: ServiceClient, paths: list, tell=lambda count: None) -> int:
    """Store DICOM files in the server's archive, a part at a time.

    :param tell: called with the number of files so far.
    :return: how many were stored; what the archive has already counts.
    :raises ServiceError: no answer, or one that says no; what was stored before stays.
    """
    import pydicom

    web, part, size, stored = _dicomweb(client), [], 0, 0

    def send():
        nonlocal part, size, stored
        try:
            answer = web.store_instances(part)
        except requests.RequestException as error:
            raise _serviceError(error) from None
        failed = answer.get("FailedSOPSequence") or []
        if failed:
            raise ServiceError("refused", _("The archive took not all instances ({count} failed).").format(
                count=len(failed)))
        stored += len(part)
        part, size = [], 0
        tell(stored)

    for path in paths:
        part.append(pydicom.dcmread(path))
        size += Path(path).stat().st_size
        if size >= BATCH_BYTES:
            send()
    if part:
        send()
    return stored


def _dicomweb(client: ServiceClient):
    from dicomweb_client.api import DICOMwebClient

    client.consent.require(client.address)
    client.session.max_redirects = 0  # the token goes to this server alone
    return DICOMwebClient(f"{client.address}/dicom-web", session=client.session)


def _serviceError(error: requests.RequestException) -> ServiceError:
    if isinstance(error, requests.Timeout):
        return ServiceError("slow")
    if error.response is None:
        return ServiceError("unreachable")
    status = error.response.status_code
    if status == 404:
        return ServiceError("refused", _("The archive has no such series."))
    return ServiceError.ofStatus(status)
