"""Work in threads, results in the main thread: MRML and Qt may only be touched there.

The owner calls ``poll`` often (in Slicer from a QTimer). Nothing waits, and no poll takes much longer than its share
of a frame, whatever arrives at once.
"""

import queue
import threading
import time

POLL_MILLISECONDS = 30
SHARE_SECONDS = 0.02


class Background:
    """Runs functions in daemon threads, and hands over what they give."""

    def __init__(self):
        self._arrived = queue.SimpleQueue()
        self._isClosed = False

    def run(self, work, done=None, failed=None) -> None:
        """Call ``work()`` in a thread; then ``done(result)`` or ``failed(error)`` in the main thread."""

        def run():
            try:
                result = work()
            except Exception as error:  # handed over, and said there
                self.tell(failed or _raise, error)
            else:
                if done is not None:
                    self.tell(done, result)

        threading.Thread(target=run, daemon=True, name="wetread").start()

    def tell(self, callback, *arguments) -> None:
        """From any thread: call this in the main thread."""
        self._arrived.put((callback, arguments))

    def poll(self) -> int:
        """In the main thread: call what has arrived, until the share of this frame is used up.

        :return: how many were called.
        """
        ends, called = time.monotonic() + SHARE_SECONDS, 0
        while not self._isClosed and time.monotonic() < ends:
            try:
                callback, arguments = self._arrived.get_nowait()
            except queue.Empty:
                break
            callback(*arguments)
            called += 1
        return called

    def close(self) -> None:
        """Call nothing any more: who would be told is gone."""
        self._isClosed = True


def _raise(error: Exception) -> None:
    raise error
