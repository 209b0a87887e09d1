"""zonecfg: the fork's additions, sessions, and export as a faithful picture of a configuration."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from illumos_lab.profile import OMNIOS, OPENINDIANA, PROFILES, TRIBBLIX
from illumos_lab.zonecfg import values
from tests.lab.fakes_zones import configure, zone_host


@pytest.fixture
def omnios(tmp_path: Path) -> Any:
    return zone_host(tmp_path, OMNIOS)


@pytest.fixture
def openindiana(tmp_path: Path) -> Any:
    return zone_host(tmp_path, OPENINDIANA)


def run_file(host: Any, zone: str, text: str) -> Any:
    host.path("global", "/tmp/commands").write_text(text)
    return host.run("zonecfg", "-z", zone, "-f", "/tmp/commands")


def test_omnios_net_properties_are_kept_shown_and_exported_in_their_orders(omnios: Any) -> None:
    configure(
        omnios,
        "web",
        "set ip-type=exclusive",
        "add net",
        "set physical=web0",
        "set global-nic=auto",
        "set allowed-address=192.0.2.10/24",
        "set defrouter=192.0.2.1",
        "set mac-addr=2:8:20:A:B:C",
        "set vlan-id=7",
        'add property (name=mtu,value="1500")',
        "end",
    )
    assert omnios.run("zonecfg", "-z", "web", "info net").stdout == (
        "net:\n"
        "\taddress not specified\n"
        "\tallowed-address: 192.0.2.10/24\n"
        "\tdefrouter: 192.0.2.1\n"
        "\tglobal-nic: auto\n"
        "\tmac-addr: 02:08:20:0a:0b:0c\n"
        "\tphysical: web0\n"
        "\tvlan-id: 7\n"
        '\tproperty: (name=mtu,value="1500")\n'
    )
    assert omnios.run("zonecfg", "-z", "web", "export").stdout.endswith(
        "add net\n"
        'set allowed-address="192.0.2.10/24"\n'
        'set physical="web0"\n'
        'set mac-addr="02:08:20:0a:0b:0c"\n'
        'set vlan-id="7"\n'
        'set global-nic="auto"\n'
        'set defrouter="192.0.2.1"\n'
        'add property (name=mtu,value="1500")\n'
        "end\n"
    )


def test_omnios_can_clear_single_net_properties(omnios: Any) -> None:
    net = ("add net", "set physical=web0", "set allowed-address=192.0.2.10/24", "end")
    configure(omnios, "web", "set ip-type=exclusive", *net)
    result = omnios.run("zonecfg", "-z", "web", "select net physical=web0; clear allowed-address; end")
    assert result == (0, "", "")
    assert "allowed-address not specified" in omnios.run("zonecfg", "-z", "web", "info net").stdout


def test_omnios_stores_physical_memory_as_a_resource_control(omnios: Any) -> None:
    configure(omnios, "web", "add capped-memory", "set physical=2g", "set swap=4g", "end")
    assert omnios.run("zonecfg", "-z", "web", "info capped-memory").stdout == (
        "capped-memory:\n\t[physical: 2G]\n\t[swap: 4G]\n"
    )
    exported = omnios.run("zonecfg", "-z", "web", "export").stdout
    assert "capped-memory" not in exported
    assert "add value (priv=privileged,limit=2147483648,action=deny)\n" in exported


def test_omnios_rounds_fractions_of_a_cpu_that_upstream_cuts() -> None:
    assert values.cpu_cap("0.29", rounded=True) == 29
    assert values.cpu_cap("0.29", rounded=False) == 28


def test_omnios_prefixes_templates_in_lower_case(omnios: Any) -> None:
    result = omnios.run("zonecfg", "-z", "web", "create -t lipkg; set zonepath=/zones/web; info")
    assert result.exit == 0
    assert "brand: lipkg\n" in result.stdout
    assert "ip-type: exclusive\n" in result.stdout
    assert omnios.run("zonecfg", "-z", "db", "create -t nosuch") == (
        1,
        "",
        "OMNInosuch: No such zone configured\n",
    )


def test_omnios_numbers_its_zones_for_debugging(omnios: Any) -> None:
    configure(omnios, "a")
    configure(omnios, "b")
    lines = omnios.run("zoneadm", "list", "-cpn").stdout.splitlines()
    assert [line.split(":")[7] for line in lines] == ["1", "2"]


def test_upstream_refuses_the_forks_words_as_syntax_errors(openindiana: Any) -> None:
    configure(openindiana, "web", brand="ipkg")
    result = openindiana.run("zonecfg", "-z", "web", "add net; set global-nic=auto; cancel")
    assert result.exit == 1
    assert result.stderr.startswith("syntax error at '='\n")


def test_tribblix_sparse_template_brings_the_global_zones_directories(tmp_path: Path) -> None:
    host = zone_host(tmp_path, TRIBBLIX)
    text = "create -t TRIBsparse; set zonepath=/export/zones/web; info brand; info fs"
    result = host.run("zonecfg", "-z", "web", text)
    assert result.stdout.startswith("brand: sparse-root\nfs:\n")
    assert result.stdout.count("fs:\n") == 4


def test_the_global_zone_can_be_looked_at_whatever_brands_there_are(tmp_path: Path) -> None:
    host = zone_host(tmp_path, TRIBBLIX)
    for _ in range(2):
        assert host.run("zonecfg", "-z", "global", "info") == (0, "zonename: global\npool: \n", "")


def test_a_command_file_stops_at_the_first_error_and_keeps_what_preceded(openindiana: Any) -> None:
    configure(openindiana, "web", brand="ipkg")
    result = run_file(openindiana, "web", "set autoboot=true\nset pool=SUNWx\nset bootargs=-s\n")
    assert result == (1, "", "On line 2 of /tmp/commands:\npool names starting with SUNW are reserved.\n")
    info = openindiana.run("zonecfg", "-z", "web", "info").stdout
    assert "autoboot: true\n" in info
    assert "bootargs: \n" in info


def test_relative_command_files_are_looked_up_in_the_callers_directory(openindiana: Any) -> None:
    configure(openindiana, "web", brand="ipkg")
    openindiana.path("global", "/tmp/commands").write_text("set autoboot=true\n")
    assert openindiana.run("zonecfg", "-z", "web", "-f", "commands", cwd="/tmp").exit == 0
    assert openindiana.zones.config("web").autoboot


def test_renaming_a_zone_moves_its_file_and_index_entry(openindiana: Any) -> None:
    configure(openindiana, "web", brand="ipkg")
    assert openindiana.run("zonecfg", "-z", "web", "set zonename=www") == (0, "", "")
    assert openindiana.zones.names() == ["www"]
    assert openindiana.zones.zonepath("www") == "/zones/web"
    assert not openindiana.path("global", "/etc/zones/web.xml").exists()


# Exported text makes the same configuration ------------------------------------------------------

WORDS = st.text("abcxyz0189-._/", min_size=1, max_size=12)
NAMES = st.from_regex(r"[a-z][a-z0-9.-]{0,10}", fullmatch=True)
QUOTED = st.text(
    st.characters(codec="ascii", exclude_characters='"\n\r\0', min_codepoint=32), min_size=1, max_size=30
)
PATHS = st.from_regex(r"/[a-z0-9]{1,8}(/[a-z0-9]{1,8})?", fullmatch=True)


@st.composite
def attr(draw: st.DrawFn) -> tuple[str, ...]:
    return (
        "add attr",
        f"set name={draw(NAMES)}",
        "set type=string",
        f'set value="{draw(QUOTED)}"',
        "end",
    )


@st.composite
def filesystem(draw: st.DrawFn) -> tuple[str, ...]:
    options = draw(st.lists(st.sampled_from(["ro", "nodevices", "size=5", "net", "type"]), max_size=3))
    return (
        "add fs",
        f"set dir={draw(PATHS)}",
        f'set special="{draw(PATHS)}"',
        "set type=lofs",
        *(f'add options "{option}"' for option in options),
        "end",
    )


@st.composite
def net(draw: st.DrawFn) -> tuple[str, ...]:
    number = draw(st.integers(0, 50))
    address = f"192.0.2.{draw(st.integers(1, 254))}/24"
    router = draw(st.booleans())
    return (
        "add net",
        f"set physical=vnic{number}",
        f"set allowed-address={address}",
        *(["set defrouter=192.0.2.1"] if router else []),
        "end",
    )


@st.composite
def rctl(draw: st.DrawFn) -> tuple[str, ...]:
    name = draw(st.sampled_from(["max-lwps", "max-msg-ids", "max-swap", "cpu-shares"]))
    limits = draw(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=2, unique=True))
    return (
        "add rctl",
        f"set name=zone.{name}",
        *(f"add value (priv=privileged,limit={limit},action=deny)" for limit in limits),
        "end",
    )


SIMPLE = st.one_of(
    st.sampled_from(
        [
            ("set autoboot=true",),
            ("clear autoboot",),
            ("set limitpriv=default,dtrace_user",),
            ("set scheduling-class=FSS",),
            ("set hostid=1a2b",),
            ("set fs-allowed=ufs,pcfs",),
            ("set max-lwps=2000",),
            ("clear max-lwps",),
            ("set max-shm-memory=2g",),
            ("add dataset", "set name=tank/web", "end"),
            ("add dedicated-cpu", "set ncpus=1-4", "set importance=10", "end"),
            ("add capped-cpu", "set ncpus=2.5", "end"),
            ("remove dedicated-cpu",),
            ("remove attr",),
            ("remove -F fs",),
            ("add device", "set match=/dev/lofi/1", "end"),
            ("add security-flags", "set lower=aslr", "set default=aslr,noexecstack", "end"),
        ]
    ),
    WORDS.map(lambda word: (f"set bootargs={word}",)),
    attr(),
    filesystem(),
    net(),
    rctl(),
)


@pytest.mark.parametrize("profile", ["omnios", "openindiana"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(commands=st.lists(SIMPLE, max_size=8))
def test_exported_text_makes_a_zone_that_exports_the_same(
    profile: str, commands: list[tuple[str, ...]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        host = zone_host(Path(directory), PROFILES[profile])
        host.run(
            "zonecfg",
            "-z",
            "one",
            stdin="create -b\nset zonepath=/zones/one\nset brand=ipkg\nset ip-type=exclusive\ncommit\n"
            # A refused command leaves its resource open; what is there by then has been saved.
            + "".join("\n".join(command) + "\ncommit\n" for command in commands),
        )
        exported = host.run("zonecfg", "-z", "one", "export").stdout
        made = host.run("zonecfg", "-z", "two", "-f", "-", stdin=exported)
        assert (made.exit, made.stderr) == (0, "")
        assert host.run("zonecfg", "-z", "two", "export").stdout == exported


@given(st.integers(0, (1 << 63) - 1))
def test_sizes_are_shown_in_four_places_or_less_and_nearly_right(number: int) -> None:
    shown = values.bytes_to_size(number)
    meant = values.size_to_bytes(shown)
    assert meant is not None
    assert abs(meant - number) <= max(number * 0.06, 0)
