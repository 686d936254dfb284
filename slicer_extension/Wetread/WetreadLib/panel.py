"""The module's widgets, wired to a session; nothing is decided here.

Qt properties are read by ``property``, so that the same lines run under PythonQt, which Slicer has, and under PySide,
on which the panel is tested.
"""

import slicer
from slicer.i18n import tr as _

from . import prompts
from .cases import STRATEGIES, Cases
from .client import ServiceClient
from .keys import Keys
from .table import FindingsTable
from .volumes import dicomVolumes, volumeOf

STAGES = {
    "waiting": _("Waiting"), "fetching": _("Fetching the images"), "loading": _("Loading"), "looking": _("Looking"),
    "writing": _("Writing"), "grounding": _("Marking"), "storing": _("Storing"), "drawing": _("Drawing"),
    "done": _("Done"),
}
ADDRESS = "Wetread/ServerAddress"


class Panel:
    """The module's widgets.

    :param ui: them, by name.
    :param session: what they show and steer; its ``onChange`` is to call ``update``.
    :param consent: whom something may be sent to.
    :param settings: where the server's address is kept; the token is not kept.
    :param application: see ``application.Application``.
    """

    def __init__(self, ui, session, consent, settings, application):
        self.ui, self.session, self.consent, self._settings = ui, session, consent, settings
        self._application = application
        self.cases = Cases(session, application)
        self.table = FindingsTable(ui.findingsTable, self._jumpTo)
        self._volumes, self._questions, self._chart, self._seen = None, None, None, ""
        ui.addressLineEdit.setText(str(settings.value(ADDRESS) or "http://127.0.0.1:8787"))
        for strategy in STRATEGIES:
            ui.strategyComboBox.addItem(strategy)
        self._connect()
        self._addressChanged()
        self.update()

    def _connect(self) -> None:
        ui, decisions = self.ui, self.session.decisions
        for button, deed in (
            (ui.testButton, self.test),
            (ui.nextCaseButton, lambda: self.cases.next(ui.strategyComboBox.property("currentText"))),
            (ui.uploadButton, self._upload),
            (ui.readButton, lambda: self.session.ask(ui.questionComboBox.property("currentText"))),
            (ui.cancelButton, self.session.cancel),
            (ui.boxPromptButton, lambda: self._draw("box")),
            (ui.pointPromptButton, lambda: self._draw("point")),
            (ui.notPointPromptButton, lambda: self._draw("notPoint")),
            (ui.scribblePromptButton, lambda: self._draw("scribble")),
            (ui.clearPromptsButton, lambda: prompts.removePrompts(self.session.scene)),
            (ui.acceptButton, self._accept),
            (ui.acceptAllButton, decisions.acceptAll),
            (ui.rejectButton, self._reject),
            (ui.editButton, self._edit),
            (ui.undoButton, decisions.takeBack),
            (ui.nextFindingButton, lambda: self.table.chooseBy(1)),
            (ui.previousFindingButton, lambda: self.table.chooseBy(-1)),
            (ui.addButton, self._add),
            (ui.showAgainButton, self.session.refresh),
            (ui.signButton, decisions.sign),
            (ui.loadSignedButton, self.cases.loadSigned),
        ):
            button.clicked.connect(lambda *_given, deed=deed: deed())
        ui.addressLineEdit.editingFinished.connect(self._serverEdited)
        ui.tokenLineEdit.editingFinished.connect(self._serverEdited)
        ui.consentCheckBox.toggled.connect(self._consentToggled)
        ui.volumeComboBox.activated.connect(lambda *_given: self._volumeChosen())
        ui.reasonLineEdit.returnPressed.connect(self._reject)

    def _serverEdited(self) -> None:
        """Qt says so, too, where a field was only left."""
        client, ui = self.session.client, self.ui
        wanted = ui.addressLineEdit.property("text").strip().rstrip("/"), ui.tokenLineEdit.property("text").strip()
        if client is None or (client.address, client.token) != wanted:
            self._addressChanged()

    def _addressChanged(self) -> None:
        address = self.ui.addressLineEdit.property("text")
        self._settings.setValue(ADDRESS, address)
        self.ui.consentCheckBox.setText(
            _("I agree that images, questions and my decisions are sent to {address}").format(address=address)
        )
        self.ui.consentCheckBox.setChecked(self.consent.isGiven(address))
        self._reconnect()

    def _consentToggled(self, *_given) -> None:
        address = self.ui.addressLineEdit.property("text")
        if self.ui.consentCheckBox.property("checked"):
            self.consent.give(address)
        else:
            self.consent.withdraw(address)
        self._reconnect()

    def _reconnect(self) -> None:
        """Take address and token as they stand; nothing is sent without consent."""
        address, token = self.ui.addressLineEdit.property("text"), self.ui.tokenLineEdit.property("text")
        try:
            client = ServiceClient(address, token, self.consent)
        except ValueError as error:
            self.ui.connectionLabel.setText(str(error))
            return
        self.session.connect(client)
        if self.session.canSend:
            self.test()
        else:
            self.ui.connectionLabel.setText(_("Nothing is sent before you agree."))
        self.update()

    def test(self) -> None:
        """Say who answers, with which model, and who we are to it."""
        client = self.session.client
        if not self.session.canSend:
            return
        self.ui.connectionLabel.setText(_("Asking ..."))

        def done(found):
            service, me = found
            self.ui.connectionLabel.setText(
                _("Wetread {version}, {model}; signed in as {login} ({role})").format(
                    version=service["version"], model=f"{service['model']['name']} {service['model']['version']}",
                    login=me["login"], role=me["role"],
                )
            )

        self.session.background.run(
            lambda: (client.get("/capabilities"), client.get("/me")), done,
            lambda error: self.ui.connectionLabel.setText(str(error)),
        )

    def volumesChanged(self) -> None:
        """The scene has other volumes than before."""
        volumes = [(node.GetName(), series) for node, _study, series in dicomVolumes(self.session.scene)]
        if volumes == self._volumes:
            return
        self._volumes = volumes
        box = self.ui.volumeComboBox
        box.clear()
        for name, series in volumes:
            box.addItem(name, series)
        names = [series for _name, series in volumes]
        box.setCurrentIndex(names.index(self.session.series) if self.session.series in names else -1)
        if self.session.read is not None and self.session.planes and self.session.series not in names:
            self.session.notice = _("The images were closed. Decisions are kept; load the series to go on.")
        self.update()

    def _volumeChosen(self) -> None:
        node = volumeOf(self.session.scene, self.ui.volumeComboBox.itemData(
            self.ui.volumeComboBox.property("currentIndex")))
        if node is not None:
            self.session.open(node)

    def _upload(self) -> None:
        node = self.session.volumeNode
        if node is not None:
            self.cases.send(node)

    def _draw(self, kind: str) -> None:
        node = self.session.volumeNode
        if node is None:
            return
        name = {"box": _("Box"), "point": _("Here"), "notPoint": _("Not here"), "scribble": _("Scribble")}[kind]
        made = prompts.createPrompt(self.session.scene, kind, node, name)
        if kind == prompts.SCRIBBLE:
            self._application.edit(made, prompts.SCRIBBLE, node)
        else:
            self._application.place(made, isPersistent=kind != "box")

    def _accept(self) -> None:
        if self.table.chosen:
            self.session.decisions.accept(self.table.chosen)
            self.table.chooseBy(1)

    def _reject(self) -> None:
        reason = self.ui.reasonLineEdit.property("text").strip()
        if not reason:
            self.ui.reasonLineEdit.setFocus()
            self.session.notice = _("Say why it is rejected, then press Enter.")
            self.update()
        elif self.table.chosen:
            self.ui.reasonLineEdit.clear()
            self.session.notice = ""
            self.session.decisions.reject(self.table.chosen, reason)

    def _edit(self) -> None:
        segmentation, uid = self.session.screen.segmentation, self.table.chosen
        if segmentation is not None and segmentation.GetSegmentation().GetSegment(uid) is not None:
            self._application.edit(segmentation, uid, self.session.volumeNode)

    def _add(self) -> None:
        target = self.ui.targetLineEdit.property("text").strip()
        if not target or not self.session.decisions.add(target):
            self.session.notice = _("Draw a box or a scribble, and say what it is.")
            self.update()
        else:
            self.ui.targetLineEdit.clear()

    def _jumpTo(self, uid: str) -> None:
        finding = self.session.findings().get(uid, {})
        self.ui.descriptionLabel.setText(finding.get("description") or "")
        place = self.session.screen.middleOf(uid)
        if place is not None:
            slicer.vtkMRMLSliceNode.JumpAllSlices(self.session.scene, *place, slicer.vtkMRMLSliceNode.CenteredJumpSlice)

    def update(self) -> None:
        """Show the session as it is."""
        ui, session, decisions = self.ui, self.session, self.session.decisions
        isRunning, hasServer = session.phase in ("sending", "running"), session.canSend
        hasRead = session.review is not None
        if session.questions is not self._questions:
            self._questions = session.questions
            ui.questionComboBox.clear()
            for question in session.questions:
                ui.questionComboBox.addItem(question["text"])
        ui.readButton.setEnabled(hasServer and bool(session.series) and not isRunning)
        ui.cancelButton.setEnabled(isRunning)
        ui.nextCaseButton.setEnabled(hasServer and not self.cases.isBusy)
        ui.testButton.setEnabled(hasServer)
        ui.uploadButton.setEnabled(hasServer and session.volumeNode is not None and not self.cases.isBusy)
        for button in (ui.boxPromptButton, ui.pointPromptButton, ui.notPointPromptButton, ui.scribblePromptButton):
            button.setEnabled(session.volumeNode is not None and bool(session.planes))
        ui.progressBar.setVisible(isRunning)
        ui.progressBar.setValue(round(100 * session.progress))
        ui.stageLabel.setText(self._stageInWords() if isRunning else "")
        if ui.reasoningTextEdit.property("plainText") != session.text:
            ui.reasoningTextEdit.setPlainText(session.text)
        early = {one["tracking_uid"]: one for one in session.early} if isRunning else {}
        self.table.show(session.findings() if hasRead else early, session.states or dict.fromkeys(early, "undecided"))
        undecided = sum(state == "undecided" for state in session.states.values())
        for button in (ui.acceptButton, ui.rejectButton, ui.editButton, ui.addButton, ui.showAgainButton):
            button.setEnabled(hasRead)
        ui.acceptAllButton.setEnabled(undecided > 0)
        ui.undoButton.setEnabled(decisions.canTakeBack)
        ui.signButton.setEnabled(decisions.canSign and not decisions.signing)
        ui.storedLabel.setText(self._storedInWords(undecided))
        ui.loadSignedButton.setEnabled(any(one["state"] == "stored" for one in decisions.stored))
        ui.failureLabel.setText(session.failure)
        ui.failureLabel.setVisible(bool(session.failure))
        ui.noticeLabel.setText(session.notice or self._remarkInWords())
        self._showEcg()
        if session.screen.shown is not None and session.job != self._seen and self.table.chosen:
            self._seen = session.job  # a read has just come: look at what it found first
            self._jumpTo(self.table.chosen)

    def _stageInWords(self) -> str:
        if self.session.position:
            return _("Waiting behind {count} reads").format(count=self.session.position)
        return STAGES.get(self.session.stage, self.session.stage)

    def _storedInWords(self, undecided: int) -> str:
        decisions = self.session.decisions
        if decisions.signing:
            return _("Signing ...")
        if decisions.stored:
            return "\n".join(" ".join([one["kind"], one["state"], one["reason"]]).strip() for one in decisions.stored)
        return _("{count} undecided").format(count=undecided) if undecided else ""

    def _remarkInWords(self) -> str:
        read = self.session.read
        if read is None:
            return ""
        if read["abstention"]:
            return read["abstention"]
        return "" if self.session.states else _("Nothing was found.")

    def _showEcg(self) -> None:
        from . import waveforms

        read = self.session.read
        if read is None or read["modality"] != "ECG" or read is self._chart:
            return
        self._chart = read
        for node in slicer.util.getNodesByClass("vtkMRMLPlotChartNode", self.session.scene):
            if node.GetAttribute(waveforms.ECG) == self.session.series:
                waveforms.mark(self.session.scene, node, read["findings"])

    def makeKeys(self, window) -> Keys:
        """The module's keys, listened for in a window."""
        return Keys(self.ui, window)
