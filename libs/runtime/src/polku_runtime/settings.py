"""Settings that every service shares, read from environment variables `POLKU_…`."""

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

Language = Literal["fi", "sv", "en"]


class Settings(BaseSettings):
    """One frozen object; a service derives its own class in its `settings.py`."""

    model_config = SettingsConfigDict(env_prefix="POLKU_", frozen=True, extra="ignore")

    namespace: str = Field("polku", pattern=r"^[a-z][a-z0-9-]{0,40}$")
    """Prefix of topics, consumer groups and databases: two installations may share clusters."""
    kafka: str = "127.0.0.1:9092"
    mongo: str = "mongodb://127.0.0.1:27017/?replicaSet=rs0"
    host: str = "127.0.0.1"
    port: int = Field(8700, ge=1, le=65535)
    worker_port: int = Field(8701, ge=0, le=65535)
    """Where a worker answers health and metrics; 0 takes a free port."""
    base_url: str = "http://127.0.0.1:8700"
    """The one origin that browsers and authorities see; also the token issuer."""
    jwks_url: str = ""
    """Where the door publishes its keys; empty means under `base_url`."""
    session_keys: SecretStr
    """Fernet keys for the session cookie, newest first, separated by commas."""
    worker_id: str = ""
    """A name that this worker keeps over restarts (a pod's name): it takes its partitions back at once."""
    otlp_endpoint: str = ""
    language: Language = "fi"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    static_dir: Path = Path("build/static")
    """Where set-up put the front-end files that come from npm."""
    batch_records: int = Field(500, ge=1)
    breaker_limit: int = Field(20, ge=1)
    """Dead records in a row that stop the consumer: a bad deploy must not drain a topic into dead letters."""

    database_seconds: float = Field(1.5, gt=0, le=60)
    """How long one request may wait for MongoDB in all; then it is answered 503."""
    rate_requests: int = Field(30, ge=1)
    """Requests that one machine client may make within `rate_seconds`, in each process."""
    rate_seconds: int = Field(1, ge=1)
    rate_at_once: int = Field(4, ge=1)
    """Writes of one machine client that run side by side; the next ones wait."""

    def topic(self, name: str) -> str:
        """`topic("referral.events")` → `polku.referral.events` under this installation's prefix."""
        return f"{self.namespace}.{name}"

    @property
    def keys_url(self) -> str:
        return self.jwks_url or f"{self.base_url}/referral/oauth/jwks"


S = TypeVar("S", bound=Settings)


class SettingsError(SystemExit):
    """A setting is missing or wrong; the message is one line and names it."""


def load(kind: type[S], **overrides: Any) -> S:
    """Reads `kind` from the environment.

    Raises SettingsError (exit code 1) with one line that names each missing or wrong variable.
    """
    try:
        return kind(**overrides)
    except ValidationError as error:
        prefix = str(kind.model_config.get("env_prefix", ""))
        said = "; ".join(
            f"{prefix}{'_'.join(str(part) for part in problem['loc'])}: {problem['msg']}".upper().split(":")[0]
            + f": {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError(f"polku: wrong setting: {said}") from None
