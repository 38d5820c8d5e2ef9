"""Work in a thread of its own that keeps up with a slider: only the latest request counts."""

import threading
from collections.abc import Callable


class LatestWins:
    """Calls ``work`` with the arguments of the latest request; requests that were overtaken before are dropped."""

    def __init__(self, work: Callable[..., None]):
        self._work, self._waiting, self._busy, self._closed = work, None, False, False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def ask(self, *arguments) -> None:
        with self._changed:
            self._waiting = arguments
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def wait(self, seconds: float = 60.0) -> bool:
        """Wait until nothing is left to do; False if that takes longer than ``seconds``."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy and self._waiting is None, seconds)

    def close(self) -> None:
        with self._changed:
            self._closed, self._waiting = True, None
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._closed)
                if self._closed:
                    return
                arguments, self._waiting, self._busy = self._waiting, None, True
            try:
                self._work(*arguments)
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
