"""What a series looks like to the model, as one vector: the mean of the visual tokens of a few of its planes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wetread.reading.pictures import pictures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.imaging.sample import Sample
    from wetread.model.loaded import LoadedModel

PLANES = 3


def describe_sample(model: LoadedModel, sample: Sample) -> NDArray[np.float32]:
    """(D,) mean of the merged visual tokens of up to three planes, evenly spread over the middle of the stack."""
    import torch

    count = len(sample.planes)
    shares = (0.5,) if count < PLANES else (0.25, 0.5, 0.75)
    shown = pictures(sample)
    wanted = sorted({int(share * (count - 1) + 0.5) for share in shares})
    with torch.inference_mode():
        encoded = model.encode([model.fit(shown(index)) for index in wanted])
        tokens = torch.cat([tokens.float() for tokens in encoded.features.pooler_output])
        values: NDArray[np.float32] = tokens.mean(dim=0).cpu().numpy()
    return values
