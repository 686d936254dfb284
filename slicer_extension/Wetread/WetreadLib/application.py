"""What only the full Slicer application has: its DICOM database, Segment Editor, placing of markups, layouts.

Everything else of the module works on a bare scene; these few lines are the ones that tests on slicer-core cannot run.
"""

import slicer


class Application:
    """The running Slicer."""

    def filesOf(self, series: str) -> list:
        """Paths of a series' files in the DICOM database; none where it is not in it."""
        return list(slicer.dicomDatabase.filesForSeries(series))

    def importFolder(self, folder) -> None:
        """Take the files of a folder into the DICOM database, as copies."""
        from DICOMLib import DICOMUtils

        DICOMUtils.importDicom(str(folder), slicer.dicomDatabase, copyFiles=True)

    def load(self, series: str) -> list:
        """Load a series of the DICOM database with whatever plugin Slicer has for it; gives the IDs of the nodes."""
        from DICOMLib import DICOMUtils

        return DICOMUtils.loadSeriesByUID([series])

    def edit(self, segmentationNode, segmentID: str, volumeNode) -> None:
        """Open the Segment Editor on a segment."""
        slicer.util.selectModule("SegmentEditor")
        editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
        editor.setSegmentationNode(segmentationNode)
        editor.setSourceVolumeNode(volumeNode)
        editor.setCurrentSegmentID(segmentID)

    def place(self, markupsNode, isPersistent: bool) -> None:
        """Let the reader put points of a markup with the mouse."""
        logic = slicer.modules.markups.logic()
        logic.SetActiveList(markupsNode)
        logic.StartPlaceMode(isPersistent)

    def showVolume(self, volumeNode) -> None:
        """Show a volume in the slice views, along its own planes."""
        slicer.util.setSliceViewerLayers(background=volumeNode, fit=True, rotateToVolumePlane=True)

    def showChart(self, chartNode) -> None:
        """Show a chart in a layout that has a place for it."""
        slicer.modules.plots.logic().ShowChartInLayout(chartNode)
