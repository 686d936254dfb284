"""What a reader can take back: for each verdict he gave here, the one that stood before it."""


class Undo:
    """The decisions of this session, latest last."""

    def __init__(self):
        self._stack = []
        self._given = {}

    def __len__(self) -> int:
        return len(self._stack)

    def note(self, verdicts: list, states: dict) -> None:
        """Note verdicts that are being given.

        :param states: tracking UID -> state before them, as the server names it.
        """
        self._stack.append([self._before(verdict["tracking_uid"], states) for verdict in verdicts])
        for verdict in verdicts:
            self._given[verdict["tracking_uid"]] = verdict

    def back(self) -> list:
        """The verdicts that take the latest back; none where there is nothing."""
        verdicts = self._stack.pop() if self._stack else []
        for verdict in verdicts:
            if verdict["decision"] == "withdraw":
                self._given.pop(verdict["tracking_uid"], None)
            else:
                self._given[verdict["tracking_uid"]] = verdict
        return verdicts

    def clear(self) -> None:
        """Forget all: another read is shown."""
        self._stack.clear()
        self._given.clear()

    def _before(self, uid: str, states: dict) -> dict:
        state = states.get(uid, "undecided")
        if state != "undecided" and uid in self._given:
            return self._given[uid]
        if state == "accepted":
            return {"tracking_uid": uid, "decision": "accept", "reason": ""}
        return {"tracking_uid": uid, "decision": "withdraw", "reason": ""}
