"""The master key and what is derived from it."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from pathlib import Path

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from polku_runtime.settings import SettingsError

MASTER_BYTES = 96


class WrongMasterKey(Exception):
    """The database was begun with another master key."""


class MasterKey:
    """Opens everything; made once at start. Each purpose has a key of its own, derived by HKDF (RFC 5869)."""

    def __init__(self, secret: bytes) -> None:
        self.local = secret
        self._lookup = _derive(secret, b"lookup")
        self._content = _derive(secret, b"content")
        self.signing_box = Fernet(urlsafe_b64encode(_derive(secret, b"signing")))

    def lookup(self, name: str) -> str:
        """By what a person is found again: a keyed hash, since all codes there can be are hashed in a minute."""
        return hmac.new(self._lookup, name.encode(), hashlib.sha256).hexdigest()

    def content(self, canonical: bytes) -> str:
        """Tells whether two bodies say the same, without being a hash that anybody could try names on."""
        return hmac.new(self._content, canonical, hashlib.sha256).hexdigest()


def read_master_key(path: Path) -> MasterKey:
    """Raises SettingsError in one line when the file is not there or is not a key."""
    try:
        secret = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"polku: POLKU_MASTER_KEY_FILE cannot be read: {error.strerror}") from None
    if len(secret) != MASTER_BYTES:
        raise SettingsError(f"polku: POLKU_MASTER_KEY_FILE must hold {MASTER_BYTES} bytes, not {len(secret)}")
    return MasterKey(secret)


def _derive(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"polku:" + purpose).derive(secret)
