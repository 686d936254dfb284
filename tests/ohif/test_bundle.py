"""The modules that ship with the package are the ones that the sources build."""

from __future__ import annotations

import pytest

from wetread.service.viewer import _SHIPPED, MODULES

pytestmark = pytest.mark.ohif


@pytest.mark.parametrize("name", MODULES)
def test_a_fresh_build_is_what_is_committed(plugin, name):
    fresh, shipped = (plugin / name).read_bytes(), (_SHIPPED / name).read_bytes()
    assert fresh == shipped, "run `make ohif` and commit what it writes"


def test_they_are_small(plugin):
    assert sum((plugin / name).stat().st_size for name in MODULES) <= 250_000
