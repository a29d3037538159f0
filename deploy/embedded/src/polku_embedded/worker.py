"""`python -m polku_embedded.worker`: the four services' workers in one process and one event loop."""

from functools import partial

import uvloop

from polku_embedded.parts import PARTS
from polku_runtime import logs, process, telemetry
from polku_runtime.settings import Settings, load


def main() -> None:
    shared = load(Settings)
    logs.configure("worker", shared.log_level)
    provider = telemetry.configure("worker", shared.otlp_endpoint)
    workers = {name: partial(part.create_worker, load(part.settings)) for name, part in PARTS.items()}
    uvloop.run(process.run([], workers, shared.host, shared.worker_port))
    if provider is not None:
        provider.shutdown()


if __name__ == "__main__":
    main()
