"""Reads the definition and programme files that come with the service and compiles them once."""

from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

import yaml

from polku_indicators.model.definitions import Definitions
from polku_indicators.model.plan import Plan
from polku_indicators.model.rules import Rules, compile_rules

DEFINITIONS = "esf-plus-2021-2027.yaml"
DATA = files("polku_indicators") / "data"


def load_rules(data: Traversable = DATA, definitions: str = DEFINITIONS) -> Rules:
    """The rules in force. Raises pydantic.ValidationError when a file says what the vocabulary does not know."""
    text = (data / "definitions" / definitions).read_bytes()
    plans: dict[str, Plan] = {}
    fingerprint = sha256(text)
    for file in sorted((data / "programmes").iterdir(), key=lambda entry: entry.name):
        content = file.read_bytes()
        fingerprint.update(content)
        plan = Plan.model_validate(yaml.safe_load(content))
        plans[plan.programme] = plan
    parsed = Definitions.model_validate(yaml.safe_load(text))
    _check_targets(parsed, plans)
    return compile_rules(parsed, plans, fingerprint.hexdigest()[:16])


def _check_targets(definitions: Definitions, plans: Mapping[str, Plan]) -> None:
    known = {item.code for item in definitions.everything}
    for plan in plans.values():
        unknown = {target.figure for target in plan.targets} - known
        if unknown:
            raise ValueError(f"programme {plan.programme}: targets for unknown figures {sorted(unknown)}")
