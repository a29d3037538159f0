"""What every answer carries, whatever it is, and which language it speaks."""

import re

import pytest
from fastapi import FastAPI
from httpx import AsyncClient

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
COORDINATOR = {"cookie": "who=coordinator"}

PATHS = [
    ("/demo/", 200),
    ("/demo/nothing", 404),
    ("/demo/api/v1/nothing", 404),
    ("/demo/api/v1/broken", 500),
    ("/demo/api/v1/no-database", 503),
    ("/demo/api/v1/openapi.json", 200),
    ("/demo/api/v1/docs", 200),
    ("/demo/static/polku.css", 200),
    ("/demo/health/live", 200),
    ("/demo/metrics", 200),
    ("/problems", 200),
    ("/problems/invalid", 200),
    ("/%ff", 400),
]


@pytest.mark.parametrize(("path", "status"), PATHS)
async def test_security_headers_are_on_every_answer(web: AsyncClient, path: str, status: int) -> None:
    answer = await web.get(path, headers=COORDINATOR)
    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == CSP
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "server" not in answer.headers


@pytest.mark.parametrize(("path", "status"), PATHS)
async def test_nothing_about_anybody_is_cached(web: AsyncClient, path: str, status: int) -> None:
    answer = await web.get(path, headers=COORDINATOR)
    assert answer.headers["cache-control"] == ("public, max-age=300" if "/static/" in path else "no-store")


@pytest.mark.parametrize("path", ["/demo/", "/problems", "/problems/invalid", "/demo/api/v1/docs", "/demo/nothing"])
@pytest.mark.parametrize("lang", ["fi", "sv", "en"])
async def test_pages_need_nothing_that_the_csp_forbids(web: AsyncClient, path: str, lang: str) -> None:
    page = (await web.get(f"{path}?lang={lang}", headers=COORDINATOR)).text
    assert f'<html lang="{lang}">' in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page), "an inline script"
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page), "an inline style or handler"
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page), "something from another origin"


async def test_language_is_asked_remembered_accepted_or_default(web: AsyncClient) -> None:
    async def lang(path: str = "/problems", **headers: str) -> str:
        return str((await web.get(path, headers=headers)).headers["content-language"])

    assert await lang() == "fi"
    assert await lang(**{"accept-language": "de, en-GB;q=0.7, sv-FI;q=0.9"}) == "sv"
    assert await lang(**{"accept-language": "sv;q=0, en;q=nonsense, *"}) == "fi"
    assert await lang(cookie="polku_language=en", **{"accept-language": "sv"}) == "en"
    assert await lang("/problems?lang=sv", cookie="polku_language=en") == "sv"
    assert await lang("/problems?lang=xx", cookie="polku_language=yy") == "fi"


async def test_asked_language_is_remembered(web: AsyncClient) -> None:
    answer = await web.get("/problems?lang=sv")
    assert answer.headers["set-cookie"].startswith(
        "polku_language=sv; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"
    )
    assert "set-cookie" not in (await web.get("/problems?lang=%22%3E%3Cscript%3E")).headers


async def test_an_error_of_ours_is_a_problem_that_says_nothing_of_it(web: AsyncClient) -> None:
    answer = await web.get("/demo/api/v1/broken")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "secret" not in answer.text
    assert "010594" not in answer.text


async def test_without_a_database_the_answer_is_503_with_retry_after(web: AsyncClient) -> None:
    answer = await web.get("/demo/api/v1/no-database")
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["code"] == "unavailable"
    assert "password" not in answer.text
    ready = await web.get("/demo/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    assert (await web.get("/demo/health/live")).status_code == 200


async def test_metrics_count_by_template_never_by_path(web: AsyncClient) -> None:
    await web.get("/problems/invalid")
    text = (await web.get("/demo/metrics")).text
    assert (
        'polku_http_request_seconds_count{method="GET",route="/problems/{code}",service="demo",status="200"} 1.0'
        in text
    )
    assert "/problems/invalid" not in text


async def test_files_are_addressed_by_content_and_kept_for_a_year(web: AsyncClient, demo: FastAPI) -> None:
    static = demo.state.pages.static
    address = static.url("polku.css")
    answer = await web.get(address)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/css")
    assert (await web.get("/demo/static/vendor/htmx.min.js")).status_code == 200
    for climbing in ("../app.py", "..%2f..%2fapp.py", "/etc/passwd", "vendor/../../x"):
        assert (await web.get(f"/demo/static/{climbing}")).status_code == 404
    assert address in (await web.get("/problems")).text


async def test_an_address_names_all_its_methods(web: AsyncClient) -> None:
    answer = await web.request("PATCH", "/demo/api/v1/things", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")
    assert (await web.delete("/demo/api/v1/things/a")).headers["allow"] == "PUT"


async def test_head_is_answered_as_get_would_be(web: AsyncClient, demo: FastAPI) -> None:
    """RFC 9110 §9.1; load balancers probe with it. The document tells of GET alone."""
    static = demo.state.pages.static.url("polku.css")
    api = ("/demo/api/v1/things", "/demo/api/v1/openapi.json")
    headers = {"authorization": "Bearer good+things:read"}
    for path in ("/demo/health/live", "/demo/health/ready", "/problems", *api, static):
        asked, got = await web.head(path, headers=headers), await web.get(path, headers=headers)
        assert (asked.status_code, asked.headers["content-type"]) == (got.status_code, got.headers["content-type"])
        assert asked.status_code in (200, 503), path  # here no database is ready
    assert (await web.head("/demo/api/v1/things")).status_code == 401
    paths = (await web.get("/demo/api/v1/openapi.json")).json()["paths"]
    assert paths["/demo/api/v1/things"].keys() == {"get", "post"}


async def test_a_template_is_compiled_once_for_all_languages(demo: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """And for all apps of a process: the compiler runs for the first reader alone, whatever the language."""
    environments = list(demo.state.pages.environments.values())
    environments[0].get_template("problems.html")

    def never(*_: object) -> None:
        raise AssertionError("compiled again")

    for other in environments[1:]:
        monkeypatch.setattr(other, "compile", never)
        assert other.get_template("problems.html").environment is other
