"""`wetread targets` and the page it writes."""

from __future__ import annotations

from pathlib import Path

from wetread.cli import main
from wetread.commands.targets import markdown

PAGE = Path(__file__).parents[2] / "docs" / "targets.md"


def test_the_page_is_what_the_table_says():
    assert PAGE.read_text(encoding="utf-8") == markdown(), "wetread targets --markdown > docs/targets.md"


def test_the_command_lists_what_a_picture_may_show(capsys):
    assert main(["targets", "--modality", "fundus"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("optic disc") and "81016008" in line for line in lines)
    assert not any(line.startswith("liver") for line in lines)
