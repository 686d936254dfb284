"""What Slicer's Extensions Index asks of an extension, held over the files; its deeds are tested in `tests/slicer`."""

from __future__ import annotations

import ast
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
EXTENSION = ROOT / "slicer_extension"
MODULE = EXTENSION / "Wetread"
SCRIPTS = [MODULE / "Wetread.py", *sorted((MODULE / "WetreadLib").glob("*.py"))]
LONGEST = 400
SHIPPED = {"numpy", "qt", "requests", "slicer", "vtk", "WetreadLib"}
"""What may be imported at the head of a file, beside the standard library: Slicer has it."""
SHIPPED_LAZILY = {*SHIPPED, "DICOMLib", "SampleData", "dicomweb_client", "pydicom"}


def names(path: Path) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}


def imported(nodes) -> set[str]:
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
class TestEachFile:
    def test_it_imports_only_what_slicer_ships(self, path):
        import sys

        tree = ast.parse(path.read_text())
        allowed = set(sys.stdlib_module_names)
        assert imported(tree.body) <= allowed | SHIPPED
        assert imported(ast.walk(tree)) <= allowed | SHIPPED_LAZILY

    def test_it_installs_nothing(self, path):
        text = path.read_text()
        assert not re.search(r"pip_install|pip_ensure|import pip\b|subprocess|os\.system", text)

    def test_nothing_runs_at_file_scope(self, path):
        """Definitions, imports and constants; no call but the translation of a constant's words."""
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Expr):
                assert isinstance(node.value, ast.Constant)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
                assert all(ast.unparse(call.func) in ("_", "re.compile", "range", "np.array") for call in calls)
            else:
                assert isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)

    def test_it_is_short_enough_to_be_read(self, path):
        assert len(path.read_text().splitlines()) <= LONGEST

    def test_only_the_client_sends(self, path):
        """Every request goes through `ServiceClient`, which asks for consent first."""
        if path.name in ("client.py", "transfers.py"):
            return
        text = path.read_text()
        assert "requests" not in names(path)
        assert not re.search(r"urllib\.request|http\.client|socket|downloadFile|qt\.QNetwork", text)

    def test_what_a_person_reads_can_be_translated(self, path):
        """No sentence reaches a widget, a notice or an error but through `_`."""
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func).rpartition(".")[2]
            if name in ("setText", "say", "setPlaceholderText", "setToolTip", "errorDisplay", "infoDisplay"):
                for argument in call.args:
                    said = argument.value if isinstance(argument, ast.Constant) else ""
                    assert not re.search(r"[A-Za-z]{2} [A-Za-z]", str(said)), ast.unparse(call)


def test_the_client_and_transfers_ask_for_consent_before_they_send():
    client = (MODULE / "WetreadLib" / "client.py").read_text()
    send = client[client.index("def send(") : client.index("def session(")]
    assert send.index("self.consent.require(self.address)") < send.index("self.session.request(")
    assert client.count(".request(") == 1
    transfers = (MODULE / "WetreadLib" / "transfers.py").read_text()
    assert transfers.index("client.consent.require(client.address)") < transfers.index("return DICOMwebClient(")
    assert transfers.count("DICOMwebClient(") == 1


def test_cmake_lists_every_script_and_resource():
    listed = (MODULE / "CMakeLists.txt").read_text().replace("${MODULE_NAME}", "Wetread")
    for path in [*SCRIPTS, *(MODULE / "Resources").rglob("*.*")]:
        assert str(path.relative_to(MODULE)) in listed


def test_the_catalogue_entry_says_what_the_root_of_the_repository_says():
    entry = json.loads((EXTENSION / "Wetread.json").read_text())
    root = (ROOT / "CMakeLists.txt").read_text()
    assert f"project({(EXTENSION / 'Wetread.json').stem})" in root
    assert entry["category"] == re.search(r'EXTENSION_CATEGORY "([^"]+)"', root)[1]
    assert "Modality" in entry["dicom_support_rule"]
    assert entry["build_dependencies"] == []
    icon = re.search(r'EXTENSION_ICONURL "[^"]+/main/([^"]+)"', root)[1]
    assert Image.open(ROOT / icon).size == (128, 128)
    for address in re.search(r'EXTENSION_SCREENSHOTURLS "([^"]+)"', root)[1].split():
        assert (ROOT / address.partition("/main/")[2]).is_file()
    assert (ROOT / "LICENSE").is_file()


def test_every_widget_that_the_panel_names_is_in_the_form_and_the_other_way_round():
    root = ElementTree.parse(MODULE / "Resources" / "UI" / "Wetread.ui").getroot()
    drawn = {one.get("name") for one in root.iter("widget")}
    code = "".join((MODULE / "WetreadLib" / name).read_text() for name in ("panel.py", "keys.py"))
    used = set(re.findall(r"ui\.(\w+)", code)) | set(re.findall(r'"(\w+Button)"', code))
    assert used <= drawn
    buttons = {one.get("name") for one in root.iter("widget") if one.get("class") == "QPushButton"}
    assert buttons <= used
