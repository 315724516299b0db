"""The keyboard and screen of a program under test: the master side of a pseudo terminal."""

import os
import select
import threading
import time


class Terminal:
    """Owns *master*; a thread keeps the screen drained, so that no program hangs on a write."""

    def __init__(self, master: int) -> None:
        self._master = master
        self._screen = bytearray()
        self._seen = 0
        self._closing = threading.Event()
        self._reader = threading.Thread(target=self._read, name="terminal", daemon=True)
        self._reader.start()

    @property
    def screen(self) -> str:
        """All that was written to it since the start."""
        return self._screen.decode(errors="replace")

    def type(self, keys: bytes) -> None:
        r"""Presses *keys*: ``b"\x03"`` is ^C, ``b"\x1a"`` is ^Z, ``b"fg\n"`` a line."""
        os.write(self._master, keys)

    def read_until(self, text: str, within_s: float) -> None:
        """Waits until *text* is written, after what the last call found.

        Raises:
            TimeoutError: It was not; the message holds the screen.
        """
        deadline = time.monotonic() + within_s
        wanted = text.encode()
        while (at := self._screen.find(wanted, self._seen)) < 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {text!r} within {within_s} s on\n{self.screen}")
            time.sleep(0.01)
        self._seen = at + len(wanted)

    def hang_up(self) -> None:
        """Pulls the plug: the session's leader gets SIGHUP, reads and writes fail."""
        self._closing.set()
        self._reader.join()

    def _read(self) -> None:
        while not self._closing.is_set():
            if not select.select([self._master], [], [], 0.05)[0]:
                continue
            try:
                self._screen += os.read(self._master, 65536)
            except OSError:  # EIO: no program has it open (any more)
                self._closing.wait(0.05)
        os.close(self._master)
