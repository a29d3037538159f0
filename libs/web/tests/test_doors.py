"""Who passes, who is sent to sign in, and which posts are not ours."""

import time

import pytest
from fastapi import FastAPI
from httpx import AsyncClient, ConnectError, Response
from starlette.requests import Request

from polku_runtime.access import TokenError
from polku_runtime.settings import Settings
from polku_web.door import open_door
from polku_web.doors import Visit, csrf_token

COORDINATOR = {"cookie": "who=coordinator"}


def token(role: str, key: bytes = b"new") -> str:
    import hashlib
    import hmac

    return hmac.new(key, f"polku-csrf:session-{role}".encode(), hashlib.sha256).hexdigest()


async def test_strangers_are_led_to_sign_in_and_back(web: AsyncClient) -> None:
    answer = await web.get("/demo/?page=2&q=a%20b")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/referral/sign-in?next=/demo/%3Fpage%3D2%26q%3Da%2520b"
    answer = await web.post("/demo/things", data={"name": "a"}, headers={"referer": "http://127.0.0.1:8700/demo/"})
    assert answer.headers["location"] == "/referral/sign-in?next=/demo/&unsaved=true"
    for referer in ("https://evil.example/x", "http://["):
        answer = await web.post("/demo/things", data={"name": "a"}, headers={"referer": referer})
        assert answer.headers["location"] == "/referral/sign-in?next=/&unsaved=true"


async def test_machines_and_parts_of_pages_hear_401(web: AsyncClient) -> None:
    answer = await web.get("/demo/api/v1/things")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert (await web.get("/demo/", headers={"hx-request": "true"})).status_code == 401


async def test_another_role_is_refused_in_the_readers_words(web: AsyncClient) -> None:
    answer = await web.get("/demo/", headers={"cookie": "who=coach"})
    assert answer.status_code == 403
    assert "Sinulla ei ole oikeutta tähän" in answer.text


@pytest.mark.parametrize("authorization", ["Bearer bad", "Bearer ", "Basic good", "bearer", "Bearer a b c"])
async def test_tokens_that_are_not_good_are_401(web: AsyncClient, authorization: str) -> None:
    answer = await web.get("/demo/api/v1/things", headers={"authorization": authorization})
    assert answer.status_code == 401


async def test_a_token_needs_the_scope(web: AsyncClient) -> None:
    answer = await web.get("/demo/api/v1/things", headers={"authorization": "Bearer good+things:write"})
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient-scope")
    assert 'scope="things:read"' in answer.headers["www-authenticate"]
    answer = await web.get("/demo/api/v1/things", headers={"authorization": "Bearer good+things:read"})
    assert answer.status_code == 200


async def test_a_token_that_nobody_can_judge_yet_is_not_the_callers_fault(
    web: AsyncClient, demo: FastAPI, demo_settings: Settings
) -> None:
    """401 would send it for a new token, again and again; to send the same again is what helps."""
    refused: list[TokenError] = []

    async def keys() -> dict[str, object]:
        raise ConnectError("the issuer has never answered")

    async def hear(error: TokenError) -> None:
        refused.append(error)

    state = demo.state
    state.door = open_door(demo_settings, state.database, state.effects, fetch_keys=keys, on_refused=hear)
    answer = await web.get("/demo/api/v1/things", headers={"authorization": "Bearer a.b.c"})
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "2")
    assert "www-authenticate" not in answer.headers
    assert refused == []


async def test_a_cookie_in_quotes_is_nothing_and_costs_nothing(web: AsyncClient) -> None:
    """Taken out of its quotes this one costs Python half a minute, for whoever sends it and everybody else."""
    began = time.monotonic()
    slow = 'x="' + "\\\\" * 30_000 + '"'
    answer = await web.get("/demo/", headers={"cookie": f"{slow}; who=coordinator; {slow}"})
    assert answer.status_code == 200
    assert time.monotonic() - began < 1


async def test_a_machine_where_people_sign_in(web: AsyncClient) -> None:
    """401 would send it for a new token, again and again."""
    answer = await web.get("/demo/", headers={"authorization": "Bearer good", "accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def post(web: AsyncClient, csrf: str | None, **headers: str) -> Response:
    data = {"name": "Aino"} | ({} if csrf is None else {"csrf": csrf})
    return await web.post("/demo/things", data=data, headers=COORDINATOR | headers)


async def test_a_form_of_ours_passes(web: AsyncClient) -> None:
    answer = await post(
        web, token("coordinator"), **{"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8700"}
    )
    assert (answer.status_code, answer.text) == (200, "Aino")
    assert (await post(web, token("coordinator", b"old"))).status_code == 200, "made before the keys were rotated"
    assert (await post(web, None, **{"x-csrf-token": token("coordinator")})).status_code == 200


@pytest.mark.parametrize("csrf", [None, "", "x", token("manager"), token("coordinator", b"other"), "ä"])
async def test_a_form_without_the_sessions_token_is_refused(web: AsyncClient, csrf: str | None) -> None:
    answer = await post(web, csrf)
    assert answer.status_code == 403
    assert "Lomake on vanhentunut" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://127.0.0.1:8700.evil.example"},
    ],
    ids=str,
)
async def test_a_post_from_elsewhere_is_refused_even_with_the_token(web: AsyncClient, headers: dict[str, str]) -> None:
    answer = await post(web, token("coordinator"), **headers)
    assert answer.status_code == 403
    assert "Pyyntö tuli toiselta sivustolta" in answer.text


async def test_a_session_at_the_api_needs_the_token_header(web: AsyncClient) -> None:
    headers = COORDINATOR | {"content-type": "application/json", "if-match": '"3"'}
    answer = await web.put("/demo/api/v1/things/1", content=b'{"given_names": "a"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    headers["x-csrf-token"] = token("coordinator")
    answer = await web.put("/demo/api/v1/things/1", content=b'{"given_names": "a"}', headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"version": 3})


@pytest.mark.parametrize(
    ("stated", "status"), [(None, 428), ("", 400), ("*", 400), ('"x"', 400), ('"1", "2"', 400), ('W/"7"', 200)]
)
async def test_writes_say_which_version_they_saw(web: AsyncClient, stated: str | None, status: int) -> None:
    headers = {"authorization": "Bearer good+things:write", "content-type": "application/json"}
    if stated is not None:
        headers["if-match"] = stated
    answer = await web.put("/demo/api/v1/things/1", content=b'{"given_names": "a"}', headers=headers)
    assert answer.status_code == status


async def test_pages_carry_the_sessions_token(web: AsyncClient) -> None:
    page = (await web.get("/demo/", headers=COORDINATOR)).text
    assert f'name="csrf" value="{token("coordinator")}"' in page
    assert token("coordinator") in page.split("hx-headers:inherited=")[1][:120]


def test_nobody_has_no_token() -> None:
    assert csrf_token(Request({"type": "http", "state": {}})) == ""
    assert Visit.__dataclass_params__.frozen


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        ("coordinator", ["/referral/", "/pathway/", "/activities/", "/indicators/"]),
        ("coach", ["/activities/"]),
        ("manager", ["/referral/", "/referral/organisations", "/pathway/", "/activities/", "/indicators/"]),
        ("operator", ["/referral/organisations"]),
    ],
)
async def test_the_menu_shows_what_the_role_opens(web: AsyncClient, role: str, seen: list[str]) -> None:
    page = (await web.get("/demo/", headers={"cookie": f"who={role}"})).text
    menu = page.split("<nav")[1].split("</nav>")[0]
    assert [part.split('"')[0] for part in menu.split('href="')[1:]] == seen
