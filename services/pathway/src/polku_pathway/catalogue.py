"""The service's data files: programme definitions and code lists, read and checked once at start."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import yaml

from polku_pathway.model.definition import Definition
from polku_web.codes import Codes, read_codes


@dataclass(frozen=True)
class Catalogue:
    """definitions: by programme and version. Old versions stay for the pathways that were opened with them."""

    definitions: Mapping[tuple[str, int], Definition]
    codes: Codes

    def newest(self, programme: str) -> Definition | None:
        """What a pathway opened today goes by; None when the programme has no path here."""
        versions = [version for known, version in self.definitions if known == programme]
        return self.definitions[programme, max(versions)] if versions else None

    def of(self, programme: str, version: int) -> Definition:
        """Raises KeyError when a definition that pathways still go by was taken out of the data."""
        return self.definitions[programme, version]

    def stages(self) -> Mapping[str, Mapping[str, str]]:
        """Labels of every stage of the newest definitions, for filters; the first programme's wording wins."""
        found: dict[str, Mapping[str, str]] = {}
        for programme in sorted({programme for programme, _ in self.definitions}):
            newest = self.newest(programme)
            for stage in newest.stages if newest else ():
                found.setdefault(stage.code, stage.labels)
        return found


def read_catalogue() -> Catalogue:
    """Reads `data/programmes/*.yaml` and `data/codes.yaml` of this package.

    Raises ValueError (pydantic's names the file's field) when a definition does not hold together.
    """
    codes, programmes = read_codes("polku_pathway"), files("polku_pathway") / "data" / "programmes"
    definitions: dict[tuple[str, int], Definition] = {}
    for file in sorted(programmes.iterdir(), key=lambda found: found.name):
        definition = Definition.model_validate(yaml.safe_load(file.read_text("utf-8")))
        key = definition.programme, definition.version
        if key in definitions:
            raise ValueError(f"{file.name}: this version of {definition.programme} is there twice")
        _check_reasons(definition, codes)
        definitions[key] = definition
    return Catalogue(definitions, codes)


def _check_reasons(definition: Definition, codes: Codes) -> None:
    """Every closing reason in use leads to an end, or somebody could never be closed with it."""
    without = [
        code.code
        for code in codes.usable("closing_reason", definition.ends_on)
        if definition.end_for(str(code.code)) is None
    ]
    if without:
        raise ValueError(f"{definition.programme}: closing reasons without an end: {without}")
