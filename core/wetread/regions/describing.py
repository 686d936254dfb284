"""`describe`: masks and their image in; attributes, text and overlay out (RCMed's colour-region idea).

Deterministic and closed: every word of the text comes from an attribute, and every attribute is measured. The order of
the work: masks become crops, each crop is measured together with its ring, regions get colours by contrast, pairs get
relations. Text and overlay are made when they are asked for, from the same values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.regions.attributes import Region, Relation, RelationKind, Scene
from wetread.regions.colours import name_colours
from wetread.regions.grid import Geometry, Grid, grid_of
from wetread.regions.labels import Targets, is_paired, label_of, targets_for
from wetread.regions.masks import Cut, Masks, cut, image_shape
from wetread.regions.measuring import Measured, MeasuredImage
from wetread.regions.overlay import as_rgb8, paint, shown_as_picture
from wetread.regions.palette import choose_colours
from wetread.regions.relations import INVERSE, Piece, relate
from wetread.terminology import Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Description:
    """What is true of some masks over one image.

    Args:
        scene: the image as a whole.
        regions: one for each mask that is not empty, in the order given.
        relations: of near pairs, each pair once.
        language: of the text, ISO 639-1.
        seed: chooses the phrasings.
        grid: the frame of the measurements.
    """

    scene: Scene
    regions: tuple[Region, ...]
    relations: tuple[Relation, ...]
    language: str
    seed: int
    grid: Grid
    _image: NDArray[Any]
    _cuts: tuple[Cut, ...]
    _window: tuple[float, float] | None = None

    @cached_property
    def text(self) -> str:
        """The whole description in words."""
        from wetread.regions.text import render

        return render(self)

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """The text of each region alone, in the order of `regions`; it says all that is known of that region."""
        from wetread.regions.text import render_region

        return tuple(render_region(self, region) for region in self.regions)

    @cached_property
    def overlay(self) -> NDArray[np.uint8]:
        """(rows, columns, 3) uint8: regions over the picture; of a volume, over its key plane."""
        return self.overlay_of(self.key_plane)

    @property
    def picture(self) -> NDArray[np.uint8]:
        """(rows, columns, 3) uint8: what `overlay` is drawn over."""
        return self.picture_of(self.key_plane)

    @property
    def key_plane(self) -> int:
        """The plane of a volume on which most pixels are marked, the first of equals; 0 for a picture."""
        if len(self.grid.shape) == 2:
            return 0
        counts = np.zeros(self.grid.shape[0], dtype=np.int64)
        for one in self._cuts:
            counts[one.box[0]] += one.crop.sum(axis=(1, 2))
        return int(counts.argmax()) if counts.any() else self.grid.shape[0] // 2

    def picture_of(self, plane: int) -> NDArray[np.uint8]:
        """One plane as (rows, columns, 3) uint8 without regions."""
        return shown_as_picture(self._image if len(self.grid.shape) == 2 else self._image[plane], self._window)

    def overlay_of(self, plane: int) -> NDArray[np.uint8]:
        """One plane with the regions on it drawn over."""
        drawn = []
        for region in self.regions:
            one = self._cuts[region.index]
            box, crop = one.box, one.crop
            if len(box) == 3:
                if not box[0].start <= plane < box[0].stop:
                    continue
                box, crop = box[1:], crop[plane - box[0].start]
            drawn.append(((box[0], box[1]), crop, region.colour.rgb))
        return paint(self.picture_of(plane), drawn)

    def mask_of(self, region: Region) -> NDArray[np.bool_]:
        """The mask of one region, of the image's shape along space."""
        mask = np.zeros(self.grid.shape, dtype=bool)
        one = self._cuts[region.index]
        mask[one.box] = one.crop
        return mask

    def between(self, subject: int, other: int) -> tuple[RelationKind, ...]:
        """How the region of index `subject` lies to that of index `other`; empty where nothing was measured."""
        for relation in self.relations:
            if (relation.subject, relation.object) == (subject, other):
                return relation.kinds
            if (relation.object, relation.subject) == (subject, other):
                return tuple(INVERSE[kind] for kind in relation.kinds)
        return ()

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values for `json.dumps`."""
        from wetread.regions.serial import as_json

        return as_json(self)


def describe(
    masks: Masks, image: NDArray[Any], geometry: Geometry = None, modality: Modality | str = Modality.PHOTOGRAPH,
    targets: Targets = None, language: str = "en", *, seed: int = 0, units: str = "1",
    window: tuple[float, float] | None = None,
) -> Description:  # fmt: skip
    """Describe masks over one image.

    Args:
        masks: one bool array of the image's size along space; a label map (every value but 0 is a region, in order of
            value); several of either, in a sequence or along a first axis, which may overlap; or `findings.Mask`.
        image: (rows, columns), (rows, columns, 3), (planes, rows, columns) or (planes, rows, columns, 3), in the
            modality's own values.
        geometry: a PlaneGeometry; for a volume one for each plane in order; spacings in mm in the order of the axes
            (then nothing is known of the patient); a `grid.Grid`; or None.
        modality: the field's word.
        targets: what the masks show, each a Target or a word: one for all, one for each mask, or a mapping from the
            value of the label map. None: "region".
        language: of the text: "en" or "de".
        seed: chooses among the phrasings; attributes do not depend on it.
        units: UCUM of the values; HU (``[hnsf'U]``) is said in the text.
        window: (low, high) shown as black and white in the overlay.

    Raises:
        RefusedInput: NaN pixels, masks of another size, a geometry that does not fit, or no such language.
    """
    from wetread.regions.text import phrases_of

    phrases_of(language)
    spoken = _modality(modality)
    shape, colour = image_shape(image, masks)
    if image.dtype == bool:  # two levels, measured as 0 and 1
        image = image.astype(np.float32)
    if colour:
        image = as_rgb8(image)
    elif image.shape != shape:  # one grey channel as a last axis
        image = image[..., 0]
    cuts = cut(masks, shape)
    if len(shape) == 3 and shape[0] == 1:  # a volume of one plane is a picture
        image, shape = image[0], shape[1:]
        cuts = tuple(_flat(one) for one in cuts)
    grid = grid_of(geometry, shape)
    named = targets_for(targets, [one.value for one in cuts])
    measured = MeasuredImage(image, colour, grid, spoken, units)
    paired = {name: is_paired(name) for name in set(named)}
    found = [measured.measure(one, paired[name]) for one, name in zip(cuts, named, strict=True) if not one.is_empty]
    labels = [label_of(name) for name in named]
    regions = _coloured(found, labels, measured)
    present = Counter(labels[region.index] for region in regions)
    union = np.zeros(shape, dtype=bool)
    for item in found:
        union[item.box] |= item.crop
    scene = Scene(
        modality=spoken,
        counts=tuple(present.items()),
        share=float(np.count_nonzero(union)) / union.size,
        absent=tuple(labels[one.index] for one in cuts if one.is_empty),
    )
    pieces = [
        Piece(item.index, item.location.box, item.crop, item.size.pixels, item.location.centroid) for item in found
    ]
    return Description(scene, regions, relate(pieces, grid), language, seed, grid, image, cuts, window)


def _coloured(found: Sequence[Measured], labels: Sequence[str], image: MeasuredImage) -> tuple[Region, ...]:
    """Regions with their overlay colours, and the names of their own colours."""
    if not found:
        return ()
    under, around = np.array([item.under for item in found]), np.array([item.around for item in found])
    colours = choose_colours(under, around, [item.size.pixels for item in found])
    names: list[str | None] = list(name_colours(under)) if image.real_colour else [None] * len(found)
    if image.modality is Modality.DERMOSCOPY:  # a mean of six colours is none of them
        names = [None if item.colour_parts else name for item, name in zip(found, names, strict=True)]
    return tuple(
        Region(
            index=item.index,
            label=labels[item.index],
            colour=colour,
            location=item.location,
            size=item.size,
            shape=item.shape,
            intensity=replace(item.intensity, colour_name=name),
            parts=item.parts,
            colour_parts=item.colour_parts,
        )
        for item, colour, name in zip(found, colours, names, strict=True)
    )


def _flat(one: Cut) -> Cut:
    return Cut(one.index, one.value, one.box[1:], np.asarray(one.crop.any(axis=0)))


def _modality(modality: Modality | str) -> Modality:
    if isinstance(modality, Modality):
        spoken = modality
    else:
        wanted = modality.strip().lower().replace("-", "")
        match = [m for m in Modality if wanted in (m.value.lower().replace("-", ""), m.name.lower())]
        if not match:
            raise RefusedInput("unknown modality", modality, f"say one of: {', '.join(Modality)}.")
        spoken = match[0]
    if spoken is Modality.ECG:
        raise RefusedInput("masks over an ECG", "modality", "describe images; an ECG has intervals.")
    return spoken
