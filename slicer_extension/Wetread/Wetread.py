"""Wetread for 3D Slicer: a model's preliminary read, accepted, corrected or rejected with Slicer's own tools."""

import os
import tempfile
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from WetreadLib import phantoms
from WetreadLib.application import Application
from WetreadLib.background import POLL_MILLISECONDS, Background
from WetreadLib.consent import Consent
from WetreadLib.drafts import Drafts
from WetreadLib.panel import Panel
from WetreadLib.session import Session
from WetreadLib.volumes import uidsOf


class Wetread(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "Wetread"
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations", "Markups", "SegmentEditor", "DICOM"]
        self.parent.contributors = ["The Wetread engineers"]
        self.parent.helpText = _(
            "Asks a Wetread server for a preliminary read of a study and shows its findings as segments and boxes. "
            "Accept, correct or reject each; signed findings go to the archive as DICOM SR and SEG. "
            "Nothing is sent before you agree. See docs/slicer.md."
        )
        self.parent.acknowledgementText = _("After QoQ-Med3 and RCMed; see the README for how to cite them.")
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData() -> None:
    """Offer the drawn phantom in the Sample Data module; nothing is downloaded."""
    import SampleData

    icon = Path(__file__).parent / "Resources" / "Icons" / "Wetread.png"
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Wetread", sampleName="WetreadPhantomCT", thumbnailFileName=str(icon),
        customDownloader=lambda _source: loadPhantom(),
    )


def loadPhantom() -> list:
    """Import and load the drawn phantom; gives its volume nodes."""
    application = Application()
    with tempfile.TemporaryDirectory(prefix="wetread-") as folder:
        phantoms.write(folder)
        application.importFolder(folder)
    return [slicer.mrmlScene.GetNodeByID(nodeID) for nodeID in application.load(phantoms.SERIES)]


class WetreadWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel; everything it does is in ``WetreadLib``."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = self.panel = self.keys = self._timer = None

    def setup(self) -> None:
        """Make the panel; called once, when the module is first opened."""
        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/Wetread.ui"))
        self.layout.addWidget(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = WetreadLogic()
        settings = slicer.app.userSettings()
        self.panel = Panel(
            slicer.util.childWidgetVariables(widget), self.logic.session, Consent(settings), settings, Application()
        )
        self.logic.onChange = self.panel.update
        self.keys = self.panel.makeKeys(slicer.util.mainWindow())
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()
        for event in (slicer.mrmlScene.NodeAddedEvent, slicer.mrmlScene.NodeRemovedEvent):
            self.addObserver(slicer.mrmlScene, event, self._sceneChanged)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self._sceneClosed)
        self._volumesAreOld = True

    def _tick(self) -> None:
        if self._volumesAreOld:
            self._volumesAreOld = False
            self.panel.volumesChanged()
        self.logic.tick()

    def _sceneChanged(self, _caller, _event) -> None:
        self._volumesAreOld = True

    def _sceneClosed(self, _caller, _event) -> None:
        self.logic.session.leave()
        self._volumesAreOld = True

    def enter(self) -> None:
        """The module is shown."""
        self.keys.setEnabled(True)
        self._volumesAreOld = True

    def exit(self) -> None:
        """Another module is shown, such as the Segment Editor; reads and corrections go on."""
        self.keys.setEnabled(False)

    def cleanup(self) -> None:
        """Slicer is closed, or the module is loaded anew."""
        self._timer.stop()
        self.keys.setEnabled(False)
        self.logic.close()
        self.removeObservers()


class WetreadLogic(ScriptedLoadableModuleLogic):
    """The session of this Slicer, for the panel and for scripts."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self.onChange = lambda: None
        self.background = Background()
        folder = Path(os.path.dirname(slicer.app.slicerUserSettingsFilePath)) / "Wetread" / "drafts"
        self.session = Session(slicer.mrmlScene, self.background, Drafts(folder), lambda: self.onChange())

    def tick(self) -> None:
        """What a timer has to do: hand over results, find corrections, send what waits."""
        self.background.poll()
        self.session.decisions.tick()

    def close(self) -> None:
        """Keep what was decided, and listen to nothing any more."""
        self.session.close()
        self.background.close()


class WetreadTest(ScriptedLoadableModuleTest):
    """Slicer's own run of the module; what needs no application is in the project's tests/slicer."""

    def runTest(self) -> None:
        """The sample data comes through Slicer's DICOM database whole, and is known by its UIDs."""
        self.setUp()
        slicer.mrmlScene.Clear()
        (volume,) = loadPhantom()
        self.assertEqual(volume.GetImageData().GetDimensions(), (phantoms.PIXELS, phantoms.PIXELS, phantoms.SLICES))
        self.assertEqual(uidsOf(volume, slicer.mrmlScene)[1], phantoms.SERIES)
        self.delayDisplay(_("Test passed"))
