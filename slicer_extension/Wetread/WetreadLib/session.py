"""One series under review: ask, follow, show. Knows MRML and the server, and nothing of Qt.

All methods are for the main thread and return at once; what takes time runs in ``Background``. Whoever shows the
state is told by ``onChange`` and reads the attributes:

phase: "idle", "sending", "running", "done" or "failed"; stage, progress, position, text: of the read on its way;
read, review: as the server gives them; failure, notice: sentences for the reader, or "".
"""

import json
import threading
from contextlib import suppress

from slicer.i18n import tr as _

from . import prompts
from .background import Background
from .client import ServiceClient, ServiceError, troubleInWords
from .consent import NoConsent
from .decisions import Decisions
from .drafts import BeingSent, Drafts
from .events import follow
from .pictures import decodePlane
from .planes import NotThisVolume, PlaneMap
from .screen import Screen
from .uids import newUid
from .volumes import NotFromDicom, uidsOf, volumeOf


class Session:
    """The review of one series.

    :param scene: where nodes are.
    :param background: its ``poll`` is called by the owner, and so is ``decisions.tick``.
    :param drafts: keep what was decided.
    :param onChange: called without arguments after every change.
    """

    def __init__(self, scene, background: Background, drafts: Drafts, onChange):
        self.scene, self.background, self.drafts, self.onChange = scene, background, drafts, onChange
        self.client = None
        self.screen = Screen(scene, self._nodeGone)
        self.decisions = Decisions(self)
        self._stop = threading.Event()
        self.study = self.series = ""
        self.questions, self.planes, self._unanswered = [], [], {}
        self._clear()

    def _clear(self) -> None:
        self._stop.set()
        self.phase, self.stage, self.progress, self.position, self.text = "idle", "", 0.0, 0, ""
        self.job, self.read, self.review, self.early = "", None, None, []
        self.failure, self.notice = "", ""
        self.screen.clear()
        self.decisions.clear()

    @property
    def volumeNode(self):
        """The series' volume node; None where it is not loaded."""
        return volumeOf(self.scene, self.series) if self.series else None

    @property
    def canSend(self) -> bool:
        """True where there is a server, and the person has agreed to it."""
        return self.client is not None and self.client.consent.isGiven(self.client.address)

    @property
    def states(self) -> dict:
        """Tracking UID -> state of each finding."""
        return {one["tracking_uid"]: one["state"] for one in (self.review or {}).get("findings", [])}

    def findings(self) -> dict:
        """Tracking UID -> finding of the read, with those that the reader added."""
        found = {one["tracking_uid"]: one for one in (self.read or {}).get("findings", [])}
        for one in (self.review or {}).get("findings", []):
            found.setdefault(one["tracking_uid"], one)
        return found

    def connect(self, client: ServiceClient) -> None:
        """Use a server from now on."""
        self.client = client
        self.decisions.sendSoon()

    def open(self, volumeNode) -> None:
        """Turn to a series: what may be asked about it, and the latest read of it."""
        self.decisions.collect()
        self._clear()
        try:
            self.study, self.series = uidsOf(volumeNode, self.scene)
        except NotFromDicom as error:
            self.study = self.series = ""
            self.say(error)
            return
        self._openSeries()

    def leave(self) -> None:
        """The scene was closed: turn to nothing. What was decided is on disk."""
        self._clear()
        self.study = self.series = ""
        self.onChange()

    def openUids(self, study: str, series: str) -> None:
        """Turn to a series that has no volume (an ECG)."""
        self.decisions.collect()
        self._clear()
        self.study, self.series = study, series
        self._openSeries()

    def _openSeries(self) -> None:
        at, client = f"/studies/{self.study}/series/{self.series}", self.client
        study, series = self.study, self.series
        if not self.canSend:
            return

        def ask():
            questions, planes = client.get(f"{at}/questions"), client.get(f"{at}/planes")
            jobs = [one for one in client.get("/reads") if (one["study_uid"], one["series_uid"]) == (study, series)]
            return questions, planes, next((one for one in jobs if one["state"] != "CANCELED"), None)

        def done(found):
            if series != self.series:
                return
            self.questions, self.planes, latest = found
            if latest is not None and not self.job:
                self._showJob(latest)
            self.onChange()

        def failed(error):
            if isinstance(error, ServiceError) and error.trouble == "refused":
                self.notice = _("If the server's archive does not have this series, Send images stores it there.")
            self.say(error)

        self.background.run(ask, done, failed)
        self.onChange()

    def ask(self, question: str) -> None:
        """Ask for a read of the series, with the prompts that are drawn."""
        if not self.canSend or not self.series or self.phase in ("sending", "running"):
            return
        self.decisions.collect()
        try:
            drawn = self.drawnPrompts()
        except NotThisVolume as error:
            self.say(error)
            return
        study, series, questions, planes = self.study, self.series, self.questions, self.planes
        self._clear()
        self.study, self.series, self.questions, self.planes = study, series, questions, planes
        request = {"study_uid": study, "series_uid": series, "question": question.strip() or None, "prompts": drawn}
        # The job's UID is ours, so that asking again after a lost answer is asking once.
        uid = self._unanswered.pop(json.dumps(request), None) or newUid()
        self.phase, self.job, client = "sending", uid, self.client

        def failed(error):
            self._unanswered = {json.dumps(request): uid}
            self._failed(error)

        self.background.run(lambda: client.post("/reads", request | {"uid": uid}), self._submitted, failed)
        self.onChange()

    def drawnPrompts(self):
        """The places that are drawn, as ``POST reads`` takes them; None where there are none.

        :raises NotThisVolume: the volume is not the series in the archive.
        """
        node = self.volumeNode
        if node is None or not self.planes:
            return None
        columns, rows = node.GetImageData().GetDimensions()[:2]
        return prompts.promptsOf(self.scene, PlaneMap(self.planes, rows, columns, node), node)

    def _submitted(self, job: dict) -> None:
        if job["uid"] == self.job:
            prompts.removePrompts(self.scene)
            self._follow(job)

    def cancel(self) -> None:
        """Stop the read that is on its way."""
        client, job = self.client, self.job
        if client is not None and job:
            self.background.run(lambda: client.delete(f"/reads/{job}"), None, self.say)

    def _showJob(self, job: dict) -> None:
        self.job = job["uid"]
        if job["state"] == "COMPLETED":
            self._fetch()
        else:
            self._follow(job)

    def _follow(self, job: dict) -> None:
        uid, client, stop = job["uid"], self.client, threading.Event()
        self._stop = stop
        self.phase, self.stage, self.progress = "running", job["stage"], job["progress"]
        tell = self.background.tell
        self.background.run(
            lambda: follow(
                client, uid, lambda kind, data: tell(self._told, uid, kind, data),
                lambda error: tell(self._broken, uid, error), stop,
            ),
            None, lambda error: self._failed(error) if uid == self.job else None,
        )
        self.onChange()

    def _told(self, job: str, kind: str, data: dict) -> None:
        if job != self.job:
            return
        if kind == "progress":
            if data["stage"] == "looking" and self.stage != "looking":
                self.text = ""  # another plane: what was written before is void
            self.stage, self.progress, self.position = data["stage"], data["progress"], 0
        elif kind == "position":
            self.position = data["position"]
        elif kind == "text":
            self.text += data["text"]
        elif kind == "finding":
            self.early.append(data)
        elif kind == "state" and data["state"] == "COMPLETED":
            self._fetch()
        elif kind == "state" and data["state"] == "CANCELED":
            said = _("The read ended: {reason}").format(reason=data.get("reason") or "")
            if data.get("reason") == "cancelled":
                self.phase, self.notice = "idle", said
            else:
                self.phase, self.failure = "failed", said
        self.onChange()

    def _broken(self, job: str, error) -> None:
        if job == self.job and self.phase == "running":
            self.failure = "" if error is None else _("{what} The read goes on; this page comes back to it.").format(
                what=troubleInWords(error.trouble)
            )
            self.onChange()

    def _fetch(self) -> None:
        """The finished read, with what was decided before it was left."""
        job, client, drafts = self.job, self.client, self.drafts

        def ask():
            with suppress(ServiceError, BeingSent):  # said when they are sent the next time; the read is shown anyway
                drafts.flush(client, job)
            at = f"/reads/{job}"
            read, planes, review = client.get(f"{at}/result"), client.get(f"{at}/planes"), client.get(f"{at}/verdicts")
            return read, planes, review, decoded(client.get(f"{at}/masks", seconds=120))

        def done(found):
            if job != self.job:
                return
            self.read, self.planes, self.review, masks = found
            self.text = self.read["reasoning"]
            self.phase, self.stage, self.progress, self.failure = "done", "done", 1.0, ""
            self._show(masks)

        self.background.run(ask, done, lambda error: self._failed(error) if job == self.job else None)

    def _show(self, masks: dict) -> None:
        """Nodes as the review stands."""
        node, job = self.volumeNode, self.job
        if not self.planes:  # an ECG
            self.onChange()
            return
        if node is None:
            self.notice = _("The images were closed. The read is kept on the server: load the series to see it.")
            self.onChange()
            return
        source = self.read["source"]
        try:
            planeMap = PlaneMap(self.planes, source["rows"], source["columns"], node)
        except NotThisVolume as error:
            self.say(error)
            return
        work = self.screen.prepare(planeMap, masks, node)

        def done(prepared):
            if job == self.job and self.volumeNode is not None and not self.decisions.collect():
                # Strokes that came meanwhile are sent as a correction first, and shown after it.
                name = self.read["model"]["name"]
                self.screen.show(job, self.volumeNode, prepared, self.review, self.findings(), name)
            self.onChange()

        self.background.run(work, done, self.say)

    def refresh(self) -> None:
        """Fetch the masks again and show everything as it stands: also what was deleted from the scene."""
        job, client = self.job, self.client
        if self.read is None:
            return
        self.notice = ""

        def ask():
            return client.get(f"/reads/{job}/verdicts"), decoded(client.get(f"/reads/{job}/masks", seconds=120))

        def done(found):
            if job == self.job:
                self.review, masks = found
                self._show(masks)

        self.background.run(ask, done, self.say)

    def close(self) -> None:
        """The module is left for good: nothing is lost, as every decision is on disk."""
        self.decisions.collect()
        self._stop.set()
        self.screen.close()

    def _nodeGone(self, what: str) -> None:
        self.notice = what
        self.onChange()

    def _failed(self, error: Exception) -> None:
        self.phase = "failed"
        self.say(error)

    def say(self, error) -> None:
        """Show what went wrong: an exception or a sentence; a defect also goes to Slicer's log."""
        known = (ServiceError, BeingSent, NoConsent, NotThisVolume, NotFromDicom, str)
        self.failure = str(error) if isinstance(error, known) else _("Unexpected: {error}").format(error=error)
        self.onChange()
        if not isinstance(error, known):
            raise error


def decoded(masks: list) -> dict:
    """Masks as the server gives them -> tracking UID -> (plane index -> (rows, columns) of bool)."""
    return {one["tracking_uid"]: {int(index): decodePlane(text) for index, text in one["mask"].items()}
            for one in masks}
