"""The service asked over HTTP: where its figures are, by code, and its pages as text."""

BASE = "/indicators/api/v1/programmes/kainuu"


def by_code(answer):
    return {figure["code"]: figure for figure in answer.json()["figures"]}


async def page(web, address, lang="en", status=200, **headers):
    answer = await web.get(address, headers={"accept": "text/html", "accept-language": lang, **headers})
    assert answer.status_code == status, answer.text
    return answer.text
