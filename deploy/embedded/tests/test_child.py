"""A child: restarted with backoff, its last words, its log, no orphan."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from polku_embedded import child as children
from polku_embedded.child import Child

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


def make(program: str, logs: Path, said: list[str], answers=yes, stop_s: float = 5.0) -> Child:
    return Child(
        "it", [sys.executable, "-c", program], answers=answers, environment=os.environ, logs=logs, stop_s=stop_s,
        say=said.append,
    )  # fmt: skip


async def until(condition, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_child_that_dies_is_started_again_with_a_longer_pause_each_time(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(children, "BACKOFF_S", 0.05)
    said: list[str] = []
    one = make("import sys; sys.exit(3)", tmp_path, said)
    await one.start()
    await until(lambda: one.restarts >= 3)
    await one.stop()
    assert [line.split()[3] for line in said[:3]] == ["3", "3", "3"]
    assert [line.split()[-2] for line in said[:3]] == ["0.1", "0.1", "0.2"]


async def test_kill_is_survived_under_a_new_pid(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(children, "BACKOFF_S", 0.05)
    said: list[str] = []
    one = make(SLEEPER, tmp_path, said)
    await one.start()
    assert await one.until_ready(10) is None
    first = one.pid
    assert first
    os.kill(first, signal.SIGKILL)
    await until(lambda: one.restarts == 1 and one.pid)
    assert one.pid != first
    assert "ended with -9" in said[0]
    await one.stop()
    assert one.pid is None


async def test_one_that_names_its_trouble_is_not_waited_for(tmp_path: Path) -> None:
    one = make("import sys; sys.exit('polku: wrong setting: POLKU_X: no')", tmp_path, [], answers=no)
    await one.start()
    began = time.monotonic()
    assert await one.until_ready(60) == "it: wrong setting: POLKU_X: no"
    assert time.monotonic() - began < 10
    await one.stop()


async def test_one_that_never_answers_is_named_with_its_log(tmp_path: Path) -> None:
    one = make(SLEEPER, tmp_path, [], answers=no)
    await one.start()
    assert str(tmp_path / "it.log") in (await one.until_ready(0.3) or "")
    await one.stop()


async def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    said: list[str] = []
    program = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
    one = make(program, tmp_path, said, stop_s=0.5)
    await one.start()
    await until(lambda: one.last_line == "up")
    await one.stop()
    assert one.pid is None
    assert said == ["it did not stop in 0 s and is killed"]


async def test_output_is_kept_and_rotated(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(children, "LOG_BYTES", 2000)
    one = make(f"for n in range(3000): print('line', n)\n{SLEEPER}", tmp_path, [])
    await one.start()
    await until(lambda: one.last_line == "up")
    await one.stop()
    sizes = {file.name: file.stat().st_size for file in (one.log_file, *older(one))}
    assert len(sizes) == children.LOG_FILES + 1
    assert all(0 < size <= 2000 for size in sizes.values())
    assert "line 2999" in "".join(file.read_text("utf-8") for file in (one.log_file, *older(one)))


async def test_a_line_without_end_neither_ends_the_child_nor_its_log(tmp_path: Path) -> None:
    one = make(f"print('x' * 300_000)\n{SLEEPER}", tmp_path, [])
    await one.start()
    await until(lambda: one.last_line == "up")
    await one.stop()
    assert "too long to keep" in one.log_file.read_text("utf-8")


def older(one: Child) -> list[Path]:
    return [one.log_file.with_name(f"it.log.{number}") for number in range(1, children.LOG_FILES + 1)]


def test_no_orphan_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    program = f"""
import asyncio, os, sys
from pathlib import Path
from polku_embedded.child import Child
async def main():
    async def yes(): return True
    one = Child("it", [sys.executable, "-c", {SLEEPER!r}], answers=yes, environment=os.environ,
                logs=Path({str(tmp_path)!r}), stop_s=5, say=print)
    await one.start()
    while one.last_line != "up": await asyncio.sleep(0.02)
    print(one.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout
        pid = int(supervisor.stdout.readline())
        supervisor.kill()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child outlived its supervisor"
        time.sleep(0.02)
