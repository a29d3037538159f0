"""Every problem that the code can raise is described, and everything described can be raised."""

import re
from pathlib import Path

from polku_web.problems import GENERAL, catalogue

ROOT = Path(__file__).parent.parent
MADE = re.compile(r'\bProblem\(\s*(?:\d{3},\s*"(?P<code>[^"]+)")?')
BUILT: dict[str, set[str]] = {
    "libs/web/src/polku_web/problems.py": set(),  # the class itself
    "libs/web/src/polku_web/answers.py": set(GENERAL.values()),
    "services/referral/src/polku_referral/texts.py": {"invalid", "not-agreed"},
    "services/referral/src/polku_referral/batch/results.py": set(),  # one that was told before is told again
    "services/referral/src/polku_referral/files/apart.py": set(),  # one that a process of its own has told
}
"""Files that make a problem from a code that they are given, and from which ones."""


def sources() -> dict[str, str]:
    found = [*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")]
    names = {path.relative_to(ROOT).as_posix(): path for path in found if "/client/" not in path.as_posix()}
    return {name: path.read_text("utf-8") for name, path in names.items()}


def test_what_is_raised_is_described_and_the_other_way_round() -> None:
    raised = {match["code"] for text in sources().values() for match in MADE.finditer(text) if match["code"]}
    raised |= {code for codes in BUILT.values() for code in codes}
    assert raised - catalogue().keys() == set(), "not in problems.toml"
    assert catalogue().keys() - raised == set(), "nobody raises it"


def test_no_code_is_put_together_at_run_time() -> None:
    """It would escape the inventory."""
    hidden = {name for name, text in sources().items() for match in MADE.finditer(text) if not match["code"]}
    assert hidden == BUILT.keys()
