"""Keys of the module, all with Alt: Slicer's own are plain or with Ctrl, and none of its menus has these."""

KEYS = (
    ("Alt+Return", "readButton"),
    ("Alt+A", "acceptButton"),
    ("Alt+Shift+A", "acceptAllButton"),
    ("Alt+X", "rejectButton"),
    ("Alt+M", "editButton"),
    ("Alt+Z", "undoButton"),
    ("Alt+Down", "nextFindingButton"),
    ("Alt+Up", "previousFindingButton"),
    ("Alt+S", "signButton"),
    ("Alt+N", "nextCaseButton"),
    ("Alt+Backspace", "cancelButton"),
)
"""(key, the button that it presses)"""


class Keys:
    """The keys, while the module is shown.

    :param ui: the module's widgets.
    :param window: where the keys are listened for.
    """

    def __init__(self, ui, window):
        import qt

        self._shortcuts = []
        for key, button in KEYS:
            shortcut = qt.QShortcut(qt.QKeySequence(key), window)
            shortcut.activated.connect(lambda button=button: getattr(ui, button).click())
            self._shortcuts.append(shortcut)

    def setEnabled(self, isEnabled: bool) -> None:
        """Listen, or leave the keys to others."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(isEnabled)
