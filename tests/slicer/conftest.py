"""The extension on real MRML (PyPI: slicer-core), against the real service in a process of its own.

slicer-core is the MRML of Slicer without its application: what the application gives (`slicer.mrmlScene`, the
translation function) is put in its place here. Runs in an environment of its own, see `make test-slicer`; where
slicer-core is not installed, nothing of this folder is collected.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HAS_SLICER = importlib.util.find_spec("slicer") is not None
collect_ignore_glob = [] if HAS_SLICER else ["test_*.py"]

for folder in (ROOT / "tests" / "support", ROOT / "slicer_extension" / "Wetread", Path(__file__).parent):
    sys.path.insert(0, str(folder))

if HAS_SLICER:
    import slicer

    translation = types.ModuleType("slicer.i18n")
    translation.tr = lambda text: text
    translation.translate = lambda context, text: text
    sys.modules["slicer.i18n"] = translation
    slicer.i18n = translation

    from outside import Service, agreed

    from WetreadLib.background import Background
    from WetreadLib.drafts import Drafts
    from WetreadLib.session import Session


@pytest.fixture
def scene():
    """An empty scene with a subject hierarchy, as the application has one."""
    made = slicer.vtkMRMLScene()
    slicer.mrmlScene = made
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(made)
    logics = {
        "segmentations": slicer.vtkSlicerSegmentationsModuleLogic(), "volumes": slicer.vtkSlicerVolumesLogic(),
        "markups": slicer.vtkSlicerMarkupsLogic(), "plots": slicer.vtkSlicerPlotsLogic(),
    }  # fmt: skip
    for logic in logics.values():
        logic.SetMRMLScene(made)
    slicer.modules = types.SimpleNamespace(
        **{name: types.SimpleNamespace(logic=lambda logic=logic: logic) for name, logic in logics.items()}
    )
    yield made
    for logic in logics.values():
        logic.SetMRMLScene(None)
    made.Clear(True)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service whose reader marks what is bright."""
    started = Service(tmp_path_factory.mktemp("archive"))
    yield started
    started.close()


@pytest.fixture
def client(service):
    """A client of that service, with consent."""
    return agreed(service.address)


@pytest.fixture
def session(scene, client, tmp_path):
    """A session with that service."""
    made = Session(scene, Background(), Drafts(tmp_path / "drafts"), lambda: None)
    made.connect(client)
    yield made
    made.close()
