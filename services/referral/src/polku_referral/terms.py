"""The terms as the installation has them, from `data/terms.yaml`, read once at start."""

from functools import cache
from importlib.resources import files

import yaml

from polku_referral.model.terms import Terms


@cache
def read_terms() -> Terms:
    """Raises ValueError when the file does not hold together."""
    return Terms.model_validate(yaml.safe_load(files("polku_referral").joinpath("data/terms.yaml").read_text("utf-8")))
