"""The files of zones: the index and the XML documents."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from illumos_lab.profile import PROFILES, Profile
from illumos_lab.zone_templates import install_templates
from illumos_lab.zonecfg.index import Entry, Index, IndexUpdateError, format_entry, parse_line
from illumos_lab.zonecfg.store import Store
from illumos_lab.zonecfg.xmlfile import (
    Document,
    Element,
    InvalidDocumentError,
    load,
    parse,
    render,
)
from tests.lab.fakes_zones import zone_host


@pytest.fixture
def index(tmp_path: Path) -> Index:
    (tmp_path / "etc/zones").mkdir(parents=True)
    (tmp_path / "etc/zones/index").write_text("# keep me\n\nglobal:installed:/:\n")
    return Index(tmp_path)


@given(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    st.sampled_from(["configured", "incomplete", "installed"]),
    st.from_regex(r"/[a-z0-9: /]{1,30}", fullmatch=True),
    st.sampled_from(["", "11223344-5566-4788-99aa-bbccddeeff10"]),
)
def test_index_entries_survive_writing_and_reading(
    name: str, state: str, zonepath: str, identity: str
) -> None:
    entry = Entry(name, state, zonepath, identity)
    assert parse_line(format_entry(entry)) == entry


def test_index_keeps_comments_blank_lines_and_order(index: Index) -> None:
    index.add(Entry("b", "configured", "/zones/b"))
    index.add(Entry("a", "configured", "/zones/a:x"))
    index.update("b", state="installed", uuid="u")
    assert index.path.read_text() == (
        '# keep me\n\nglobal:installed:/:\nb:installed:/zones/b:u\na:configured:"/zones/a:x":\n'
    )
    index.remove("b")
    assert [entry.name for entry in index.entries()] == ["global", "a"]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("a:configured:/z/a:\n", Entry("a", "configured", "/z/a")),
        ("a:configured\n", Entry("a", "configured", "")),
        ('a:installed:"/z:a":u:more:still\n', Entry("a", "installed", "/z:a", "u", "more:still")),
        ('"a":"incomplete":"/z/a"x:u\r\n', Entry("a", "incomplete", "/z/a", "u")),
        (f"{'a' * 63}:configured:/z/a:\n", Entry("a" * 63, "configured", "/z/a")),
        (f"{'a' * 64}:configured:/z/a:\n", None),
        ("a:running:/z/a:\n", None),
        ("a::/z/a:\n", None),
        (":configured:/z/a:\n", None),
        ("#a:configured:/z/a:\n", None),
        (" a:configured:/z/a:\n", Entry(" a", "configured", "/z/a")),
        ("\n", None),
    ],
)
def test_index_lines_are_read_field_by_field(line: str, wanted: Entry | None) -> None:
    assert parse_line(line) == wanted


def test_index_entries_of_unknown_states_can_be_removed(index: Index) -> None:
    index.path.write_text("odd:strange:/z/odd:\n")
    assert index.get("odd") is None
    index.remove("odd")
    assert index.path.read_text() == ""


def test_index_entry_without_state_is_refused(index: Index) -> None:
    index.path.write_text("a::/z/a:\n")
    with pytest.raises(IndexUpdateError):
        index.update("a", zonepath="/z/b")


def test_index_change_of_an_unknown_zone_is_refused(index: Index) -> None:
    with pytest.raises(IndexUpdateError):
        index.update("nosuch", state="installed")


def test_index_lines_of_other_zones_need_no_line_feed(index: Index) -> None:
    index.path.write_text("a:configured:/z/a:\nglobal:installed:/")
    index.update("a", zonepath="/z/b")
    assert index.path.read_text() == "a:configured:/z/b:\nglobal:installed:/"


def test_index_line_without_line_feed_is_dropped(index: Index) -> None:
    index.path.write_text("global:installed:/:\na:configured:/z/a:")
    with pytest.raises(IndexUpdateError):
        index.update("a", zonepath="/z/b")
    index.remove("a")
    assert index.path.read_text() == "global:installed:/:\n"


def test_a_missing_index_is_not_made(index: Index) -> None:
    index.path.unlink()
    with pytest.raises(IndexUpdateError):
        index.add(Entry("a", "configured", "/zones/a"))
    index.remove("a")
    assert not index.path.exists()


def test_index_gives_a_zone_beyond_configured_a_universal_id(index: Index) -> None:
    index.path.write_text("a:configured:/z/a:\nb:incomplete:/z/b:\nc:odd:/z/c:\n")
    for zone in "abc":
        index.update(zone, zonepath=f"/y/{zone}")
    identities = [line.split(":")[3] for line in index.path.read_text().splitlines()]
    assert identities[0] == ""
    assert len({uuid.UUID(identity) for identity in identities[1:]}) == 2


def test_concurrent_changes_of_the_index_are_all_kept(index: Index) -> None:
    def add(number: int) -> None:
        Index(index.path.parents[2]).add(Entry(f"z{number}", "configured", f"/zones/z{number}"))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(index.entries()) == 13


VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20)


@given(VALUES, VALUES)
def test_documents_survive_writing_and_reading(value: str, other: str) -> None:
    attr = Element("attr", {"name": "a", "type": "string", "value": value})
    root = Element("zone", {"name": "z", "zonepath": other, "autoboot": "false"}, [attr])
    assert parse(render(Document(root))).root == root


def test_a_written_document_looks_as_zonecfg_writes_it() -> None:
    option = Element("fsoption", {"name": "ro"})
    filesystem = Element("filesystem", {"special": "/a\tb", "directory": "/é", "type": "lofs"}, [option])
    assert render(Document(Element("zone", {"name": "z"}, [filesystem]))) == (
        '<?xml version="1.0"?>\n'
        '<!DOCTYPE zone PUBLIC "-//Sun Microsystems Inc//DTD Zones//EN" '
        '"file:///usr/share/lib/xml/dtd/zonecfg.dtd.1">\n'
        "<!--\n    DO NOT EDIT THIS FILE.  Use zonecfg(8) instead.\n-->\n"
        '<zone name="z">\n'
        '  <filesystem special="/a&#9;b" directory="/&#xE9;" type="lofs">\n'
        '    <fsoption name="ro"/>\n'
        "  </filesystem>\n"
        "</zone>\n"
    )


DOCTYPE = '<!DOCTYPE zone PUBLIC "x" "zonecfg.dtd.1">'
ZONE = '<zone name="z" zonepath="/z" autoboot="true"'


@pytest.mark.parametrize(
    "text",
    [
        "<zone",
        "<other/>",
        "<zone/>",
        '<zone name="z" zonepath="/z"/>',
        '<zone name="z" autoboot="true"/>',
        f'{ZONE} colour="red"/>',
        f'{ZONE} version="2"/>',
        '<zone name="z" zonepath="/z" autoboot="maybe"/>',
        f'{ZONE}><attr name="a" type="text" value="v"/></zone>',
        f'{ZONE}><attr name="a" type="" value="v"/></zone>',
        f"{ZONE}><network/></zone>",
        f'{ZONE}><fsoption name="ro"/></zone>',
        f'{ZONE}><cat name="x"/></zone>',
        f"{ZONE}>text</zone>",
    ],
)
def test_documents_of_another_type_are_refused(text: str) -> None:
    with pytest.raises(InvalidDocumentError):
        parse(DOCTYPE + text)


@pytest.mark.parametrize(
    "content",
    [
        "",
        '<rctl name="zone.max-lwps"/>',
        '<patch id="1"><obsoletes id="2"/></patch>',
        '<attr name="" type="string" value=""/>',
        "<security-flags/>",
        "<!-- a note -->",
    ],
)
def test_documents_of_the_type_are_read(content: str) -> None:
    assert len(parse(f"{DOCTYPE}{ZONE}>{content}</zone>").root.children) == bool(content)


def test_documents_without_a_type_are_refused() -> None:
    with pytest.raises(InvalidDocumentError):
        parse(f"{ZONE}/>")


def test_comments_outside_of_the_zone_give_way_to_the_warning() -> None:
    document = parse(f"<!-- mine -->{DOCTYPE}<!-- also -->{ZONE}><!-- kept --></zone><!-- last -->")
    assert render(document).count("<!--") == 2
    assert "DO NOT EDIT" in render(document)
    assert "<!-- kept -->" in render(document)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_distribution_has_its_templates_and_brands(profile: Profile, tmp_path: Path) -> None:
    host = zone_host(tmp_path, profile)
    store = Store(host)
    assert set(store.brands()) == {brand.name for brand in profile.brands if not brand.overlay}
    for name in ("SUNWblank", "SUNWdefault"):
        assert load(store.path(name)).root.get("brand") == profile.default_template_brand
    for brand in profile.brands:
        for template in brand.templates:
            root = store.load_document(template).root
            assert root.get("brand") == brand.name
            assert (root.get("ip-type") == "exclusive") == profile.forked_zonecfg


def test_templates_do_not_touch_an_existing_index(tmp_path: Path) -> None:
    host = zone_host(tmp_path)
    index = host.path("global", "/etc/zones/index")
    index.write_text("global:installed:/:\nweb:configured:/zones/web:\n")
    install_templates(host.root, host.profile)
    assert "web" in index.read_text()
