"""Brands of zones: what each is installed from, what its guests are told, and how its zones live."""

import pytest

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import brands, distribution, records, sysidcfg, zoneadm
from pulumi_illumos_provider.illumos.pending import parse as parse_pending
from pulumi_illumos_provider.model.base import Change, check
from pulumi_illumos_provider.model.zone import ZoneInputs

from .hosts import OMNIOS, OWNER, TRIBBLIX, ZONE, FakeHost, plan, says, text_of

NO_NETWORK: dict[str, list[str]] = {"nics": []}
EVERY_BRAND = "ipkg lipkg sparse pkgsrc illumos lx bhyve kvm emu"


def omnios(**text):
    return host_of(OMNIOS, EVERY_BRAND, **text)


def tribblix(**text):
    return host_of(TRIBBLIX, "sparse-root whole-root alien-root appstack solaris10 bhyve", **text)


def host_of(system, names, paths="", volumes=()):
    host = FakeHost(system)
    host.brands = names
    host.paths += paths.splitlines()
    host.datasets += [f"{name}\tvolume\t-" for name in volumes]
    return host


def zone(name="web", **properties):
    return {"name": name, **NO_NETWORK, **properties}


def refusal(raw, host):
    with pytest.raises(Refused) as caught:
        plan(ZONE, raw, host)
    return caught.value


def failures(**properties):
    return {f.property: f.reason for f in check(ZoneInputs, zone(**properties))[1]}


def install_of(raw, host) -> str:
    """The arguments of zoneadm that give the zone its files."""
    step = next(
        s for s in plan(ZONE, raw, host) if s.say.split()[0] in ("installing", "cloning", "attaching")
    )
    return " ".join(step.run.argv[3:])


def config_of(steps):
    """What zonecfg is told when a zone is made."""
    config = next(s.run.stdin for s in steps if s.say.startswith("configuring"))
    return config.replace('ip-type="exclusive"', "ip-type=exclusive")


# Brands ------------------------------------------------------------------------------------------


def test_a_brand_that_the_host_has_not_got_is_refused_with_what_brings_it():
    host = omnios()
    host.brands = "ipkg lipkg"
    refused = refusal(zone(brand="lx", install={"image": "/images/alpine.tar.gz"}), host)
    assert refused.property == "brand"
    assert "it has ipkg, lipkg" in str(refused)
    assert "pkg install system/zones/brand/lx" in str(refused)


def test_an_overlay_of_tribblix_brings_bhyve():
    host = tribblix()
    host.brands = "sparse-root whole-root"
    assert "zap install-overlay bhyve" in str(refusal(zone(brand="bhyve"), host))


def test_a_misspelt_brand_is_refused_with_those_that_exist():
    refused = refusal(zone(brand="sparce"), omnios())
    assert refused.property == "brand"
    assert "sparse" in str(refused)


@pytest.mark.parametrize("brand", ["lx", "bhyve"])
def test_guests_need_an_ip_stack_of_their_own(brand):
    refused = refusal(zone(brand=brand, ipType="shared"), omnios())
    assert refused.property == "ipType"


def test_templates_are_named_apart_from_brands():
    steps = plan(ZONE, zone(brand="whole-root"), tribblix())
    assert config_of(steps).startswith("create -t TRIBwhole\n")
    assert "set brand" not in config_of(steps)


@pytest.mark.parametrize("known", [brands.OMNIOS, brands.TRIBBLIX, brands.OPENINDIANA])
def test_every_install_option_is_a_property(known):
    properties = {"packages", "overlays", "publishers", "image", "directory", "template"}
    assert all(set(brand.options) <= properties for brand in known.values())
    assert all("image" in brand.options for brand in known.values() if brand.needs_image)


def test_what_is_not_known_of_a_brand_is_its_name_only():
    brand = distribution.OMNIOS.known("omicron1")
    assert (brand.name, brand.native, brand.options) == ("omicron1", False, {})


# Installation ------------------------------------------------------------------------------------


def test_packages_and_publishers():
    install = {
        "packages": ["ooce/server/nginx", "ooce/editor/nano"],
        "publishers": {"omnios": "https://pkg.example/core"},
    }
    assert install_of(zone(brand="lipkg", install=install), omnios()) == (
        "install -e ooce/server/nginx -e ooce/editor/nano -P omnios=https://pkg.example/core"
    )


def test_overlays_of_tribblix():
    install = {"overlays": ["base", "web"], "packages": ["TRIBnginx"]}
    assert install_of(zone(brand="whole-root", install=install), tribblix()) == (
        "install -P TRIBnginx -o base -O web"
    )


def test_a_linux_image():
    host = omnios(paths="file /images/alpine.tar.gz")
    raw = zone(brand="lx", install={"image": "/images/alpine.tar.gz"})
    assert install_of(raw, host) == "install -s /images/alpine.tar.gz"


def test_a_dataset_as_image():
    host = omnios()
    raw = zone(brand="illumos", install={"image": "rpool/zones@gold"})
    assert install_of(raw, host) == "install -s rpool/zones@gold"


def test_an_archive_is_unconfigured_unless_it_keeps_its_identity():
    host = omnios(paths="file /images/old.tar")
    assert install_of(zone(install={"image": "/images/old.tar"}), host) == "install -a /images/old.tar -u"
    kept = {"image": "/images/old.tar", "keepIdentity": True}
    assert install_of(zone(install=kept), host) == "install -a /images/old.tar -p"


@pytest.mark.parametrize(
    ("brand", "install", "property", "words"),
    [
        ("sparse", {"packages": ["nano"]}, "install.packages", "ipkg, lipkg"),
        ("lipkg", {"overlays": ["base"]}, "install.overlays", "these do: none"),
        ("bhyve", {"image": "/images/disk.raw"}, "install.image", "illumos, ipkg, lipkg, lx"),
        ("lx", {}, "install.image", "give image"),
        ("lx", {"image": "/images/gone.tar"}, "install.image", "/images/gone.tar is not there"),
        ("lx", {"image": "tank/gone@1"}, "install.image", "tank/gone@1 is not there"),
        ("lipkg", {"directory": "/images/a.tar"}, "install.directory", "is not a directory"),
        ("lipkg", {"keepIdentity": True}, "install.keepIdentity", "these do: ipkg, lipkg"),
        ("lipkg", {"clone": "gold"}, "install.clone", "no zone gold"),
    ],
)
def test_what_a_brand_cannot_be_installed_from(brand, install, property, words):
    refused = refusal(zone(brand=brand, install=install), omnios(paths="file /images/a.tar"))
    assert (refused.property, words in str(refused)) == (property, True), str(refused)


def test_a_zone_comes_from_one_place():
    assert "excludes image" in failures(install={"image": "/a", "clone": "gold"})["install.clone"]
    assert "excludes clone" in failures(install={"packages": ["a"], "clone": "gold"})["install.packages"]
    assert "zonepath" in failures(install={"attach": "verify"})


@pytest.mark.parametrize("word", ["two words", "$(reboot)", "-x", "a;b", ""])
def test_words_that_a_shell_would_read_are_refused(word):
    assert "install.packages[0]" in failures(install={"packages": [word]})


GOLD = "create -b\nset zonepath=/zones/gold\nset brand=lipkg\n"


def test_a_clone_of_a_halted_zone_of_the_same_brand():
    host = omnios().zone("gold", "installed", GOLD)
    assert install_of(zone(install={"clone": "gold"}), host) == "clone gold"


@pytest.mark.parametrize(
    ("state", "brand", "words"),
    [
        ("running", "lipkg", "state halted"),
        ("configured", "lipkg", "configured"),
        ("installed", "ipkg", "brand"),
    ],
)
def test_what_cannot_be_cloned(state, brand, words):
    host = omnios().zone("gold", state, GOLD, brand=brand)
    refused = refusal(zone(brand="lipkg", install={"clone": "gold"}), host)
    assert refused.property == "install.clone"
    assert words in str(refused)


@pytest.mark.parametrize(("how", "options"), [("verify", ""), ("update", " -u"), ("force", " -F")])
def test_a_directory_that_is_a_zone_already_is_attached(how, options):
    host = omnios(paths="directory /zones/web")
    raw = zone(zonepath="/zones/web", install={"attach": how})
    assert install_of(raw, host) == f"attach{options}"


def test_attaching_needs_the_directory():
    refused = refusal(zone(zonepath="/zones/web", install={"attach": "verify"}), omnios())
    assert refused.property == "install.attach"


def installed(host, **attributes):
    """A zone of ours, installed."""
    lines = ["create -b", "set zonepath=/zones/web", "set brand=lipkg", "set autoboot=true"]
    lines.append("set ip-type=exclusive")
    for name, value in {records.OWNER: OWNER.urn, **attributes}.items():
        lines += ["add attr", f"set name={name}", "set type=string", f'set value="{value}"', "end"]
    files = {"etc/nodename": "web\n", "etc/resolv.conf": "nameserver 192.0.2.53\n"}
    return host.zone("web", "installed", "\n".join(lines) + "\n", files)


def read(host):
    """The outputs of zone web."""
    state = ZONE.read("gz", "web", host.snapshot())
    assert state is not None
    return state


def differences(raw, host):
    state = read(host)
    wanted = ZONE.inputs.model_validate(raw)
    return {d.property: d.change for d in ZONE.differences(wanted, state)}


@pytest.mark.parametrize(
    ("recorded", "install", "differs"),
    [
        ("packages=a,b", {"packages": ["b", "a"]}, False),
        ("packages=a,b", {"packages": ["a"]}, True),
        ("packages=a,b", None, False),
        (None, {"packages": ["a"]}, False),
    ],
)
def test_another_installation_replaces_a_zone_whose_installation_is_known(recorded, install, differs):
    host = installed(omnios(), **({records.INSTALL: recorded} if recorded else {}))
    raw = zone(state="halted", **({"install": install} if install else {}))
    expected = {"install": Change.REPLACE} if differs else {}
    assert differences(raw, host) == expected


# A zone's life -----------------------------------------------------------------------------------


def test_every_state_is_read_and_an_unknown_one_is_told():
    for state in zoneadm.STATES:
        host = installed(omnios())
        host.zones[-1] = host.zones[-1].replace(":installed:", f":{state}:")
        assert read(host).status == state
    host.zones[-1] = host.zones[-1].replace(":down:", ":unavailable:")
    assert read(host).status == "unavailable"
    with pytest.raises(Refused, match="in state unavailable"):
        plan(ZONE, zone(), host, update=True)
    with pytest.raises(Refused, match="in state unavailable"):
        ZONE.plan_delete("web", host.snapshot(), read(host))


def running(host):
    host.zones[-1] = host.zones[-1].replace("-:web:installed:", "7:web:running:")
    return host


def noted(host, number, *names):
    text = "".join(f"\t{line}\n" for line in (number, *names))
    host.configurations[-1] = host.configurations[-1].replace("#root", f"#live pending\n{text}#root")
    return host


def test_a_zone_is_left_running_when_it_must_not_be_rebooted():
    host = running(installed(omnios()))
    steps = plan(ZONE, zone(hostname="www", rebootPolicy="never"), host, update=True)
    assert not any(word in say for say in says(steps) for word in ("shutting", "booting"))
    note = next(s for s in steps if s.say.startswith("noting"))
    assert note.run.stdin == "7\nhostname\n"
    assert says(steps).index(note.say) < says(steps).index("writing /etc/nodename in zone web")


def test_what_waits_for_a_boot_is_shown_until_the_zone_boots():
    host = noted(running(installed(omnios())), "7", "memory")
    assert read(host).pending_reboot == ["memory"]
    assert differences(zone(rebootPolicy="never"), host) == {}
    assert differences(zone(), host) == {"pendingReboot": Change.REBOOT}
    steps = says(plan(ZONE, zone(), host, update=True))
    assert steps[0] == "shutting down zone web"
    assert steps[-1].startswith("forgetting what waited")
    host.zones[-1] = host.zones[-1].replace("7:web:", "8:web:")
    assert read(host).pending_reboot == []


def test_a_note_counts_for_one_boot():
    assert parse_pending("7\nmemory\nvm\n", "7") == ["memory", "vm"]
    assert parse_pending("7\nmemory\n", "-") == parse_pending("", "7") == []


def test_a_move_cannot_wait():
    host = running(installed(omnios()))
    with pytest.raises(Refused, match="must not run") as caught:
        plan(ZONE, zone(zonepath="/zones/other", rebootPolicy="never"), host, update=True)
    assert caught.value.property == "rebootPolicy"


def test_another_directory_moves_the_zone():
    host = running(installed(omnios()))
    assert differences(zone(zonepath="/zones/other"), host) == {"zonepath": Change.HALT}
    assert says(plan(ZONE, zone(zonepath="/zones/other"), host, update=True)) == [
        "shutting down zone web",
        "moving zone web to /zones/other",
        "booting zone web",
        "waiting for zone web to be up",
    ]


@pytest.mark.parametrize("path", ["/zones/gold", "/zones/gold/inner", "/elsewhere/web"])
def test_where_a_zone_cannot_be(path):
    host = omnios().zone("gold", "installed", GOLD)
    assert refusal(zone(zonepath=path), host).property == "zonepath"


@pytest.mark.parametrize(
    ("asked", "last"),
    [
        ({"waitFor": "none"}, "booting zone web"),
        ({"waitFor": "running"}, "waiting for zone web to run"),
        ({}, "waiting for zone web to be up"),
    ],
)
def test_what_is_waited_for(asked, last):
    steps = plan(ZONE, zone(**asked), installed(omnios()), update=True)
    assert says(steps)[-1] == last


def test_the_limit_of_the_waiting_is_that_of_the_step_too():
    step = plan(ZONE, zone(waitTimeout=30), installed(omnios()), update=True)[-1]
    assert step.run.argv[-1] == "30"
    assert step.timeout > 30


def test_guests_have_no_services_to_wait_for():
    refused = refusal(zone(brand="bhyve", waitFor="multiUser"), omnios())
    assert refused.property == "waitFor"
    assert "lipkg" in str(refused)
    assert "waitTimeout" in failures(waitFor="none", waitTimeout=5)


def test_how_a_zone_is_removed_is_recorded_with_it():
    steps = plan(ZONE, zone(shutdownTimeout=20, retainData=True), omnios())
    assert 'set value="shutdown=20 data=keep"' in config_of(steps)
    host = running(installed(omnios(), **{records.LIFECYCLE: "shutdown=20 data=keep"}))
    now = host.snapshot()
    state = read(host)
    assert (state.shutdown_timeout, state.retain_data) == (20, True)
    assert ZONE.spell(state)["shutdownTimeout"] == 20
    assert ZONE.spell(state)["retainData"] is True
    stop = ZONE.plan_delete("web", now, state).steps[0]
    assert stop.run.argv[-1] == "20"


def test_what_is_left_of_a_zone_is_told():
    host = installed(omnios())
    steps = ZONE.plan_delete("web", host.snapshot(), read(host)).steps
    assert next(s for s in steps if "what is left" in s.say).warns


# Virtual machines --------------------------------------------------------------------------------


VM = {
    "ram": "2G",
    "vcpus": 2,
    "bootdisk": {"dataset": "rpool/web", "size": "8G", "image": "/images/debian.raw"},
    "disks": [{"dataset": "rpool/data", "interface": "nvme"}],
    "cdroms": ["/images/tools.iso"],
    "bootrom": "BHYVE_RELEASE",
    "type": "generic",
    "acpi": True,
    "extra": ["-W"],
}
IMAGES = "file /images/debian.raw\nfile /images/tools.iso"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHhVr0aMYDXhkQh9mCRgNwRjBKdvSRMFgWzNhbT8Zl5d me"


def machine(**vm):
    return zone(brand="bhyve", vm={**VM, **vm}, dnsServers=["192.0.2.53"])


def bhyve_host(**text):
    return omnios(**{"paths": IMAGES, "volumes": ["rpool/data"], **text})


def attributes_of(steps):
    lines = config_of(steps).splitlines()
    return {
        line[10:-1]: lines[n + 2][11:-1]
        for n, line in enumerate(lines)
        if line.startswith('set name="') and lines[n - 1] == "add attr"
    }


def test_a_machine_is_said_in_attributes_devices_and_file_systems():
    steps = plan(ZONE, {**machine(), "sshAuthorizedKeys": [KEY]}, bhyve_host())
    attributes = attributes_of(steps)
    assert {k: v for k, v in attributes.items() if not k.startswith("pulumi-")} == {
        "resolvers": "192.0.2.53",
        "ram": "2G",
        "vcpus": "2",
        "bootdisk": "rpool/web",
        "disk0": "rpool/data",
        "diskif0": "nvme",
        "cdrom0": "/images/tools.iso",
        "extra0": "-W",
        "bootrom": "BHYVE_RELEASE",
        "type": "generic",
        "acpi": "on",
        "cloud-init": "on",
        "sshkey": KEY,
    }
    config = config_of(steps)
    assert 'set match="/dev/zvol/rdsk/rpool/web"' in config
    assert 'set match="/dev/zvol/rdsk/rpool/data"' in config
    assert 'set dir="/images/tools.iso"\nset special="/images/tools.iso"\nset type="lofs"' in config
    assert says(steps)[:2] == [
        "creating volume rpool/web",
        "writing /images/debian.raw to volume rpool/web",
    ]
    assert says(steps)[-2:] == ["booting zone web", "waiting for zone web to run"]


def test_a_machine_reads_back_as_it_was_written():
    raw = {**machine(cloudInit="on"), "state": "halted"}
    config = config_of(plan(ZONE, raw, bhyve_host()))
    host = bhyve_host(volumes=["rpool/data", "rpool/web"])
    host.zone("web", "installed", config, brand="bhyve")
    state = read(host)
    assert differences(raw, host) == {}
    assert (
        plan(ZONE, {**raw, "vm": {**raw["vm"], "bootdisk": {"dataset": "rpool/web"}}}, host, update=True)
        == ()
    )
    assert state.attributes == {}
    assert state.vm.ram == 2 * 1024**3
    spelled = ZONE.spell(state)
    assert spelled["vm"]["ram"] == "2G"
    assert "type" not in spelled["vm"]
    assert differences(spelled, host) == {}
    changes: list[dict[str, object]] = [
        {"ram": "3G"},
        {"vcpus": 1},
        {"disks": []},
        {"cdroms": []},
        {"cloudInit": "off"},
    ]
    for changed in changes:
        assert differences({**raw, "vm": {**raw["vm"], **changed}}, host) == {"vm": Change.REBOOT}
    same = {"ram": "2048M", "vcpus": "2", "vnc": "off"}
    assert differences({**raw, "vm": {**raw["vm"], **same}}, host) == {}


def test_memory_without_unit_counts_mebibytes():
    config = config_of(plan(ZONE, {**machine(), "state": "halted"}, bhyve_host())).replace('"2G"', '"2048"')
    host = bhyve_host().zone("web", "installed", config, brand="bhyve")
    assert "vm" not in differences({**machine(), "state": "halted"}, host)


def test_a_machine_made_by_hand_keeps_what_the_model_does_not_know():
    config = (
        "create -b\nset zonepath=/zones/web\nset brand=bhyve\nset autoboot=true\nset ip-type=exclusive\n"
        "add device\nset match=/dev/zvol/rdsk/rpool/vm*\nend\n"
        "add attr\nset name=bootdisk\nset type=string\nset value=rpool/vm0\nend\n"
        "add attr\nset name=disk\nset type=string\nset value=rpool/vm1\nend\n"
        "add attr\nset name=virtfs0\nset type=string\nset value=share,/export\nend\n"
        "add attr\nset name=vcpus\nset type=string\nset value=cpus=64\nend\n"
        "add attr\nset name=acpi\nset type=boolean\nset value=false\nend\n"
    )
    host = bhyve_host(volumes=["rpool/vm0", "rpool/vm1"]).zone("web", "installed", config, brand="bhyve")
    state = read(host)
    assert state.attributes == {"virtfs0": "share,/export"}
    assert (state.vm.vcpus, state.vm.acpi) == ("cpus=64", False)
    spelled = ZONE.spell(state)
    assert differences(spelled, host) == {}
    steps = plan(ZONE, spelled | {"autoboot": False}, host, update=True)
    assert "device" not in text_of(steps)
    assert "disk" not in text_of(steps)


def test_secrets_of_a_machine_travel_in_files():
    steps = plan(ZONE, {**machine(), "guestPassword": "tr0ub4dor"}, bhyve_host())
    assert attributes_of(steps)["password"] == "/etc/pulumi-illumos/guests/web/password"
    written = [s for s in steps if s.run.stdin == "tr0ub4dor"]
    assert len(written) == 1
    assert all("tr0ub4dor" not in " ".join((s.say, *s.run.argv)) for s in steps)
    host = tribblix(paths=IMAGES, volumes=["rpool/data"])
    inside = plan(ZONE, {**machine(), "guestPassword": "tr0ub4dor"}, host)
    assert attributes_of(inside)["password"] == "/password"
    order = says(inside)
    assert order.index("installing zone web") < order.index(
        "writing the password for the guest of zone web"
    )


def test_user_data_stands_in_place_of_what_the_host_would_say():
    steps = plan(ZONE, {**machine(), "userData": "#cloud-config\nruncmd: []\n"}, bhyve_host())
    attributes = attributes_of(steps)
    assert attributes["cloud-init"] == "/etc/pulumi-illumos/guests/web/user-data"
    assert any(s.run.stdin == "#cloud-config\nruncmd: []\n" for s in steps)


@pytest.mark.parametrize(
    ("vm", "property"),
    [
        ({"bootdisk": {"dataset": "rpool/gone"}}, "vm.bootdisk.dataset"),
        ({"bootdisk": {"dataset": "nopool/web", "size": "1G"}}, "vm.bootdisk.dataset"),
        ({"disks": [{"dataset": "rpool/zones"}]}, "vm.disks[0].dataset"),
        ({"bootdisk": {"dataset": "rpool/b", "size": "1G", "image": "/images/no"}}, "vm.bootdisk.image"),
        ({"cdroms": ["/images/tools.iso", "/images/no.iso"]}, "vm.cdroms[1]"),
        ({"cloudInit": "/images/no.yaml"}, "vm.cloudInit"),
    ],
)
def test_what_a_machine_needs_must_be_there(vm, property):
    assert refusal(machine(**vm), bhyve_host()).property == property


@pytest.mark.parametrize(
    ("vm", "property"),
    [
        ({"vcpus": 33}, "vm.vcpus"),
        ({"ram": "1000"}, "vm.ram"),
        ({"cloudInit": "maybe"}, "vm.cloudInit"),
        ({"bootdisk": {"dataset": "rpool/b", "image": "/i"}}, "vm.bootdisk.image"),
        ({"disks": [{"dataset": "rpool/web"}]}, "vm.disks[0].dataset"),
    ],
)
def test_what_no_machine_has(vm, property):
    assert property in failures(brand="bhyve", vm={**VM, **vm})


def test_user_data_says_all_that_is_said():
    told = failures(
        brand="bhyve",
        vm={**VM, "cloudInit": "on"},
        userData="x",
        guestPassword="y",
        sshAuthorizedKeys=[KEY],
    )
    assert set(told) == {"vm.cloudInit", "guestPassword", "sshAuthorizedKeys"}


@pytest.mark.parametrize(
    ("more", "property"),
    [
        ({"attributes": {"ram": "4G"}}, "attributes"),
        ({"hostname": "other"}, "hostname"),
        ({"sshAuthorizedKeys": [KEY, KEY + "2"]}, "sshAuthorizedKeys"),
        ({"kernelVersion": "4.4"}, "kernelVersion"),
        ({"rootPasswordHash": "x"}, "rootPasswordHash"),
        ({"brand": "lipkg", "vm": None, "userData": "x"}, "userData"),
    ],
)
def test_what_a_machine_cannot_be_told(more, property):
    assert refusal({**machine(), **more}, bhyve_host()).property == property


def test_a_machine_goes_with_the_brands_that_have_one():
    refused = refusal(zone(vm={"ram": "1G"}), omnios())
    assert refused.property == "vm"
    assert "bhyve, emu, kvm" in str(refused)


def test_a_volume_grows_and_never_shrinks():
    raw = {**machine(bootdisk={"dataset": "rpool/web", "size": "16G"}), "state": "halted"}
    config = config_of(plan(ZONE, raw, bhyve_host()))
    host = bhyve_host(volumes=["rpool/data", "rpool/web"]).zone("web", "installed", config, brand="bhyve")
    host.owned += ["rpool/web\tpulumi-illumos:zone\tweb", "rpool/web\tvolsize\t8589934592"]
    assert differences(raw, host) == {"vm": Change.REBOOT}
    assert says(plan(ZONE, raw, host, update=True)) == ["growing volume rpool/web"]
    with pytest.raises(Refused, match="not made smaller"):
        plan(ZONE, machine(bootdisk={"dataset": "rpool/web", "size": "4G"}), host, update=True)


@pytest.mark.parametrize("retained", [False, True])
def test_a_volume_that_was_made_goes_with_the_zone_unless_it_is_retained(retained):
    raw = {**machine(), "state": "halted", "retainData": retained}
    config = config_of(plan(ZONE, raw, bhyve_host()))
    host = bhyve_host(volumes=["rpool/data", "rpool/web"]).zone("web", "installed", config, brand="bhyve")
    host.owned += ["rpool/web\tpulumi-illumos:zone\tweb", "rpool/web\tvolsize\t8589934592"]
    now = host.snapshot()
    steps = says(ZONE.plan_delete("web", now, read(host)).steps)
    assert ("destroying volume rpool/web of zone web" in steps) is not retained
    assert not any("rpool/data" in say for say in steps)
    assert steps[-1] == "deleting the configuration of zone web"


# Other guests ------------------------------------------------------------------------------------


def test_linux_is_told_its_kernel_and_its_name_servers():
    host = omnios(paths="file /images/alpine.tar.gz")
    raw = zone(brand="lx", install={"image": "/images/alpine.tar.gz"}, kernelVersion="5.10", state="halted")
    steps = plan(ZONE, raw, host)
    attributes = attributes_of(steps)
    assert (attributes["kernel-version"], attributes["resolvers"]) == ("5.10", "192.0.2.53")
    host.zone("web", "installed", config_of(steps), brand="lx")
    state = read(host)
    assert state.attributes == {}
    assert state.kernel_version == "5.10"
    assert [str(server) for server in state.dns_servers] == ["192.0.2.53"]
    assert differences(raw, host) == {}
    assert plan(ZONE, raw, host, update=True) == ()


def test_solaris10_gets_all_its_answers():
    host = tribblix(paths="file /images/s10.flar")
    raw = {
        "name": "web",
        "brand": "solaris10",
        "install": {"image": "/images/s10.flar"},
        "nics": [{"link": "igb0", "address": "192.0.2.50"}],
        "hostname": "old",
        "rootPasswordHash": "$5$abc$def",
    }
    steps = plan(ZONE, raw, host)
    answers = next(s for s in steps if "answers" in s.say)
    assert "network_interface=primary {hostname=old ip_address=192.0.2.50 netmask=255.255.255.0 " in (
        answers.run.stdin
    )
    assert "default_route=192.0.2.1 protocol_ipv6=no}" in answers.run.stdin
    assert "root_password=$5$abc$def\n" in answers.run.stdin
    assert all("$5$abc$def" not in " ".join(s.run.argv) for s in steps)
    assert install_of(raw, host) == "install -a /images/s10.flar -u"
    assert says(steps)[-1] == "waiting for zone web to be up"
    del raw["rootPasswordHash"]
    assert refusal(raw, host).property == "rootPasswordHash"
    kept = {**raw, "install": {"image": "/images/s10.flar", "keepIdentity": True}}
    assert not any("answers" in say for say in says(plan(ZONE, kept, host)))


def test_answers_for_dhcp():
    assert "{dhcp hostname=a protocol_ipv6=no}" in sysidcfg.content("a", "UTC", "x", dhcp=True)
