"""What is kept of a picture: bounded in bytes, least recently used goes first, and pixels are part of the name."""

from __future__ import annotations

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wetread.imaging.sample import Plane, Source
from wetread.reading.caches import ByteBoundedCache, digest, plane_key


def test_the_least_recently_used_is_forgotten() -> None:
    cache: ByteBoundedCache[str] = ByteBoundedCache(30)
    for name in "abc":
        cache.put(name, name.upper(), 10)
    assert cache.get("a") == "A"
    cache.put("d", "D", 10)
    assert [cache.get(name) for name in "abcd"] == ["A", None, "C", "D"]


def test_what_alone_exceeds_the_bound_is_not_kept_and_drives_out_nothing() -> None:
    cache: ByteBoundedCache[str] = ByteBoundedCache(30)
    cache.put("a", "A", 10)
    cache.put("big", "B", 31)
    assert (cache.get("a"), cache.get("big"), cache.bytes_held) == ("A", None, 10)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40)), max_size=60), st.integers(0, 60))
def test_the_bound_holds_whatever_is_put(puts: list[tuple[int, int]], bound: int) -> None:
    cache: ByteBoundedCache[int] = ByteBoundedCache(bound)
    sizes: dict[str, int] = {}
    for key, size in puts:
        cache.put(str(key), size, size)
        sizes[str(key)] = size
        held = {k for k in sizes if cache.get(k) is not None}
        assert cache.bytes_held == sum(sizes[k] for k in held) <= bound
        assert len(cache) == len(held)


def test_many_threads_may_use_it() -> None:
    cache: ByteBoundedCache[int] = ByteBoundedCache(500)

    def work(seed: int) -> None:
        for i in range(500):
            cache.put(str((i * seed) % 90), i, 10)
            cache.get(str(i % 90))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 7, 11, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.bytes_held == 10 * len(cache) <= 500


def test_a_picture_is_known_by_its_pixels_and_its_size() -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    other = picture.copy()
    other[0, 0, 0] = 1
    names = {digest(picture), digest(other), digest(picture.reshape(6, 4, 3))}
    assert len(names) == 3
    assert digest(picture) == digest(picture.copy())


def test_a_plane_is_called_by_instance_frame_and_window() -> None:
    values = np.zeros((2, 2), np.float32)
    planes = [Plane(values, Source("1", "2", "3", uid, frame), window=window)
              for uid in ("4", "5") for frame in (1, 2) for window in (None, (40.0, 400.0))]  # fmt: skip
    assert len({plane_key(plane) for plane in planes}) == 8
