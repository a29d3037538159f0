"""`python -m tests.faults.noise ADDRESS TOKEN A_SECOND SECONDS NAME`: posts referrals at a pace and prints the answers.

A process of its own: what it costs to make noise must not be measured as what it costs to hear it.
"""

import asyncio
import json
import sys
from collections import Counter

import httpx

from polku_embedded.world.sender import REFERRALS
from tests.installation import body

AT_ONCE = 40


async def noise(address: str, token: str, a_second: int, seconds: int, name: str) -> Counter[int]:
    """How often each status was answered."""
    answers: Counter[int] = Counter()
    loop = asyncio.get_running_loop()
    began = loop.time()
    numbers = iter(range(a_second * seconds))

    async def one(http: httpx.AsyncClient) -> None:
        for number in numbers:
            if loop.time() - began > seconds:  # a slow machine makes less noise, not for longer
                return
            await asyncio.sleep(began + number / a_second - loop.time())
            answer = await http.post(REFERRALS, json=body(f"NOISE-{name}-{number}", number))
            answers[answer.status_code] += 1

    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=30) as http, asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one(http))
    return answers


if __name__ == "__main__":
    address, token, a_second, seconds, name = sys.argv[1:]
    print(json.dumps(asyncio.run(noise(address, token, int(a_second), int(seconds), name))))
