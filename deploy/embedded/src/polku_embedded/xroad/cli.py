"""`polku xroad …`: try the X-Road door out without X-Road."""

import json
import socket
import ssl
from pathlib import Path
from random import Random
from typing import Annotated

import typer
import uvicorn
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from polku_embedded import Trouble
from polku_embedded.xroad.authority import LOOPBACK, Authority
from polku_embedded.xroad.faults import MEANS, read_faults
from polku_embedded.xroad.message_log import MessageLog, first_wrong, read
from polku_embedded.xroad.protocol import SERVICE_PARTS, Fault, client_of, identifier
from polku_embedded.xroad.servers import TIMEOUT_S, Network, create_simulator

app = typer.Typer(no_args_is_help=True, help="A stand-in for X-Road's security servers, for trying out.")
Folder = Annotated[Path, typer.Argument(help="Where `polku xroad certificates` has put its files.")]
PROVIDER, SERVER, SIGNER, LOG = "polku", "security-server", "signer.jwk", "messages.jsonl"
EPILOG = "\n\n".join(
    [
        "A service: FI-TEST/ORG/7654321-0/Polku/referrals=https://127.0.0.1:8743",
        "A member: FI-TEST/MUN/1234567-8/Tyollisyys",
        "Faults: duplicate=0.1,lost-answer=0.05, of",
        *(f"{name}: {text}" for name, text in MEANS.items()),
    ]
)


@app.command("certificates")
def certificates(
    folder: Annotated[Path, typer.Argument(help="A new folder for the files.")],
    *,
    host: Annotated[
        list[str] | None, typer.Option(help="A name or address of Polku's listener, once for each; loopback if none.")
    ] = None,
) -> None:
    """Make throw-away certificates for both sides, and print the settings of Polku's listener."""
    if (folder / SIGNER).exists():
        raise Trouble(f"{folder} holds certificates already, and Polku may know them; choose another folder")
    try:
        authority = Authority(folder)
        mine, theirs = authority.issue(PROVIDER, host or LOOPBACK), authority.issue(SERVER)
        signer = ECKey.generate_key("P-256", auto_kid=True)
        (folder / SIGNER).touch(0o600)
        (folder / SIGNER).write_text(json.dumps(signer.as_dict(private=True)), "utf-8")
    except OSError as error:
        raise Trouble(f"{folder} cannot be written: {error.strerror}") from None
    except ValueError:
        raise Trouble("--host takes a name in ASCII (IDNA) or an address, once for each") from None
    typer.echo(f"POLKU_XROAD_CERTIFICATE={mine.certificate.resolve()}")
    typer.echo(f"POLKU_XROAD_KEY={mine.key.resolve()}")
    typer.echo(f"POLKU_XROAD_CLIENT_CA={authority.certificate.resolve()}")
    typer.echo(f"POLKU_XROAD_CLIENT_FINGERPRINTS={theirs.fingerprint}")


@app.command("simulate", epilog=EPILOG)
def simulate(
    folder: Folder,
    *,
    service: Annotated[
        list[str], typer.Option(help="IDENTIFIER=ADDRESS of Polku's listener; once per service, see below.")
    ],
    member: Annotated[list[str], typer.Option(help="Who has a right to call; once per subsystem, see below.")],
    host: Annotated[str, typer.Option(help="Where it listens.")] = LOOPBACK[0],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where it listens.")] = 8790,
    faults: Annotated[
        str, typer.Option(help="Which share of the messages meets which fault, see below; none if not given.")
    ] = "",
    seed: Annotated[int | None, typer.Option(help="A number; the same faults in the same order with the same.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that Polku has for an answer.")] = TIMEOUT_S,
) -> None:
    """Run both security servers in one process until it is stopped.

    A line is printed about each message; the message log is in the folder.
    """
    tls, signer = _tls(folder), _signer(folder)
    try:
        draw, log = read_faults(faults, Random(seed)), MessageLog(folder / LOG, signer)
    except (ValueError, OSError) as wrong:
        raise Trouble(str(wrong)) from None
    network = Network(
        services=dict(_service(one) for one in service),
        members=frozenset(_member(one) for one in member),
        tls=tls,
        log=log,
        draw=draw,
        timeout=timeout,
        tell=lambda line: typer.echo(f"polku: {line}", err=True),
    )
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise Trouble(f"cannot listen on {host}:{port}: {error.strerror}") from None
    typer.echo(f"polku: X-Road simulator on http://{host}:{port}/r1/…", err=True)
    config = uvicorn.Config(create_simulator(network), access_log=False, log_level="warning", server_header=False)
    uvicorn.Server(config).run(sockets=[listening])


@app.command("verify")
def verify(folder: Folder) -> None:
    """Walk the message log; exit code 1, and the row, when one was changed, removed or moved."""
    signer = _signer(folder)
    try:
        rows = read(folder / LOG)
    except OSError as error:
        raise Trouble(f"the message log cannot be read: {error.strerror}") from None
    except ValueError as wrong:
        raise Trouble(str(wrong)) from None
    wrong_row = first_wrong(rows, signer)
    if wrong_row is not None:
        raise Trouble(f"the message log does not hold: row {wrong_row} was changed, or does not follow the one before")
    typer.echo(f"{len(rows)} rows hold" + (f"; the last hash begins with {rows[-1]['hash'][:16]}" if rows else ""))


def _service(text: str) -> tuple[str, str]:
    name, sign, address = text.partition("=https://")
    if not sign or name.count("/") != SERVICE_PARTS - 1:
        raise Trouble(f"{text} is not INSTANCE/CLASS/MEMBER/SUBSYSTEM/SERVICE=https://ADDRESS")
    try:
        return identifier(name.split("/")), f"https://{address.rstrip('/')}"
    except Fault as fault:
        raise Trouble(f"{text}: {fault.message}") from None


def _member(text: str) -> str:
    try:
        return client_of(text)
    except Fault as fault:
        raise Trouble(f"{text}: {fault.message}") from None


def _tls(folder: Path) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(folder / f"{SERVER}.pem", folder / f"{SERVER}.key")
    except OSError:
        raise _nothing_in(folder) from None
    return context


def _signer(folder: Path) -> ECKey:
    try:
        return ECKey.import_key(json.loads((folder / SIGNER).read_text("utf-8")))
    except (OSError, ValueError, JoseError):
        raise _nothing_in(folder) from None


def _nothing_in(folder: Path) -> Trouble:
    return Trouble(f"{folder} holds no certificates; make them by: polku xroad certificates {folder}")
