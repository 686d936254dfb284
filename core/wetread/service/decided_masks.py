"""Masks as they stand for the person who asks: what a verdict sends, a viewer gets back in the same form."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from wetread.service.access.people import person_of
from wetread.service.errors import Problem
from wetread.service.reads import PREFIX
from wetread.service.verdicts import read_uid_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wetread.service.backing import Backing


class DecidedMask(BaseModel):
    """The mask of one finding."""

    tracking_uid: str
    mask: dict[int, str] = Field(description="plane index -> PNG in base64, as large as the image; 0 is not marked")


def decided_masks_router(backing: Backing) -> APIRouter:
    """``GET /wetread/v1/reads/{uid}/masks``."""
    router = APIRouter(prefix=PREFIX, tags=["verdicts"], responses={404: {"model": Problem}, 409: {"model": Problem}})

    @router.get("/reads/{uid}/masks")
    def masks(uid: str, request: Request) -> list[DecidedMask]:
        """Of every finding that has one: as the asking person corrected or added it, else as the model made it."""
        state = backing.desk.review(read_uid_of(backing.queue.get(uid)), person_of(request).login)
        findings = [*(signed.finding for signed in state.signable), *state.rejected, *state.undecided]
        return [
            DecidedMask(tracking_uid=one.tracking_uid, mask={i: _png(plane) for i, plane in one.mask.planes.items()})
            for one in findings
            if one.mask is not None and not one.mask.is_empty
        ]

    return router


def _png(plane: NDArray[np.bool_]) -> str:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(plane.astype("uint8") * 255).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()
