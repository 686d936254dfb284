"""MONAI Label strategies over Wetread's ledger (`wetread.review.strategies`); two annotators never get one image."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monailabel.interfaces.tasks.strategy import Strategy

from lib.people import person_of
from lib.shared import known, series_key
from wetread.review.strategies import STRATEGIES, ranked

if TYPE_CHECKING:
    from monailabel.interfaces.datastore import Datastore

    from lib.shared import Shared

SAYS = {
    "random": "any image that nobody has labelled",
    "uncertainty": "the image whose last read is most in doubt",
    "disagreement": "the image on whose last read words and mask differ most",
    "representative": "the image least like those that were decided on",
    "mixed": "all of these, weighted",
}


@dataclass(frozen=True, slots=True)
class ImageCase:
    """An image of the datastore as a case: `series_uid` as the ledger knows it."""

    image: str
    series_uid: str


class LedgerStrategy(Strategy):
    """One strategy; images that nobody has read yet come after those that were."""

    def __init__(self, name: str, shared: Shared) -> None:
        super().__init__(f"Wetread: {SAYS[name]}")
        self._name, self._shared = name, shared

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """The next image for the asking person; None where all are labelled or before others."""
        images = datastore.get_unlabeled_images(request.get("label_tag"), request.get("labels"))
        cases = [ImageCase(image, known(datastore, image).get("series_uid") or series_key(image)) for image in images]
        seed = int(request.get("seed") or time.time_ns() // 10**9) if self._name == "random" else 0
        found = ranked(cases, self._shared.backing.ledger, seed, self._name)
        image = self._shared.lease([case.image for case in found.cases], person_of(request))
        return None if image is None else {"id": image, "wetread_order": found.said}


def strategies(shared: Shared) -> dict[str, Strategy]:
    """All of them, by name."""
    return {name: LedgerStrategy(name, shared) for name in STRATEGIES}
