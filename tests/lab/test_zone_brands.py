"""Brands of zones: what their scripts accept, virtual machines and their seeds, clones, sysidcfg."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from illumos_lab import iso9660, sysidcfg
from illumos_lab.profile import OMNIOS, SMARTOS, TRIBBLIX
from illumos_lab.zone_templates import install_brand
from tests.lab.fakes_zones import configure, zone_host

NET = ("set ip-type=exclusive", "add net", "set physical=vm0")
ADDRESS = ("set allowed-address=10.0.0.5/24", "set defrouter=10.0.0.1")
DISK = ("add device", "set match=/dev/zvol/rdsk/rpool/vm", "end")


def attr(name: str, value: str) -> tuple[str, ...]:
    return ("add attr", f"set name={name}", "set type=string", f'set value="{value}"', "end")


@pytest.fixture
def host(tmp_path: Path) -> Any:
    return with_links(zone_host(tmp_path, OMNIOS))


def with_links(host: Any) -> Any:
    assert host.run("dladm", "create-etherstub", "stub0").exit == 0
    assert host.run("dladm", "create-vnic", "-l", "stub0", "-m", "2:8:20:1:2:3", "vm0").exit == 0
    assert host.run("zfs", "create", "-V", "1G", "rpool/vm").exit == 0
    return host


def zoneadm(host: Any, *argv: str) -> Any:
    return host.run("zoneadm", *argv)


def machine(host: Any, *commands: str, brand: str = "bhyve") -> None:
    """Configure and install a virtual machine with a net resource, which the commands may continue."""
    configure(host, "vm", *NET, *(commands or ("end",)), brand=brand)
    assert zoneadm(host, "-z", "vm", "install").exit == 0


def seed(host: Any) -> dict[str, str]:
    label, files = iso9660.read(host.path("vm", "/cloud-init.iso").read_bytes())
    assert label == "CIDATA"
    return {name: content.decode() for name, content in files.items()}


# Installing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("brand", "arguments", "text"),
    [
        ("bhyve", ["-s", "rpool/vm"], "bhyve: unknown option -s\n"),
        ("emu", ["disk"], "usage:\tinstall\n"),
        ("illumos", [], "usage:\tinstall -s|-t <dataset|snapshot|archive>\n"),
        ("illumos", ["-s", "/no/such.tar"], "ERROR: /no/such.tar: no such dataset"),
        ("lx", ["-t", "rpool/none@x"], "ERROR: rpool/none@x: no such dataset"),
    ],
)
def test_what_a_brands_script_refuses_leaves_the_zone_incomplete(
    host: Any, brand: str, arguments: list[str], text: str
) -> None:
    configure(host, "z", "set ip-type=exclusive", brand=brand)
    result = zoneadm(host, "-z", "z", "install", *arguments)
    assert result.exit == 1
    assert text in result.stderr
    assert host.zones.state("z") == "incomplete"
    assert zoneadm(host, "-z", "z", "uninstall", "-F").exit == 0


def test_a_zone_is_made_from_an_archive_or_a_dataset(host: Any, tmp_path: Path) -> None:
    (tmp_path / "tree/etc").mkdir(parents=True)
    (tmp_path / "tree/etc/mark").write_text("from the archive\n")
    outside = tmp_path / "outside"
    (tmp_path / "tree/way").symlink_to(tmp_path)
    (tmp_path / "more/way").mkdir(parents=True)
    (tmp_path / "more/way/outside").touch()
    archive = host.path("global", "/image.tar.gz")
    trees = f"-C {tmp_path}/tree etc way -C {tmp_path}/more way/outside"
    subprocess.run(["tar", "-czf", archive, *trees.split()], check=True)
    configure(host, "one", "set ip-type=exclusive", brand="lx")
    assert zoneadm(host, "-z", "one", "install", "-s", "/image.tar.gz").exit == 0
    assert host.path("one", "/etc/mark").read_text() == "from the archive\n"
    assert not outside.exists()
    configure(host, "two", brand="illumos")
    assert zoneadm(host, "-z", "two", "install", "-t", "rpool/vm").exit == 0


def test_lx_zones_need_an_ip_stack_of_their_own(host: Any) -> None:
    configure(host, "z", brand="lx")
    assert zoneadm(host, "-z", "z", "install") == (
        1,
        "",
        "zones of brand lx need ip-type exclusive.\nzoneadm: zone z failed to verify\n",
    )


def test_brands_that_are_not_played_are_refused(tmp_path: Path) -> None:
    host = zone_host(tmp_path, SMARTOS)
    configure(host, "z", brand="joyent")
    result = zoneadm(host, "-z", "z", "install")
    assert (result.exit, "not emulated" in result.stderr) == (1, True)


def test_overlays_of_tribblix_bring_brands(tmp_path: Path) -> None:
    host = zone_host(tmp_path, TRIBBLIX)
    assert "bhyve" not in host.zones.store.brands()
    install_brand(host.root, "bhyve")
    assert "bhyve" in host.zones.store.brands()


@pytest.mark.parametrize(
    ("brand", "arguments", "good"),
    [
        ("sparse-root", ["-T", "/template"], True),
        ("sparse-root", ["-T", "/nothing"], False),
        ("alien-root", ["-i", "/template"], True),
        ("alien-root", [], False),
        ("appstack", ["-a", "web", "-A", "db", "-P", "TRIBdnsmasq"], True),
        ("solaris10", ["-a", "/template", "-u"], True),
        ("solaris10", ["-d", "/template", "-p"], True),
        ("solaris10", ["-a", "/template"], False),
    ],
)
def test_brands_of_tribblix_take_their_own_options(
    tmp_path: Path, brand: str, arguments: list[str], good: bool
) -> None:
    host = zone_host(tmp_path, TRIBBLIX)
    host.path("global", "/template/etc").mkdir(parents=True)
    host.smf.install_service = lambda *arguments: None
    configure(host, "z", brand=brand)
    assert (zoneadm(host, "-z", "z", "install", *arguments).exit == 0) is good


# Virtual machines --------------------------------------------------------------------------------


def test_a_machine_gets_its_configuration_from_attributes(host: Any) -> None:
    machine(
        *(host, *ADDRESS, "end", *DISK, *attr("bootdisk", "rpool/vm"), *attr("ram", "2048")),
        *(*attr("vcpus", "2"), *attr("diskif", "ahci"), *attr("bootnext", "cdrom0")),
    )
    assert zoneadm(host, "-z", "vm", "boot") == (0, "", "")
    lines = host.path("vm", "/etc/bhyve.cfg").read_text().splitlines()
    assert {"cpus=2", "memory.size=2048M", "pci.0.4.0.path=/dev/zvol/rdsk/rpool/vm"} <= set(lines)
    assert "pci.0.4.0.device=ahci-hd" in lines
    assert f"uuid={host.zones.require('vm').uuid}" in lines
    assert not host.path("vm", "/cloud-init.iso").exists()
    # What to boot from next counts once.
    assert "bootnext" not in host.run("zonecfg", "-z", "vm", "export").stdout
    assert host.runtime.called("start_guest") == [("vm", "localhost")]
    assert host.run("zlogin", "vm", "id").stderr.startswith("zlogin: could not enter zone vm: ")
    assert zoneadm(host, "-z", "vm", "shutdown") == (0, "", "")
    assert host.zones.state("vm") == "installed"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("ram", "lots", "ERROR: attr ram: 'lots' is not a size"),
        ("vcpus", "33", "ERROR: attr vcpus: '33' is not a number from 1 to 32"),
        ("acpi", "perhaps", "ERROR: attr acpi: 'perhaps' is not on or off"),
        ("hostbridge", "none at all", "is not a host bridge"),
        ("vnc", "maybe", "ERROR: attr vnc"),
        ("type", "linux", "is not generic, openbsd or windows"),
        ("uuid", "17", "is not a UUID"),
        ("disk16", "rpool/vm", "the last one is disk15"),
        ("disk", "rpool/none", "there is no volume rpool/none"),
        ("disk", "rpool/zones", "there is no volume rpool/zones"),
        ("disk1", "rpool/vm", "no device resource that matches /dev/zvol/rdsk/rpool/vm"),
        ("cdrom0", "/iso/install.iso", "/iso/install.iso is not there in the zone"),
        ("ppt0", "on", "no device resource that matches /dev/ppt0"),
        ("virtfs0", "share", "is not NAME,PATH[,ro]"),
        ("cloud-init", "sometimes", "is not on, off, a file or a URL"),
        ("cloud-init", "/no/such/file", "could not read /no/such/file"),
    ],
)
def test_bad_attributes_keep_a_machine_down(host: Any, name: str, value: str, text: str) -> None:
    machine(host, "end", *attr(name, value))
    result = zoneadm(host, "-z", "vm", "boot")
    assert result.exit == 1
    assert text in result.stderr
    assert result.stderr.endswith("zoneadm: zone 'vm': call to zoneadmd failed\n")
    assert host.zones.state("vm") == "installed"
    assert host.links.get("vm0").zone == ""


def test_cloud_init_finds_a_seed(host: Any) -> None:
    host.path("global", "/key.pub").write_text("ssh-ed25519 AAAA me\n")
    machine(
        *(host, *ADDRESS, "end", *attr("cloud-init", "on"), *attr("resolvers", "10.0.0.1,10.0.0.2")),
        *(*attr("dns-domain", "example.org"), *attr("sshkey", "/key.pub"), *attr("password", "secret")),
    )
    assert zoneadm(host, "-z", "vm", "boot") == (0, "", "")
    files = seed(host)
    uuid = host.zones.require("vm").uuid
    assert files["meta-data"] == f"instance-id: {uuid}\nlocal-hostname: vm\n"
    assert '- "ssh-ed25519 AAAA me"' in files["user-data"]
    assert 'password: "secret"\n' in files["user-data"]
    assert "ssh_pwauth: true\n" in files["user-data"]
    network = files["network-config"]
    assert network.startswith("version: 2\n")
    assert 'macaddress: "02:08:20:01:02:03"\n' in network
    assert '- "10.0.0.5/24"\n' in network
    assert '- to: "0.0.0.0/0"\n        via: "10.0.0.1"\n' in network
    assert "- example.org\n" in network
    settings = host.path("vm", "/etc/bhyve.cfg").read_text()
    assert f"system.serial_number=ds=nocloud;i={uuid}\n" in settings
    # The guest does as it is told.
    assert host.kernel.called("add_address")[-1] == ("vm", "vm0", "10.0.0.5/24")
    assert host.kernel.called("add_route")[-1] == ("vm", "0.0.0.0/0", "10.0.0.1", "vm0")
    resolv_conf = host.root / "guests/vm/etc/resolv.conf"
    assert resolv_conf.read_text() == ("search example.org\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n")


def test_user_data_may_be_a_file_or_somewhere_else(host: Any) -> None:
    host.path("global", "/user-data").write_text("#!/bin/sh\n")
    machine(host, "end", *attr("cloud-init", "/user-data"))
    assert zoneadm(host, "-z", "vm", "boot").exit == 0
    assert seed(host)["user-data"] == "#!/bin/sh\n"
    # Nothing says what addresses to have: the guest asks.
    assert "network-config" not in seed(host)
    assert host.kernel.called("start_dhcp_client") == [("vm", "vm0")]
    assert zoneadm(host, "-z", "vm", "halt").exit == 0
    change = "select attr name=cloud-init; set value=http://10.0.0.1/seed/; end"
    assert host.run("zonecfg", "-z", "vm", change).exit == 0
    assert zoneadm(host, "-z", "vm", "boot").exit == 0
    assert not host.path("vm", "/cloud-init.iso").exists()
    assert "serial_number=ds=nocloud-net;s=http://10.0.0.1/seed/;i=" in (
        host.path("vm", "/etc/bhyve.cfg").read_text()
    )


def test_tribblix_makes_the_seed_inside_the_zone(tmp_path: Path) -> None:
    host = with_links(zone_host(tmp_path, TRIBBLIX))
    install_brand(host.root, "bhyve")
    machine(
        *(host, *ADDRESS, "end", *attr("cloud-init", "on"), *attr("sshkey", "/sshkey.pub")),
        *attr("password", "secret"),
    )
    host.path("vm", "/sshkey.pub").write_text("ssh-rsa BBBB you\n")
    assert zoneadm(host, "-z", "vm", "boot") == (0, "", "")
    assert '- "ssh-rsa BBBB you"\n' in seed(host)["user-data"]
    assert "ssh-pwauth: true\n" in seed(host)["user-data"]
    assert 'gateway4: "10.0.0.1"\n' in seed(host)["network-config"]


def test_an_image_of_a_cd_is_read_back() -> None:
    files = {"meta-data": b"x" * 5000, "user-data": b"", "network-config": b"version: 2\n"}
    data = iso9660.build("CIDATA", files)
    assert iso9660.read(data) == ("CIDATA", files)
    with pytest.raises(ValueError, match="no image"):
        iso9660.read(bytes(65536))


# Clones ------------------------------------------------------------------------------------------


def test_a_zone_is_cloned_from_a_snapshot(host: Any) -> None:
    configure(host, "web", brand="lipkg")
    assert zoneadm(host, "-z", "web", "install").exit == 0
    host.path("web", "/etc/motd").write_text("before\n")
    host.path("web", "/etc/default").mkdir()
    host.path("web", "/etc/default/init").write_text("TZ=Europe/Paris\nLANG=C\n")
    assert host.run("zfs", "snapshot", "rpool/zones/web@kept").exit == 0
    host.path("web", "/etc/motd").write_text("after\n")
    for name in ("new", "old"):
        configure(host, name, brand="lipkg")
    assert zoneadm(host, "-z", "new", "clone", "web").stdout == (
        "Cloning snapshot rpool/zones/web@SUNWzone1\n"
        "Instead of copying, a ZFS clone has been created for this zone.\n"
    )
    assert zoneadm(host, "-z", "old", "clone", "-s", "rpool/zones/web@kept", "web").exit == 0
    assert host.path("new", "/etc/motd").read_text() == "after\n"
    assert host.path("old", "/etc/motd").read_text() == "before\n"
    assert host.path("new", "/etc/default/init").read_text() == "TZ=UTC\nLANG=C\n"
    origin = ("zfs", "get", "-H", "-o", "value", "origin")
    assert host.run(*origin, "rpool/zones/new").stdout == "rpool/zones/web@SUNWzone1\n"
    assert host.run("zfs", "destroy", "rpool/zones/web@kept") == (
        1,
        "",
        "cannot destroy 'rpool/zones/web@kept': snapshot has dependent clones\n"
        "use '-R' to destroy the following datasets:\nrpool/zones/old\n",
    )
    # The original goes; its clones live on, and keep what they share.
    assert zoneadm(host, "-z", "web", "uninstall", "-F") == (0, "", "")
    listed = host.run("zfs", "list", "-H", "-t", "all", "-o", "name", "-r", "rpool/zones").stdout
    assert "rpool/zones/web" not in listed
    assert host.path("old", "/etc/motd").read_text() == "before\n"
    for name in ("new", "old"):
        assert zoneadm(host, "-z", name, "uninstall", "-F") == (0, "", "")
    left = host.run("zfs", "list", "-H", "-t", "all", "-o", "name", "-r", "rpool/zones").stdout
    assert left == "rpool/zones\n"


def test_a_snapshot_of_something_else_is_not_cloned(host: Any) -> None:
    for name in ("web", "new"):
        configure(host, name, brand="lipkg")
    assert zoneadm(host, "-z", "web", "install").exit == 0
    result = zoneadm(host, "-z", "new", "clone", "-s", "rpool/vm@none", "web")
    assert result.exit == 1
    assert "rpool/vm@none is no snapshot of zone web" in result.stderr
    assert host.zones.state("new") == "configured"


def test_datasets_are_cloned_promoted_and_rolled_back(host: Any) -> None:
    def zfs(*argv: str) -> str:
        result = host.run("zfs", *argv)
        assert (result.exit, result.stderr) == (0, "")
        return str(result.stdout)

    zfs("create", "rpool/a")
    file = host.path("global", "/rpool/a/file")
    file.write_text("one\n")
    zfs("snapshot", "rpool/a@one")
    zfs("create", "rpool/a/below")
    file.write_text("two\n")
    zfs("clone", "-o", "mountpoint=/b", "rpool/a@one", "rpool/b")
    assert host.path("global", "/b/file").read_text() == "one\n"
    zfs("promote", "rpool/b")
    assert zfs("list", "-H", "-t", "all", "-o", "name,origin", "-r", "rpool/b") == (
        "rpool/b\t-\nrpool/b@one\t-\n"
    )
    assert zfs("get", "-H", "-o", "value", "origin", "rpool/a") == "rpool/b@one\n"
    assert (
        host.run("zfs", "promote", "rpool/b").stderr
        == "cannot promote 'rpool/b': not a cloned filesystem\n"
    )
    zfs("snapshot", "rpool/a@two")
    file.write_text("three\n")
    zfs("snapshot", "rpool/a@three")
    assert "more recent snapshots" in host.run("zfs", "rollback", "rpool/a@two").stderr
    zfs("rollback", "-r", "rpool/a@two")
    assert file.read_text() == "two\n"
    assert host.path("global", "/rpool/a/below").is_dir()
    zfs("destroy", "-R", "rpool/b")
    assert "rpool/a" not in zfs("list", "-H", "-o", "name").split()
    # A volume's contents go with it, too.
    device = host.path("global", "/dev/zvol/dsk/rpool/vm")
    with device.open("r+b") as disk:
        disk.write(b"boot")
    zfs("snapshot", "rpool/vm@one")
    zfs("clone", "rpool/vm@one", "rpool/vm2")
    with host.path("global", "/dev/zvol/rdsk/rpool/vm2").open("rb") as disk:
        assert disk.read(8) == b"boot\0\0\0\0"
    zfs("rename", "rpool/vm2", "rpool/vm3")
    assert host.path("global", "/dev/zvol/rdsk/rpool/vm3").exists()
    zfs("destroy", "rpool/vm3")
    assert not host.path("global", "/dev/zvol/rdsk/rpool/vm3").is_symlink()


def test_file_systems_and_datasets_are_verified(host: Any) -> None:
    host.run("zfs", "create", "rpool/plain")
    configure(
        *(host, "z", "add dataset", "set name=rpool/vm", "end", "add dataset", "set name=rpool/no", "end"),
        *("add dataset", "set name=rpool/export/home", "end"),
        *("add fs", "set dir=/a", "set special=rpool/plain", "set type=zfs", "end"),
        *("add fs", "set dir=/b", "set special=rpool/vm", "set type=zfs", "end"),
        *("add fs", "set dir=/c", "set special=rpool/no", "set type=zfs", "end"),
    )
    assert zoneadm(host, "-z", "z", "install").stderr.splitlines() == [
        "could not verify fs /a: zfs 'rpool/plain' mountpoint is not \"legacy\"",
        "cannot verify fs /b: 'rpool/vm' is not a file system",
        "could not verify fs /c: could not access zfs dataset 'rpool/no'",
        "could not verify zfs dataset rpool/vm: volume cannot be specified as a dataset",
        "could not verify zfs dataset rpool/no: dataset does not exist",
        "could not verify zfs dataset rpool/export/home: mountpoint cannot be inherited",
        "zoneadm: zone z failed to verify",
    ]


# Solaris 10 --------------------------------------------------------------------------------------

ANSWERS = """\
# Written for a test
system_locale=C
Terminal=xterms
network_interface=primary {hostname=sol ip_address=10.0.0.9
  netmask=255.255.255.0 default_route=10.0.0.1 protocol_ipv6=no}
security_policy=NONE
name_service=DNS {domain_name=example.org name_server=10.0.0.1,10.0.0.2}
nfs4_domain=dynamic
timezone=Europe/Berlin
root_password=abcdefghijklm
"""


def test_sysidcfg_is_read() -> None:
    answers = sysidcfg.parse(ANSWERS)
    interface = answers["network_interface"][0]
    assert (interface.value, interface.dependents["ip_address"]) == ("primary", "10.0.0.9")
    assert answers["terminal"][0].value == "xterms"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ANSWERS.replace("timezone=Europe/Berlin\n", ""), "no answer for timezone"),
        (ANSWERS + "timezone=UTC\n", "timezone is there twice"),
        (ANSWERS + "colour=blue\n", "unknown keyword colour"),
        (ANSWERS + "what is this\n", "syntax error"),
        (ANSWERS.replace("protocol_ipv6=no", "="), "syntax error in braces"),
    ],
)
def test_a_wrong_sysidcfg_answers_nothing(text: str, complaint: str) -> None:
    with pytest.raises(sysidcfg.SysidcfgError, match=complaint):
        sysidcfg.parse(text)
