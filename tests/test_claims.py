"""Documents that tie a claim to a test: every test they name exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+(?:::\w+)?)`")
DOCUMENTS = ("acceptance.md", "dicom-conformance.md", "ihe-air.md")


def names_in(path: Path) -> set[str]:
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_test_that_a_document_names_exists(name: str) -> None:
    named = NAMED.findall((ROOT / "docs" / name).read_text(encoding="utf-8"))
    assert len(named) >= 10
    missing = [f"{path}::{test}" for path, test in named
               if not (ROOT / path).is_file() or test not in names_in(ROOT / path)]  # fmt: skip
    assert missing == []


def test_a_test_that_is_not_there_would_be_noticed() -> None:
    assert "test_that_nobody_wrote" not in names_in(Path(__file__))
    assert "test_a_test_that_is_not_there_would_be_noticed" in names_in(Path(__file__))
