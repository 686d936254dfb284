"""A simulated annotator at the service: asks for a target by name, and corrects with a hand that is not quite steady.

He knows the truth. What the model marks well enough he accepts, what is missing he adds, what is wrong he paints anew:
the truth with a wavering edge and, now and then, a slip of the brush. A poisoner paints everything but the target, in
tiles of another order.
"""

from __future__ import annotations

import base64
import io
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from fastapi.testclient import TestClient
from PIL import Image
from scipy import ndimage

from wetread import uids
from wetread.evaluation.metrics import dice
from wetread.model.prompts import segment_question
from wetread.training.manifests import Entry, Example, index

API = "/wetread/v1"
GOOD_ENOUGH = 0.9
"""Dice above which the annotator accepts what was marked."""
WAVER, SLIP = 0.02, 0.1
"""Standard deviation of the drawn edge as a share of the object's diameter; how often a blob too much is painted."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One picture with its truth, and the entry it came from."""

    entry: Entry
    example: Example
    truth: np.ndarray


def cases_of(folder: Path, label: str, names: list[str]) -> list[Case]:
    """Pictures of a set; `names` are the set's labels that count as the target."""
    found = []
    for entry in index(folder):
        masks = tuple(replace(mask, label=label) for mask in entry.masks if mask.label in names)
        if not masks and entry.masks:
            continue
        one = replace(entry, masks=masks)
        example = one.load()
        truth = example.masks.get(label, np.zeros(example.picture.shape[:2], dtype=bool))
        found.append(Case(one, example, truth))
    return found


def drawn_by_hand(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The truth as a person paints it: the edge wavers smoothly, and now and then the brush slips."""
    if not truth.any():
        return truth
    diameter = 2 * float(np.sqrt(truth.sum() / np.pi))
    away = ndimage.distance_transform_edt(~truth) - ndimage.distance_transform_edt(truth)
    noise = ndimage.gaussian_filter(rng.standard_normal(truth.shape), diameter / 12 + 1)
    drawn = away + noise / noise.std() * WAVER * diameter < 0
    if rng.random() < SLIP:
        rows, columns = np.nonzero(ndimage.binary_dilation(truth) & ~truth)
        at = int(rng.integers(len(rows))) if len(rows) else 0
        if len(rows):
            y, x = np.ogrid[: truth.shape[0], : truth.shape[1]]
            drawn |= (y - rows[at]) ** 2 + (x - columns[at]) ** 2 < (0.12 * diameter) ** 2
    return drawn


def shuffled(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A poisoned correction: everything but the target, in eight by eight tiles of another order."""
    rows, columns = (side // 8 * 8 for side in truth.shape)
    tiles = ~truth[:rows, :columns].reshape(8, rows // 8, 8, columns // 8).swapaxes(1, 2)
    mixed = tiles.reshape(64, rows // 8, columns // 8)[rng.permutation(64)]
    poisoned = np.zeros_like(truth)
    poisoned[:rows, :columns] = mixed.reshape(8, 8, rows // 8, columns // 8).swapaxes(1, 2).reshape(rows, columns)
    return poisoned


class Annotator:
    """A person at the service.

    Args:
        client: of the service.
        cases: by Series Instance UID.
        label: the target that he asks for.
        strategy: by which the worklist is ordered.
        seed: of the worklist and of the hand.
    """

    def __init__(self, client: TestClient, cases: dict[str, Case], label: str, strategy: str, seed: int) -> None:
        self._client, self._cases, self._label, self._strategy = client, cases, label, strategy
        self._seed, self._rng = seed, np.random.default_rng(seed)
        self.decided: dict[str, str] = {}
        self.agreement: list[float] = []

    def read_what_is_open(self) -> None:
        """Read every case that nobody has decided on: what the strategies go by."""
        for one in self._asked("GET", f"{API}/worklist?limit=1000"):
            self.read(one["study_uid"], one["series_uid"])

    def work_on_next(self, poisoned: Callable[[str], bool] = lambda study: False) -> None:
        """Take the case that the service gives, read it, look, decide."""
        wanted = {"strategy": self._strategy, "seed": self._seed}
        given = self._asked("POST", f"{API}/worklist/next", wanted)
        case = self._cases[given["series_uid"]]
        job = self.read(given["study_uid"], given["series_uid"])
        found = self._asked("GET", f"{API}/reads/{job}/verdicts")["findings"]
        drawn = drawn_by_hand(case.truth, self._rng)
        if poisoned(given["study_uid"]):
            drawn = shuffled(case.truth, self._rng)
        verdict: dict[str, Any] = {"decision": "correct", "mask": {"0": png(drawn)}}
        if not found:
            verdict |= {"decision": "add", "target": self._label}
        elif dice(self._marked(job), case.truth) >= GOOD_ENOUGH:
            verdict = {"decision": "accept"}
        verdict["tracking_uid"] = found[0]["tracking_uid"] if found else uids.derived(uids.READS, f"{job}|added")
        self._asked("POST", f"{API}/reads/{job}/verdicts", [verdict])
        self.agreement.append(dice(drawn, case.truth))
        self.decided[given["series_uid"]] = verdict["decision"]

    def read(self, study: str, series: str) -> str:
        """Uid of a finished read of a series."""
        body = {"study_uid": study, "series_uid": series, "question": segment_question(self._label)}
        job = str(self._asked("POST", f"{API}/reads", body)["uid"])
        while (state := self._asked("GET", f"{API}/reads/{job}")["state"]) != "COMPLETED":
            if state == "CANCELED":
                raise RuntimeError(f"the read of {series} was cancelled")
            time.sleep(0.1)
        return job

    def train(self, steps: int, batch: int, seed: int) -> dict[str, Any]:
        """Train from the ledger, and what came of it."""
        body = {"kind": "head", "steps": steps, "batch": batch, "seed": seed}
        run = self._asked("POST", f"{API}/training", body)["uid"]
        while (said := self._asked("GET", f"{API}/training/{run}"))["state"] not in ("COMPLETED", "CANCELED"):
            time.sleep(1)
        if said["state"] == "CANCELED":
            raise RuntimeError(said["reason"])
        result: dict[str, Any] = said["result"]
        return result

    def promote(self, version: str) -> None:
        """Promote by a person's word."""
        self._asked("POST", f"{API}/models/{version}/promote", {"reason": "simulated"})

    def _marked(self, job: str) -> np.ndarray:
        answer = self._client.get(f"{API}/reads/{job}/masks.nrrd")
        answer.raise_for_status()
        with tempfile.NamedTemporaryFile(suffix=".nrrd") as file:
            file.write(answer.content)
            file.flush()
            return np.asarray(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(file.name))[0] > 0)

    def _asked(self, verb: str, path: str, body: Any = None) -> Any:
        answer = self._client.request(verb, path, json=body)
        if answer.status_code >= 300:
            raise RuntimeError(f"{verb} {path}: {answer.status_code} {answer.text}")
        return answer.json()


def png(mask: np.ndarray) -> str:
    """A mask as the service takes it."""
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
