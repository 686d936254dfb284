"""The history of models in the ledger: trained, promoted, rolled back, by whom and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wetread.model.checkpoint import ModelInfo
    from wetread.model.versions import ModelVersions
    from wetread.review.ledger import Entry, Ledger

MODEL = "model"
TRAINED, PROMOTED, REFUSED, ROLLED_BACK = "trained", "promoted", "refused", "rolled back"


def note(ledger: Ledger, event: str, actor: str, info: ModelInfo, **more: Any) -> Entry:
    """Record what happened to a model.

    Args:
        ledger: where.
        event: one of the four above.
        actor: login, or "gate".
        info: the model.
        more: plain JSON: what it learned from, the gate's figures, the reason.
    """
    body = {"event": event, **_named(info), **more}
    return ledger.append(MODEL, actor, body)


def promote(versions: ModelVersions, ledger: Ledger, name: str, actor: str, reason: str, **more: Any) -> ModelInfo:
    """Let a version read from now on; recorded before it does.

    Raises:
        RefusedInput: no such version.
    """
    if name:
        versions.check(name)
    info = versions.info(name)
    note(
        ledger, PROMOTED, actor, info, reason=reason, before=_named(versions.info(versions.standing().current)), **more
    )
    versions.switch(name)
    return info


def roll_back(versions: ModelVersions, ledger: Ledger, actor: str, reason: str) -> ModelInfo:
    """Let the version before read again; recorded.

    Raises:
        RefusedInput: there is none before.
    """
    left = versions.info()
    versions.step_back()
    info = versions.info()
    note(ledger, ROLLED_BACK, actor, info, reason=reason, before=_named(left))
    return info


def history(ledger: Ledger) -> Iterator[Entry]:
    """Everything that happened to models, oldest first."""
    return ledger.entries(kind=MODEL)


def learned_until(ledger: Ledger, info: ModelInfo) -> int:
    """The number of the ledger entry up to which a model, or what it came from, has learned; 0 for none."""
    by_weights: dict[str, Mapping[str, Any]] = {
        entry.body["weights_sha256"]: entry.body for entry in history(ledger) if entry.body["event"] == TRAINED
    }
    found = by_weights.get(info.weights_sha256)
    return int(found["learned"]["ledger_number"]) if found is not None else 0


def _named(info: ModelInfo) -> dict[str, str]:
    return {"model": info.name, "version": info.version, "weights_sha256": info.weights_sha256,
            "device_uid": info.device_uid}  # fmt: skip
