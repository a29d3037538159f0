"""What is there for a member, and the description of it for the catalogue."""

from typing import Any

import schemathesis

from .conftest import REFERRALS, TOWN, Road, code_of


def test_only_a_members_routes_are_there(road: Road) -> None:
    told = road.send("XR-10").json()
    for method, path in (
        ("GET", "/referral/api/v1/webhooks"),
        ("POST", "/referral/api/v1/webhooks"),
        ("GET", f"{REFERRALS}/{told['id']}/person"),
        ("POST", f"{REFERRALS}/{told['id']}/accept"),
        ("GET", "/referral/referrals"),
        ("GET", "/referral/sign-in"),
        ("POST", "/referral/oauth/token"),
        ("GET", "/referral/metrics"),
        ("GET", "/referral/health/live"),
        ("GET", "/referral/live"),
        ("GET", "/"),
    ):
        answer = road.call(method, path, sent={} if method == "POST" else None)
        assert (path, answer.status_code) == (path, 404)
        assert "x-road-error" not in answer.headers


def test_what_the_json_doors_guide_names_and_is_not_here_is_told(road: Road) -> None:
    for method, path in (("POST", "/referral/api/v1/webhooks"), ("GET", "/referral/fhir/r4/metadata")):
        answer = road.call(method, path, accept_language="en")
        assert (answer.status_code, code_of(answer)) == (404, "not-found")
        assert "no tokens, webhooks or FHIR" in answer.json()["detail"]
    # In the form that their own door takes, too: not a word of its type, which nothing here could be mended by.
    with road.straight(road.security_server, headers={"x-road-client": TOWN}) as http:
        for path, kind in (
            ("/referral/oauth/token", "application/x-www-form-urlencoded"),
            ("/referral/fhir/r4/ServiceRequest", "application/fhir+json"),
        ):
            for _ in range(2):  # the body that nobody reads is in no other request's way
                answer = http.post(path, content=b"a=" + b"x" * 300_000, headers={"content-type": kind})
                assert (answer.status_code, code_of(answer)) == (404, "not-found")
    # The API as it is elsewhere, with tokens, is no description of this door.
    for path in ("/referral/api/v1/openapi.json", "/referral/api/v1/docs"):
        assert road.call("GET", path).status_code == 404
    assert road.call("PUT", REFERRALS).status_code == 405


def test_the_description_for_the_catalogue(road: Road) -> None:
    with road.straight(road.security_server) as http:  # as a security server fetches it: of nobody's name
        document = http.get("/openapi.json").json()
    assert document["openapi"] == "3.0.3"
    assert REFERRALS in document["paths"]
    assert not any("webhook" in path or "accept" in path or "oauth" in path for path in document["paths"])
    headers = {one["name"]: one["required"] for one in document["components"]["parameters"].values()}
    mine = {"X-Road-Client": True, "X-Road-Id": False, "X-Road-UserId": False, "X-Road-Issue": False}
    assert mine.items() <= headers.items()
    schemathesis.openapi.from_dict(document).validate()  # by the schema of OpenAPI 3.0
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    links = {link["operationId"] for link in document["components"]["links"].values()}
    assert "withdrawReferral" in links
    assert links <= {operation["operationId"] for operation in operations}
    led = {
        link["$ref"].rpartition("/")[2]
        for operation in operations
        for told in operation["responses"].values()
        for link in told.get("links", {}).values()
    }
    assert led <= set(document["components"]["links"])
    for path in document["paths"].values():
        for operation in path.values():
            assert {"$ref": "#/components/parameters/X-Road-Client"} in operation["parameters"]
            assert "security" not in operation
            assert "401" not in operation["responses"]
            heard = {code for status in ("400", "403") for code in problems(operation["responses"][status])}
            assert {"x-road-client", "x-road-member"} <= heard
    assert "securitySchemes" not in document["components"]
    assert "/referral/oauth/token" not in document["info"]["description"]


def problems(answer: dict[str, Any]) -> set[str]:
    return set(answer["content"]["application/problem+json"]["examples"])
