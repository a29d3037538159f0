"""Files through HTTP: checked first, confirmed then, told by line and column, given back as a copy."""

import csv
import hashlib
import io
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import openpyxl
import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from polku_referral.batch.jobs import Jobs
from polku_referral.batch.jobs_store import JobStore
from polku_referral.batch.wire import BatchOut
from polku_referral.desk import Desk
from polku_referral.files.api import CSV, XLSX
from polku_referral.files.columns import columns, is_known

from .batching import count, finished, results, stands
from .conftest import Sender
from .material import AINO, API, COUNTY, ONNI, body, leaks
from .test_workbooks import workbook

PATHS = (
    "external_id", "programme", "route", "service", "referred_on", "person.identity_code", "person.given_names",
    "person.family_name", "person.municipality", "person.phone", "person.protected_address", "ground.basis",
    "ground.given_on", "labour_market.status", "reason.goals", "sender.unit", "sender.name",
)  # fmt: skip


def line(external_id: str, **changes: Any) -> list[Any]:
    """The cells of one referral, as an official types them; a path's dots are `__`."""
    cells = {
        "external_id": external_id,
        "programme": "Kainuu",
        "route": "Työllisyyspalvelu",
        "service": "työtoiminta",
        "referred_on": "27.2.2026",
        "person.identity_code": AINO,
        "person.given_names": "Aino-Kanarialintu",
        "person.family_name": "Testinen-Kanaria",
        "person.municipality": "205",
        "person.phone": "+358 40 5550199",
        "person.protected_address": "ei",
        "ground.basis": "Suostumus",
        "ground.given_on": "26.02.2026",
        "labour_market.status": "Työtön",
        "reason.goals": "työ, koulutus",
        "sender.unit": "Työllisyyspalvelut",
        "sender.name": "Kaisa Kirjaaja",
    }
    cells |= {path.replace("__", "."): value for path, value in changes.items()}
    return [cells[path] for path in PATHS]


def headings(lang: str = "fi") -> list[str]:
    return [columns()[path].name(path, lang) for path in PATHS]


def excel(*rows: list[Any], encoding: str = "cp1252", delimiter: str = ";") -> bytes:
    """What Excel in Finland saves as CSV."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerows([headings(), *rows])
    return out.getvalue().encode(encoding)


Send = Callable[..., Any]


@pytest.fixture
def send(sender: Sender) -> Send:
    async def sent(raw: bytes, query: str = "", kind: str = CSV, **headers: str) -> httpx.Response:
        return await sender.post(raw, f"/import{query}", content_type=kind, **headers)

    return sent


def told(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert leaks(answer.text) == []
    BatchOut.model_validate(answer.json())
    rows: list[dict[str, Any]] = answer.json()["results"]
    return rows


async def test_a_file_is_checked_then_confirmed(send: Send, desk: Desk, sender: Sender) -> None:
    raw = excel(line("A-1"), [], line("A-2", person__identity_code=ONNI))
    checked = await send(raw)
    assert [(row["row"], row["status"]) for row in told(checked)] == [(2, "valid"), (4, "valid")]
    assert (checked.json()["dry_run"], checked.json()["atomic"], await count(desk)) == (True, "all", 0)
    rows = told(await send(raw, "?mode=confirm"))
    assert [(row["row"], row["status"], row["external_id"]) for row in rows] == [
        (2, "created", "A-1"),
        (4, "created", "A-2"),
    ]
    assert [row["status"] for row in told(await send(raw, "?mode=confirm"))] == ["repeated", "repeated"]
    assert [row["status"] for row in told(await send(raw))] == ["repeated", "repeated"]
    assert await count(desk) == 2
    keys = KeySet.import_key_set((await sender.http.get("/referral/oauth/jwks")).json())
    claims = json.loads(jws.deserialize_compact(rows[1]["receipt"], keys, algorithms=["ES256"]).payload)
    assert claims["body_sha256"] == hashlib.sha256(raw).hexdigest()


async def test_a_file_and_the_single_door_say_the_same(send: Send, sender: Sender) -> None:
    """The same referral, by hand in a spreadsheet and by a system."""
    await sender.sent("A-1", ground={"basis": "consent", "given_on": "2026-02-26"}, person__email=...,
                      labour_market={"status": "unemployed"}, reason={"goals": ["work", "education"]},
                      sender={"unit": "Työllisyyspalvelut", "name": "Kaisa Kirjaaja"})  # fmt: skip
    assert [row["status"] for row in told(await send(excel(line("A-1"))))] == ["repeated"]


@pytest.mark.parametrize(
    ("encoding", "delimiter"), [("utf-8-sig", ";"), ("utf-8", ","), ("cp1252", "\t"), ("utf-16", "\t")]
)
async def test_encodings_and_delimiters(send: Send, encoding: str, delimiter: str) -> None:
    raw = excel(line("A-1", person__family_name="Äyräpää"), encoding=encoding, delimiter=delimiter)
    assert [row["status"] for row in told(await send(raw))] == ["valid"]


@pytest.mark.parametrize("lang", ["fi", "sv", "en"])
async def test_the_template_is_taken_when_it_is_filled_in(send: Send, sender: Sender, lang: str) -> None:
    answer = await sender.http.get(
        f"{API}/referrals/import/template.csv", headers={**sender.headers, "accept-language": lang}
    )
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    (first,) = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";")
    assert len(first) == len(columns())
    assert all(is_known(heading) for heading in first)
    known = dict(zip(PATHS, line("A-1"), strict=True))
    filled = [str(known.get(path, "")) for path in columns()]
    raw = answer.content + (";".join(filled) + "\r\n").encode()
    assert [row["status"] for row in told(await send(raw))] == ["valid"]


async def test_what_is_wrong_is_told_by_line_and_column_and_never_said_back(send: Send) -> None:
    raw = excel(
        line("A-1"),
        line("A-2", person__identity_code="010594Y9033", referred_on="31.2.2026", reason__goals="työ, kuuluisuus"),
        line("A-3", person__protected_address="ehkä", person__given_names=""),
        [*line("A-4"), "liikaa"],
    )
    rows = told(await send(raw, "?mode=confirm", accept_language="fi"))
    assert [row["status"] for row in rows] == ["not-written", "refused", "refused", "refused"]
    said = {row["row"]: [(e.get("column"), e["code"]) for e in row["problem"]["errors"]] for row in rows[1:]}
    assert said == {
        3: [("Lähetetty", "not-a-day")],
        4: [("Etunimet", "missing"), ("Turvakielto", "bool-type")],
        5: [(None, "more-cells")],
    }
    assert rows[1]["problem"]["errors"][0]["message"] == "Anna päivä, esimerkiksi 5.3.2026."
    assert rows[2]["problem"]["errors"][0]["message"] == "Tämä tieto tarvitaan."
    raw = excel(line("A-2", person__identity_code="010594Y9033", reason__goals="työ, kuuluisuus"))
    (row,) = told(await send(raw, accept_language="sv"))
    assert [(e["pointer"], e["column"]) for e in row["problem"]["errors"]] == [
        ("/reason/goals/1", "Tavoitteet"),
        ("/person/identity_code", "Henkilötunnus"),
    ]


async def test_the_good_rows_alone_when_that_is_asked_for(send: Send, desk: Desk) -> None:
    raw = excel(line("A-1"), line("A-2", labour_market__status="?"), line("A-3"))
    rows = told(await send(raw, "?mode=confirm&valid_rows=true"))
    assert [row["status"] for row in rows] == ["created", "refused", "created"]
    assert await count(desk) == 2


async def test_a_workbook(send: Send) -> None:
    good = line("A-1", referred_on=date(2026, 2, 27), person__municipality=5, person__protected_address=False)
    formula = line("A-2", person__given_names='=CONCATENATE("A","B")')
    rows = told(await send(workbook(headings("sv"), good, [], formula), kind=XLSX))
    assert [(row["row"], row["status"]) for row in rows] == [(2, "valid"), (4, "refused")]
    assert [(e["column"], e["code"]) for e in rows[1]["problem"]["errors"]] == [("Förnamn", "formula")]


@pytest.mark.parametrize("query", ["?report=copy", ""])
async def test_a_copy_comes_back_as_it_came_with_what_is_wrong(send: Send, query: str) -> None:
    raw = excel(line("A-1", sender__name="=cmd|' /C calc'!A0"), [], line("A-2", person__identity_code="010594Y9033"))
    more = {} if query else {"accept": "text/csv, application/json;q=0.5"}
    answer = await send(raw, query, accept_language="fi", **more)
    assert answer.headers["content-type"] == "text/csv; charset=windows-1252"
    rows = list(csv.reader(io.StringIO(answer.content.decode("cp1252"), newline=""), delimiter=";"))
    assert rows[0] == [*headings(), "tila", "virhe"]
    assert rows[1][-3:] == ["'=cmd|' /C calc'!A0", "kunnossa", ""]
    assert rows[1][PATHS.index("person.phone")] == "'+358 40 5550199"
    assert (rows[2], rows[3][-2]) == ([], "korjattava")
    assert rows[3][-1].startswith("Henkilötunnus: ")
    corrected = answer.content.replace(b"010594Y9033", ONNI.encode())
    assert [row["status"] for row in told(await send(corrected, "?report=rows"))] == ["valid", "valid"]


async def test_a_copy_of_a_workbook_is_a_workbook(send: Send) -> None:
    raw = workbook(headings(), line("A-1"), line("A-2", programme="=1+1"))
    answer = await send(raw, "?report=copy", XLSX)
    assert answer.headers["content-type"] == XLSX
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    rows = list(sheet.iter_rows())
    assert [cell.value for cell in rows[0]][-2:] == ["tila", "virhe"]
    assert (rows[2][1].value, rows[2][1].data_type) == ("'=1+1", "s")
    as_text = await send(raw, kind=XLSX, accept="text/csv")
    assert as_text.headers["content-type"] == "text/csv; charset=utf-8"


async def test_a_copy_of_a_file_that_became_a_job(
    send: Send, sender: Sender, enrol: Callable[..., Any], worker: Callable[[], Jobs], store: JobStore, desk: Desk
) -> None:
    """Nothing of the file is kept, so it is sent again; only the very same gets what became of its lines."""
    raw = excel(line("A-1"), line("A-2", person__identity_code="010594Y9033"), line("A-3"))
    job = (await send(raw, "?mode=confirm&valid_rows=true", prefer="respond-async")).json()["id"]
    begun = await send(raw, f"?job={job}", accept_language="fi")
    assert begun.content.decode("cp1252").splitlines()[1].endswith(";;")
    await finished(worker(), store)
    answer = await send(raw, f"?job={job}", accept_language="fi")
    assert answer.headers["content-type"] == "text/csv; charset=windows-1252"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("cp1252"), newline=""), delimiter=";"))
    assert [row["tila"] for row in rows] == ["vastaanotettu", "korjattava", "vastaanotettu"]
    assert [bool(row["virhe"]) for row in rows] == [False, True, False]
    other = await send(raw + raw.splitlines()[1], f"?job={job}")
    assert (other.status_code, other.json()["errors"][0]["code"]) == (422, "other-file")
    assert AINO not in other.text
    sender.headers = (await enrol(COUNTY)).headers
    assert (await send(raw, f"?job={job}")).status_code == 404
    assert await count(desk) == 2


@pytest.mark.parametrize(
    ("raw", "kind", "status", "code", "first"),
    [
        (b"", CSV, 422, "invalid", "no-headings"),
        (excel().replace(b"Palvelu;", b"Palvelus;"), CSV, 422, "invalid", "unknown-column"),
        (excel(), CSV, 422, "invalid", "too-short"),
        (f"Aino;Testinen;{AINO}\n".encode() * 3, CSV, 422, "invalid", "no-headings"),
        (b"\x81\x8d", CSV, 400, "malformed", None),
        (workbook(headings()), CSV, 415, "unsupported-media-type", None),
        (b"PK\x03\x04", XLSX, 400, "malformed", None),
        (excel(), "application/json", 415, "unsupported-media-type", None),
    ],
)
async def test_a_file_that_cannot_be_used(
    send: Send, raw: bytes, kind: str, status: int, code: str, first: str | None
) -> None:
    answer = await send(raw, kind=kind)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json().get("errors", [{"code": None}])[0]["code"] == first
    assert AINO not in answer.text


async def test_a_large_file_becomes_a_job(
    send: Send,
    sender: Sender,
    store: Any,
    worker: Any,
    desk: Desk,
) -> None:
    lines = [line(f"A-{n}") for n in range(4)]
    lines[2] = line("A-2", person__municipality="=", ground__basis="luvatta")
    answer = await send(excel(*lines), "?mode=confirm&valid_rows=true", prefer="respond-async")
    assert (answer.status_code, answer.json()["total"]) == (202, 4)
    await finished(worker(), store)
    rows = await results(sender, answer.json())
    assert [(row["row"], row["status"]) for row in rows] == [
        (2, "created"),
        (3, "created"),
        (4, "refused"),
        (5, "created"),
    ]
    assert {error["column"] for error in rows[2]["problem"]["errors"]} == {"Kotikunta", "Peruste"}
    assert ((await stands(sender, answer.json()))["counts"]["refused"], await count(desk)) == (1, 3)


async def test_a_job_made_of_a_file_tells_its_formulas(
    send: Send,
    sender: Sender,
    store: Any,
    worker: Any,
) -> None:
    answer = await send(workbook(headings(), line("A-1", sender__unit="=A1")), kind=XLSX, prefer="respond-async")
    await finished(worker(), store)
    (row,) = await results(sender, answer.json())
    assert [(e["column"], e["code"]) for e in row["problem"]["errors"]] == [("Yksikkö", "formula")]


async def test_body_of_the_material_is_no_file(sender: Sender) -> None:
    answer = await sender.post(body(), "/import")
    assert answer.status_code == 415
