"""The panel, on real Qt and real MRML: what a reader clicks, types and sees."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest
import slicer
from outside import Settings, until
from slicer_scene import load
from slicer_window import MODULE, install, title_sections

from dicom_phantoms import ct_series, dx_image
from WetreadLib.transfers import upload

PICTURES = os.environ.get("WETREAD_PICTURES")


class SceneAlone:
    """Stands for the application where there is only a scene: notes what it was asked for."""

    def __init__(self) -> None:
        self.asked, self.files = [], {}

    def filesOf(self, series):
        return self.files.get(series, [])

    def __getattr__(self, name):
        return lambda *given, **named: self.asked.append((name, *given))


@pytest.fixture
def module(scene, service, tmp_path, monkeypatch):
    """The module's widget, set up as Slicer does it, with its timer at work."""
    settings = Settings({"Wetread/ServerAddress": service.address})
    application, window = install(settings, tmp_path)
    monkeypatch.syspath_prepend(MODULE)
    for name in [name for name in sys.modules if name == "Wetread" or name.startswith(("WetreadLib.panel",
                 "WetreadLib.table", "WetreadLib.keys"))]:  # fmt: skip
        del sys.modules[name]
    import Wetread

    host = SceneAlone()
    monkeypatch.setattr(Wetread, "Application", lambda: host)
    parent = sys.modules["qt"].QWidget()
    window.setCentralWidget(parent)
    widget = Wetread.WetreadWidget(parent)
    widget.setup()
    title_sections(parent)
    window.resize(430, 1060)
    window.show()
    yield types.SimpleNamespace(
        widget=widget, ui=widget.panel.ui, session=widget.logic.session, host=host, settings=settings, window=window,
        until=lambda is_true: until(is_true, often=application.processEvents), scene=scene, service=service,
    )
    widget.cleanup()
    window.close()


def picture(module, name) -> None:
    if PICTURES:
        module.window.grab().save(str(Path(PICTURES) / f"slicer-{name}.png"))


def agree_and_open(module, series, folder):
    module.ui.consentCheckBox.setChecked(True)
    node = load(module.scene, series, folder)
    upload(module.session.client, sorted(folder.glob("*.dcm")))
    module.until(lambda: module.ui.volumeComboBox.count() == 1)
    module.ui.volumeComboBox.setCurrentIndex(0)
    module.ui.volumeComboBox.activated.emit(0)
    module.until(lambda: module.session.planes)
    return node


def test_nothing_is_sent_before_one_agrees(module):
    assert not module.ui.readButton.isEnabled()
    assert not module.ui.testButton.isEnabled()
    assert not module.session.canSend
    assert "before you agree" in module.ui.connectionLabel.text()
    module.ui.consentCheckBox.setChecked(True)
    module.ui.testButton.click()
    module.until(lambda: "test-double" in module.ui.connectionLabel.text())
    module.ui.consentCheckBox.setChecked(False)
    assert not module.session.canSend
    assert "before you agree" in module.ui.connectionLabel.text()


def test_a_read_from_the_question_to_the_signature(module, tmp_path):
    agree_and_open(module, ct_series(5, name="panel"), tmp_path / "files")
    questions = [module.ui.questionComboBox.itemText(i) for i in range(module.ui.questionComboBox.count())]
    assert any("liver" in question for question in questions)
    module.ui.readButton.click()
    module.until(lambda: module.ui.findingsTable.rowCount() == 2 and module.session.screen.shown)
    assert module.ui.reasoningTextEdit.toPlainText() == "I mark pixels above the mean."
    assert [module.ui.findingsTable.item(row, 0).text() for row in (0, 1)] == ["liver", "spleen"]
    assert module.ui.findingsTable.item(0, 1).text() == "75 %"
    chip = module.ui.findingsTable.item(0, 0).data(sys.modules["qt"].Qt.DecorationRole)
    assert [chip.red(), chip.green(), chip.blue()] == module.session.read["findings"][0]["colour"]
    assert module.ui.descriptionLabel.text() == "Bright.", "what was found first is looked at"
    assert not module.ui.signButton.isEnabled()
    picture(module, "panel")

    module.ui.acceptButton.click()
    assert module.ui.findingsTable.item(0, 2).text() == "accepted"
    assert module.ui.findingsTable.currentRow() == 1, "on to the next"
    module.ui.rejectButton.click()
    assert "why" in module.ui.noticeLabel.text()
    module.ui.reasonLineEdit.setText("an artefact")
    module.ui.rejectButton.click()
    assert module.ui.findingsTable.item(1, 2).text() == "rejected"
    module.ui.undoButton.click()
    assert module.ui.findingsTable.item(1, 2).text() == "undecided"
    module.ui.acceptAllButton.click()
    module.until(module.ui.signButton.isEnabled)
    module.ui.signButton.click()
    module.until(lambda: module.ui.storedLabel.text().count("stored") >= 1)
    picture(module, "signed")
    module.ui.loadSignedButton.click()
    module.until(lambda: any(call[0] == "importFolder" for call in module.host.asked))


def test_the_segment_editor_opens_on_the_chosen_segment(module, tmp_path):
    node = agree_and_open(module, ct_series(5, name="edit"), tmp_path / "files")
    module.ui.readButton.click()
    module.until(lambda: module.ui.findingsTable.rowCount() == 2 and module.session.screen.segmentation)
    module.ui.editButton.click()
    uid = module.session.read["findings"][0]["tracking_uid"]
    assert module.host.asked[-1] == ("edit", module.session.screen.segmentation, uid, node)


def test_every_key_presses_its_button(module):
    from WetreadLib.keys import KEYS

    keys = [key for key, _button in KEYS]
    assert len(set(keys)) == len(keys)
    assert all(hasattr(module.ui, button) for _key, button in KEYS)
    pressed = []
    module.ui.undoButton.setEnabled(True)
    module.ui.undoButton.clicked.connect(lambda *_: pressed.append("undo"))
    shortcut = next(one for one in module.widget.keys._shortcuts if one.key().toString() == "Alt+Z")
    shortcut.activated.emit()
    assert pressed == ["undo"]
    module.widget.exit()
    assert not shortcut.isEnabled(), "the Segment Editor has the keys now"


def test_what_the_model_missed_is_drawn_and_added(module, tmp_path):
    agree_and_open(module, ct_series(5, name="missed"), tmp_path / "files")
    module.ui.readButton.click()
    module.until(lambda: module.ui.findingsTable.rowCount() == 2 and module.session.screen.shown)
    module.ui.boxPromptButton.click()
    assert module.host.asked[-1][0] == "place"
    box = module.host.asked[-1][1]
    frame = module.session.screen.shown.planeMap.frameOf(2)
    box.SetCenter(*(frame @ [20, 16, 0, 1])[:3])
    box.SetSize(10, 10, 2)
    module.ui.addButton.click()
    assert "say what it is" in module.ui.noticeLabel.text()
    module.ui.targetLineEdit.setText("left kidney")
    module.ui.addButton.click()
    module.until(lambda: module.ui.findingsTable.rowCount() == 3)
    assert module.ui.findingsTable.item(2, 2).text() == "added by you"
    assert module.session.review["findings"][2]["plane"] == 2


def test_a_radiograph_without_a_place_in_the_patient(module, tmp_path):
    node = agree_and_open(module, dx_image(), tmp_path / "files")
    module.ui.readButton.click()
    module.until(lambda: module.ui.findingsTable.rowCount() == 2 and module.session.screen.segmentation)
    uid = module.session.read["findings"][0]["tracking_uid"]
    shown = slicer.util.arrayFromSegmentBinaryLabelmap(module.session.screen.segmentation, uid, node)
    assert shown.sum() == module.session.read["findings"][0]["mask"]["pixels"]


def test_the_next_case_of_the_worklist_is_fetched_and_opened(module, tmp_path):
    module.ui.consentCheckBox.setChecked(True)
    module.ui.nextCaseButton.click()
    module.until(lambda: any(call[0] == "load" for call in module.host.asked))
    assert module.host.asked[0][0] == "importFolder"


def test_closing_the_scene_leaves_nothing_behind(module, tmp_path):
    agree_and_open(module, ct_series(5, name="closed"), tmp_path / "files")
    module.ui.readButton.click()
    module.until(lambda: module.ui.findingsTable.rowCount() == 2)
    module.scene.Clear(False)
    module.widget._sceneClosed(None, None)
    module.until(lambda: module.ui.findingsTable.rowCount() == 0)
    assert not module.ui.readButton.isEnabled()


def test_a_decision_after_consent_was_withdrawn_is_kept_and_not_sent(module, tmp_path):
    agree_and_open(module, ct_series(5, name="withdrawn"), tmp_path / "files")
    module.ui.readButton.click()
    module.until(lambda: module.ui.findingsTable.rowCount() == 2 and module.session.screen.shown)
    module.ui.consentCheckBox.setChecked(False)
    module.ui.acceptButton.click()
    module.until(lambda: "Nothing was sent" in module.ui.failureLabel.text())
    assert module.session.drafts.isWaiting(module.session.job)
    assert module.ui.findingsTable.item(0, 2).text() == "accepted"
    module.ui.consentCheckBox.setChecked(True)
    module.until(lambda: not module.session.drafts.isWaiting(module.session.job))
