"""Problems as people and machines read them, in three languages."""

from html import unescape
from itertools import count

import pytest
from httpx import AsyncClient

from polku_web.i18n import msg, texts
from polku_web.problems import GENERAL, MAX_ERRORS, Error, Problem, body, catalogue, pointer


@pytest.mark.parametrize("lang", ["fi", "sv", "en"])
@pytest.mark.parametrize("code", list(catalogue()))
async def test_every_problem_has_a_page(web: AsyncClient, code: str, lang: str) -> None:
    answer = await web.get(f"/problems/{code}?lang={lang}")
    assert answer.status_code == 200
    assert f"<h1>{catalogue()[code].title[lang]}</h1>" in unescape(answer.text)
    assert catalogue()[code].help[lang] in unescape(answer.text)


def test_the_catalogue_is_complete() -> None:
    for kind in catalogue().values():
        assert kind.title.keys() == kind.help.keys() == {"fi", "sv", "en"}
        assert 400 <= kind.status < 600
    assert set(GENERAL.values()) <= catalogue().keys()


def test_a_problem_tells_so_many_errors_and_no_more() -> None:
    told = Problem(400, "invalid", errors=(Error(f"/{number}", "extra-forbidden", "") for number in count()))
    assert [error.pointer for error in told.errors] == [f"/{number}" for number in range(MAX_ERRORS)]


@pytest.mark.parametrize(
    ("lang", "title", "detail"),
    [
        ("fi", "Pyyntöä ei voi lukea", "Sisältö ei"),
        ("sv", "Begäran kan inte", "Innehållet"),
        ("en", "The request", "The body"),
    ],
)
async def test_machines_read_rfc_9457_in_their_language(web: AsyncClient, lang: str, title: str, detail: str) -> None:
    headers = {"content-type": "application/json", "accept-language": lang}
    answer = await web.post("/demo/api/v1/things", content=b"{", headers=headers)
    told = answer.json()
    assert told.keys() == {"type", "title", "status", "detail", "instance", "code"}
    assert told["type"] == "/problems/malformed"
    assert told["title"].startswith(title)
    assert told["detail"].startswith(detail)
    assert told["instance"].startswith("urn:trace:")
    assert answer.headers["content-language"] == lang


async def test_an_unknown_page_is_a_page(web: AsyncClient) -> None:
    answer = await web.get("/demo/nothing", headers={"accept": "text/html"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "Sivua tai tietoa ei löydy" in answer.text
    assert (await web.get("/problems/no-such-code")).status_code == 404


async def test_a_refusal_within_a_page_is_a_notice(web: AsyncClient) -> None:
    headers = {"cookie": "who=coordinator", "hx-request": "true", "sec-fetch-site": "cross-site"}
    answer = await web.post("/demo/things", data={"name": "a"}, headers=headers)
    assert answer.headers["hx-retarget"] == "#notices"
    assert "<html" not in answer.text


def test_more_members_and_errors_stand_beside() -> None:
    problem = Problem(
        409,
        "lost-race",
        msg("Too many: at most %(max_length)s.", max_length=3),
        errors=[{"pointer": "/a", "code": "x", "message": "This is required."}],
        more={"present": {"version": 4}},
    )
    told = body(problem, lang="en", texts=texts("polku_web"), instance="urn:trace:1")
    assert told["detail"] == "Too many: at most 3."
    assert told["present"] == {"version": 4}
    assert told["errors"] == [{"pointer": "/a", "code": "x", "message": "This is required."}]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([], ""),
        (["person", "identity_code"], "/person/identity_code"),
        (["goals", 2], "/goals/2"),
        (["a/b"], "/…"),
        (["$where", "a.b"], "/$where/a.b"),
        (["010594Y9032"], "/…"),
        (["x" * 41], "/…"),
    ],
)
def test_pointers_hold_names_of_ours_only(path: list[str | int], expected: str) -> None:
    assert pointer(path) == expected
