"""The thread: from an authority's POST to a live indicator, and back to the authority, on everything real."""

from datetime import timedelta

import httpx

from polku_embedded.simulation import present_day

from .installation import Installation, body, until

TODAY = present_day()


def day(ago: int) -> str:
    return (TODAY - timedelta(days=ago)).isoformat()


async def test_a_referral_becomes_a_figure_and_its_sender_hears_the_outcome(installation: Installation) -> None:
    async with (
        installation.sender() as sender,
        installation.signed_in("coordinator", "thread-coordinator") as coordinator,
        installation.signed_in("manager", "thread-manager") as manager,
    ):
        before = await figures(manager)
        receipt = await sender.push(body("THREAD-1", 1, referred_on=TODAY - timedelta(days=40)))
        waiting = await coordinator.get("/referral/api/v1/referrals", state="received", external_id="THREAD-1")
        [referral] = waiting["items"]
        assert referral["id"] == receipt["id"]

        accepted = await coordinator.command(
            f"/referral/api/v1/referrals/{referral['id']}/accept", {"accepted_on": day(38)}, referral["version"]
        )
        assert accepted.status_code == httpx.codes.OK

        async def opened() -> list[dict[str, object]]:
            found = await coordinator.get("/pathway/api/v1/pathways", case=referral["case_code"])
            return found["items"]

        [pathway] = await until(opened)
        address = f"/pathway/api/v1/pathways/{pathway['id']}"
        entry = {
            "started_on": day(30), "employment_status": "unemployed", "since": "2024-01-01", "education": 3,
            "gender": "woman", "municipality": "205",
        }  # fmt: skip
        started = await coordinator.command(f"{address}/start", entry, pathway["version"])
        assert started.status_code == httpx.codes.OK

        async def choosable() -> bool:
            found = await coordinator.get("/activities/api/v1/participants", programme="kainuu")
            return any(one["pathway_id"] == pathway["id"] for one in found["items"])

        await until(choosable)
        plan = {
            "programme": "kainuu", "activity": "nepsy-coaching", "starts_at": f"{day(20)}T08:00:00Z", "minutes": 60,
            "group": False, "pathway_ids": [pathway["id"]],
        }  # fmt: skip
        session = (await coordinator.command("/activities/api/v1/sessions", plan)).json()
        held = await coordinator.command(
            f"/activities/api/v1/sessions/{session['id']}/hold",
            {"held_on": day(20), "minutes": 60, "marks": {pathway["id"]: {"attendance": "present"}}},
            session["version"],
        )
        assert held.status_code == httpx.codes.OK
        ended = await coordinator.command(
            f"{address}/end",
            {"ended_on": day(2), "reason": "work", "employment_status": "employed"},
            started.json()["version"],
        )
        assert ended.status_code == httpx.codes.OK

        async def concluded() -> bool:
            return (await sender.get(receipt["id"]))["outcome"] == "work"

        await until(concluded)
        moved = {
            "EECO01": 1, "EECO02": 1, "EECO03": 1, "EECO10": 1, "EECR04": 1, "SESSIONS": 1, "ATTENDANCES": 1,
            "REFERRALS-RECEIVED": 1, "REFERRALS-ACCEPTED": 1,
        }  # fmt: skip

        async def counted() -> bool:
            now = await figures(manager)
            return all(now[code] - before[code] == by for code, by in moved.items())

        await until(counted)
        counted_people = await manager.get("/indicators/api/v1/programmes/kainuu/figures/EECR04/members")
        assert referral["case_code"] in str(counted_people)


async def test_the_other_services_go_on_while_one_is_down(installation: Installation) -> None:
    """The worker is killed: intake and pages answer, and what was sent meanwhile arrives afterwards."""
    async with (
        installation.sender() as sender,
        installation.signed_in("coordinator", "down-coordinator") as coordinator,
    ):
        installation.kill("worker")
        receipt = await sender.push(body("DOWN-1", 2))
        assert (await coordinator.get("/pathway/api/v1/pathways"))["items"] is not None
        version = receipt["version"]
        answer = await coordinator.command(
            f"/referral/api/v1/referrals/{receipt['id']}/accept", {"accepted_on": day(1)}, version
        )
        assert answer.status_code == httpx.codes.OK

        async def opened() -> bool:
            found = await coordinator.get("/pathway/api/v1/pathways", case=receipt["case_code"])
            return bool(found["items"])

        await until(opened, seconds=120)  # the group gives up the killed one first, then the new one has to start


async def figures(manager: object) -> dict[str, float]:
    said = await manager.get("/indicators/api/v1/programmes/kainuu/figures")
    return {figure["code"]: figure["value"] or 0 for figure in said["figures"]}
