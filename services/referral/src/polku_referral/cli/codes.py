"""`polku organisation codes`: what an organisation's own codes stand for, from a YAML file."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from pydantic import ValidationError

from polku_referral.admin.admin import Admin
from polku_referral.admin.codes import CodeAdmin
from polku_referral.cli.common import Json, administer, failed, owner, say
from polku_referral.code_maps import CodeMaps
from polku_referral.model.code_map import CodeMap
from polku_referral.repository import Repository
from polku_runtime.aggregates import LostRace
from polku_runtime.settings import Settings

SAID = {
    "string_type": "codes are text, so put those of digits alone in quotes",
    "dict_type": "lines of own code: Polku's code belong here",
    "model_type": "lines of field: values belong here",
}


def codes(
    code: Annotated[str, typer.Argument(help="The organisation's code.")],
    file: Annotated[Path | None, typer.Argument(help="The new map; without it, the present one is shown.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Show what an organisation's own codes stand for, or replace it by a YAML file. Referrals that wait with codes
    that nobody knew are repaired when the new map knows them.

    The file: `unknown: refuse` or `keep`, and under `route`, `service`, `municipality`, `decline_reason` and `outcome`
    own code: Polku's code.
    """
    wanted = None if file is None else _read(file)

    async def work(admin: Admin, _: Settings) -> dict[str, Any]:
        organisation = await owner(admin, code)
        done: dict[str, int] = {}
        database, effects = admin.directory.database, admin.effects
        maps = CodeMaps(database, effects)
        kept = await maps.kept(organisation.id)
        if wanted is not None:
            keeper = CodeAdmin(maps, Repository(database, effects), admin.audit, admin.codes, admin.today)
            try:
                done = {"repaired": await keeper.replace(None, organisation.id, wanted, kept.version)}
            except LostRace:
                raise failed("somebody else has changed the map at this moment") from None
            kept = await maps.kept(organisation.id)
        return {**done, "version": kept.version, **(kept.code_map or CodeMap()).model_dump(mode="json")}

    say(administer(work), as_json)


def _read(path: Path) -> CodeMap:
    try:
        return CodeMap.model_validate(yaml.safe_load(path.read_text("utf-8")), strict=True)
    except OSError as error:
        raise failed(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise failed(f"{path} is no YAML in UTF-8") from None
    except ValidationError as error:
        # Where, and what; never what stood there.
        found = error.errors(include_input=False)
        said = (f"{one['loc'][0] if one['loc'] else 'the whole'}: {SAID.get(one['type'], one['msg'])}" for one in found)
        raise failed(f"{path} does not hold together: {'; '.join(dict.fromkeys(said))}") from None
