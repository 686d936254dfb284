"""What the reader decides on the read that is shown: found, kept, shown, sent, taken back, signed.

All methods are for the main thread. A decision is on disk before anything else happens with it (``drafts``), shown
at once, and sent as soon as the server can be reached.
"""

import time

from slicer.i18n import tr as _

from . import prompts
from .client import ServiceError
from .drafts import BeingSent
from .planes import NotThisVolume
from .uids import newUid
from .undo import Undo

SETTLES_SECONDS = 1.2
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
STATES = {"accept": "accepted", "correct": "corrected", "reject": "rejected", "add": "added", "withdraw": "undecided"}


class Decisions:
    """The decisions on a session's read.

    :param session: whose read it is.
    """

    def __init__(self, session):
        self._session = session
        self._undo = Undo()
        self._pause, self._again = FIRST_PAUSE, None
        self.signing, self.stored, self._masksAreOld = False, [], False

    def clear(self) -> None:
        """Another read is shown."""
        self._undo.clear()
        self.signing, self.stored, self._masksAreOld = False, [], False

    @property
    def canTakeBack(self) -> bool:
        """True where a decision of this session can be taken back."""
        return len(self._undo) > 0

    @property
    def canSign(self) -> bool:
        """True where everything is decided, something of it is left, and this state was not signed."""
        review, states = self._session.review, self._session.states.values()
        return bool(review) and not review["is_signed"] and "undecided" not in states and any(
            state != "rejected" for state in states
        )

    def decide(self, verdicts: list) -> None:
        """Give verdicts, as ``POST reads/{uid}/verdicts`` takes them."""
        if self._session.review is None or not verdicts:
            return
        before = self._session.states
        if self._give(verdicts):
            self._undo.note(verdicts, before)
            self._session.onChange()

    def accept(self, uid: str) -> None:
        """The finding is right as it is."""
        self.decide([{"tracking_uid": uid, "decision": "accept", "reason": ""}])

    def acceptAll(self) -> None:
        """Accept what is undecided."""
        open_ = [uid for uid, state in self._session.states.items() if state == "undecided"]
        self.decide([{"tracking_uid": uid, "decision": "accept", "reason": ""} for uid in open_])

    def reject(self, uid: str, reason: str) -> None:
        """The finding is not there; the server wants to know why."""
        self.decide([{"tracking_uid": uid, "decision": "reject", "reason": reason}])

    def add(self, target: str) -> bool:
        """Make the box or scribble that is drawn a finding of the reader's own; False where none is drawn."""
        session = self._session
        try:
            drawn = session.drawnPrompts()
        except NotThisVolume as error:
            session.say(error)
            return False
        if session.review is None or drawn is None or not (drawn["boxes"] or drawn["mask"]):
            return False
        verdict = {"tracking_uid": newUid(), "decision": "add", "reason": "", "target": target}
        if drawn["mask"]:
            verdict["mask"] = drawn["mask"]
        else:
            verdict |= {"box": drawn["boxes"][0]["box"], "plane": drawn["boxes"][0]["plane"]}
        self.decide([verdict])
        prompts.removePrompts(session.scene)
        return True

    def takeBack(self) -> None:
        """Take the latest decision of this session back."""
        verdicts = self._undo.back()
        if verdicts and self._session.review is not None:
            self._give(verdicts)
            self._session.onChange()

    def collect(self) -> bool:
        """Give verdicts for what was painted, erased or moved on the screen; True where something was."""
        session = self._session
        if session.review is None or session.volumeNode is None:
            return False
        corrections = session.screen.corrections(session.volumeNode)
        self.decide(corrections)
        return bool(corrections)

    def tick(self) -> None:
        """Called often: finds corrections that have settled, and sends again what could not be sent."""
        session, now = self._session, time.monotonic()
        if session.canSend and self._again is not None and now >= self._again:
            self._again = None
            for draft in session.drafts.waiting(session.client.address):
                self._send(draft["job"])
        if session.screen.isSettled(now, SETTLES_SECONDS):
            self.collect()

    def sendSoon(self) -> None:
        """Send whatever waits for this server, also of an earlier session."""
        self._again = time.monotonic()

    def sign(self) -> None:
        """Sign what was decided: a verified SR, and a SEG where a mask was touched, go to the archive."""
        session = self._session
        if session.review is None or self.signing:
            return
        self.collect()
        job, client, drafts = session.job, session.client, session.drafts
        self.signing, session.failure = True, ""

        def ask():
            drafts.flush(client, job)
            client.post(f"/reads/{job}/signature", {}, seconds=120)
            while True:
                review = client.get(f"/reads/{job}/verdicts")
                objects = [one for signature in review["signatures"] for one in signature["stored"]]
                session.background.tell(told, review, objects)
                if all(one["state"] != "waiting" for one in objects):
                    return None
                time.sleep(1)

        def told(review, objects):
            if job == session.job:
                session.review, self.stored = review, objects
                session.onChange()

        def done(_nothing):
            self.signing = False
            session.onChange()

        def failed(error):
            self.signing = False
            session.say(error)

        session.background.run(ask, done, failed)
        session.onChange()

    def _give(self, verdicts: list) -> bool:
        session = self._session
        try:
            session.drafts.add(session.client.address, session.job, session.study, session.series, verdicts)
        except OSError as error:
            said = _("The disk takes nothing, so that this decision is not kept: {why}")
            session.say(said.format(why=error.strerror))
            return False
        given = {verdict["tracking_uid"]: verdict for verdict in verdicts}
        for one in session.review["findings"]:
            verdict = given.get(one["tracking_uid"])
            if verdict is not None:
                self._masksAreOld |= _changesMasks(verdict, one["state"])
                one["state"] = STATES[verdict["decision"]]
                session.screen.mark(one["tracking_uid"], one["state"])
        self._masksAreOld |= any(verdict["decision"] == "add" for verdict in verdicts)
        session.review["is_signed"] = False
        self._send(session.job)
        return True

    def _send(self, job: str) -> None:
        session, client, drafts = self._session, self._session.client, self._session.drafts

        def done(review):
            self._pause = FIRST_PAUSE
            if review is None or job != session.job or drafts.isWaiting(job):
                return
            session.failure, session.review = "", review
            if self._masksAreOld:
                self._masksAreOld = False
                session.refresh()
            elif session.volumeNode is not None and session.screen.shown is not None and not self.collect():
                # A box that was moved meanwhile is a correction first.
                session.screen.showStates(session.volumeNode, review, session.findings())
            session.onChange()

        def failed(error):
            if isinstance(error, BeingSent) or (isinstance(error, ServiceError) and error.mayPass):
                self._again = time.monotonic() + self._pause
                self._pause = min(2 * self._pause, LONGEST_PAUSE)
            elif isinstance(error, ServiceError) and job == session.job:
                session.refresh()  # what was refused was never decided
            if not isinstance(error, BeingSent):
                session.say(error)

        session.background.run(lambda: drafts.flush(client, job), done, failed)


def _changesMasks(verdict: dict, before: str) -> bool:
    """True where the masks on the screen are not those that the server has after a verdict."""
    if verdict["decision"] in ("accept", "withdraw"):
        return before == "corrected" or before == "rejected" or before == "added"
    return verdict["decision"] == "correct" and verdict.get("mask") is None
