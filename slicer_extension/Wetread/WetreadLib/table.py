"""The table of findings: color, name, how sure the model is, where it stands."""

import qt
from slicer.i18n import tr as _

NAME, PRESENCE, STATE = range(3)
IN_WORDS = {
    "undecided": _("undecided"), "accepted": _("accepted"), "corrected": _("corrected"), "rejected": _("rejected"),
    "added": _("added by you"),
}


class FindingsTable:
    """Shows findings in a QTableWidget.

    :param widget: the table.
    :param onChosen: called with the tracking UID of the row that was chosen.
    """

    def __init__(self, widget, onChosen):
        self.widget, self._onChosen = widget, onChosen
        self._rows, self._shown = [], []
        widget.setColumnCount(3)
        widget.setHorizontalHeaderLabels([_("Finding"), _("Presence"), _("Decision")])
        widget.horizontalHeader().setSectionResizeMode(NAME, qt.QHeaderView.Stretch)
        widget.itemSelectionChanged.connect(self._selected)

    @property
    def chosen(self) -> str:
        """Tracking UID of the chosen finding; "" for none."""
        row = self.widget.currentRow()
        return self._rows[row] if 0 <= row < len(self._rows) else ""

    def choose(self, uid: str) -> None:
        """Choose a finding."""
        if uid in self._rows:
            self.widget.selectRow(self._rows.index(uid))

    def chooseBy(self, step: int) -> None:
        """Choose the finding so many rows below."""
        if self._rows:
            row = self.widget.currentRow()
            self.widget.selectRow((row + step) % len(self._rows) if row >= 0 else 0)

    def show(self, findings: dict, states: dict) -> None:
        """Show findings in the order of the states; the chosen one stays chosen.

        :param findings: tracking UID -> finding.
        :param states: tracking UID -> state.
        """
        uids, shown = list(states), [findings[uid] for uid in states]
        if shown != self._shown:
            chosen = self.chosen
            self.widget.blockSignals(True)
            self._rows, self._shown = uids, shown
            self.widget.setRowCount(len(uids))
            for row, finding in enumerate(shown):
                self._fill(row, finding)
            self.widget.blockSignals(False)
            self.choose(chosen if chosen in uids else next(iter(uids), ""))
        for row, uid in enumerate(uids):
            self.widget.item(row, STATE).setText(IN_WORDS[states[uid]])

    def _fill(self, row: int, finding: dict) -> None:
        presence = finding.get("presence")
        texts = [finding["label"], "" if presence is None else f"{100 * presence:.0f} %", ""]
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
            if column == NAME:
                item.setData(qt.Qt.DecorationRole, qt.QColor(*(finding.get("colour") or (255, 200, 0))))
                item.setToolTip(finding.get("description") or "")
            if column == PRESENCE and finding.get("grounded") is False:
                item.setText(f"{text} ?")
                item.setToolTip(_("Could not be tied to the pixels."))
            self.widget.setItem(row, column, item)

    def _selected(self) -> None:
        if self.chosen:
            self._onChosen(self.chosen)
