"""The tables of properties in docs/, written from the models.

``python -m pulumi_illumos_provider.documentation PAGE...`` renews them. In a page, a table stands between
two markers, ``<!-- properties Zone -->`` and ``<!-- end of properties -->``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pulumi_illumos_provider.engine import shapes
from pulumi_illumos_provider.model.base import Change, Properties
from pulumi_illumos_provider.resources import KINDS

_MARKED = re.compile(r"(<!-- properties (\w+) -->\n).*?(<!-- end of properties -->)", re.DOTALL)
_CHANGES = {
    Change.LIVE: "live",
    Change.REBOOT: "reboot",
    Change.HALT: "halt",
    Change.REPLACE: "replacement",
}
_OPTIONAL = re.compile(r"\s*Default: (.*?)\.?$", re.DOTALL)


def table(model: type[Properties]) -> str:
    """The properties of a resource: what each is, its default, and what it takes to change it."""
    lines = ["| property | what it is | default | change |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {what} | {default} | {_CHANGES[model.change(field)]} |"
        for field, name, what, default in _rows(model)
    ]
    nested = dict(_nested(model))
    for owner, inner in nested.items():
        lines += ["", f"`{owner}`:", "", "| property | what it is | default |", "|---|---|---|"]
        lines += [f"| {name} | {what} | {default} |" for _, name, what, default in _rows(inner)]
    return "".join(f"{line}\n" for line in lines)


def _rows(model: type[Properties]) -> Iterator[tuple[str, str, str, str]]:
    for field, info in model.model_fields.items():
        text = " ".join((info.description or "").split())
        said = _OPTIONAL.search(text)
        what = _OPTIONAL.sub("", text)
        value = shapes.default(model, field)
        default = said[1] if said else _spelled(value)
        name = f"`{model.property_name(field)}`"
        yield field, name, _cell(what), "required" if info.is_required() else _cell(default)


def _spelled(value: object) -> str:
    if value is None or value in ([], {}):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _nested(model: type[Properties], path: str = "") -> Iterator[tuple[str, type[Properties]]]:
    """Objects among the properties, at any depth, by the name of their property."""
    for field in model.model_fields:
        hint = shapes.annotation(model, field)
        inner = shapes.nested(hint)
        if inner is not None:
            place = f"{path}{model.property_name(field)}" + ("[]" if shapes.item(hint) else "")
            yield place, inner
            yield from _nested(inner, f"{place}.")


def renewed(page: str) -> str:
    """A page with its tables as the models have them now."""
    models = {kind.token.rsplit(":", 1)[-1]: kind.inputs for kind in KINDS.values()}
    return _MARKED.sub(lambda found: f"{found[1]}\n{table(models[found[2]])}\n{found[3]}", page)


def main(paths: list[str]) -> int:
    """Renew pages in place."""
    for path in map(Path, paths):
        page = path.read_text()
        if (new := renewed(page)) != page:
            path.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
