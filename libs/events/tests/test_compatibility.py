"""What may change within a major version: every kind of change has its verdict, also deep inside."""

import copy
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from polku_events.compatibility import breaks, same_shape

Schema = dict[str, Any]


class Inner(BaseModel):
    level: Annotated[int, Field(ge=0, le=8)]
    since: str | None = None


class Old(BaseModel):
    """An event of the first version."""

    person_id: str
    code: Annotated[str, Field(max_length=40, pattern="^[a-z]+$")]
    state: Literal["a", "b"]
    days: list[int]
    gender: str = "not-stated"
    inner: Inner
    exit: Inner | None = None


class NewOptionalField(Old):
    remark: str | None = None


class NewOptionalFieldWithDefault(Old):
    remark: str = "none"


class TextOfField(Old):
    code: Annotated[str, Field(max_length=40, pattern="^[a-z]+$", description="Said better.", title="Code!")]


class TextOfModel(Old):
    """Said better."""


class NewRequiredField(Old):
    wing: str


class OptionalToRequired(Old):
    gender: str


class RequiredToOptional(Old):
    code: Annotated[str, Field(max_length=40, pattern="^[a-z]+$")] = "none"


class OtherType(Old):
    code: int  # type: ignore[assignment]


class Nullable(Old):
    code: Annotated[str, Field(max_length=40, pattern="^[a-z]+$")] | None  # type: ignore[assignment]


class TighterLimit(Old):
    code: Annotated[str, Field(max_length=5, pattern="^[a-z]+$")]


class LooserLimit(Old):
    code: Annotated[str, Field(max_length=50, pattern="^[a-z]+$")]


class OtherPattern(Old):
    code: Annotated[str, Field(max_length=40, pattern="^[a-z0-9]+$")]


class NewEnumValue(Old):
    state: Literal["a", "b", "c"]  # type: ignore[assignment]


class LostEnumValue(Old):
    state: Literal["a"]


class OtherItems(Old):
    days: list[str]  # type: ignore[assignment]


class OtherDefault(Old):
    gender: str = "woman"


class Closed(Old):
    model_config = ConfigDict(extra="forbid")


class ClosedWithField(Closed):
    remark: str | None = None


FINE = [NewOptionalField, NewOptionalFieldWithDefault, TextOfField, TextOfModel]
BREAKING: list[tuple[type[BaseModel], str]] = [
    (NewRequiredField, "wing: a new field must be optional"),
    (OptionalToRequired, "gender: became required"),
    (RequiredToOptional, "code: became optional"),
    (OtherType, "code: type changed"),
    (Nullable, "code: type changed"),
    (TighterLimit, "code: maxLength changed"),
    (LooserLimit, "code: maxLength changed"),
    (OtherPattern, "code: pattern changed"),
    (NewEnumValue, "state: enum changed"),
    (LostEnumValue, "state: "),
    (OtherItems, "days[]: type changed"),
    (OtherDefault, "gender: default changed"),
    (Closed, "event: what is allowed of further fields changed"),
]


@pytest.mark.parametrize("new", FINE, ids=lambda model: model.__name__)
def test_additions_and_text_are_fine(new: type[BaseModel]) -> None:
    assert breaks(Old.model_json_schema(), new.model_json_schema()) == []


@pytest.mark.parametrize(("new", "said"), BREAKING, ids=lambda one: getattr(one, "__name__", ""))
def test_anything_else_breaks_and_is_named(new: type[BaseModel], said: str) -> None:
    found = breaks(Old.model_json_schema(), new.model_json_schema())
    assert any(line.startswith(said) for line in found), found


def test_a_removed_field_breaks() -> None:
    assert breaks(NewOptionalField.model_json_schema(), Old.model_json_schema()) == ["remark: removed"]


def test_a_closed_event_cannot_grow() -> None:
    [said] = breaks(Closed.model_json_schema(), ClosedWithField.model_json_schema())
    assert said == "remark: older readers are closed against further fields"


def drop_level(inner: Schema) -> None:
    del inner["properties"]["level"]


def limit_level(inner: Schema) -> None:
    inner["properties"]["level"]["maximum"] = 5


def need_since(inner: Schema) -> None:
    inner["required"].append("since")


def close(inner: Schema) -> None:
    inner["additionalProperties"] = False


@pytest.mark.parametrize("change", [drop_level, limit_level, need_since, close])
def test_a_change_deep_inside_is_found_wherever_the_part_is_used(change: Callable[[Schema], None]) -> None:
    new = Old.model_json_schema()
    change(new["$defs"]["Inner"])
    found = breaks(Old.model_json_schema(), new)
    assert [line for line in found if line.startswith("inner")]
    assert [line for line in found if line.startswith("exit(0)")]


def test_only_text_keeps_the_shape() -> None:
    old = Old.model_json_schema()
    assert same_shape(old, copy.deepcopy(old))
    assert same_shape(old, TextOfField.model_json_schema())
    others: list[type[BaseModel]] = [NewOptionalField, *(new for new, _ in BREAKING)]
    for other in others:
        assert not same_shape(old, other.model_json_schema())
