"""What a browser without JavaScript would send of a page's form, and what a reader sees of the page."""

import html
import re
from html.parser import HTMLParser

Form = dict[str, str | list[str]]


def fields_of(page: str, action: str) -> Form:
    """The fields of the form that leads to `action`, before anybody changes anything.

    Boxes are a list of the values that are ticked. Raises AssertionError when no form leads there.
    """
    parser = _Forms(action)
    parser.feed(page)
    assert parser.found is not None, f"no form leads to {action}"
    return parser.found


def text_of(page: str) -> str:
    """What a reader sees, on one line."""
    without_tags = re.sub(r"<[^>]*>", " ", page.replace("</strong>", ""))  # a colon after it stays beside the word
    return html.unescape(re.sub(r"\s+", " ", without_tags))


class _Forms(HTMLParser):
    """Reads the first form with this action."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self.action = action
        self.found: Form | None = None
        self.inside = False
        self.choice = ""
        self.area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.inside = self.found is None and told.get("action") == self.action
            self.found = {} if self.inside else self.found
        elif self.inside and self.found is not None:
            self._field(tag, told, self.found)

    def _field(self, tag: str, told: dict[str, str], found: Form) -> None:
        name, value, kind = told.get("name", ""), told.get("value", ""), told.get("type", "text")
        if tag == "select":
            self.choice = name
        elif tag == "option" and self.choice:
            if "selected" in told or self.choice not in found:  # the first one stands until another is chosen
                found[self.choice] = value
        elif tag == "textarea":
            self.area = name
            found[name] = ""
        elif tag == "input" and kind == "checkbox":
            ticked = found.setdefault(name, [])
            if "checked" in told and isinstance(ticked, list):
                ticked.append(value)
        elif tag == "input" and (kind != "radio" or "checked" in told):
            found[name] = value

    def handle_data(self, data: str) -> None:
        if self.area and self.found is not None:
            self.found[self.area] = f"{self.found[self.area]}{data}"

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "form"
        self.choice = "" if tag == "select" else self.choice
        self.area = "" if tag == "textarea" else self.area
