"""Reading what an archive says after STOW-RS (PS3.18 10.5.3), and believing only what it says in DICOM.

A web server's friendly error page with status 200, a 202 that lists failures, and a 409 are all answers that a
careless client takes for success. Here an answer is turned into two sets, the instances named as stored and the
instances named as failed with their reason, and a flag whether it was a DICOM answer at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import requests

_SOP_UID, _REASON = "00081155", "00081197"
_REFERENCED, _FAILED, _OTHER_FAILURES = "00081199", "00081198", "0008119A"

FAILURE_REASONS = {
    0x0110: "processing failure",
    0x0111: "duplicate SOP instance",
    0x0112: "no such object instance",
    0x0122: "SOP class not supported",
    0x0124: "not authorised",
    0x0213: "resource limitation",
    0xA700: "out of resources",
    0xA900: "data set does not match SOP class",
    0xC000: "cannot understand",
    0xC122: "referenced transfer syntax not supported",
}
"""PS3.18 Table I.2-2 and PS3.3 C.14.1.1, in words."""


@dataclass(frozen=True, slots=True)
class StowAnswer:
    """What an archive answered.

    Args:
        status: HTTP status code.
        is_dicom: the body is a STOW-RS response; False for a web page, an empty body or anything else.
        stored: SOP Instance UIDs named as stored.
        failed: SOP Instance UID -> reason in words.
        has_unnamed_failures: failures were reported without a UID.
    """

    status: int
    is_dicom: bool
    stored: frozenset[str] = frozenset()
    failed: dict[str, str] = field(default_factory=dict)
    has_unnamed_failures: bool = False

    def refusal(self, sop_instance_uid: str) -> str | None:
        """Why this instance does not count as taken, in words; None where the archive says it took it."""
        if sop_instance_uid in self.failed:
            return self.failed[sop_instance_uid]
        if self.status >= 400:
            return f"the archive answered {self.status}"
        if not self.is_dicom:
            return f"the archive answered {self.status} with something that is no STOW response (a login page?)"
        if sop_instance_uid not in self.stored:
            return f"the archive answered {self.status} without naming this instance"
        return None


def read_answer(response: requests.Response) -> StowAnswer:
    """The answer in a response; never raises on what the archive wrote."""
    kind = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind not in ("application/dicom+json", "application/json"):
        return StowAnswer(response.status_code, is_dicom=False)
    try:
        body = response.json()
    except ValueError:
        return StowAnswer(response.status_code, is_dicom=False)
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if not isinstance(body, dict) or not any(tag in body for tag in (_REFERENCED, _FAILED, _OTHER_FAILURES)):
        return StowAnswer(response.status_code, is_dicom=False)
    stored = frozenset(uid for item in _items(body, _REFERENCED) if (uid := _first(item, _SOP_UID)))
    failed = {
        str(uid): failure_in_words(_first(item, _REASON))
        for item in _items(body, _FAILED)
        if (uid := _first(item, _SOP_UID))
    }
    unnamed = bool(_items(body, _OTHER_FAILURES)) or any(not _first(item, _SOP_UID) for item in _items(body, _FAILED))
    return StowAnswer(response.status_code, True, stored, failed, unnamed)


def failure_in_words(reason: Any) -> str:
    """A Failure Reason (0008,1197) in words, with its number."""
    if not isinstance(reason, int):
        return "failed without a reason"
    words = FAILURE_REASONS.get(reason) or FAILURE_REASONS.get(reason & 0xFF00) or FAILURE_REASONS.get(reason & 0xF000)
    return f"{words or 'failed'} (0x{reason:04X})"


def _items(body: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    element = body.get(tag)
    values = element.get("Value", []) if isinstance(element, dict) else []
    return [item for item in values if isinstance(item, dict)] if isinstance(values, list) else []


def _first(item: dict[str, Any], tag: str) -> Any:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None
