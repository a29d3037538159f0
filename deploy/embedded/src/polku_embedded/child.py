"""One child process of the supervisor: started, watched, restarted with backoff, its output rotated."""

import asyncio
import ctypes
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path

PR_SET_PDEATHSIG = 1
BACKOFF_S, BACKOFF_MAX_S = 0.5, 10.0
STEADY_S = 10.0
"""A child that has lived this long starts its backoff anew."""
LOG_BYTES, LOG_FILES = 10_000_000, 3
LAST_WORDS_S = 1.0
NAMED = "polku: "
"""How our own programs begin the one line that says what a person must mend."""

Say = Callable[[str], None]
_libc = ctypes.CDLL(None, use_errno=True)


class Child:
    """answers: True when the child really works, not merely runs."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        answers: Callable[[], Awaitable[bool]],
        environment: Mapping[str, str],
        logs: Path,
        stop_s: float,
        say: Say,
    ) -> None:
        self.name = name
        self.command = command
        self.answers = answers
        self.environment = environment
        self.log_file = logs / f"{name}.log"
        self.stop_s = stop_s
        self.say = say
        self.restarts = 0
        self.started_at = 0.0
        self.ready = False
        self.process: asyncio.subprocess.Process | None = None
        self.last_line = ""
        self._keeping: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._failures = 0

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process and self.process.returncode is None else None

    async def start(self) -> None:
        """Starts it and keeps it running from now on."""
        await self._spawn()
        self._keeping = asyncio.create_task(self._keep())

    async def until_ready(self, seconds: float) -> str | None:
        """Waits until it answers; a sentence when it does not, at once when it ended for a reason it names."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.restarts and self.last_line.startswith(NAMED):
                return f"{self.name}: {self.last_line.removeprefix(NAMED)}"
            if self.pid and await self.answers():
                self.ready = True
                return None
            await asyncio.sleep(0.1)
        return f"{self.name} was not ready within {seconds:.0f} s; see {self.log_file}"

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL when `stop_s` is over."""
        if self._keeping:
            self._keeping.cancel()
            # It may be in the middle of starting: asyncio then ends that process itself.
            await asyncio.wait([self._keeping])
        process = self.process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self.stop_s)
        except TimeoutError:
            self.say(f"{self.name} did not stop in {self.stop_s:.0f} s and is killed")
            process.kill()
            await process.wait()
        self.ready = False

    async def _spawn(self) -> None:
        self.started_at = time.time()
        self.process = await asyncio.create_subprocess_exec(
            *self.command,
            env=dict(self.environment),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            stdin=asyncio.subprocess.DEVNULL,
            preexec_fn=die_with_parent,
            # Ctrl-C goes to the supervisor alone, which stops the children in order.
            process_group=0,
        )
        self._reading = asyncio.create_task(self._read_output(self.process))

    async def _keep(self) -> None:
        while True:
            assert self.process is not None
            code = await self.process.wait()
            was_ready, self.ready = self.ready, False
            if self._reading:
                await asyncio.wait([self._reading], timeout=LAST_WORDS_S)
            lived = time.time() - self.started_at
            # Only a child that does not come to work is waited for longer and longer.
            self._failures = 0 if was_ready or lived > STEADY_S else self._failures + 1
            pause = min(BACKOFF_S * 2 ** max(self._failures - 1, 0), BACKOFF_MAX_S)
            self.restarts += 1
            self.say(f"{self.name} ended with {code} after {lived:.0f} s; starting it again in {pause:.1f} s")
            await asyncio.sleep(pause)
            try:
                await self._spawn()
            except OSError as error:
                # No memory or no process slot just now: the ended process stays ours, and the next round tries again.
                self.say(f"{self.name} cannot be started: {error.strerror}")

    async def _read_output(self, process: asyncio.subprocess.Process) -> None:
        handler = _Rotating(self.log_file, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8", delay=True)
        assert process.stdout is not None
        try:
            while True:
                try:
                    chunk = await process.stdout.readline()
                except ValueError:
                    chunk = b"(a line too long to keep)\n"
                if not chunk:
                    break
                text = chunk.decode("utf-8", "replace").rstrip("\n")
                self.last_line = text or self.last_line
                handler.emit(logging.LogRecord(self.name, logging.INFO, "", 0, text, None, None))
        finally:
            handler.close()


class _Rotating(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """A full disk loses log lines and nothing else: the child must not block on its pipe."""


def die_with_parent() -> None:
    """Runs in the child before its program: it gets SIGTERM when the supervisor is gone, even by kill -9."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
