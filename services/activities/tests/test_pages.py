"""The pages as a person without JavaScript meets them."""

from .conftest import SignIn, text_of
from .material import COACH

LIST = "/activities/sessions"


async def test_smoke(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    page = await me.get(LIST)
    assert page.status_code == 200, page.text
    answer = await me.submit(
        f"{LIST}/new", activity="work-activity", day="2026-03-02", clock="9.00", pathway_ids=["pathway-1", "pathway-2"]
    )
    assert answer.status_code == 303, text_of(answer.text)
    at = answer.headers["location"].partition("?")[0]
    answer = await me.submit(at, f"{at}/hold", **{"attendance-pathway-1": "late"})
    assert answer.status_code == 303, text_of(answer.text)
    answer = await me.submit(
        at, f"{at}/correct", pathway_id="pathway-1", attendance="absent-unexcused", reason="typing-error"
    )
    assert answer.status_code == 303, text_of(answer.text)
    shown = await me.get(answer.headers["location"])
