"""One Kafka node in KRaft mode: how it is configured, formatted and started."""

import subprocess
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from polku_embedded import Trouble
from polku_embedded.ports import listens
from polku_embedded.tools import java

HEAP = "-Xmx256m"
CONFIG = "server.properties"


def properties(data: Path, port: int, controller_port: int) -> str:
    """server.properties of a broker that is its own controller and replicates nothing."""
    return f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}/log
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
num.network.threads=2
num.io.threads=2
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
"""


def command(jars: Path, main: str, *arguments: str) -> list[str]:
    """The JVM's command line, with the flags that keep an idle broker small."""
    return [
        java(),
        HEAP,
        "-Xms64m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:MaxMetaspaceSize=128m",
        "-XX:ReservedCodeCacheSize=48m",
        "-Xss512k",
        # Out of memory it would stand there half dead; ended, it is started again.
        "-XX:+ExitOnOutOfMemoryError",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ssXXX",
        "-cp",
        f"{jars}/*",
        main,
        *arguments,
    ]


def start(jars: Path, data: Path) -> list[str]:
    """The command that starts the node which `prepare` has prepared."""
    return command(jars, "kafka.Kafka", str(data / CONFIG))


def prepare(jars: Path, data: Path, port: int, controller_port: int) -> None:
    """Writes the configuration and formats the storage if it is new. Raises Trouble in one line."""
    data.mkdir(parents=True, exist_ok=True)
    config = data / CONFIG
    config.write_text(properties(data, port, controller_port), "utf-8")
    if not (data / "log" / "meta.properties").exists():
        format_storage = command(
            jars, "kafka.tools.StorageTool", "format", "-t", "cG9sa3UtZW1iZWRkZWQtMQ", "-c", str(config)
        )
        done = subprocess.run(format_storage, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise Trouble(f"Kafka's storage in {data} could not be formatted: {lines[0] if lines else ''}")


async def answers(port: int) -> bool:
    """True when the broker serves metadata and has a controller."""
    if not listens(port):
        return False
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_ms=2000)
    try:
        await admin.start()
        await admin.list_topics()
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
    return True
