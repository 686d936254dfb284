"""What passes as a UID, and that ours are UIDs that never change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from wetread.uids import OBJECTS_OF_READS, WRAPPED_FILES, derived, is_tolerated, is_uid


@pytest.mark.parametrize("text", ["1.2.840.10008.1.2", "2.25.0", "1." + "2" * 62])
def test_a_uid_is_digits_and_single_dots(text):
    assert is_uid(text)
    assert is_tolerated(text)


@pytest.mark.parametrize("text", ["", ".", "..", "1..2", "1.2.", "1.2\n", "1/2", "../1.2", "1.2a", "1." + "2" * 63])
def test_what_is_no_uid_passes_nowhere(text):
    assert not is_uid(text)
    assert not is_tolerated(text)


def test_leading_zeros_are_tolerated_in_what_others_wrote():
    assert is_tolerated("1.02.3")
    assert not is_uid("1.02.3")


@given(st.text())
def test_every_derived_uid_is_one(name):
    assert is_uid(derived(WRAPPED_FILES, name))
    assert UID(derived(WRAPPED_FILES, name)).is_valid


def test_namespaces_keep_names_apart_and_the_uids_of_yesterday_are_those_of_today():
    assert derived(WRAPPED_FILES, "a") != derived(OBJECTS_OF_READS, "a")
    assert derived(WRAPPED_FILES, "a") == "2.25.337752147847478867325958300949112745889"
