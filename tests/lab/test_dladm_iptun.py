"""dladm's IP tunnels: messages, streams, exit codes, listings, and the rules between links."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.fakes import FakeHost, fake_host


def run(host: FakeHost, *lines: str) -> None:
    for line in lines:
        assert host.run("dladm", *line.split()) == (0, "", ""), line


def show(host: FakeHost, line: str) -> str:
    result = host.run("dladm", *line.split())
    assert (result.exit, result.stderr) == (0, "")
    return result.stdout


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with a tunnel to another one, and one that lacks an end."""
    host = fake_host(tmp_path)
    run(
        host,
        "create-iptun -T ipv4 -a local=192.0.2.1,remote=192.0.2.2 tun0",
        "create-iptun -T ipv6 -a local=2001:DB8::1 tun1",
    )
    return host


def test_listings(host: FakeHost) -> None:
    assert show(host, "show-iptun") == (
        "LINK            TYPE  FLAGS  LOCAL               REMOTE\n"
        "tun0            ipv4  --     192.0.2.1           192.0.2.2\n"
        "tun1            ipv6  --     2001:db8::1         --\n"
    )
    assert show(host, "show-iptun -p -o link,remote tun1") == "tun1:\n"
    assert show(host, "show-link -p -o link,class,mtu,state,over") == (
        "e1000g0:phys:1500:up:\ntun0:iptun:65515:up:\ntun1:iptun:65495:down:\n"
    )
    assert show(host, "show-linkprop -c -o value,default,possible -p hoplimit tun0") == "64:64:1-255\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("create-iptun tun2", "could not create tunnel: IP tunnel type required"),
        ("create-iptun -T gre tun2", "unknown tunnel type: gre"),
        ("create-iptun -T ipv4", "usage:"),
        ("create-iptun -T ipv4 -a from=1 tun2", "invalid address type: from=1"),
        ("create-iptun -T ipv4 tun0", "could not create tunnel: object already exists"),
        ("create-iptun -T ipv4 e1000g0", "could not create tunnel: object already exists"),
        ("create-iptun -T ipv4 bad-0", "could not create tunnel: invalid argument"),
        ("create-iptun -T ipv4 " + "t" * 31 + "0", "tunnel name is too long"),
        (
            "create-iptun -T ipv4 -a local=nowhere tun2",
            "could not create tunnel: invalid local IP tunnel address",
        ),
        (
            "create-iptun -T ipv6 -a remote=192.0.2.2 tun2",
            "could not create tunnel: invalid remote IP tunnel address",
        ),
        (
            "create-iptun -T ipv4 -a local=0.0.0.0 tun2",
            "could not create tunnel: can't assign requested address",
        ),
        (
            "create-iptun -T 6to4 -a local=192.0.2.1,remote=192.0.2.2 tun2",
            "could not create tunnel: invalid argument",
        ),
        (
            "create-iptun -T ipv4 -a local=192.0.2.1,remote=192.0.2.2 tun2",
            "could not create tunnel: address already in use",
        ),
        ("modify-iptun -a local=192.0.2.9 nope0", "could not modify tunnel: object not found"),
        ("modify-iptun tun0", "could not modify tunnel: invalid argument"),
        ("modify-iptun -a local=192.0.2.9 e1000g0", "could not modify tunnel: invalid link"),
        ("modify-iptun -T ipv4 tun0", "unrecognized option '-T'\nusage: modify-iptun"),
        ("delete-iptun nope0", "could not delete tunnel: object not found"),
        ("delete-iptun e1000g0", "could not delete tunnel: invalid link"),
        ("show-iptun nope0", "unable to obtain tunnel status: object not found"),
        ("show-iptun e1000g0", "unable to obtain tunnel status: object not found"),
        ("show-iptun -P e1000g0", "unable to obtain tunnel status: invalid link"),
        ("show-iptun -p", "output fields must be specified in parsable mode"),
        ("create-vnic -l tun0 v0", "vnic creation over tun0 failed: operation not supported"),
        ("up-iptun", "up-iptun: not emulated by the lab"),
    ],
)
def test_failures(host: FakeHost, line: str, message: str) -> None:
    before = show(host, "show-link"), show(host, "show-iptun")
    result = host.run("dladm", *line.split())
    assert (result.exit, result.stdout) == (1, "")
    assert result.stderr.startswith(message if message.startswith("usage:") else f"dladm: {message}")
    assert (show(host, "show-link"), show(host, "show-iptun")) == before


def test_changes_need_privilege(host: FakeHost) -> None:
    for verb, line in (
        ("create", "create-iptun -T ipv4 tun2"),
        ("modify", "modify-iptun -a local=192.0.2.9 tun0"),
        ("delete", "delete-iptun tun0"),
    ):
        result = host.run("dladm", *line.split(), privileged=False)
        assert result == (1, "", f"dladm: could not {verb} tunnel: permission denied\n")


def test_the_ends_are_changed_one_by_one(host: FakeHost) -> None:
    run(host, "modify-iptun -a remote=192.0.2.3 tun0", "modify-iptun -t -a local=192.0.2.9 tun0")
    assert show(host, "show-iptun -p -o local,remote tun0") == "192.0.2.9:192.0.2.3\n"
    assert show(host, "show-iptun -P -p -o local,remote tun0") == "192.0.2.1:192.0.2.3\n"
    assert host.kernel.called("set_tunnel")[-1] == ("tun0", "192.0.2.9", "192.0.2.3")
    host.boot_network()
    assert host.kernel.called("set_tunnel")[-2] == ("tun0", "192.0.2.1", "192.0.2.3")
    run(host, "modify-iptun -a remote=2001:db8::2 tun1")
    assert show(host, "show-link -p -o state tun1") == "up\n"


def test_a_name_in_the_hosts_file_stands_for_its_address(host: FakeHost) -> None:
    (host.root / "etc/inet/hosts").write_text("192.0.2.77 far\n")
    run(host, "modify-iptun -a remote=far tun0")
    assert show(host, "show-iptun -p -o remote tun0") == "192.0.2.77\n"


def test_a_temporary_tunnel_is_gone_after_a_boot(host: FakeHost) -> None:
    run(host, "create-iptun -t -T 6to4 -a local=192.0.2.5 six0", "delete-iptun -t tun1")
    assert host.run("dladm", "modify-iptun", "-a", "local=192.0.2.6", "six0").stderr == (
        "dladm: could not modify tunnel: object not found\n"
    )
    assert show(host, "show-link -p -o link,state six0") == "six0:up\n"
    host.boot_network()
    assert show(host, "show-iptun -p -o link") == "tun0\ntun1\n"


def test_an_interface_on_a_tunnel_is_point_to_point_and_holds_it(host: FakeHost) -> None:
    assert host.run("ipadm", "create-if", "tun0").exit == 0
    assert host.run("ipadm", "show-if", "-p", "-o", "current", "tun0").stdout == "-mp-------46\n"
    assert host.run("dladm", "delete-iptun", "tun0").stderr == (
        "dladm: could not delete tunnel: link busy\n"
    )
    assert host.run("ipadm", "delete-if", "tun0").exit == 0
    run(host, "delete-iptun tun0")


def ipadm(host: FakeHost, line: str) -> str:
    result = host.run("ipadm", *line.split())
    assert (result.exit, result.stderr) == (0, ""), line
    return result.stdout


def test_a_tunnel_carries_an_address_and_the_one_at_the_other_end(host: FakeHost) -> None:
    ipadm(host, "create-addr -T static -a local=10.9.0.1,remote=10.9.0.2 tun0/v4")
    assert host.kernel.called("add_address")[-1] == ("global", "tun0", "10.9.0.1/8", "10.9.0.2")
    assert ipadm(host, "show-addr -p -o state,addr tun0/v4") == "ok:10.9.0.1->10.9.0.2\n"
    netstat = host.run("netstat", "-rn", "-f", "inet").stdout
    assert "10.9.0.2             10.9.0.1             UH        1          0 tun0" in netstat
    assert "10.0.0.0" not in netstat
    assert host.run("ifconfig", "tun0").stdout == (
        "tun0: flags=10008d1<UP,POINTOPOINT,RUNNING,NOARP,MULTICAST,IPv4> mtu 65515 index 2\n"
        "\tinet tunnel src 192.0.2.1 tunnel dst 192.0.2.2\n"
        "\ttunnel hop limit 64 \n"
        "\tinet 10.9.0.1 --> 10.9.0.2 netmask ff000000 \n"
    )
    host.boot_network()
    assert ipadm(host, "show-addr -p -o addr tun0/v4") == "10.9.0.1->10.9.0.2\n"
    ipadm(host, "disable-addr -t tun0/v4")
    assert ipadm(host, "show-addr -p -o state,addr tun0/v4") == "disabled:10.9.0.1->10.9.0.2\n"
    ipadm(host, "delete-addr tun0/v4")
    assert "tun0" not in ipadm(host, "show-addr -p -o addrobj")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.9.0.1/24 tun0/v4", "Could not create address: Invalid argument provided"),
        ("local=10.9.0.1,remote=0.0.0.0 tun0/v4", "Could not create address: Invalid address"),
        ("local=10.9.0.1,remote=10.9.0.2/24 tun0/v4", "Error in setting remote address: Invalid address"),
        (
            "local=10.9.0.1,remote=2001:db8::1 tun0/v4",
            "Could not create address: Invalid argument provided",
        ),
        ("local=10.9.0.1,remote=10.9.0.2 e1000g0/x", "Could not create address: Invalid argument provided"),
        ("local=10.9.0.1,remote=10.9.0.2 six0/v4", "Could not create address: Invalid argument provided"),
    ],
)
def test_only_a_tunnel_has_another_end_and_it_needs_one(host: FakeHost, text: str, message: str) -> None:
    run(host, "create-iptun -T 6to4 -a local=192.0.2.5 six0")
    result = host.run("ipadm", *f"create-addr -T static -a {text}".split())
    assert result == (1, "\n", f"ipadm: {message}")


def test_ifconfig_gives_a_tunnel_both_addresses(host: FakeHost) -> None:
    for line in ("tun0 plumb", "tun0 10.9.0.1 10.9.0.2 up"):
        assert host.run("ifconfig", *line.split()) == (0, "", "")
    assert "\tinet 10.9.0.1 --> 10.9.0.2 netmask ff000000 \n" in host.run("ifconfig", "tun0").stdout
    assert host.run("ifconfig", "tun0", "destination", "10.9.0.7") == (0, "", "")
    assert host.kernel.called("delete_address")[-1] == ("global", "tun0", "10.9.0.1/8", "10.9.0.2")
    assert host.kernel.called("add_address")[-1] == ("global", "tun0", "10.9.0.1/8", "10.9.0.7")
    alone = host.run("ifconfig", "tun0", "10.9.0.3")
    assert alone == (1, "", "ifconfig: could not create address:Invalid argument provided\n")
    assert "10.9.0.1 --> 10.9.0.7" in host.run("ifconfig", "tun0").stdout


def test_a_6to4_tunnel_has_no_other_end(host: FakeHost) -> None:
    run(host, "create-iptun -T 6to4 -a local=192.0.2.5 six0")
    ipadm(host, "create-if six0")
    assert ipadm(host, "show-if -p -o current six0") == "----------46\n"
    assert host.run("ifconfig", "six0", "inet6").stdout.splitlines()[1] == "\tinet tunnel src 192.0.2.5 "
