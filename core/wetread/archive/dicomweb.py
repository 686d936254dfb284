"""Any PACS that speaks DICOMweb (PS3.18), through dicomweb-client, with the trust taken out.

What a PACS answers to a store is a claim; what it gives back is the fact. So each instance is looked for before it
is sent, and read back and compared after: identical, stored, in conflict (an archive that keeps the old content and
says 200), or refused with the reason. Nothing but the configured address is ever contacted: RetrieveURL is not
followed, redirects are not followed, proxies and certificates from the environment are not used. Exceptions of the
HTTP library carry the URL, which in a query carries patient data; here they become one line without it.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from dicomweb_client import DICOMwebClient
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from wetread.archive.content import decoded, differences, encoded, is_only_coerced
from wetread.archive.multipart import parts_of
from wetread.archive.protocol import NotInArchive, StoredInstance, StoreReport, StoreState, checked_uid
from wetread.archive.stow import StowAnswer, read_answer
from wetread.errors import ArchiveRefused
from wetread.imaging.instances import Instances, Twin
from wetread.imaging.reading_files import read_parts

_CONNECT_SECONDS, _READ_SECONDS = 10.0, 120.0
_ONE_BY_ONE = 3
"""Up to so many instances are fetched one by one; more are picked from one streamed series, which is far faster."""
_BATCH = 50
_AS_STORED = (("application/dicom", "*"),)
_EVERY_SYNTAX = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
Uids = tuple[str, str, str]


class BearerToken(requests.auth.AuthBase):
    """Adds ``Authorization: Bearer ...`` to requests of one session."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request with the header (called by requests)."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class DicomwebArchive:
    """A DICOMweb archive.

    Args:
        url: root of the service, below which ``/studies`` lies; ``https://user:password@...`` is understood.
        token: bearer token; else the environment's ``WETREAD_ARCHIVE_TOKEN``.
        user: name for basic authentication, with `password`; else ``WETREAD_ARCHIVE_USER`` and ``_PASSWORD``.
        password: see `user`.
        certificates: PEM file of the hospital's own authority; else ``WETREAD_ARCHIVE_CERTIFICATES``; else the
            public ones.
        timeout: (connect, read) in seconds.

    Raises:
        ArchiveRefused: not an http(s) URL, or no such certificate file.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        user: str | None = None,
        password: str | None = None,
        certificates: str | os.PathLike[str] | None = None,
        timeout: tuple[float, float] = (_CONNECT_SECONDS, _READ_SECONDS),
    ) -> None:
        # Warnings of the client quote addresses, which in a query carry patient data.
        warnings.filterwarnings("ignore", category=UserWarning, module=r"dicomweb_client\.")
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ArchiveRefused("not an http(s) URL", "--archive", "give the root of a DICOMweb service") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ArchiveRefused("not an http(s) URL", _without_credentials(url), "give the root of a DICOMweb service")
        self._url = _without_credentials(url).rstrip("/")
        self._session = _session(certificates or os.environ.get("WETREAD_ARCHIVE_CERTIFICATES"))
        # A viewer's requests have connections of their own, since `_stow` listens to all answers on the others.
        self._viewing = _session(certificates or os.environ.get("WETREAD_ARCHIVE_CERTIFICATES"))
        token = token or os.environ.get("WETREAD_ARCHIVE_TOKEN")
        user = user or parts.username or os.environ.get("WETREAD_ARCHIVE_USER")
        password = password or parts.password or os.environ.get("WETREAD_ARCHIVE_PASSWORD")
        if token:
            self._session.auth = BearerToken(token)
        elif user:
            self._session.auth = (user, password or "")
        self._viewing.auth = self._session.auth
        self._timeout = timeout
        self._client = DICOMwebClient(self._url, session=self._session, timeout=timeout)
        # A retried upload would resend an exhausted stream; to store again is safe and is the caller's to decide.
        self._client.set_http_retry_params(retry=False)

    @property
    def location(self) -> str:
        """The URL without credentials."""
        return self._url

    def search_studies(
        self, filters: Mapping[str, str] | None = None, *, limit: int | None = None, offset: int = 0
    ) -> list[Dataset]:
        """See `Archive.search_studies`."""
        return self._search(self._client.search_for_studies, filters, limit, offset)

    def search_series(
        self,
        study_uid: str | None = None,
        filters: Mapping[str, str] | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Dataset]:
        """See `Archive.search_series`."""
        study = None if study_uid is None else checked_uid(study_uid, "StudyInstanceUID")
        return self._search(self._client.search_for_series, filters, limit, offset, study)

    def search_instances(
        self,
        study_uid: str | None = None,
        series_uid: str | None = None,
        filters: Mapping[str, str] | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Dataset]:
        """See `Archive.search_instances`."""
        study = None if study_uid is None else checked_uid(study_uid, "StudyInstanceUID")
        series = None if series_uid is None else checked_uid(series_uid, "SeriesInstanceUID")
        return self._search(self._client.search_for_instances, filters, limit, offset, study, series)

    def passed_on(
        self, path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]
    ) -> requests.Response:  # fmt: skip
        """A viewer's GET, asked with this archive's own rights; the answer streams and is to be closed.

        Args:
            path: below the root, checked by the caller.
            query: names and values.
            headers: of the viewer that are handed on.

        Raises:
            ArchiveRefused: the archive does not answer, or redirects elsewhere.
        """
        with self._translated("view"):
            return self._viewing.get(f"{self._url}/{path}", params=list(query), headers=dict(headers), stream=True,
                                     timeout=(_CONNECT_SECONDS, _READ_SECONDS))  # fmt: skip

    def iter_series(self, study_uid: str, series_uid: str) -> Iterator[Dataset]:
        """See `Archive.iter_series`; one streamed request for the whole series, in the stored transfer syntax."""
        for held in self._streamed(study_uid, series_uid):
            yield held.dataset() if isinstance(held, Twin) else held

    def retrieve_series(self, study_uid: str, series_uid: str) -> Sequence[Dataset]:
        """See `Archive.retrieve_series`; read by comparison (`imaging/reading_files.py`)."""
        return Instances(list(self._streamed(study_uid, series_uid)))

    def _streamed(self, study_uid: str, series_uid: str) -> Iterator[Dataset | Twin]:
        study, series = checked_uid(study_uid, "StudyInstanceUID"), checked_uid(series_uid, "SeriesInstanceUID")
        found = False
        with self._translated(f"series {series}"):
            response = self._session.get(f"{self._url}/studies/{study}/series/{series}", headers=_EVERY_SYNTAX,
                                         stream=True, timeout=self._timeout)  # fmt: skip
            response.raise_for_status()
            for held in read_parts(parts_of(response), dcmread):
                self._refuse_other(held, StudyInstanceUID=study, SeriesInstanceUID=series)
                found = True
                yield held
        if not found:
            raise NotInArchive("no such series", series, "check the study and series UIDs")

    def retrieve_instance(self, study_uid: str, series_uid: str, sop_instance_uid: str) -> Dataset:
        """See `Archive.retrieve_instance`."""
        study, series = checked_uid(study_uid, "StudyInstanceUID"), checked_uid(series_uid, "SeriesInstanceUID")
        sop = checked_uid(sop_instance_uid, "SOPInstanceUID")
        with self._translated(f"instance {sop}"):
            dataset = self._client.retrieve_instance(study, series, sop, media_types=_AS_STORED)
        self._refuse_other(dataset, StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=sop)
        return dataset

    def _refuse_other(self, dataset: Dataset | Twin, **asked: str) -> None:
        """What is given must be what was asked for: another series may be another patient's."""
        for keyword, uid in asked.items():
            if str(dataset.get(keyword, "")) != uid:
                raise ArchiveRefused(
                    f"it answered with another {keyword} than {uid}", self._url, "see the archive's own log"
                )

    def store(self, datasets: Sequence[Dataset]) -> StoreReport:
        """See `Archive.store`; every instance is read back and compared before it counts as stored.

        Raises:
            ArchiveRefused: the archive cannot be reached, or does not accept the credentials.
        """
        outcomes: list[StoredInstance | None] = [None] * len(datasets)
        sendable: dict[int, tuple[Uids, Dataset]] = {}
        for i, dataset in enumerate(datasets):
            prepared = _prepared(dataset)
            if isinstance(prepared, StoredInstance):
                outcomes[i] = prepared
            else:
                sendable[i] = prepared
        before = self._held([uids for uids, _ in sendable.values()])
        to_send: dict[int, tuple[Uids, Dataset]] = {}
        for i, (uids, dataset) in sendable.items():
            if uids in before:
                outcomes[i] = _judged(uids, dataset, before[uids], StoreState.IDENTICAL)
            else:
                to_send[i] = (uids, dataset)
        numbers = list(to_send)
        for start in range(0, len(numbers), _BATCH):
            batch = {i: to_send[i] for i in numbers[start : start + _BATCH]}
            answer = self._stow([dataset for _, dataset in batch.values()])
            after = self._held([uids for uids, _ in batch.values()])
            for i, (uids, dataset) in batch.items():
                outcomes[i] = _verdict(uids, dataset, answer, after.get(uids))
        return StoreReport(tuple(outcome for outcome in outcomes if outcome is not None))

    def _search(
        self,
        search: Callable[..., list[dict[str, Any]]],
        filters: Mapping[str, str] | None,
        limit: int | None,
        offset: int,
        *uids: str | None,
    ) -> list[Dataset]:
        given = tuple(uid for uid in uids if uid is not None)
        with self._translated("search"):
            found = search(
                *given, search_filters=dict(filters) if filters else None, limit=limit, offset=offset or None
            )
            return [Dataset.from_json(entry) for entry in found]

    def _held(self, wanted: Sequence[Uids]) -> dict[Uids, Dataset]:
        """What the archive gives back of the instances asked for."""
        by_series: dict[tuple[str, str], set[str]] = {}
        for study, series, sop in wanted:
            by_series.setdefault((study, series), set()).add(sop)
        held: dict[Uids, Dataset] = {}
        for (study, series), sops in by_series.items():
            for dataset in self._fetched(study, series, sops):
                if str(dataset.get("SOPInstanceUID")) in sops:
                    held[study, series, str(dataset.SOPInstanceUID)] = dataset
        return held

    def _fetched(self, study: str, series: str, sops: set[str]) -> Iterator[Dataset]:
        if len(sops) > _ONE_BY_ONE:
            try:
                yield from self.iter_series(study, series)
            except NotInArchive:
                return
            return
        for sop in sops:
            try:
                yield self.retrieve_instance(study, series, sop)
            except NotInArchive:
                continue

    def _stow(self, datasets: Sequence[Dataset]) -> StowAnswer:
        """Send instances and read the raw answer: dicomweb-client keeps neither the status nor a foreign body."""
        answers: list[StowAnswer] = []

        def listen(response: requests.Response, *_: object, **__: object) -> None:
            answers.append(read_answer(response))

        self._session.hooks["response"] = [listen]
        try:
            with self._translated("store"):
                try:
                    self._client.store_instances(datasets)
                except (requests.HTTPError, ValueError, TypeError, KeyError, AttributeError):
                    # Refusals and foreign bodies were read by `listen`; 401 and 403 concern the whole archive.
                    if not answers or answers[-1].status in (401, 403):
                        raise
        finally:
            self._session.hooks["response"] = []
        return answers[-1]

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Errors of the layers below as one line; `from None`, since their texts carry URLs with patient data."""
        try:
            yield
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            raise _refusal(status, what, self._url) from None
        except requests.exceptions.SSLError:
            raise ArchiveRefused(
                "its certificate is not trusted",
                self._url,
                "give the hospital's authority (WETREAD_ARCHIVE_CERTIFICATES)",
            ) from None
        except requests.exceptions.Timeout:
            raise ArchiveRefused(f"no answer in time to {what}", self._url, "try again later") from None
        except requests.TooManyRedirects:
            raise ArchiveRefused(
                "it redirects elsewhere", self._url, "give the final address; none is followed"
            ) from None
        except requests.exceptions.JSONDecodeError:
            raise ArchiveRefused(
                f"no DICOM answer to {what}", self._url, "check that this is a DICOMweb root"
            ) from None
        except requests.RequestException as error:
            raise ArchiveRefused(
                f"cannot be reached ({type(error).__name__})", self._url, "check address and network"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError, EOFError, InvalidDicomError):
            raise ArchiveRefused(
                f"no DICOM answer to {what}", self._url, "check that this is a DICOMweb root"
            ) from None


def _refusal(status: int, what: str, url: str) -> ArchiveRefused:
    if status in (401, 403):
        return ArchiveRefused(f"access refused ({status})", url, "check the token, or the user and password")
    if status in (404, 410):
        return NotInArchive(
            f"does not hold what was asked for: {what} ({status})", url, "check the UIDs and the address"
        )
    return ArchiveRefused(f"answered {status} to {what}", url, "see the archive's own log")


def _prepared(dataset: Dataset) -> tuple[Uids, Dataset] | StoredInstance:
    """UIDs and the data set as it will be sent (with file meta), or the refusal."""
    try:
        uids = (
            checked_uid(dataset.get("StudyInstanceUID"), "StudyInstanceUID"),
            checked_uid(dataset.get("SeriesInstanceUID"), "SeriesInstanceUID"),
            checked_uid(dataset.get("SOPInstanceUID"), "SOPInstanceUID"),
        )
        checked_uid(dataset.get("SOPClassUID"), "SOPClassUID")
    except ArchiveRefused as refusal:
        return StoredInstance("", "", "", "", StoreState.REFUSED, f"{refusal.what}: {refusal.where}")
    try:
        return uids, decoded(encoded(dataset))
    except (ValueError, TypeError, AttributeError, KeyError, NotImplementedError) as error:
        return _outcome(uids, dataset, StoreState.REFUSED, f"cannot be written as DICOM ({type(error).__name__})")


def _verdict(uids: Uids, sent: Dataset, answer: StowAnswer, held: Dataset | None) -> StoredInstance:
    refusal = answer.refusal(uids[2])
    if held is None:
        reason = refusal or f"the archive answered {answer.status} but does not give the instance back"
        return _outcome(uids, sent, StoreState.REFUSED, reason)
    judged = _judged(uids, sent, held, StoreState.STORED)
    # A refusal stands unless the archive demonstrably holds our very content (an answer lost or mixed with others).
    return judged if judged.is_held or refusal is None else _outcome(uids, sent, judged.state, refusal)


def _judged(uids: Uids, ours: Dataset, theirs: Dataset, held: StoreState) -> StoredInstance:
    different = differences(ours, theirs)
    if not different:
        return _outcome(uids, ours, held)
    named = ", ".join(different[:5])
    if is_only_coerced(ours, different):
        return _outcome(uids, ours, held, f"the archive set its own {named}")
    return _outcome(uids, ours, StoreState.CONFLICT, f"other content is held under this UID: {named}")


def _outcome(uids: Uids, dataset: Dataset, state: StoreState, reason: str = "") -> StoredInstance:
    return StoredInstance(uids[0], uids[1], str(dataset.SOPClassUID), uids[2], state, reason)


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _session(certificates: str | os.PathLike[str] | None) -> requests.Session:
    """Connections that trust nothing but the configured address."""
    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    session.verify = _certificates(certificates)
    return session


def _certificates(path: str | os.PathLike[str] | None) -> str | bool:
    if path is None:
        return True
    if not os.path.isfile(path):
        raise NotInArchive("no such certificate file", path, "give a PEM file of the authority")
    return os.fspath(path)
