"""Overlays and simnets: commands, and packets that cross from host to host."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from illumos_lab.kernel import OverlayTarget
from illumos_lab.testing import Host, Lab
from tests.lab.fakes import FakeHost, fake_host
from tests.lab.fakes_smf import service_host

ON_LINUX = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces as root")
VARPD = ("global", "svc:/network/varpd:default")
DIRECT = "vxlan/listen_ip=192.0.2.11,direct/dest_ip=192.0.2.12,direct/dest_port=4789"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    made = fake_host(tmp_path)
    made.smf.enabled_services.add(VARPD)  # type: ignore[attr-defined]
    assert made.run("ipadm", "create-addr", "-T", "static", "-a", "192.0.2.11/24", "e1000g0/v4").exit == 0
    return made


def create(
    host: FakeHost, *argv: str, search: str = "direct", properties: str = DIRECT
) -> tuple[object, str]:
    words = ["create-overlay", "-e", "vxlan", "-s", search, "-v", "23", *argv]
    result = host.run("dladm", *words, *(["-p", properties] if properties else []), "ov0")
    assert result.stdout == ""
    return result.exit, result.stderr


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["-e", "vxlan", "-s", "direct", "ov0"], "missing required virtual network id"),
        (["-s", "direct", "-v", "1", "ov0"], "missing required encapsulation plugin"),
        (["-e", "vxlan", "-v", "1", "ov0"], "missing required search plugin"),
        (["-e", "vxlan", "-s", "direct", "-v", "1"], "missing device name"),
        (["-e", "vxlan", "-s", "direct", "-v", "x", "ov0"], "couldn't parse virtual networkd id: x"),
        (
            ["-e", "vxlan", "-s", "direct", "-v", "18446744073709551616", "ov0"],
            "virtual networkd id too large: 18446744073709551616",
        ),
        (
            ["-e", "vxlan", "-s", "direct", "-v", "16777216", "ov0"],
            "virtual networkd id too large: 16777216",
        ),
        (["-e", "vxlan", "-s", "direct", "-v", "-1", "ov0"], "virtual networkd id too large: -1"),
        (["-e", "vxlan", "-s", "direct", "-v", "1", "ov"], "invalid link name 'ov'"),
        (["-e", "vxlan", "-s", "direct", "-v", "1", "-p", "a,,b", "ov0"], "invalid overlay property"),
        (["-e", "gre", "-s", "direct", "-v", "1", "ov0"], "overlay creation failed: object not found"),
        (
            ["-e", "vxlan", "-s", "direct", "-v", "1", "e1000g0"],
            "overlay creation failed: object already exists",
        ),
    ],
)  # fmt: skip
def test_what_create_refuses(host: FakeHost, argv: list[str], message: str) -> None:
    assert host.run("dladm", "create-overlay", *argv) == (1, "", f"dladm: {message}\n")


def test_without_its_daemon_nothing_is_made(host: FakeHost) -> None:
    host.smf.enabled_services.clear()  # type: ignore[attr-defined]
    assert create(host) == (
        1,
        "dladm: warning: failed to create libvarpd handle: No such file or directory\n"
        "dladm: overlay creation failed: object not found\n",
    )
    assert host.run("dladm", "show-overlay") == (0, "", "")


LISTEN = "vxlan/listen_ip=192.0.2.11"


@pytest.mark.parametrize(
    ("search", "properties", "warning", "status"),
    [
        ("direct", "vxlan/listen_ip=nowhere", "failed to set property vxlan/listen_ip", "invalid argument"),
        ("direct", "direct/dest=1", "failed to set varpd prop: direct/dest\n", "I/O error"),
        (
            "direct",
            "direct/dest_port=x",
            "failed to set varpd prop: direct/dest_port\n",
            "permission denied",
        ),
        ("direct", "files/config=/a", "failed to set property files/config", "object not found"),
        # What the kernel refuses has no status of libdladm's.
        (
            "direct",
            "vxlan/listen_port=65536",
            "failed to set property vxlan/listen_port",
            "<unknown error>",
        ),
        (
            "direct",
            "vxlan/listen_ip=224.0.0.1",
            "failed to set property vxlan/listen_ip",
            "<unknown error>",
        ),
        ("direct", "vxlan/listen_ip=2002::1", "failed to set property vxlan/listen_ip", "<unknown error>"),
        ("direct", "mtu=9001", "failed to set property mtu", "<unknown error>"),
        ("direct", "encap=vxlan", "failed to set property encap", "<unknown error>"),
        (
            "svp",
            LISTEN,
            "failed to create varpd instance: No such file or directory",
            "object not found",
        ),
        (
            "files",
            f"{LISTEN},files/config=/no.json",
            "failed to activate varpd instance: No such file or directory",
            "object not found",
        ),
        (
            "files",
            LISTEN,
            "failed to activate varpd instance: Resource temporarily unavailable\n"
            "dladm: warning: unset required propert: files/config",
            "try again later",
        ),
        (
            "direct",
            DIRECT.partition(",")[2],
            "failed to activate device: Invalid argument\n"
            "dladm: warning: unset required propert: vxlan/listen_ip",
            "invalid argument",
        ),
    ],
)
def test_properties_are_checked(
    host: FakeHost, search: str, properties: str, warning: str, status: str
) -> None:
    assert create(host, search=search, properties=properties) == (
        1, f"dladm: warning: {warning}\ndladm: overlay creation failed: {status}\n",
    )  # fmt: skip
    assert host.kernel.called("create_overlay") == []


def test_numbers_are_read_as_far_as_they_go(host: FakeHost) -> None:
    properties = f"{DIRECT},vxlan/listen_port=4790x,mtu=1300"
    assert create(host, properties=properties) == (0, "")
    shown = host.run("dladm", "show-overlay", "-p", "-o", "property,value", "ov0").stdout.splitlines()
    assert {"mtu:1300", "vxlan/listen_port:4790"} <= set(shown)


@pytest.mark.parametrize(
    ("text", "warning", "status"),
    [
        ('{"2:8:20:0:0:2": 1}', "Invalid argument", "invalid argument"),
        ('{"host": {"ip": "192.0.2.12"}}', "Invalid argument", "invalid argument"),
        ("[]", "Invalid argument", "invalid argument"),
        ("{", "Unknown error", "operation failed"),
        ('{"2:8:20:0:0:2": {"port": 4.5}}', "Unknown error", "operation failed"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_refused(
    host: FakeHost, text: str, warning: str, status: str
) -> None:
    host.path("global", "/var/overlay.json").write_text(text)
    assert create(host, search="files", properties=f"{LISTEN},files/config=/var/overlay.json") == (
        1,
        f"dladm: warning: failed to activate varpd instance: {warning}\n"
        f"dladm: overlay creation failed: {status}\n",
    )


def test_the_daemon_reads_what_netadm_may_read(host: FakeHost) -> None:
    file = host.path("global", "/var/overlay.json")
    file.write_text("{}")
    file.chmod(0o600)
    properties = f"{LISTEN},files/config=/var/overlay.json"
    assert create(host, search="files", properties=properties) == (
        1,
        "dladm: warning: failed to activate varpd instance: Permission denied\n"
        "dladm: overlay creation failed: permission denied\n",
    )
    file.chmod(0o644)
    assert create(host, search="files", properties=properties) == (0, "")


def test_an_entry_without_a_valid_receiver_is_there_and_nothing_is_sent_to_it(host: FakeHost) -> None:
    entries: dict[str, object] = {
        "2:8:20:0:0:2": {"ip": "192.0.2.12"},
        "2:8:20:0:0:3": {"ip": "nowhere", "port": 4789, "arp": "10.0.0.3"},
        "2:8:20:0:0:4": {"ip": "192.0.2.12", "port": 70000, "arp": "wrong", "ndp": "fd00::4"},
        "02:08:20:00:00:05": {"ip": "192.0.2.12", "port": 4789},
    }
    host.path("global", "/var/overlay.json").write_text(json.dumps(entries))
    assert create(host, search="files", properties=f"{LISTEN},files/config=/var/overlay.json") == (0, "")
    assert host.run("dladm", "show-overlay", "-t", "-p", "-o", "target").stdout == "2:8:20:0:0:5\n"
    ((*_, targets),) = host.kernel.called("create_overlay")
    assert [(each.mac, each.address, each.ip, each.ip6) for each in targets] == [
        ("2:8:20:0:0:2", "", "", ""),
        ("2:8:20:0:0:3", "", "10.0.0.3", ""),
        ("2:8:20:0:0:4", "", "", "fd00::4"),
        ("2:8:20:0:0:5", "192.0.2.12", "", ""),
    ]


def test_a_proxy_for_dhcp_is_refused(host: FakeHost) -> None:
    entry = {"ip": "192.0.2.12", "port": 4789, "dhcp-proxy": "2:8:20:0:0:9"}
    host.path("global", "/var/overlay.json").write_text(json.dumps({"2:8:20:0:0:2": entry}))
    assert create(host, search="files", properties=f"{LISTEN},files/config=/var/overlay.json") == (
        1,
        "dladm: warning: dhcp-proxy of 2:8:20:0:0:2 in the files of an overlay: not emulated by the lab\n"
        "dladm: overlay creation failed: operation not supported\n",
    )


def test_an_overlay_is_shown(host: FakeHost) -> None:
    assert create(host) == (0, "")
    shown = host.run("dladm", "show-overlay", "-p", "-o", "property,value", "ov0").stdout
    assert dict(line.split(":", 1) for line in shown.splitlines()) == {
        "mtu": "1400",
        "vnetid": "23",
        "encap": "vxlan",
        "varpd/id": "2",
        "vxlan/listen_ip": "192.0.2.11",
        "vxlan/listen_port": "4789",
        "search": "direct",
        "direct/dest_ip": "192.0.2.12",
        "direct/dest_port": "4789",
    }
    assert host.run("dladm", "show-overlay").stdout.splitlines() == [
        "LINK               PROPERTY           PERM REQ VALUE      DEFAULT   POSSIBLE",
        "ov0                mtu                rw   -   1400       1400      576-9000",
        "ov0                vnetid             r-   -   23         --        --",
        "ov0                encap              r-   -   vxlan      --        vxlan",
        "ov0                varpd/id           r-   -   2          --        --",
        "ov0                vxlan/listen_ip    rw   y   192.0.2.11 --        --",
        "ov0                vxlan/listen_port  rw   y   4789       4789      0-65535",
        "ov0                search             r-   -   direct     --        direct,",
        "                                                                    files",
        "ov0                direct/dest_ip     rw   y   192.0.2.12 --        --",
        "ov0                direct/dest_port   rw   y   4789       --        1-65535",
    ]
    assert host.run("dladm", "show-overlay", "-t").stdout == (
        "LINK                TARGET            DESTINATION\n"
        "ov0                 *:*:*:*:*:*       192.0.2.12:4789\n"
    )
    assert host.run("dladm", "show-overlay", "-f").stdout == (
        "LINK                STATUS  DETAILS\nov0                 ONLINE  -\n"
    )
    assert host.run("dladm", "show-link", "-p", "-o", "class,mtu,over", "ov0").stdout == "overlay:1400:\n"
    assert host.run("dladm", "show-overlay", "e1000g0") == (
        1, "", "dladm: warning: e1000g0 is not an overlay\n",
    )  # fmt: skip
    assert host.run("dladm", "show-overlay", "-f", "e1000g0") == (
        1, "", "dladm: datalink e1000g0 is not an overlay device\n\n",
    )  # fmt: skip
    assert host.run("dladm", "show-overlay", "ov9") == (
        1, "", "dladm: warning: failed to find ov9: object not found\n",
    )  # fmt: skip
    # Of -f and -t the last counts; the fields of -o all are those without -o.
    assert host.run("dladm", "show-overlay", "-t", "-f").stdout.startswith("LINK                STATUS")
    assert host.run("dladm", "show-overlay", "-p", "-o", "all").stderr == (
        "dladm: output fields must be specified in parsable mode\n"
    )
    # Without its daemon the kernel's part is seen.
    host.smf.enabled_services.clear()  # type: ignore[attr-defined]
    assert host.run("dladm", "show-overlay", "-t") == (0, "", "")
    of_the_kernel = "mtu\nvnetid\nencap\nvarpd/id\nvxlan/listen_ip\nvxlan/listen_port\n"
    assert host.run("dladm", "show-overlay", "-p", "-o", "property", "ov0").stdout == of_the_kernel


def test_a_vnic_needs_the_listen_address_and_keeps_the_overlay_busy(host: FakeHost) -> None:
    assert create(host) == (0, "")
    assert host.run("ipadm", "delete-addr", "e1000g0/v4").exit == 0
    assert host.run("dladm", "create-vnic", "-l", "ov0", "a0") == (
        1,
        "",
        "dladm: warning: failed to start overlay device; could not open underlay socket:"
        " can't assign requested address\n"
        "dladm: vnic creation over ov0 failed: can't assign requested address\n",
    )
    assert host.run("ipadm", "create-addr", "-T", "static", "-a", "192.0.2.11/24", "e1000g0/v4").exit == 0
    assert host.run("dladm", "create-vnic", "-l", "ov0", "a0") == (0, "", "")
    assert host.run("dladm", "delete-overlay", "ov0") == (
        1, "", "dladm: failed to delete ov0: link busy\n",
    )  # fmt: skip
    assert host.run("dladm", "delete-vnic", "a0").exit == 0
    assert host.run("dladm", "delete-overlay", "ov0") == (0, "", "")
    assert host.run("dladm", "delete-overlay", "ov0") == (
        1, "", "dladm: failed to delete ov0: object not found\n",
    )  # fmt: skip


def test_targets_of_the_files_plugin_can_be_changed(host: FakeHost) -> None:
    config = host.path("global", "/var/overlay.json")
    config.write_text(json.dumps({"2:8:20:0:0:2": {"ip": "192.0.2.12", "port": 4789, "arp": "10.0.0.2"}}))
    files = "vxlan/listen_ip=192.0.2.11,files/config=/var/overlay.json"
    assert create(host, search="files", properties=files) == (0, "")

    def targets() -> str:
        return host.run("dladm", "show-overlay", "-t", "-p", "-o", "target,destination").stdout

    listed = "2\\:8\\:20\\:0\\:0\\:2:192.0.2.12\\:4789\n"
    assert targets() == listed

    def modify(*argv: str) -> OverlayTarget:
        assert host.run("dladm", "modify-overlay", *argv, "ov0") == (0, "", "")
        target: OverlayTarget = host.kernel.called("set_overlay_target")[-1][1]
        return target

    assert modify("-s", "2:8:20:0:0:10=192.0.2.13:4790").port == 4790
    # What is dropped shows its address, and no address brings it back before it is forgotten.
    assert modify("-s", "2:8:20:0:0:2=DROP").address == ""
    assert modify("-s", "2:8:20:0:0:2=192.0.2.14:4789").address == ""
    assert modify("-s", "2:8:20:0:0:9=drop").address == ""
    assert targets() == (
        "2\\:8\\:20\\:0\\:0\\:2:192.0.2.14\\:4789\n"
        "2\\:8\\:20\\:0\\:0\\:9:\\:\\:\\:0\n"
        "2\\:8\\:20\\:0\\:0\\:10:192.0.2.13\\:4790\n"
    )
    # The plugin does not read its file again.
    config.write_text(json.dumps({"2:8:20:0:0:2": {"ip": "192.0.2.99", "port": 4789}}))
    assert modify("-d", "2:8:20:0:0:2").address == "192.0.2.12"
    modify("-f")
    assert targets() == listed
    before = host.kernel.called("set_overlay_target")
    for passed_over in ("2:8:20:0:0:2=192.0.2.14", "2:8:20:0:0:2=far:4789", "2:8:20:0:0:2=fd00::1:4789"):
        modify("-s", passed_over)
    assert host.kernel.called("set_overlay_target") == before
    assert host.run("dladm", "modify-overlay", "-d", "2:8:20:0:0:9", "ov0") == (
        1, "", "dladm: failed to flush target (null) from overlay target cache ov0: object not found\n",
    )  # fmt: skip
    assert host.run("dladm", "modify-overlay", "-s", "2:8:20:0:0:9=192.0.2.1:0", "ov0") == (
        1, "", "dladm: failed to set target (null) for overlay target cache ov0: invalid argument\n",
    )  # fmt: skip


def test_the_daemon_reads_the_file_again_when_it_starts(tmp_path: Path) -> None:
    host = service_host(tmp_path)
    assert host.run("ipadm", "create-addr", "-T", "static", "-a", "192.0.2.11/24", "e1000g0/v4").exit == 0
    assert host.run("svcadm", "enable", "-s", "varpd").exit == 0
    config = host.path("global", "/var/overlay.json")

    def write(**last_octets: str) -> None:
        entries = {
            f"2:8:20:0:0:{key}": {"ip": f"192.0.2.{ip}", "port": 4789} for key, ip in last_octets.items()
        }
        config.write_text(json.dumps(entries))

    def targets() -> dict[str, str]:
        shown = host.run("dladm", "show-overlay", "-t", "-p", "-o", "target,destination").stdout
        lines = (line.replace("\\", "").removeprefix("2:8:20:0:0:") for line in shown.splitlines())
        return {line[0]: line[2:].removesuffix(":4789") for line in lines}

    write(a="20", b="20", c="20")
    assert create(host, search="files", properties=f"{LISTEN},files/config=/var/overlay.json") == (0, "")
    assert host.run("dladm", "modify-overlay", "-s", "2:8:20:0:0:a=192.0.2.30:4789", "ov0").exit == 0
    write(a="21", b="21", d="21")
    assert targets() == {"a": "192.0.2.30", "b": "192.0.2.20", "c": "192.0.2.20"}
    assert host.run("svcadm", "restart", "varpd").exit == 0
    host.wait_for("global", "svc:/network/varpd:default", "online")
    assert targets() == {"a": "192.0.2.30", "b": "192.0.2.21", "d": "192.0.2.21"}
    sent = {target.mac[-1]: target.address for _, target in host.kernel.called("set_overlay_target")}
    assert sent == {"a": "192.0.2.30", "b": "192.0.2.21", "c": "", "d": "192.0.2.21"}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["ov0"], "need to specify one of -d, -f, or -s"),
        (["-f", "-d", "2:8:20:0:0:2", "ov0"], "only one of -d, -f, or -s may be used"),
        (["-f", "ov0"], "failed to flush target cache for overlay ov0: operation not supported"),
        (
            ["-s", "2:8:20:0:0:2=192.0.2.1:9", "ov0"],
            "failed to set target (null) for overlay target cache ov0: operation not supported",
        ),
        (["-f", "e1000g0"], "failed to flush target cache for overlay e1000g0: object not found"),
        (["-f", "ov9"], "failed to find overlay ov9: object not found"),
        (["-d", "host", "ov0"], "invalid mac address: host\n"),
        (["-s", "host=drop", "ov0"], "invalid mac address: host\n"),
        (["-f"], "missing required overlay device\n"),
        (["-f", "ov0", "ov1"], "only one overlay device may be specified\n"),
    ],
)
def test_what_modify_refuses(host: FakeHost, argv: list[str], message: str) -> None:
    assert create(host) == (0, "")
    assert host.run("dladm", "modify-overlay", *argv) == (1, "", f"dladm: {message}\n")


def test_an_overlay_and_its_vnics_come_back_at_boot_when_its_daemon_is_enabled(host: FakeHost) -> None:
    assert create(host) == (0, "")
    assert host.run("dladm", "create-vnic", "-l", "ov0", "a0").exit == 0
    host.kernel.calls.clear()
    host.boot_network()
    assert [call[0] for call in host.kernel.called("create_overlay")] == ["ov0"]
    assert [call[0] for call in host.kernel.called("create_vnic")] == ["a0"]
    host.smf.enabled_services.clear()  # type: ignore[attr-defined]
    host.boot_network()
    assert host.run("dladm", "show-link", "-p", "-o", "link").stdout == "e1000g0\n"
    assert "ov0" in host.run("dladm", "show-link", "-P", "-p", "-o", "link").stdout


def test_a_simnet_has_one_peer(host: FakeHost) -> None:
    for name in ("sim0", "sim1", "sim2"):
        assert host.run("dladm", "create-simnet", name).exit == 0

    def pairs() -> dict[str, str]:
        shown = host.run("dladm", "show-simnet", "-p", "-o", "link,otherlink").stdout
        return dict(line.split(":") for line in shown.splitlines())

    assert host.run("dladm", "modify-simnet", "-p", "sim1", "sim0") == (0, "", "")
    assert host.run("dladm", "modify-simnet", "-p", "sim2", "sim1") == (0, "", "")
    assert pairs() == {"sim0": "", "sim1": "sim2", "sim2": "sim1"}
    host.boot_network()
    assert pairs() == {"sim0": "", "sim1": "sim2", "sim2": "sim1"}
    assert host.kernel.called("connect")[-1] == ("sim1", ("sim2",))
    assert host.run("dladm", "delete-simnet", "sim2") == (0, "", "")
    assert pairs() == {"sim0": "", "sim1": ""}
    host.boot_network()
    assert pairs() == {"sim0": "", "sim1": ""}
    assert host.run("dladm", "modify-simnet", "-p", "e1000g0", "sim0").exit == 1


def test_what_the_machine_underneath_cannot_do_is_refused(host: FakeHost) -> None:
    assert create(host) == (0, "")
    for words in (
        ("up-aggr",),
        ("show-link", "-s", "-i", "5"),
        ("create-vnic", "-l", "ov0", "-v", "5", "a0"),
    ):
        result = host.run("dladm", *words)
        assert (result.exit, "not emulated by the lab" in result.stderr) == (1, True)


# Packets -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(hosts=("gz1", "gz2"), time_scale=0) as started:
        for each in started.hosts.values():
            each.run("svcadm enable -s varpd").check()
        yield started


def underlay(host: Host) -> str:
    shown = host.run("ipadm show-addr -p -o addr e1000g0/v4").check().stdout
    return shown.strip().partition("/")[0]


def pings(host: Host, address: str) -> bool:
    return host.run(["/usr/sbin/ping", address, "1"]).status == 0


@ON_LINUX
def test_packets_cross_a_direct_overlay(lab: Lab) -> None:
    one, two = lab.hosts.values()
    for host, peer, number in ((one, two, 1), (two, one, 2)):
        properties = (
            f"vxlan/listen_ip={underlay(host)},direct/dest_ip={underlay(peer)},direct/dest_port=4789"
        )
        host.run(f"dladm create-overlay -e vxlan -s direct -v 7 -p {properties} ov0").check()
        host.run("dladm create-vnic -l ov0 a0 && ipadm create-if a0").check()
        host.run(f"ipadm create-addr -T static -a 10.77.0.{number}/24 a0/v4").check()
    assert pings(one, "10.77.0.2")
    # Without the overlay there is no way.
    two.run("ipadm delete-if a0 && dladm delete-vnic a0 && dladm delete-overlay ov0").check()
    assert not pings(one, "10.77.0.2")
    one.run("ipadm delete-if a0 && dladm delete-vnic a0 && dladm delete-overlay ov0").check()


@ON_LINUX
def test_the_files_plugin_reaches_what_is_listed_and_nothing_else(lab: Lab) -> None:
    one, two = lab.hosts.values()
    macs = {one: ("2:8:20:0:0:1", "10.78.0.1"), two: ("2:8:20:0:0:2", "10.78.0.2")}
    listed = {
        mac: {"ip": underlay(host), "port": 4790, "arp": address, "ndp": f"fd00:78::{mac[-1]}"}
        for host, (mac, address) in macs.items()
    }
    for host, (mac, address) in macs.items():
        host.run("cat > /var/overlay.json", input=json.dumps(listed)).check()
        properties = (
            f"vxlan/listen_ip={underlay(host)},vxlan/listen_port=4790,files/config=/var/overlay.json"
        )
        host.run(f"dladm create-overlay -e vxlan -s files -v 8 -p {properties} ov1").check()
        host.run(f"dladm create-vnic -l ov1 -m {mac} b0 && ipadm create-if b0").check()
        host.run(f"ipadm create-addr -T static -a {address}/24 b0/v4").check()
        host.run("ipadm create-addr -T addrconf b0/ll").check()
        host.run(f"ipadm create-addr -T static -a fd00:78::{mac[-1]}/64 b0/v6").check()
    assert pings(one, "10.78.0.2")
    assert pings(one, "fd00:78::2")
    # An address that the table does not hold is never heard of: there is no broadcast.
    two.run("ipadm create-addr -T static -a 10.78.0.3/24 b0/more").check()
    assert not pings(one, "10.78.0.3")


@ON_LINUX
def test_an_overlay_works_again_after_a_reboot(lab: Lab) -> None:
    one, two = lab.hosts.values()
    two.reboot()
    assert two.run("dladm show-overlay -f -p -o link,status").stdout == "ov1:ONLINE\n"
    assert pings(one, "10.78.0.2")


@ON_LINUX
def test_paired_simnets_carry_packets(lab: Lab) -> None:
    host = lab.host
    host.run("dladm create-simnet sim0 && dladm create-simnet sim1").check()
    host.run("dladm create-vnic -l sim0 x0 && dladm create-vnic -l sim1 x1").check()
    host.run(
        "zonecfg -z far 'create -t lipkg; set zonepath=/zones/far; add net; set physical=x1; end'"
    ).check()
    host.run("zoneadm -z far install && zoneadm -z far boot").check()
    host.run("ipadm create-if x0 && ipadm create-addr -T static -a 10.79.0.1/24 x0/v4").check()
    wait = "until svcs -z far -H -o state milestone/network | grep online; do sleep 0.1; done"
    host.run(wait).check()
    host.run("zlogin far 'ipadm create-if x1; ipadm create-addr -T static -a 10.79.0.2/24 x1/v4'").check()
    assert not pings(host, "10.79.0.2")
    host.run("dladm modify-simnet -p sim1 sim0").check()
    shown = host.run("dladm show-simnet -p -o link,otherlink").stdout
    assert shown == "sim0:sim1\nsim1:sim0\n"
    assert pings(host, "10.79.0.2")
    host.run("dladm modify-simnet -p none sim1").check()
    assert not pings(host, "10.79.0.2")
