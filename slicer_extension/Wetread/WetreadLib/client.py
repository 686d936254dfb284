"""Every request to the server: consent first, a time limit, the token, and errors in words.

Can be used from any thread. Redirects are not followed, so that a token never goes to another host.
"""

import threading
from urllib.parse import urlsplit

import requests
from slicer.i18n import tr as _

from .consent import Consent

API = "/wetread/v1"
SECONDS = 30
LONG_SECONDS = 120
SILENCE_SECONDS = 40  # the server says something every 15 s in an event stream


class ServiceError(Exception):
    """What went wrong, for a person.

    :param trouble: "unreachable", "slow", "signIn", "forbidden", "tooLarge", "busy", "refused" or "broken".
    :param said: the server's own words, or "".
    """

    def __init__(self, trouble: str, said: str = ""):
        self.trouble = trouble
        self.said = said
        super().__init__(f"{troubleInWords(trouble)} {said}".strip())

    @classmethod
    def ofStatus(cls, status: int, said: str = ""):
        """The error that an HTTP status means."""
        return cls(_troubleOf(status), said)

    @property
    def mayPass(self) -> bool:
        """True where the same request may succeed later."""
        return self.trouble in ("unreachable", "slow", "signIn", "busy", "broken")


def troubleInWords(trouble: str) -> str:
    """One sentence on a kind of trouble, and what to do."""
    return {
        "unreachable": _("The server cannot be reached. Check the address, and that it is running."),
        "slow": _("The server does not answer in time."),
        "signIn": _("The server does not know this token, or it has expired. Enter a new one in section Server."),
        "forbidden": _("Your role does not allow this."),
        "tooLarge": _("Too large for the server."),
        "busy": _("The server has too much to do. It is tried again."),
        "refused": _("The server refused this:"),
        "broken": _("Something broke in the server."),
    }[trouble]


class ServiceClient:
    """One server, one token.

    :param address: such as ``http://127.0.0.1:8787``.
    :param token: bearer token, or "" where the server asks for none.
    :param consent: asked before every request.
    :raises ValueError: not an http or https address.
    """

    def __init__(self, address: str, token: str, consent: Consent):
        self.address = address.strip().rstrip("/")
        parts = urlsplit(self.address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(_("Not an address: give it as http://127.0.0.1:8787 or https://HOST."))
        self.token = token.strip()
        self.consent = consent
        self._local = threading.local()

    def send(self, method: str, path: str, *, seconds: float = SECONDS, **options) -> requests.Response:
        """One request below the server's address.

        :raises NoConsent: before anything is sent.
        :raises ServiceError: no answer, or one that says no.
        """
        self.consent.require(self.address)
        try:
            response = self.session.request(
                method, self.address + path, timeout=(10, seconds), allow_redirects=False, **options
            )
        except requests.Timeout:
            raise ServiceError("slow") from None
        except requests.RequestException:
            raise ServiceError("unreachable") from None
        if not response.ok or response.is_redirect:
            raise ServiceError.ofStatus(response.status_code, _wordsOf(response))
        return response

    @property
    def session(self) -> requests.Session:
        """The calling thread's own session, with the token."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.auth = self._authorize  # also keeps a .netrc file from taking the token's place
        return self._local.session

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request

    def get(self, path: str, seconds: float = SECONDS):
        """JSON of a route of the API."""
        return _json(self.send("GET", API + path, seconds=seconds))

    def post(self, path: str, body, seconds: float = SECONDS):
        """JSON that a route of the API answers to a JSON body; None where it answers with nothing."""
        response = self.send("POST", API + path, json=body, seconds=seconds)
        return None if response.status_code == 204 else _json(response)

    def delete(self, path: str):
        """JSON of a route of the API; None where it answers with nothing."""
        response = self.send("DELETE", API + path)
        return None if response.status_code == 204 else _json(response)

    def events(self, job: str, last: int) -> requests.Response:
        """The event stream of a read, behind event number ``last``."""
        headers = {"Last-Event-ID": str(last)}
        return self.send("GET", f"{API}/reads/{job}/events", seconds=SILENCE_SECONDS, stream=True, headers=headers)


def _json(response: requests.Response):
    try:
        return response.json()
    except ValueError:
        # Such as the sign-in page of a proxy, with 200.
        raise ServiceError("broken", _("It answers with something else than Wetread.")) from None


def _troubleOf(status: int) -> str:
    if status == 401 or 300 <= status < 400:
        return "signIn"
    if status in (429, 503):
        return "busy"
    if status == 403:
        return "forbidden"
    if status == 413:
        return "tooLarge"
    return "broken" if status >= 500 else "refused"


def _wordsOf(response: requests.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return ""  # a proxy's own page says nothing that a reader could use
    if not isinstance(body, dict) or not body.get("what"):
        return ""
    return ": ".join(str(body[key]) for key in ("what", "remedy") if body.get(key)) + "."
