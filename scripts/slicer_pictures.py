"""The pictures of docs/slicer.md, drawn by Slicer's own slice and 3-D views without a screen (trame-slicer).

    python3.11 -m venv .venv-trame
    .venv-trame/bin/pip install "trame-slicer[standalone]==2.0.0" \
        pydicom==3.0.2 dicomweb-client==0.61.0 requests==2.34.2 pytest==9.2.0
    .venv-trame/bin/python scripts/slicer_pictures.py [--out docs/pictures]

`slicer-views.png`: the drawn CT phantom of the Sample Data module, read through the service by a test double that marks
what is bright; three slices and three dimensions. `slicer-tissue.png`: stained tissue (scikit-image's), read by
wetread-mini.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "slicer"))
import conftest  # noqa: F401  (puts the places of Slicer's modules in order)
import numpy as np
import pydicom
import slicer
import vtk
from outside import ENGINE, Service, agreed, read, until, work
from PIL import Image
from slicer_scene import load
from trame_slicer.core import SlicerApp
from trame_slicer.views import DirectViewFactory, ViewLayoutDefinition
from vtk.util.numpy_support import vtk_to_numpy

from WetreadLib import phantoms
from WetreadLib.background import Background
from WetreadLib.drafts import Drafts
from WetreadLib.session import Session
from WetreadLib.transfers import upload

ROOT = Path(__file__).parents[1]
SIZE = 480


def main() -> None:
    """Draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    out = parser.parse_args().out
    application = SlicerApp()
    application.view_manager.register_factory(DirectViewFactory())
    slicer.mrmlScene = application.scene
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(application.scene)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ct = [pydicom.dcmread(path) for path in phantoms.write(folder / "phantom")]
        views = [ViewLayoutDefinition.axial_view(), ViewLayoutDefinition.coronal_view(),
                 ViewLayoutDefinition.sagittal_view(), ViewLayoutDefinition.threed_view()]  # fmt: skip
        made = [application.view_manager.create_view(view) for view in views]
        middle = draw(application, ct, folder / "ct", "marks", "Please segment liver in the given image.")
        panes = [pane(application, view, middle, is_slice=number < 3) for number, view in enumerate(made)]
        save(np.vstack([np.hstack(panes[:2]), np.hstack(panes[2:])]), out / "slicer-views.png")

        application.scene.Clear(False)
        tissue = folder / "tissue.dcm"
        subprocess.run([ENGINE, "-c", TISSUE, str(tissue)], check=True)
        view = application.view_manager.create_view(ViewLayoutDefinition.slice_view("Axial", label="Tissue"))
        question = "Please segment nuclei in the given image."
        middle = draw(application, [pydicom.dcmread(tissue)], folder / "rgb", "real", question)
        save(pane(application, view, middle, is_slice=True, size=2 * SIZE), out / "slicer-tissue.png")


TISSUE = """
import sys
from skimage.data import immunohistochemistry
from wetread.imaging.wrap_picture import wrap_picture
from wetread.terminology import Modality
picture = wrap_picture(immunohistochemistry()[128:384, 128:384], Modality.PATHOLOGY)
picture.save_as(sys.argv[1], enforce_file_format=True)
"""


def draw(application, series, folder: Path, reader: str, question: str) -> list[float]:
    """Read a series through the service and leave what was found in the scene; gives the first finding's middle."""
    service = Service(folder / "archive", "--reader", reader)
    session = Session(application.scene, Background(), Drafts(folder / "drafts"), lambda: None)
    session.connect(agreed(service.address))
    node = load(application.scene, series, folder / "files")
    node.CreateDefaultDisplayNodes()
    upload(session.client, sorted((folder / "files").glob("*.dcm")))
    session.open(node)
    until(lambda: session.planes, 60, work(session))
    read(session, question)
    session.screen.segmentation.CreateClosedSurfaceRepresentation()
    application.display_manager.show_volume(node)
    if reader == "marks":
        node.GetDisplayNode().SetAutoWindowLevel(False)
        node.GetDisplayNode().SetWindowLevel(400, 40)
    middle = session.screen.middleOf(session.read["findings"][0]["tracking_uid"])
    # This renderer blends a fill with black instead of the picture; the application does not.
    session.screen.segmentation.GetDisplayNode().SetVisibility2DFill(False)
    session.screen.segmentation.GetDisplayNode().SetSliceIntersectionThickness(2)
    session.close()
    service.close()
    return middle


def jump(scene, place) -> None:
    """Let every slice view show a place."""
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *place, slicer.vtkMRMLSliceNode.OffsetJumpSlice)


def pane(application, view, middle, *, is_slice: bool, size: int = SIZE) -> np.ndarray:
    """One view as (rows, columns, 3)."""
    window = view.render_window()
    window.SetSize(size, size)
    if is_slice:
        view.fit_view_to_content()
        jump(application.scene, middle)
    else:
        view.set_background_color([24, 30, 40])
        view.reset_camera()
    view.render()
    grabbed = vtk.vtkWindowToImageFilter()
    grabbed.SetInput(window)
    grabbed.ReadFrontBufferOff()
    grabbed.Update()
    image = grabbed.GetOutput()
    columns, rows, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)[::-1, :, :3]


def save(pixels: np.ndarray, path: Path) -> None:
    """Write a picture."""
    Image.fromarray(np.ascontiguousarray(pixels)).save(path, optimize=True)
    print(path)


if __name__ == "__main__":
    main()
