"""The tables of properties in the documentation are those of the models."""

from pathlib import Path

import pytest

from pulumi_illumos_provider import documentation
from pulumi_illumos_provider.model.zone import ZoneInputs

PAGES = sorted(
    page
    for page in (Path(__file__).parents[2] / "docs").glob("*.md")
    if "<!-- properties " in page.read_text()
)


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_the_tables_are_fresh(page):
    assert page.read_text() == documentation.renewed(page.read_text()), "run make docs-properties"


def test_there_is_such_a_page():
    assert "zone.md" in [page.name for page in PAGES]


def test_a_row_says_what_a_property_is_its_default_and_its_change():
    rows = documentation.table(ZoneInputs).splitlines()
    assert "| `retainData` |" in next(row for row in rows if "retainData" in row)
    assert next(row for row in rows if row.startswith("| `brand` |")).endswith(
        "| the usual one of the host's distribution | replacement |"
    )
    assert next(row for row in rows if row.startswith("| `zonepath` |")).endswith("| halt |")
    assert next(row for row in rows if row.startswith("| `state` |")).endswith("| `running` | live |")
    assert next(row for row in rows if row.startswith("| `dataset` |")).endswith("| required |")


def test_objects_inside_have_tables_of_their_own():
    text = documentation.table(ZoneInputs)
    assert text.index("`vm`:") < text.index("`vm.bootdisk`:") < text.index("`vm.disks[]`:")
