"""Which addresses a webhook may have: public ones over TLS, and what the operator allows besides.

An address is judged when it is registered, by its text, and again at every connection, by what its name leads to
then: names can lead elsewhere from one moment to the next (DNS rebinding).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from pydantic import HttpUrl, TypeAdapter, ValidationError

PORTS = (443, 8443)
MAX_URL = 2000

Address = IPv4Address | IPv6Address
_UNICAST = IPv6Network("2000::/3")
"""The only IPv6 range of which public unicast addresses are assigned; mapped and translated ones are outside."""
_PROTOCOLS = IPv4Network("192.0.0.0/24")
_URL = TypeAdapter(HttpUrl)


def is_public(address: Address) -> bool:
    """True for an address of the public internet: not private, shared, local, reserved, multicast, or another's
    address in disguise (IPv4-mapped, NAT64, 6to4, Teredo).
    """
    if isinstance(address, IPv6Address):
        return address in _UNICAST and address.is_global and address.sixtofour is None and address.teredo is None
    return address.is_global and not address.is_multicast and not address.is_reserved and address not in _PROTOCOLS


@dataclass(frozen=True)
class Allowed:
    """What the operator allows besides: hosts by name or address, and networks. There http and any port will do."""

    hosts: frozenset[str]
    networks: Sequence[IPv4Network | IPv6Network]

    def host(self, host: str) -> bool:
        """By what stands in the URL."""
        address = as_address(host)
        return host in self.hosts or (address is not None and self._within(address))

    def reaches(self, host: str, address: Address) -> bool:
        """By what the host's name led to."""
        return host in self.hosts or self._within(address) or is_public(address)

    def _within(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


NOBODY = Allowed(frozenset(), ())


def read_allowed(text: str) -> Allowed:
    """From the setting: `receiver.example, 10.20.0.0/16`. Raises ValueError for what is neither host nor network."""
    hosts, networks = set(), []
    for entry in filter(None, (part.strip().lower() for part in text.split(","))):
        try:
            networks.append(ip_network(entry))
        except ValueError:
            if "/" in entry:
                raise
            hosts.add(entry)
    return Allowed(frozenset(hosts), tuple(networks))


@dataclass(frozen=True)
class Target:
    """A URL that was judged, in its normal form, taken apart once so that nobody reads it differently later."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme, usual = ("https", 443) if self.secure else ("http", 80)
        return f"{scheme}://{host}{'' if self.port == usual else f':{self.port}'}{self.path}"


def judge(url: str, allowed: Allowed) -> Target | str:  # noqa: PLR0911 - one return per rule
    """The address in its normal form, or the code of what is wrong with it."""
    try:
        parsed = _URL.validate_python(url)
    except ValidationError:
        return "not-valid"
    if len(str(parsed)) > MAX_URL or parsed.host is None or parsed.fragment is not None:
        return "not-valid"
    if parsed.username is not None or parsed.password is not None:
        return "webhook-credentials"
    host = parsed.host.strip("[]").removesuffix(".").lower()
    secure, port = parsed.scheme == "https", parsed.port or (443 if parsed.scheme == "https" else 80)
    address = as_address(host)
    if not allowed.host(host):
        if not secure:
            return "webhook-https"
        if port not in PORTS:
            return "webhook-port"
        if address is not None and not is_public(address):
            return "webhook-address"
    path = (parsed.path or "/") + (f"?{parsed.query}" if parsed.query else "")
    return Target(secure, host, port, path)


def as_address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
