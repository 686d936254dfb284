"""Descriptors: one vector for each series, by which cases are alike, kept in the ledger for every process to see.

A descriptor belongs to the weights that made it; those of two models are never compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wetread.review.ledger import blob_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.review.ledger import Ledger

DESCRIPTOR = "descriptor"
LONGEST = 65_536


def keep_descriptor(ledger: Ledger, series_uid: str, device_uid: str, vector: NDArray[np.floating]) -> None:
    """Keep the descriptor of a series.

    Args:
        ledger: where.
        series_uid: of the series.
        device_uid: of the model that made it.
        vector: (D,) finite numbers, not all zero.

    Raises:
        ValueError: not such a vector.
    """
    values = np.asarray(vector, dtype="<f4").reshape(-1)
    if not (0 < len(values) <= LONGEST and np.isfinite(values).all() and values.any()):
        raise ValueError("A descriptor is a vector of finite numbers, not all zero.")
    content = values.tobytes()
    body = {"series_uid": series_uid, "device_uid": device_uid, "size": len(values), "blob": blob_hash(content)}
    ledger.append(DESCRIPTOR, device_uid, body, blobs={blob_hash(content): content})


def descriptors(ledger: Ledger, device_uid: str | None = None) -> dict[str, NDArray[np.float32]]:
    """Series UID -> unit vector (D,), of one model; of the one that described last when None."""
    newest: dict[str, tuple[str, str]] = {}
    device = device_uid or ""
    for entry in ledger.entries(kind=DESCRIPTOR):
        device = device_uid or entry.body["device_uid"]
        body = entry.body
        newest[f"{body['device_uid']}|{body['series_uid']}"] = (body["series_uid"], body["blob"])
    found = {}
    for key, (series_uid, name) in newest.items():
        if key.startswith(f"{device}|"):
            values = np.frombuffer(ledger.blob(name), dtype="<f4").astype(np.float32)
            found[series_uid] = values / np.linalg.norm(values)
    return found
