"""What `describe` measures follows the mask: move, mirror, turn, scale or permute it and the attributes follow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from skimage.measure import regionprops

from region_shapes import contrasted, disc, ellipse, ellipsoid, lobes, ring, star
from wetread.errors import RefusedInput
from wetread.findings import Mask
from wetread.geometry import PlaneGeometry
from wetread.regions import describe
from wetread.regions.attributes import BorderWord, Direction, Place, ShapeWord, SizeWord
from wetread.regions.grid import Grid
from wetread.terminology import Modality

quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FLAT = np.full((128, 128), 100, dtype=np.uint8)


def axial(columns: int = 128, rows: int = 128, spacing: float = 1.0, row_cosines=(1.0, 0.0, 0.0)) -> PlaneGeometry:
    return PlaneGeometry((0.0, 0.0, 0.0), row_cosines, (0.0, 1.0, 0.0), spacing, spacing, "1.2.3")


def only(mask, image=FLAT, geometry=None, modality=Modality.MR, target="lesion", **options):
    (region,) = describe(mask, image, geometry, modality, target, **options).regions
    return region


class TestPlace:
    @quick
    @given(st.integers(8, 119), st.integers(8, 119))
    def test_translating_moves_the_place_and_nothing_else(self, row: int, column: int) -> None:
        home, away = only(disc(64.5, 64.5, 6)), only(disc(row + 0.5, column + 0.5, 6))
        vertical, horizontal = 3 * (row + 0.5) // 128, 3 * (column + 0.5) // 128
        assert away.location.place is list(Place)[int(3 * vertical + horizontal)]
        assert (away.shape, away.size) == (home.shape, home.size)

    @pytest.mark.parametrize(("row", "column", "place"), [(10, 10, "upper left"), (64, 64, "centre"),
                                                          (64, 110, "middle right"),
                                                          (120, 64, "lower middle")])  # fmt: skip
    def test_words_of_the_grid(self, row: int, column: int, place: str) -> None:
        assert only(disc(row, column, 5)).location.place == place

    def test_without_orientation_nothing_is_said_of_the_patient(self) -> None:
        region = only(disc(64, 20, 8), target="kidney", geometry=(1.0, 1.0))
        assert region.location.patient == ()
        assert region.location.laterality is None
        assert region.size.area_mm2 == region.size.pixels

    def test_mirroring_the_picture_mirrors_the_image_words(self) -> None:
        mask = disc(20, 20, 8)
        assert only(mask).location.place is Place.UPPER_LEFT
        assert only(mask[:, ::-1]).location.place is Place.UPPER_RIGHT

    def test_left_in_the_picture_is_right_in_an_axial_patient_and_turns_with_the_orientation(self) -> None:
        mask = disc(64, 20, 8)
        usual = only(mask, geometry=axial(), target="kidney").location
        turned = only(mask, geometry=axial(row_cosines=(-1.0, 0.0, 0.0)), target="kidney").location
        assert (usual.place, turned.place) == (Place.LEFT, Place.LEFT)
        assert (usual.patient, turned.patient) == ((Direction.RIGHT,), (Direction.LEFT,))
        assert (usual.laterality, turned.laterality) == (Direction.RIGHT, Direction.LEFT)

    def test_a_flipped_array_with_its_flipped_geometry_is_the_same_patient(self) -> None:
        mask = disc(30, 20, 8)
        flipped = only(mask[:, ::-1], geometry=axial(row_cosines=(-1.0, 0.0, 0.0)), target="kidney").location
        straight = only(mask, geometry=axial(), target="kidney").location
        assert (flipped.patient, flipped.laterality) == (straight.patient, straight.laterality)
        assert flipped.place is not straight.place

    @pytest.mark.parametrize(
        ("target", "geometry", "column"),
        [("liver", axial(), 20), ("left kidney", axial(), 20), ("kidney", axial(), 64), ("kidney", None, 20),
         ("kidney", axial(spacing=0.4), 20),
         ("kidney", PlaneGeometry((0, 0, 0), (0, 1, 0), (0, 0, -1), 1, 1, "1.2.3"), 20),
         ("kidney", axial(row_cosines=(0.7071068, 0.0, 0.7071068)), 20)],
        ids=["not paired", "already says", "in the middle", "no orientation", "a crop", "sagittal", "oblique"],
    )  # fmt: skip
    def test_laterality_is_never_guessed(self, target, geometry, column) -> None:
        assert only(disc(64, column, 8), geometry=geometry, target=target).location.laterality is None

    def test_a_mask_at_the_border_says_so(self) -> None:
        assert only(disc(0, 64, 10)).location.at_edge
        assert not only(disc(11, 64, 10)).location.at_edge
        assert "edge of the image" in describe(disc(0, 64, 10), FLAT, None, "MR", "lesion").text


class TestSize:
    def test_scaling_moves_the_size_word_up(self) -> None:
        words = [only(disc(64, 64, r)).size.word for r in (3, 12, 25, 50)]
        assert words == [SizeWord.TINY, SizeWord.SMALL, SizeWord.MEDIUM, SizeWord.LARGE]

    @quick
    @given(st.floats(0.1, 3.0), st.integers(2, 40))
    def test_millimetres_scale_with_the_spacing(self, spacing: float, radius: int) -> None:
        size = only(disc(64, 64, radius), geometry=(spacing, spacing)).size
        assert size.area_mm2 == pytest.approx(size.pixels * spacing**2)
        assert size.diameter_mm == pytest.approx(size.diameter_px * spacing)
        assert size.diameter_px == pytest.approx(2 * np.sqrt(size.pixels / np.pi))
        assert size.share == size.pixels / 128**2

    def test_a_volume_has_millilitres_and_every_plane_its_own_depth(self) -> None:
        mask = np.ones((3, 4, 5), dtype=bool)
        planes = [PlaneGeometry((0, 0, z), (1, 0, 0), (0, 1, 0), 2, 3, "1.2") for z in (0.0, 5.0, 20.0)]
        size = only(mask, np.zeros(mask.shape, np.float32), planes).size
        assert size.volume_ml == pytest.approx(4 * 5 * 2 * 3 * (5 + 10 + 15) / 1000)

    def test_ball_and_disc_of_one_relative_diameter_have_one_word(self) -> None:
        ball = ellipsoid((16, 16, 16), (6, 6, 6), (32, 32, 32))
        flat = disc(16, 16, 6, (32, 32))
        assert only(ball, np.zeros(ball.shape, np.uint8)).size.word is only(flat, FLAT[:32, :32]).size.word


class TestShape:
    @pytest.mark.parametrize(
        ("mask", "word", "border"),
        [
            (disc(64, 64, 3), ShapeWord.ROUND, BorderWord.SMOOTH),
            (disc(64, 64, 5), ShapeWord.ROUND, BorderWord.SMOOTH),
            (disc(64, 64, 40), ShapeWord.ROUND, BorderWord.SMOOTH),
            (ellipse(64, 64, 10, 5), ShapeWord.OVAL, BorderWord.SMOOTH),
            (ellipse(64, 64, 40, 20, turn=0.5), ShapeWord.OVAL, BorderWord.SMOOTH),
            (ellipse(64, 64, 40, 8), ShapeWord.ELONGATED, BorderWord.SMOOTH),
            (ellipse(64, 64, 30, 9, turn=0.9), ShapeWord.ELONGATED, BorderWord.SMOOTH),
            (ring(64, 64, 40, 25), ShapeWord.RING, BorderWord.SMOOTH),
            (ring(64, 64, 12, 7), ShapeWord.RING, BorderWord.SMOOTH),
            (star(5, 45, 0.4), ShapeWord.IRREGULAR, BorderWord.SPICULATED),
            (star(5, 45, 0.5, turn=0.3), ShapeWord.IRREGULAR, BorderWord.SPICULATED),
            (star(12, 45, 0.6), ShapeWord.IRREGULAR, BorderWord.SPICULATED),
            (star(8, 20, 0.5), ShapeWord.IRREGULAR, BorderWord.SPICULATED),
            (lobes(5, 28, 15), ShapeWord.IRREGULAR, BorderWord.LOBULATED),
            (lobes(4, 20, 16), None, BorderWord.LOBULATED),
            (disc(30, 30, 10) | disc(90, 90, 12), ShapeWord.MULTIFOCAL, None),
            (disc(64, 64, 1), ShapeWord.POINT, None),
        ],
    )  # fmt: skip
    def test_words_of_drawn_shapes(self, mask, word, border) -> None:
        shape = only(mask).shape
        assert word is None or shape.word is word
        assert shape.border is border

    @pytest.mark.parametrize("mask", [disc(50, 60, 17), ellipse(64, 64, 40, 20, turn=0.5), star(5, 45, 0.4),
                                      ring(64, 64, 40, 25), disc(30, 30, 10) | disc(90, 90, 12)])  # fmt: skip
    def test_numbers_are_those_of_scikit_image(self, mask) -> None:
        region, shape = regionprops(mask.astype(np.uint8))[0], only(mask).shape
        assert shape.solidity == pytest.approx(region.solidity)
        assert shape.eccentricity == pytest.approx(region.eccentricity, abs=1e-6)
        assert shape.extent == pytest.approx(region.extent)
        assert shape.circularity == pytest.approx(min(4 * np.pi * region.area / region.perimeter_crofton**2, 1.0))

    @quick
    @given(st.sampled_from(["disc", "oval", "long", "star", "ring"]), st.sampled_from([1, 2, 3]))
    def test_a_quarter_turn_keeps_the_shape(self, kind: str, turns: int) -> None:
        mask = {"disc": disc(40, 50, 15), "oval": ellipse(60, 50, 30, 18, turn=0.4), "long": ellipse(60, 64, 8, 40),
                "star": star(7, 40, 0.5), "ring": ring(60, 60, 30, 20)}[kind]  # fmt: skip
        straight, turned = only(mask).shape, only(np.rot90(mask, turns)).shape
        assert (turned.word, turned.border, turned.components) == (straight.word, straight.border, straight.components)
        assert turned.eccentricity == pytest.approx(straight.eccentricity, abs=1e-6)
        assert turned.solidity == pytest.approx(straight.solidity, abs=1e-6)
        assert turned.circularity == pytest.approx(straight.circularity, rel=0.02)

    def test_shape_is_measured_in_millimetres(self) -> None:
        squeezed = ellipse(64, 64, 10, 30)  # a disc of 30 mm on pixels of 3 mm by 1 mm
        assert only(squeezed).shape.word is ShapeWord.ELONGATED
        assert only(squeezed, geometry=(3.0, 1.0)).shape.word is ShapeWord.ROUND

    def test_a_speck_is_counted_but_does_not_change_the_shape(self) -> None:
        mask = disc(64, 64, 20)
        mask[0, 0] = True
        shape = only(mask).shape
        assert (shape.components, shape.word, shape.border) == (2, ShapeWord.ROUND, BorderWord.SMOOTH)

    @pytest.mark.parametrize(("axes", "word"), [((12, 12, 12), ShapeWord.ROUND), ((12, 9, 7), ShapeWord.OVAL),
                                                ((20, 5, 5), ShapeWord.ELONGATED),
                                                ((20, 18, 4), ShapeWord.FLAT)])  # fmt: skip
    def test_words_of_solids(self, axes, word) -> None:
        mask = ellipsoid((24, 24, 24), axes, (48, 48, 48))
        assert only(mask, np.zeros(mask.shape, np.uint8)).shape.word is word

    @pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2), (2, 1, 0), (1, 2, 0)])
    def test_permuting_the_axes_of_a_volume_with_its_grid_changes_no_physical_attribute(self, order) -> None:
        mask = ellipsoid((8, 20, 30), (4, 9, 14), (24, 48, 60))
        image = contrasted(mask, 80, 40)
        vectors = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
        grid = Grid(mask.shape, (3.0, 1.5, 2.0), vectors)
        turned = Grid(
            tuple(mask.shape[i] for i in order), tuple((3.0, 1.5, 2.0)[i] for i in order),
            tuple(vectors[i] for i in order),
        )  # fmt: skip
        a = only(mask, image, grid, target="kidney")
        b = only(mask.transpose(order), image.transpose(order), turned, target="kidney")
        assert (a.location.patient, a.location.laterality) == (b.location.patient, b.location.laterality)
        assert a.size == b.size
        assert (a.shape.word, a.shape.border) == (b.shape.word, b.shape.border)
        assert a.shape.circularity == pytest.approx(b.shape.circularity, rel=0.02)
        assert a.shape.solidity == pytest.approx(b.shape.solidity)
        assert a.intensity.z == pytest.approx(b.intensity.z, rel=1e-5)


class TestForms:
    """Every form of masks says the same."""

    def test_label_map_list_stack_and_mask_agree(self) -> None:
        a, b = disc(30, 30, 10), disc(90, 90, 14)
        labels = a.astype(np.uint8) * 3 + b.astype(np.uint8) * 250
        facts = [
            describe(form, FLAT, None, "MR", ["x", "y"]).text for form in ([a, b], np.stack([a, b]), labels)
        ]  # fmt: skip
        assert len(set(facts)) == 1
        assert only(Mask.from_dense(a)) == only(a) == only(a[None]) == only(a, FLAT[None])

    def test_targets_by_value_of_the_label_map(self) -> None:
        labels = disc(30, 30, 10) * 3 + disc(90, 90, 14) * 7
        regions = describe(labels, FLAT, None, "MR", {7: "liver", 3: "spleen"}).regions
        assert [region.label for region in regions] == ["spleen", "liver"]

    def test_an_empty_mask_is_no_region(self) -> None:
        description = describe(np.zeros((128, 128), bool), FLAT, None, "MR", "liver")
        assert description.regions == ()
        assert "no region of liver" in description.text
        assert np.array_equal(description.overlay, description.picture)

    def test_an_empty_mask_among_others_keeps_their_numbers(self) -> None:
        description = describe([np.zeros((128, 128), bool), disc(64, 64, 9)], FLAT, None, "MR", ["spleen", "liver"])
        assert [region.index for region in description.regions] == [1]
        assert description.scene.absent == ("spleen",)

    def test_one_pixel(self) -> None:
        mask = np.zeros((128, 128), bool)
        mask[5, 7] = True
        region = only(mask)
        assert (region.shape.word, region.size.pixels, region.location.centroid) == (ShapeWord.POINT, 1, (5.5, 7.5))

    def test_the_whole_image_has_no_ring(self) -> None:
        region = only(np.ones((128, 128), bool))
        assert region.intensity.contrast is None
        assert region.location.place is Place.CENTRE

    @quick
    @given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 1), (1, 9), (7, 1), (9, 11), (2, 5, 6), (1, 4, 4)]))
    def test_any_mask_at_all_is_described(self, seed: int, shape: tuple[int, ...]) -> None:
        generator = np.random.default_rng(seed)
        mask = generator.random(shape) < generator.choice([0.1, 0.5, 0.95])
        description = describe(mask, generator.normal(size=shape).astype(np.float32), None, "MR", "lesion")
        assert bool(description.regions) == bool(mask.any())
        assert description.overlay.dtype == np.uint8


class TestRefusals:
    @pytest.mark.parametrize(
        ("masks", "image", "geometry", "options"),
        [
            (disc(9, 9, 3), np.full((128, 128), np.nan), None, {}),
            (disc(9, 9, 3), FLAT[:64], None, {}),
            (np.full((128, 128), 0.5), FLAT, None, {}),
            (np.full((128, 128), -1), FLAT, None, {}),
            (disc(9, 9, 3), FLAT, (1.0, -1.0), {}),
            (disc(9, 9, 3), FLAT, (1.0, 1.0, 1.0), {}),
            (disc(9, 9, 3), FLAT, None, {"language": "xx"}),
            (disc(9, 9, 3), FLAT, None, {"modality": "smell"}),
            (disc(9, 9, 3), FLAT, None, {"modality": Modality.ECG}),
            ([disc(9, 9, 3)], FLAT, None, {"targets": ["a", "b"]}),
            ("mask", FLAT, None, {}),
        ],
        ids=["NaN", "size", "fractions", "negative", "spacing", "axes", "language", "modality", "ECG", "targets",
             "kind"],
    )  # fmt: skip
    def test_one_clear_line(self, masks, image, geometry, options) -> None:
        with pytest.raises(RefusedInput) as refused:
            describe(masks, image, geometry, **({"modality": "MR", "targets": "lesion"} | options))
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize(
    "mask", [disc(64, 64, 14), disc(64, 64, 30), ring(64, 64, 30, 15)], ids=["small", "large", "ring"]
)
def test_a_mask_enlarged_by_repeating_its_pixels_keeps_its_words(mask, factor) -> None:
    large = np.kron(mask, np.ones((factor, factor), dtype=bool))
    (region,) = describe(large, np.zeros(large.shape, np.uint8), None, "MR", "lesion").regions
    assert (region.shape.word, region.shape.border) == (only(mask).shape.word, only(mask).shape.border)
    assert region.size.word is only(mask).size.word
