"""The data folder of one installation: lock, ports, secrets and state. Everything that must be kept is in it."""

import fcntl
import json
import os
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from cryptography.fernet import Fernet

from polku_embedded import Trouble
from polku_embedded.ports import Ports, free_port, in_use

MASTER_KEY_BYTES = 96
"""The size of a local master key for client-side field-level encryption."""

NEEDED_BYTES = 500_000_000
"""A new database takes 300 MB before it holds anything; the rest is for the first days."""
WEB_PORT = 8700
OWN_PORTS = ("worker", "kafka", "controller", "mongo")
LEFTOVERS_S = 25.0
"""Children of a supervisor that was killed leave by themselves, but not at once."""
CHECKOUT = Path(__file__).resolve().parents[4]
"""Where deploy/kafka and the front-end files are."""


class DataFolder:
    """`POLKU_DATA`, by default `./data`."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = (path or Path(os.environ.get("POLKU_DATA") or "data")).resolve()
        self.logs = self.path / "logs"
        self.state_file = self.path / "state.json"
        self._lock: IO[str] | None = None

    def lock(self) -> None:
        """Makes the folder and takes it for this process. Raises Trouble when another one has it."""
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            lock = (self.path / "lock").open("a+")
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise Trouble(f"the data folder {self.path} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Trouble(f"already running on {self.path} (stop it with: polku down)") from None
        if free < NEEDED_BYTES:
            raise Trouble(
                f"only {free // 10**6} MB are free for the data folder {self.path}, {NEEDED_BYTES // 10**6} are needed"
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def holder(self) -> int | None:
        """The process that has the folder, if one is alive."""
        try:
            with (self.path / "lock").open("r+") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return int(lock.read() or 0) or None
        except OSError:
            return None
        return None

    def ports(self) -> Ports:
        """The ports of the last start; POLKU_PORT moves the web's. One of our own that is taken is replaced.

        Raises Trouble when the web's is in use: people have its address.
        """
        kept = self.kept_ports()
        web = _port_setting() or kept.get("web") or WEB_PORT
        mine = {name: kept.get(name) or free_port() for name in OWN_PORTS}
        died = self.state().get("phase", "stopped") != "stopped"
        deadline = time.monotonic() + (LEFTOVERS_S if died else 0.0)
        while any(in_use(port) for port in (web, *mine.values())) and time.monotonic() < deadline:
            time.sleep(0.1)
        if in_use(web):
            raise Trouble(f"port {web} for web is in use (choose another by POLKU_PORT)")
        ports = Ports(web=web, **{name: free_port() if in_use(port) else port for name, port in mine.items()})
        self.write("ports.json", json.dumps(asdict(ports)))
        return ports

    def kept_ports(self) -> dict[str, int]:
        """The ports of the last start; empty before the first."""
        file = self.path / "ports.json"
        try:
            kept: dict[str, int] = json.loads(file.read_text("utf-8")) if file.exists() else {}
        except (OSError, ValueError):
            raise Trouble(f"{file} cannot be read; remove it for new ports") from None
        return kept

    def secret(self, name: str, make: Any) -> Path:
        """A file that only the owner can read, made once."""
        path = self.path / name
        if not path.exists():
            self.write(name, make())
        return path

    def environment(self, ports: Ports) -> dict[str, str]:
        """What the web and worker processes get as settings; a variable that is set outside wins."""
        origin = f"http://127.0.0.1:{ports.web}"
        keys = self.secret("session.keys", lambda: Fernet.generate_key().decode())
        master = self.secret("master.key", lambda: secrets.token_bytes(MASTER_KEY_BYTES))
        kept = self.path / "settings.json"
        own = {
            "POLKU_HOST": "127.0.0.1",
            "POLKU_PORT": str(ports.web),
            "POLKU_WORKER_PORT": str(ports.worker),
            "POLKU_WORKER_ID": "embedded",
            "POLKU_KAFKA": f"127.0.0.1:{ports.kafka}",
            "POLKU_MONGO": f"mongodb://127.0.0.1:{ports.mongo}/?replicaSet=rs0",
            "POLKU_BASE_URL": origin,
            "POLKU_JWKS_URL": f"{origin}/referral/oauth/jwks",
            "POLKU_SESSION_KEYS": keys.read_text("utf-8").strip(),
            "POLKU_MASTER_KEY_FILE": str(master),
            "POLKU_STATIC_DIR": str(CHECKOUT / "build" / "static"),
            "POLKU_DATA": str(self.path),
            **(json.loads(kept.read_text("utf-8")) if kept.exists() else {}),
        }
        return {name: os.environ.get(name) or value for name, value in own.items()}

    def use_settings(self) -> None:
        """Commands that talk to a running embedded edition take its settings, unless the environment says others."""
        kept = self.kept_ports()
        if kept:
            os.environ.update(self.environment(Ports(**kept)))

    def keep_setting(self, name: str, value: str) -> None:
        """A setting that belongs to this folder for good, as whether its persons are artificial."""
        file = self.path / "settings.json"
        settings = json.loads(file.read_text("utf-8")) if file.exists() else {}
        self.write("settings.json", json.dumps({**settings, name: value}))

    def write(self, name: str, content: str | bytes) -> None:
        """Writes whole or not at all, readable for the owner alone."""
        path = self.path / name
        fresh = path.with_name(f".{name}.{os.getpid()}")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            fresh.touch(mode=0o600)
            fresh.write_bytes(content.encode() if isinstance(content, str) else content)
            fresh.replace(path)
        except OSError as error:
            raise Trouble(f"{path} cannot be written: {error.strerror}") from None
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)

    def state(self) -> dict[str, Any]:
        """What the supervisor last said of its children; empty when it never ran."""
        try:
            said: dict[str, Any] = json.loads(self.state_file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return said


def _port_setting() -> int | None:
    said = os.environ.get("POLKU_PORT")
    if not said:
        return None
    if not said.isdecimal() or not 0 < int(said) < 65536:
        raise Trouble(f"wrong setting: POLKU_PORT: {said} is no port")
    return int(said)
