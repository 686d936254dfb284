"""Consent: nothing is sent to a server before the person at this computer has agreed to it, once for each server."""

from urllib.parse import urlsplit

from slicer.i18n import tr as _

KEY = "Wetread/ConsentGiven"


class NoConsent(Exception):
    """Something was about to be sent without consent."""

    def __init__(self, address: str):
        super().__init__(
            _("Nothing was sent: agree first to send data to {address} (section Server).").format(address=address)
        )


class Consent:
    """Which servers the person has agreed to, kept in the application's settings.

    :param settings: ``slicer.app.userSettings()``, or anything with ``value(key)`` and ``setValue(key, value)``.
    """

    def __init__(self, settings):
        self._settings = settings

    def isGiven(self, address: str) -> bool:
        """True where the person has agreed to this very server."""
        return originOf(address) in self._given()

    def give(self, address: str) -> None:
        """Remember that the person agrees."""
        self._write(self._given() | {originOf(address)})

    def withdraw(self, address: str) -> None:
        """Remember that the person does not agree any longer."""
        self._write(self._given() - {originOf(address)})

    def require(self, address: str) -> None:
        """Do nothing where consent was given.

        :raises NoConsent: it was not.
        """
        if not self.isGiven(address):
            raise NoConsent(originOf(address))

    def _given(self) -> set:
        return set(str(self._settings.value(KEY) or "").split())

    def _write(self, origins: set) -> None:
        self._settings.setValue(KEY, " ".join(sorted(origins)))


def originOf(address: str) -> str:
    """Scheme, host and port of an address; consent is for these, whatever comes after them."""
    parts = urlsplit(address.strip().lower())
    return f"{parts.scheme}://{parts.netloc}"
