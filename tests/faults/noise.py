"""`python -m tests.faults.noise ADDRESS TOKEN A_SECOND HEARD SECONDS NAME`: posts referrals at a pace, prints the answers.

HEARD of A_SECOND go to the address, the others to a server that only says no, in this process: what it costs to make
noise is the same in both, and must not be measured as what it costs to hear it.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from polku_embedded.world.sender import REFERRALS
from tests.installation import body

AT_ONCE = 40


async def noise(address: str, token: str, a_second: int, heard: int, seconds: int, name: str) -> Counter[int]:
    """How often the address answered with each status."""
    answers: Counter[int] = Counter()
    loop = asyncio.get_running_loop()
    began = loop.time()
    numbers = iter(range(a_second * seconds))

    async def one(http: httpx.AsyncClient, elsewhere: str) -> None:
        for number in numbers:
            if loop.time() - began > seconds:  # a slow machine makes less noise, not for longer
                return
            await asyncio.sleep(began + number / a_second - loop.time())
            is_heard = number % (a_second // heard) == 0
            origin = address if is_heard else elsewhere
            answer = await http.post(origin + REFERRALS, json=body(f"NOISE-{name}-{number}", number))
            if is_heard:
                answers[answer.status_code] += 1

    headers = {"authorization": f"Bearer {token}"}
    async with (
        refusing() as elsewhere,
        httpx.AsyncClient(headers=headers, timeout=30) as http,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(AT_ONCE):
            group.create_task(one(http, elsewhere))
    return answers


@asynccontextmanager
async def refusing() -> AsyncIterator[str]:
    """The origin of a server that answers 429 to everything."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
                await reader.readexactly(int(length))
                writer.write(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1") as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


if __name__ == "__main__":
    address, token, a_second, heard, seconds, name = sys.argv[1:]
    print(json.dumps(asyncio.run(noise(address, token, int(a_second), int(heard), int(seconds), name))))
