"""`polku xroad …`: try the X-Road door out without X-Road."""

import json
import ssl
from pathlib import Path
from random import Random
from typing import Annotated

import typer
import uvicorn
from joserfc.jwk import ECKey

from polku_embedded import Trouble
from polku_embedded.xroad.authority import LOOPBACK, Authority
from polku_embedded.xroad.faults import NAMES, read_faults
from polku_embedded.xroad.message_log import MessageLog, holds, read
from polku_embedded.xroad.protocol import SERVICE_PARTS, Fault, identifier
from polku_embedded.xroad.servers import TIMEOUT_S, Network, create_simulator

app = typer.Typer(no_args_is_help=True, help="A stand-in for X-Road's security servers, for trying out.")
Folder = Annotated[Path, typer.Argument(help="Where `polku xroad certificates` has put its files.")]
PROVIDER, SERVER, SIGNER, LOG = "polku", "security-server", "signer.jwk", "messages.jsonl"


@app.command("certificates")
def certificates(
    folder: Annotated[Path, typer.Argument(help="Where the files are put.")],
    *,
    host: Annotated[list[str] | None, typer.Option(help="Names and addresses of Polku's listener.")] = None,
) -> None:
    """Make throw-away certificates for both sides, and print the settings of Polku's listener."""
    authority = Authority(folder)
    mine, theirs = authority.issue(PROVIDER, host or LOOPBACK), authority.issue(SERVER)
    signer = ECKey.generate_key("P-256", auto_kid=True)
    (folder / SIGNER).touch(0o600)
    (folder / SIGNER).write_text(json.dumps(signer.as_dict(private=True)), "utf-8")
    typer.echo(f"POLKU_XROAD_CERTIFICATE={mine.certificate.resolve()}")
    typer.echo(f"POLKU_XROAD_KEY={mine.key.resolve()}")
    typer.echo(f"POLKU_XROAD_CLIENT_CA={authority.certificate.resolve()}")
    typer.echo(f"POLKU_XROAD_CLIENT_FINGERPRINTS={theirs.fingerprint}")


@app.command("simulate")
def simulate(
    folder: Folder,
    *,
    service: Annotated[list[str], typer.Option(help="IDENTIFIER=ADDRESS, once per service of the provider.")],
    member: Annotated[list[str], typer.Option(help="Once per subsystem that may call.")],
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8790,
    faults: Annotated[str, typer.Option(help="NAME=SHARE,…: " + ", ".join(NAMES))] = "",
    seed: Annotated[int | None, typer.Option(help="The same faults every time.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for the provider.")] = TIMEOUT_S,
) -> None:
    """Run both security servers in one process until it is stopped; the message log is in the folder."""
    try:
        draw = read_faults(faults, Random(seed))
    except ValueError as wrong:
        raise Trouble(str(wrong)) from None
    network = Network(
        services=dict(_service(one) for one in service),
        members=frozenset(_identifier(one) for one in member),
        tls=_tls(folder),
        log=MessageLog(folder / LOG, _signer(folder)),
        draw=draw,
        timeout=timeout,
    )
    typer.echo(f"polku: X-Road simulator on http://{host}:{port}/r1/…", err=True)
    uvicorn.run(create_simulator(network), host=host, port=port, access_log=False, log_level="warning")


@app.command("verify")
def verify(folder: Folder) -> None:
    """Walk the message log; exit code 1 when a row was changed, removed or moved."""
    try:
        rows = read(folder / LOG)
    except OSError as error:
        raise Trouble(f"the message log cannot be read: {error.strerror}") from None
    if not holds(rows, _signer(folder)):
        raise Trouble("the message log does not hold")
    typer.echo(f"{len(rows)} rows hold")


def _service(text: str) -> tuple[str, str]:
    name, sign, address = text.partition("=https://")
    if not sign or name.count("/") != SERVICE_PARTS - 1:
        raise Trouble(f"{text} is not INSTANCE/CLASS/MEMBER/SUBSYSTEM/SERVICE=https://ADDRESS")
    return _identifier(name), f"https://{address.rstrip('/')}"


def _identifier(text: str) -> str:
    try:
        return identifier(text.split("/"))
    except Fault as fault:
        raise Trouble(f"{text}: {fault.message}") from None


def _tls(folder: Path) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(folder / f"{SERVER}.pem", folder / f"{SERVER}.key")
    except OSError:
        raise Trouble(f"{folder} holds no certificates; make them by: polku xroad certificates {folder}") from None
    return context


def _signer(folder: Path) -> ECKey:
    return ECKey.import_key(json.loads((folder / SIGNER).read_text("utf-8")))
