"""The rooms of DESIGN, held by the syntax trees of every module: who may import whom, and the house rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "core" / "wetread"
MODULES = sorted(PACKAGE.rglob("*.py"))

# From the ground up: a room may import itself and every room of the layers before its own.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("vocabulary",),
    ("records",),
    ("imaging", "regions"),
    ("model",),
    ("reading",),
    ("reporting", "archive", "review"),
    ("pipeline",),
    ("training",),
    ("evaluation",),
    ("service",),
    ("command line",),
)
LAYER_OF = {room: index for index, layer in enumerate(LAYERS) for room in layer}
VOCABULARY = {"__init__", "errors", "findings", "geometry", "pointing", "rhythms", "signed", "terminology", "uids"}
NO_MODULES = {"__version__", "DEFAULT_MODEL"}
COMMAND_LINE = {"__main__", "cli", "commands"}

HEAVY = {"torch", "transformers", "highdicom", "monai"}
MAY_IMPORT_HEAVY = {"model", "reading", "training", "evaluation", "reporting"}
LONGEST_FILE = 400


def room_of(dotted: str) -> str:
    """The room of ``wetread.x.y``; top-level modules belong to the vocabulary, the pipeline or the command line."""
    parts = dotted.split(".")
    name = parts[1] if len(parts) > 1 else "__init__"
    if name in VOCABULARY:
        return "vocabulary"
    return "command line" if name in COMMAND_LINE else name


def dotted_name(path: Path) -> str:
    return ".".join(["wetread", *path.relative_to(PACKAGE).with_suffix("").parts])


def imported_modules(tree: ast.AST, of: str = "") -> Iterator[tuple[str, int]]:
    """Every absolute and relative import in a tree, with its line; ``from wetread import x`` counts as wetread.x."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*of.split(".")[: -node.level], *([base] if base else [])])
            if base == "wetread":
                modules = (alias.name for alias in node.names if alias.name not in NO_MODULES)
                yield from ((f"wetread.{name}", node.lineno) for name in modules)
            else:
                yield base, node.lineno


def at_module_level(tree: ast.Module) -> ast.Module:
    """The module without function bodies and without what only a type checker sees."""

    class Strip(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            return None

        visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

        def visit_If(self, node: ast.If) -> ast.AST | None:
            if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                return None
            return self.generic_visit(node)

    return Strip().visit(tree)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def upward_imports(tree: ast.Module, name: str) -> list[str]:
    room = room_of(name)
    wrong = []
    for imported, line in imported_modules(tree, of=name):
        if imported.split(".")[0] == "wetread":
            other = room_of(imported)
            if other != room and LAYER_OF[other] >= LAYER_OF[room]:
                wrong.append(f"line {line}: {room} imports {other} ({imported})")
    return wrong


modules = pytest.mark.parametrize("path", MODULES, ids=lambda path: dotted_name(path))


@modules
def test_every_module_belongs_to_a_room(path):
    assert room_of(dotted_name(path)) in LAYER_OF


@modules
def test_imports_run_downwards_only(path):
    assert upward_imports(tree_of(path), dotted_name(path)) == []


@modules
def test_only_commands_use_training_and_evaluation(path):
    if room_of(dotted_name(path)) in {"training", "evaluation", "command line"}:
        return
    used = {room_of(name) for name, _ in imported_modules(tree_of(path)) if name.startswith("wetread.")}
    assert used.isdisjoint({"training", "evaluation"})


@modules
def test_heavy_libraries_are_imported_where_they_are_needed(path):
    if room_of(dotted_name(path)) in MAY_IMPORT_HEAVY:
        return
    imports = imported_modules(at_module_level(tree_of(path)))
    assert [(name, line) for name, line in imports if name.split(".")[0] in HEAVY] == []


@modules
def test_files_are_short_enough_to_be_read(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@modules
def test_only_the_command_line_prints(path):
    if room_of(dotted_name(path)) == "command line":
        return
    calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    assert [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"] == []


@modules
def test_no_exception_is_caught_unnamed_or_dropped_in_silence(path):
    handlers = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ExceptHandler)]
    assert [h.lineno for h in handlers if h.type is None or all(isinstance(s, ast.Pass) for s in h.body)] == []


@pytest.mark.parametrize("viewer", ["slicer_extension", "ohif_plugin"])
def test_viewers_talk_http_and_dicomweb_never_to_the_engine(viewer):
    for path in (REPOSITORY / viewer).rglob("*.py"):
        engine = [name for name, _ in imported_modules(tree_of(path)) if name.split(".")[0] == "wetread"]
        assert engine == [], path.name


class TestTheseRulesCatch:
    """The rules above, shown a module that breaks them."""

    def test_an_upward_import_wherever_it_hides(self):
        for text in (
            "import wetread.service.app",
            "from wetread.cli import main",
            "from wetread import training",
            "def f():\n    from wetread.reading import Reader",
            "from ..service import app",
        ):
            assert len(upward_imports(ast.parse(text), "wetread.imaging.loader")) == 1, text

    def test_a_neighbour_of_the_same_layer(self):
        assert upward_imports(ast.parse("from wetread.archive import folder"), "wetread.reporting.sr") != []

    def test_nothing_wrong_with_a_downward_import(self):
        assert upward_imports(ast.parse("from wetread.findings import Read"), "wetread.imaging.loader") == []

    def test_a_heavy_import_at_module_level_but_not_in_a_function(self):
        text = "import torch\nif TYPE_CHECKING:\n    import highdicom\ndef f():\n    import transformers"
        assert list(imported_modules(at_module_level(ast.parse(text)))) == [("torch", 1)]
