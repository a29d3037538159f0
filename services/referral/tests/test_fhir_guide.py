"""docs/fhir.md keeps its word: its examples are posted, its table is the code's."""

import json
import re
from pathlib import Path
from typing import Any

from polku_referral.fhir import codes

from .conftest import Sender
from .fhir_asking import ask
from .material import ORIGIN

GUIDE = (Path(__file__).parents[3] / "docs" / "fhir.md").read_text("utf-8")


def examples() -> list[dict[str, Any]]:
    blocks = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    return [json.loads(block.replace("https://polku.example", ORIGIN)) for block in blocks]


async def test_its_examples_are_taken(sender: Sender) -> None:
    order, bundle, update = examples()
    checked = await ask(sender, "POST", "/ServiceRequest/$validate", order)
    assert checked.json()["issue"][0]["severity"] == "information", checked.text
    first = await ask(sender, "POST", "/ServiceRequest", order)
    assert first.status_code == 201
    answer = await ask(sender, "POST", "", bundle)
    assert [entry["response"]["status"] for entry in answer.json()["entry"]] == ["201 Created"] * 5
    done = await ask(sender, "PUT", f"/Task/{first.json()['id']}", update | {"id": first.json()["id"]})
    assert (done.status_code, done.json()["status"]) == (200, "cancelled")


def test_its_table_of_states_is_the_code_s() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| ([a-z-]+) \| ([a-z-]+) \| ([0-9.]*) ?\| ([a-z-]+) \|$", GUIDE, re.MULTILINE)
    assert {row[0]: row[1:] for row in rows} == {
        state: (
            codes.TASK["sdoh"][state].status,
            codes.TASK["bser"][state].status,
            codes.TASK["bser"][state].business or "",
            codes.ORDER[state],
        )
        for state in codes.ORDER
    }


def test_it_names_every_list_and_extension() -> None:
    source = "".join(path.read_text("utf-8") for path in Path(codes.__file__).parent.glob("*.py"))
    named = set(re.findall(r'own\.codes\("([a-z-]+)"\)', source)) | set(re.findall(r'extension\("([a-z-]+)"', source))
    assert named
    assert {name for name in named if name not in GUIDE} == set()
