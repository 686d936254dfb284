"""An unmodified OHIF from npm in Debian's Chromium, driven by Playwright, with Wetread's panel in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PLUGIN = Path(__file__).parents[2] / "ohif_plugin"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
RELEASES = ("3.11.1", "3.13.2")
"""Those that every run opens; `WETREAD_OHIF_RELEASES` names others."""
PICTURES = Path(os.environ.get("WETREAD_PICTURES", PLUGIN / "e2e-pictures"))
_FLAGS = (
    "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist", "--disable-dev-shm-usage", "--disable-background-networking",
)  # fmt: skip
_RENDERED = """() => window.cornerstone?.getRenderingEngines?.()?.some(
  (engine) => engine.getViewports().some((one) => one.viewportStatus === "rendered"))"""
_HANDLES = """(uid) => {
  const annotation = window.cornerstoneTools.annotation.state.getAnnotation("wetread-" + uid);
  if (!annotation) return null;
  const viewport = window.cornerstone.getRenderingEngines()[0].getViewports()[0];
  const place = viewport.canvas.getBoundingClientRect();
  return annotation.data.handles.points.map((point) => {
    const [x, y] = viewport.worldToCanvas(point);
    return [place.left + x, place.top + y];
  });
}"""
_WORLD = """(uid) => window.cornerstoneTools.annotation.state.getAnnotation("wetread-" + uid)?.data.handles.points"""
_MASK = """(index) => {
  const held = window.cornerstoneTools.segmentation.state.getSegmentations();
  const found = held.find((one) => one.segmentationId.startsWith("wetread-"));
  if (!found) return null;
  const images = found.representationData.Labelmap.imageIds;
  return images.map((id) => {
    const values = window.cornerstone.cache.getImage(id).voxelManager.getScalarData();
    return Array.from(values).filter((value) => value === index).length;
  });
}"""


def why_not() -> str | None:
    """The reason why OHIF cannot be opened here; None where it can."""
    if not CHROMIUM:
        return "no Chromium is installed (Debian: chromium)"
    if shutil.which("npm") is None:
        return "npm is not installed"
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "Playwright is not installed: make test-ohif installs it"
    return None


def folder_of(release: str) -> Path:
    """The folder of a release of OHIF; skips where no registry can be reached."""
    from wetread.commands.viewer import fetch
    from wetread.errors import RefusedInput

    try:
        return fetch(release)
    except RefusedInput as error:
        if "cannot be fetched" not in error.what:
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The plugin, built from its sources for this run."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("plugin")
    environment = os.environ | {"WETREAD_OHIF_DIST": str(folder)}
    subprocess.run(["npm", "run", "--silent", "build"], cwd=PLUGIN, env=environment, check=True, capture_output=True)
    before = os.environ.get("WETREAD_OHIF_PLUGIN")
    os.environ["WETREAD_OHIF_PLUGIN"] = str(folder)
    yield folder
    if before is None:
        del os.environ["WETREAD_OHIF_PLUGIN"]
    else:
        os.environ["WETREAD_OHIF_PLUGIN"] = before


@pytest.fixture(scope="session")
def chromium(plugin: Path) -> Iterator[Any]:
    """One browser for all tests; each has a context of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        yield browser
        browser.close()


class Viewer:
    """A tab with a study open in it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.said: list[str] = []
        page.on("console", lambda message: self.said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.said.append(f"{error.message} {error.stack}"))

    def open(self, url: str, study: str, *, images: bool = True) -> None:
        """Open a study in Wetread's mode, and wait for its first image."""
        self.page.goto(f"{url}/wetread?StudyInstanceUIDs={study}")
        if images:
            self.page.wait_for_function(_RENDERED, timeout=90_000)
        self.part("model").wait_for(timeout=60_000)

    def part(self, name: str) -> Any:
        """A part of the panel by the name it has for tests."""
        return self.page.locator(f'[data-cy="wetread-{name}"]')

    def read(self, seconds: float = 90) -> None:
        """Ask, and wait for what comes of it."""
        self.part("read").click()
        self.part("provenance").wait_for(timeout=seconds * 1000)

    def findings(self) -> list[tuple[str, str]]:
        """Tracking UID and state of each finding in the list."""
        rows = self.part("finding")
        return [(row.get_attribute("data-tracking"), row.get_attribute("data-state")) for row in rows.all()]

    def wait_for_state(self, tracking: str, state: str, seconds: float = 30) -> None:
        """Until a finding stands so."""
        row = self.page.locator(f'[data-tracking="{tracking}"][data-state="{state}"]')
        row.wait_for(timeout=seconds * 1000)

    def wait_for_box(self, tracking: str, seconds: float = 60) -> None:
        """Until a finding's box is drawn."""
        self.page.wait_for_function(f"(uid) => Boolean(({_HANDLES})(uid))", arg=tracking, timeout=seconds * 1000)

    def corners(self, tracking: str) -> list[list[float]]:
        """The drawn box's corners as the viewer holds them, millimetres (pixels where the image has no place)."""
        found: list[list[float]] = self.page.evaluate(_WORLD, tracking)
        return found

    def marked(self, index: int = 1) -> list[int]:
        """Pixels of a segment in our label map, one number an image."""
        found: list[int] = self.page.evaluate(_MASK, index)
        return found

    def wait_for_mask(self, seconds: float = 60) -> None:
        """Until a mask is shown."""
        self.page.wait_for_function(f"() => ({_MASK})(1)?.some(Boolean)", timeout=seconds * 1000)

    def drag_corner(self, tracking: str, right: float, down: float) -> None:
        """Take the box's first corner with the mouse and let go of it elsewhere."""
        x, y = self.page.evaluate(_HANDLES, tracking)[0]
        mouse = self.page.mouse
        mouse.move(x, y)
        self.page.wait_for_timeout(200)
        mouse.down()
        mouse.move(x + right, y + down, steps=8)
        mouse.up()

    def draw(self, left: float, top: float, right: float, bottom: float) -> None:
        """Press, drag and let go on the image; shares of its width and height."""
        place = self.page.evaluate("""() => {
          const place = window.cornerstone.getRenderingEngines()[0].getViewports()[0].canvas.getBoundingClientRect();
          return [place.left, place.top, place.width, place.height];
        }""")
        mouse = self.page.mouse
        mouse.move(place[0] + left * place[2], place[1] + top * place[3])
        mouse.down()
        mouse.move(place[0] + right * place[2], place[1] + bottom * place[3], steps=8)
        mouse.up()

    def own_errors(self) -> list[str]:
        """Errors on the console that come from the plugin."""
        return [text for text in self.said if re.search(r"wetread|/plugins/", text, re.IGNORECASE)]

    def picture(self, name: str) -> None:
        """Keep a screenshot for people to look at."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")


@contextmanager
def viewer(chromium: Any, **context: Any) -> Iterator[Viewer]:
    """A tab in a context of its own."""
    own = chromium.new_context(viewport={"width": 1500, "height": 950}, **context)
    try:
        yield Viewer(own.new_page())
    finally:
        own.close()
