"""Trials on everything real: a sender that tries out its integration hears all, and nobody else hears of it."""

import json
from datetime import timedelta
from typing import Any

import httpx

from polku_embedded.simulation import present_day
from polku_embedded.world.sender import Sender

from .installation import Installation, body, until

REFERRALS = "/referral/api/v1/referrals"
TODAY = present_day()


async def test_a_trial_goes_the_whole_way_and_counts_nowhere(installation: Installation) -> None:
    made = installation.polku(
        "client", "add", "--organisation", "kk-tyollisyysalue", "--test", "--json",
        "--scope", "referrals:write", "--scope", "referrals:read",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    async with (
        httpx.AsyncClient(base_url=installation.address, timeout=10) as http,
        installation.sender() as sender,
        installation.signed_in("coordinator", "trials-coordinator") as coordinator,
        installation.signed_in("manager", "trials-manager") as manager,
    ):
        trying = Sender(json.loads(made.stdout), http)
        before, counts = await figures(manager), await received(manager)
        sent = body("TRIAL-1", 41, referred_on=TODAY - timedelta(days=3))
        trial, real = await trying.push(sent), await sender.push(sent)
        assert trial["id"] != real["id"]
        shown = trial
        for command in ("accept", "conclude"):
            answer = await http.post(
                shown["links"][f"sandbox-{command}"]["href"],
                json={},
                headers={"authorization": f"Bearer {await trying.token()}", "if-match": f'"{shown["version"]}"'},
            )
            assert answer.status_code == httpx.codes.OK, answer.text
            shown = answer.json()
        assert shown["state"] == "concluded"
        accepted = await coordinator.command(f"{REFERRALS}/{real['id']}/accept", {}, 1)
        assert accepted.status_code == httpx.codes.OK

        async def told() -> bool:
            return len(await feed(trying, http)) == 3

        await until(told)
        assert [item["type"] for item in await feed(trying, http)] == [
            "referral.received",
            "referral.accepted",
            "referral.concluded",
        ]

        async def all_is_said_and_read() -> bool:
            status = json.loads(installation.polku("status", "--json").stdout)
            return all(one["lag"] == 0 and not one["outbox_seconds"] for one in status["services"])

        async def opened() -> Any:
            return (await coordinator.get("/pathway/api/v1/pathways", case=real["case_code"]))["items"]

        await until(opened)
        await until(all_is_said_and_read, seconds=60)
        assert (await coordinator.get("/pathway/api/v1/pathways", case=trial["case_code"]))["items"] == []
        assert await received(manager) == counts + 1
        after = await figures(manager)
        moved = {code for code, value in after.items() if value != before[code]}
        assert {code: after[code] - before[code] for code in moved} == {
            "REFERRALS-RECEIVED": 1,
            "REFERRALS-ACCEPTED": 1,
        }
        assert (await coordinator.get(REFERRALS, external_id="TRIAL-1"))["items"][0]["id"] == real["id"]
        assert len((await coordinator.get(REFERRALS, external_id="TRIAL-1"))["items"]) == 1
        theirs = await feed(sender, http)
        assert trial["id"] not in str(theirs)


async def feed(sender: Sender, http: httpx.AsyncClient) -> list[dict[str, Any]]:
    headers = {"authorization": f"Bearer {await sender.token()}"}
    answer = await http.get("/referral/api/v1/events?limit=200", headers=headers)
    items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return items


async def figures(manager: Any) -> dict[str, float]:
    said = await manager.get("/indicators/api/v1/programmes/kainuu/figures")
    return {figure["code"]: figure["value"] or 0 for figure in said["figures"]}


async def received(manager: Any) -> int:
    """How many referrals the project sees in all; fewer than one page in tests."""
    return len((await manager.get(REFERRALS, limit=200))["items"])
