"""MONAI Label's scoring over Wetread's ledger: how much each image is worth a look, and how often people accept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monailabel.interfaces.tasks.scoring import ScoringMethod

from lib.shared import INFO, known
from wetread.review.accept_rates import accept_rates
from wetread.review.strategies import knowledge

if TYPE_CHECKING:
    from monailabel.interfaces.datastore import Datastore

    from lib.shared import Shared


class LedgerScoring(ScoringMethod):
    """Writes `uncertainty` and `disagreement` into the info of every image that was read."""

    def __init__(self, shared: Shared) -> None:
        super().__init__("Wetread: doubt about each read, and accept rates of each model version")
        self._shared = shared

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Score every image that was read."""
        ledger = self._shared.backing.ledger
        series, scored = knowledge(ledger), 0
        for image in datastore.list_images():
            noted = known(datastore, image)
            one = series.get(noted.get("series_uid", ""))
            if one is not None:
                scores = {"uncertainty": one.uncertainty.value, "disagreement": one.disagreement.value}
                datastore.update_image_info(image, {INFO: noted | scores | {"decided": one.decided}})
                scored += 1
        return {"images": scored, "accept_rates": [rate.as_dict() for rate in accept_rates(ledger)]}
