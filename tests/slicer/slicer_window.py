"""What of Slicer's application the panel needs, on PySide: Qt under the name `qt`, and the base classes of a module.

PythonQt, which Slicer has, and PySide wrap the same Qt; the panel keeps to what both spell alike. Custom widgets of
Slicer (ctkCollapsibleButton, qMRMLWidget) become plain ones.
"""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest
import slicer

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
MODULE = Path(__file__).parents[2] / "slicer_extension" / "Wetread"


def install(settings, folder: Path):
    """Put the modules in place; gives the Qt application."""
    try:
        from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets
    except ImportError as error:
        pytest.skip(f"Qt does not load ({error}); Debian: libegl1, libgl1, libfontconfig1, libxkbcommon0")

    qt = types.ModuleType("qt")
    for part in (QtCore, QtGui, QtWidgets):
        vars(qt).update({name: getattr(part, name) for name in dir(part) if not name.startswith("_")})

    class SceneWidget(QtWidgets.QWidget):
        def setMRMLScene(self, scene):
            self.scene = scene

    class Loader(QtUiTools.QUiLoader):
        def createWidget(self, name, parent=None, object_name=""):
            made = {"ctkCollapsibleButton": QtWidgets.QGroupBox, "qMRMLWidget": SceneWidget}.get(name)
            if made is None:
                return super().createWidget(name, parent, object_name)
            widget = made(parent)
            widget.setObjectName(object_name)
            return widget

    qt.QUiLoader = Loader
    sys.modules["qt"] = qt
    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    _module_base()
    slicer.app = types.SimpleNamespace(
        userSettings=lambda: settings, slicerUserSettingsFilePath=str(folder / "Slicer.ini"),
        connect=lambda signal, called: None,
    )
    # PythonQt calls an object's name `name`, by which Slicer's own function looks.
    slicer.util.childWidgetVariables = lambda widget: types.SimpleNamespace(
        **{one.objectName(): one for one in widget.findChildren(QtCore.QObject) if one.objectName().isidentifier()}
    )
    window = QtWidgets.QMainWindow()
    slicer.util.mainWindow = lambda: window
    return application, window


def _module_base() -> None:
    base = types.ModuleType("slicer.ScriptedLoadableModule")

    class Module:
        def __init__(self, parent):
            self.parent = parent

    class Widget:
        def __init__(self, parent=None):
            self.parent = parent

        def setup(self):
            self.layout = sys.modules["qt"].QVBoxLayout(self.parent)

        def resourcePath(self, name):
            return str(MODULE / "Resources" / name)

    class Logic:
        def __init__(self, parent=None):
            pass

    base.ScriptedLoadableModule, base.ScriptedLoadableModuleWidget = Module, Widget
    base.ScriptedLoadableModuleLogic, base.ScriptedLoadableModuleTest = Logic, Logic
    sys.modules["slicer.ScriptedLoadableModule"] = base


def title_sections(widget) -> None:
    """Give the plain boxes that stand for Slicer's collapsible ones their titles, as the .ui names them."""
    import xml.etree.ElementTree as ElementTree

    root = ElementTree.parse(MODULE / "Resources" / "UI" / "Wetread.ui").getroot()
    for one in root.iter("widget"):
        if one.get("class") == "ctkCollapsibleButton":
            text = one.find("property[@name='text']/string").text
            widget.findChild(sys.modules["qt"].QGroupBox, one.get("name")).setTitle(text)
