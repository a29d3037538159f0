"""Signing in: local accounts with argon2id, and one-time links that open the door once."""

import asyncio
import secrets
from collections.abc import Coroutine
from contextvars import Context
from datetime import timedelta
from typing import Any, TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from polku_referral.directory import Directory
from polku_referral.model.directory import announce_staff
from polku_runtime.access import Session
from polku_runtime.aggregates import LostRace
from polku_runtime.effects import Effects

HASHERS = 2
"""Argon2id takes 64 MiB each time: more at once would be an easy way to exhaust the machine."""
MIN_PASSWORD, MAX_PASSWORD = 12, 200
FREE_TRIES = 5
TRIES = 5
LONGEST_WAIT = timedelta(minutes=15)
FAILURES_LAST = timedelta(hours=24)
LINK_LASTS = timedelta(hours=48)

T = TypeVar("T")


class Accounts:
    """Sign-ins of one API process."""

    def __init__(self, directory: Directory, effects: Effects) -> None:
        self.directory = directory
        self.effects = effects
        self._hasher = PasswordHash((Argon2Hasher(),))
        self._gate = asyncio.Semaphore(HASHERS)
        self._nobody: str | None = None

    async def sign_in(self, login: str, password: str) -> Session | None:
        """A session when login and password fit; None for every other case, told apart by nobody."""
        login = login.strip().lower()
        # Counted before the password is looked at: many tries at the same moment are many tries.
        if not await self.directory.count_try(login, wait_after, FAILURES_LAST):
            return None
        member = await self.directory.by_login(login)
        known = member.password if member and member.active else None
        fits = await self._verify(password[:MAX_PASSWORD], known)
        if member is None or not fits:
            return None
        await _afterwards(self.directory.forget_tries(login))
        return self.session(member.id)

    def session(self, staff_id: str) -> Session:
        now = self.effects.now()
        return Session(secrets.token_urlsafe(16), staff_id, now, now)

    async def make_link(self, staff_id: str) -> str:
        """The secret of a new one-time link."""
        token = secrets.token_urlsafe(32)
        await self.directory.add_link(token, staff_id, LINK_LASTS)
        return token

    async def open_link(self, token: str, password: str | None) -> Session | None:
        """Uses the link up and sets a password if one is given; None when the link is not valid any more."""
        # Hashed first: it may wait for its turn, and whoever gives up meanwhile must not have lost the link.
        hashed = await self._hash(password) if password else None
        return await _afterwards(self._use_link(token, hashed))

    async def _use_link(self, token: str, hashed: str | None) -> Session | None:
        staff_id = await self.directory.take_link(token)
        member = await self.directory.staff.get(staff_id) if staff_id else None
        if member is None or not member.active:
            return None
        if hashed:
            await self._change(member.id, password=hashed)
        return self.session(member.id)

    async def sign_out_everywhere(self, staff_id: str) -> None:
        """Voids every session of the person that began before now, in all services."""
        await self._change(staff_id)

    async def _hash(self, password: str) -> str:
        async with self._gate:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def _change(self, staff_id: str, **changes: object) -> None:
        """Ends the person's sessions too: who signed in with an old password must not stay."""
        for _ in range(TRIES):
            member = await self.directory.staff.get(staff_id)
            if member is None:
                return
            changed = member.model_copy(update={**changes, "sessions_valid_from": self.effects.now()})
            try:
                await self.directory.staff.save(member, *announce_staff(changed))
            except LostRace:
                continue
            return
        raise TimeoutError("the staff member kept changing")

    async def _verify(self, password: str, hashed: str | None) -> bool:
        """Takes as long for an unknown login as for a known one."""
        async with self._gate:
            if self._nobody is None:
                self._nobody = await asyncio.to_thread(self._hasher.hash, secrets.token_urlsafe(16))
            fits = await asyncio.to_thread(self._hasher.verify, password, hashed or self._nobody)
        return fits and hashed is not None


async def _afterwards(work: Coroutine[Any, Any, T]) -> T:
    """Hashing takes its time, on a busy machine seconds: what MongoDB has to do then has a deadline of its own."""
    return await asyncio.create_task(work, context=Context())


def wait_after(tries: int) -> timedelta:
    """How long the next try is refused after so many: nothing at first, then doubling from a second."""
    if tries < FREE_TRIES:
        return timedelta(0)
    seconds: float = min(2.0 ** min(tries - FREE_TRIES, 20), LONGEST_WAIT.total_seconds())
    return timedelta(seconds=seconds)
