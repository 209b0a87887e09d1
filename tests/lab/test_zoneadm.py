"""zoneadm, zlogin and zonename: states, messages, exit statuses, and what happens underneath."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from illumos_lab.invocation import Spawn
from illumos_lab.profile import OMNIOS, OPENINDIANA, TRIBBLIX
from tests.lab.fakes_zones import configure, zone_host

NET = ("set ip-type=exclusive", "add net", "set physical=web0", "end")


@pytest.fixture
def host(tmp_path: Path) -> Any:
    made = zone_host(tmp_path, OMNIOS)
    assert made.run("dladm", "create-etherstub", "stub0").exit == 0
    assert made.run("dladm", "create-vnic", "-l", "stub0", "web0").exit == 0
    return made


def zoneadm(host: Any, *argv: str, **options: Any) -> Any:
    return host.run("zoneadm", *argv, **options)


def state(host: Any, zone: str = "web") -> str:
    return str(host.zones.state(zone))


def bring_to(host: Any, wanted: str, zone: str = "web") -> None:
    """Take a new exclusive-ip zone to a state."""
    configure(host, zone, *NET)
    if wanted == "configured":
        return
    assert zoneadm(host, "-z", zone, "install").exit == 0
    if wanted == "incomplete":
        assert zoneadm(host, "-z", zone, "mark", "incomplete").exit == 0
    elif wanted == "ready":
        assert zoneadm(host, "-z", zone, "ready") == (0, "", "")
    elif wanted == "running":
        assert zoneadm(host, "-z", zone, "boot") == (0, "", "")
    assert state(host, zone) == wanted


# The state table ---------------------------------------------------------------------------------

STATES = {
    "verify": {"incomplete": (1, "zoneadm: zone 'web': zone is incomplete; uninstall required.\n")},
    "install": {
        "installed": (1, "zoneadm: zone 'web': is already installed.\n"),
        "incomplete": (1, "zoneadm: zone 'web': zone is incomplete; uninstall required.\n"),
        "running": (1, "zoneadm: zone 'web': install operation is invalid for running zones.\n"),
    },
    "attach": {
        "installed": (1, "zoneadm: zone 'web': is already installed.\n"),
        "incomplete": (1, "zoneadm: zone 'web': zone is incomplete; uninstall required.\n"),
        "running": (1, "zoneadm: zone 'web': attach operation is invalid for running zones.\n"),
    },
    "clone other": {
        "installed": (1, "zoneadm: zone 'web': is already installed.\n"),
        "incomplete": (1, "zoneadm: zone 'web': zone is incomplete; uninstall required.\n"),
        "running": (1, "zoneadm: zone 'web': clone operation is invalid for running zones.\n"),
    },
    "move /zones/new": {
        "configured": (1, "zoneadm: zone 'web': must be installed before move.\n"),
        "running": (1, "zoneadm: zone 'web': move operation is invalid for running zones.\n"),
    },
    "boot": {
        "configured": (1, "zoneadm: zone 'web': must be installed before boot.\n"),
        "incomplete": (1, "zoneadm: zone 'web': must be installed before boot.\n"),
        "running": (0, "zone 'web': zone is already booted\n"),
    },
    "ready": {
        "configured": (1, "zoneadm: zone 'web': must be installed before ready.\n"),
        "ready": (0, "zone 'web': zone is already ready\n"),
    },
    "halt": {
        "configured": (1, "zone 'web': halt operation is invalid for zones in state 'configured'\n"),
        "incomplete": (1, "zone 'web': halt operation is invalid for zones in state 'incomplete'\n"),
        "installed": (0, "zone 'web': zone is already halted\n"),
    },
    "shutdown": {
        "configured": (1, "zoneadm: zone 'web': not running\n"),
        "installed": (1, "zoneadm: zone 'web': not running\n"),
        "ready": (1, "zone 'web': shutdown operation is invalid for zones in state 'ready'\n"),
    },
    "reboot": {
        "configured": (1, "zoneadm: zone 'web': not running\n"),
        "installed": (1, "zoneadm: zone 'web': not running\n"),
        "ready": (1, "zone 'web': reboot operation is invalid for zones in state 'ready'\n"),
    },
    "uninstall -F": {
        "configured": (1, "zoneadm: zone 'web': is already in state 'configured'.\n"),
        "running": (1, "zoneadm: zone 'web': uninstall operation is invalid for running zones.\n"),
        "ready": (1, "zoneadm: zone 'web': uninstall operation is invalid for ready zones.\n"),
    },
    "detach": {
        "configured": (1, "zoneadm: zone 'web': must be installed before detach.\n"),
        "running": (1, "zoneadm: zone 'web': detach operation is invalid for running zones.\n"),
    },
    "mark incomplete": {
        "ready": (1, "zoneadm: zone 'web': mark operation is invalid for ready zones.\n"),
        "running": (1, "zoneadm: zone 'web': mark operation is invalid for running zones.\n"),
    },
}


@pytest.mark.parametrize(
    ("command", "before", "status", "message"),
    [(c, before, *answer) for c, table in STATES.items() for before, answer in table.items()],
)
def test_wrong_states_are_refused_in_the_programs_words(
    host: Any, command: str, before: str, status: int, message: str
) -> None:
    bring_to(host, before)
    result = zoneadm(host, "-z", "web", *command.split())
    assert (result.exit, result.stderr) == (status, message)
    assert state(host) == before


@pytest.mark.parametrize("command", ["boot", "install", "halt", "list", "verify", "uninstall"])
def test_unknown_zones_are_refused(host: Any, command: str) -> None:
    result = zoneadm(host, "-z", "nosuch", command)
    assert (result.exit, result.stderr) == (1, "zoneadm: nosuch: No such zone configured\n")


def test_unprivileged_callers_and_other_zones_are_refused(host: Any) -> None:
    bring_to(host, "installed")
    assert zoneadm(host, "-z", "web", "boot", privileged=False) == (
        1,
        "",
        "zoneadm: zone 'web': only a privileged user may boot a zone.\n",
    )
    assert zoneadm(host, "-z", "web", "boot", zone="other").stderr == (
        "zoneadm: zone 'web': must be in the global zone to boot a zone.\n"
    )
    assert zoneadm(host, "-z", "global", "boot").stderr == (
        "zoneadm: zone 'global': boot operation is invalid for the global zone.\n"
    )


def test_a_subcommand_needs_a_zone(host: Any) -> None:
    assert zoneadm(host, "halt") == (1, "", "zoneadm: no zone specified\n")
    assert zoneadm(host, "-u", "nonsense", "list") == (1, "", "zoneadm: illegal UUID value specified\n")
    assert zoneadm(host, "install").exit == 2


def test_words_that_mean_nothing_are_wrong_usage(host: Any) -> None:
    bring_to(host, "running")
    for command in ("halt", "ready"):
        result = zoneadm(host, "-z", "web", command, "now")
        assert (result.exit, result.stderr.partition("\n")[0]) == (2, f"usage:\t{command}")
    # A wrong state to mark is not even told of.
    assert zoneadm(host, "-z", "web", "mark", "running") == (2, "", "")
    assert state(host) == "running"


def test_sysboot_is_for_installed_zones(host: Any) -> None:
    bring_to(host, "running")
    assert zoneadm(host, "-z", "web", "sysboot") == (
        1,
        "",
        "zoneadm: zone 'web': sysboot operation is invalid for running zones.\n",
    )


def test_a_manifest_is_tried_before_its_zone_is_configured(host: Any) -> None:
    bring_to(host, "installed")
    manifest = zoneadm(host, "-z", "web", "detach", "-n", privileged=False).stdout
    host.path("global", "/tmp").mkdir(exist_ok=True)
    host.path("global", "/tmp/web.xml").write_text(manifest)
    host.path("global", "/tmp/bad.xml").write_text("hello")
    assert zoneadm(host, "attach", "-n", "/tmp/web.xml") == (0, "", "")
    assert zoneadm(host, "attach", "-n", "/tmp/bad.xml") == (
        1,
        "",
        "zoneadm: /tmp/bad.xml is not an XML file\n",
    )
    assert zoneadm(host, "attach", "-n", "/tmp/none.xml") == (
        1,
        "",
        "zoneadm: could not open manifest path /tmp/none.xml: No such file or directory\n",
    )
    assert zoneadm(host, "-z", "web", "attach", "-F", "-n", "/tmp/web.xml").stderr == (
        "zoneadm: zone 'web': -F and -n flags are mutually exclusive\n"
    )


def test_wrong_usage_exits_with_2(host: Any) -> None:
    assert zoneadm(host).exit == 2
    assert zoneadm(host, "frobnicate").exit == 2
    bring_to(host, "installed")
    assert zoneadm(host, "-z", "web", "mark", "broken").exit == 2


# Installation ------------------------------------------------------------------------------------


def test_install_makes_dataset_directory_and_root(host: Any) -> None:
    configure(host, "web")
    result = zoneadm(host, "-z", "web", "install", "-e", "ooce/network/dnsmasq")
    assert result.exit == 0
    assert result.stderr == ""
    assert result.stdout.startswith("A ZFS file system has been created for this zone.\n")
    assert host.datasets.by_mountpoint("/zones/web").name == "rpool/zones/web"
    assert host.path("global", "/zones/web").stat().st_mode & 0o777 == 0o700
    assert host.path("web", "/etc/passwd").exists()
    assert host.packages.populated == [("lipkg", ["ooce/network/dnsmasq"])]
    assert len(host.zones.require("web").uuid) == 36


def test_a_bad_install_option_leaves_the_zone_incomplete(host: Any) -> None:
    configure(host, "web", brand="sparse")
    result = zoneadm(host, "-z", "web", "install", "-e", "package")
    assert result.exit == 1
    assert "usage:" in result.stderr
    assert state(host) == "incomplete"


def test_an_unknown_package_leaves_the_zone_incomplete_until_it_is_uninstalled(host: Any) -> None:
    configure(host, "web")
    host.packages.missing.add("nosuch")
    assert zoneadm(host, "-z", "web", "install", "-e", "nosuch").exit == 1
    assert state(host) == "incomplete"
    assert zoneadm(host, "-z", "web", "uninstall", "-F") == (0, "", "")
    assert state(host) == "configured"
    assert host.datasets.get("rpool/zones/web") is None
    assert not host.path("global", "/zones/web").exists()


def test_ipkg_zones_need_a_dataset_above_their_zonepath(host: Any) -> None:
    host.path("global", "/elsewhere").mkdir()
    configure(host, "web", "set zonepath=/elsewhere/web")
    result = zoneadm(host, "-z", "web", "install")
    assert result.exit == 1
    assert "must be a ZFS dataset" in result.stderr
    assert state(host) == "incomplete"


def test_a_zone_with_its_own_ip_stack_may_set_it_up(host: Any) -> None:
    configure(host, "own", "set ip-type=exclusive", "set limitpriv=default,sys_ip_config,sys_ppp_config")
    result = zoneadm(host, "-z", "own", "verify")
    assert result.exit == 0
    assert "privilege" not in result.stderr


def test_overlapping_zonepaths_do_not_verify(host: Any) -> None:
    bring_to(host, "installed")
    configure(host, "db", "set zonepath=/zones/web/db")
    assert zoneadm(host, "-z", "db", "install").stderr == (
        "db zonepath (/zones/web/db) and web zonepath (/zones/web) overlap.\n"
        "could not verify zonepath /zones/web/db because of the above errors.\n"
        "zoneadm: zone db failed to verify\n"
    )
    # What is not there yet cannot be looked at.
    result = zoneadm(host, "-z", "db", "verify")
    assert result.exit == 0
    assert result.stderr.startswith("WARNING: /zones/web/db does not exist, so it could not be verified.\n")


def test_a_zonepath_must_be_fit_for_a_zone(host: Any) -> None:
    configure(host, "web")
    parent, zonepath = host.path("global", "/zones"), host.path("global", "/zones/web")
    parent.chmod(0o775)
    because = "could not verify zonepath /zones/web because of the above errors.\n"
    failed = "zoneadm: zone web failed to verify\n"
    answer = f"/zones must not be group writable.\n{because}{failed}"
    assert zoneadm(host, "-z", "web", "install") == (1, "", answer)
    parent.chmod(0o755)
    zonepath.mkdir(mode=0o755)
    # To verify is to look on; the others mend it.
    result = zoneadm(host, "-z", "web", "verify")
    wrong = "/zones/web must not be group readable.\n/zones/web must not be group executable.\n"
    assert result.exit == 1
    assert result.stderr.startswith(wrong)
    assert zonepath.stat().st_mode & 0o777 == 0o755
    result = zoneadm(host, "-z", "web", "install")
    assert result.exit == 0
    assert result.stderr.startswith(wrong)
    assert result.stderr.endswith("/zones/web: changing permissions to 0700.\n")
    assert zonepath.stat().st_mode & 0o777 == 0o700


def test_what_a_detached_zone_has_left_is_not_installed_over(host: Any) -> None:
    bring_to(host, "installed")
    assert zoneadm(host, "-z", "web", "detach").exit == 0
    for command in ("install", "verify"):
        assert zoneadm(host, "-z", "web", command) == (
            1,
            "",
            f"Cannot {command} detached zone.\nUse attach or remove /zones/web directory.\n"
            "could not verify zonepath /zones/web because of the above errors.\n"
            "zoneadm: zone web failed to verify\n",
        )
    assert state(host) == "configured"


def test_interfaces_that_are_not_free_are_warned_of(host: Any) -> None:
    bring_to(host, "running")
    configure(host, "second", *NET)
    owned = "'web0' which is used by the non-global zone 'web'."
    configure(host, "third", "set ip-type=exclusive", "add net", "set physical=e1000g0", "end")
    plumbed = "'e1000g0' which is used in the global zone."
    configure(host, "fourth", "add net", "set physical=web0", "set address=10.0.0.9/24", "end")
    absent = "'web0' which may not be present/plumbed in the global zone."
    host.stacks["global"].plumb("e1000g0", v4=True)
    for zone, text in (("second", owned), ("third", plumbed), ("fourth", absent)):
        result = zoneadm(host, "-z", zone, "verify")
        assert result.exit == 0
        assert result.stderr.endswith(f"WARNING: skipping network interface {text}\n")


@pytest.mark.parametrize(
    ("resource", "problem"),
    [
        ("set type=nfs; set special=/a", "cannot verify fs /d: type nfs is not allowed."),
        (
            "set type=ext4; set special=/a",
            "could not verify fs /d: could not access /usr/lib/fs/ext4/mount: No such file or directory",
        ),
        (
            "set type=lofs; set special=/nosuch",
            "could not verify fs /d: could not access /nosuch: No such file or directory",
        ),
        (
            "set type=lofs; set special=/etc; set raw=/dev/rdsk/x",
            "cannot verify fs /d: 'raw' device specified but no fsck executable exists for lofs",
        ),
        (
            "set type=ufs; set special=/dev/dsk/x",
            "could not verify fs /d: must specify 'raw' device for ufs file systems",
        ),
    ],
)
def test_file_systems_are_verified(host: Any, resource: str, problem: str) -> None:
    configure(host, "web", "add fs", "set dir=/d", *resource.split("; "), "end")
    result = zoneadm(host, "-z", "web", "verify")
    assert result.exit == 1
    assert result.stderr.endswith(f"{problem}\nzoneadm: zone web failed to verify\n")


def test_tribblix_installs_packages_beside_its_overlays(tmp_path: Path) -> None:
    host = zone_host(tmp_path, TRIBBLIX)
    configure(host, "gw", brand="whole-root")
    argv = ("-z", "gw", "install", "-o", "base", "-p", "TRIBdnsmasq", "-p", "TRIBnet-ipfilter")
    assert zoneadm(host, *argv).exit == 0
    assert host.packages.populated == [("whole-root", ["TRIBdnsmasq", "TRIBnet-ipfilter"])]


def test_uninstall_without_force_asks_on_a_terminal_only(host: Any) -> None:
    bring_to(host, "installed")
    assert zoneadm(host, "-z", "web", "uninstall") == (
        1,
        "",
        "zoneadm: zone 'web': Input not from terminal and -F not specified: uninstall not done.\n",
    )


def test_what_the_global_zone_has_mounted_in_a_zone_keeps_it(host: Any) -> None:
    bring_to(host, "installed")
    assert host.run("zfs", "create", "-o", "mountpoint=/zones/web/root/data", "rpool/data").exit == 0
    assert zoneadm(host, "-z", "web", "uninstall", "-F") == (
        1,
        "",
        "zoneadm: zone 'web': These file systems are mounted on subdirectories of /zones/web/root.\n\n"
        "zoneadm: zone 'web':   /zones/web/root/data\n\n",
    )
    assert state(host) == "installed"
    assert host.run("zfs", "destroy", "rpool/data").exit == 0
    assert zoneadm(host, "-z", "web", "uninstall", "-F").exit == 0


def test_upstream_forgets_the_universal_id_at_uninstall(tmp_path: Path) -> None:
    host = zone_host(tmp_path, OPENINDIANA)
    configure(host, "web", brand="ipkg")
    assert zoneadm(host, "-z", "web", "install").exit == 0
    assert host.zones.require("web").uuid
    assert zoneadm(host, "-z", "web", "uninstall", "-F").exit == 0
    assert host.zones.require("web").uuid == ""


def test_user_files_below_the_zonepath_are_left_with_a_warning(host: Any) -> None:
    host.path("global", "/elsewhere").mkdir()
    configure(host, "web", "set zonepath=/elsewhere/web", brand="bhyve")
    assert zoneadm(host, "-z", "web", "install").exit == 0
    host.path("global", "/elsewhere/web/notes").write_text("")
    result = zoneadm(host, "-z", "web", "uninstall", "-F")
    assert result.stderr.startswith("WARNING: Unable to completely remove /elsewhere/web\n")
    assert state(host) == "configured"


def test_clone_copies_files_without_the_originals_identity(host: Any) -> None:
    bring_to(host, "installed")
    host.path("web", "/etc/motd").write_text("hello\n")
    host.path("web", "/etc/hostname.web0").write_text("10.0.0.1/24\n")
    configure(host, "copy")
    result = zoneadm(host, "-z", "copy", "clone", "-m", "copy", "web")
    assert result.exit == 0
    assert "Copying /zones/web...\n" in result.stdout
    assert host.path("copy", "/etc/motd").read_text() == "hello\n"
    assert not host.path("copy", "/etc/hostname.web0").exists()


def test_clone_needs_an_installed_halted_original_of_the_same_brand(host: Any) -> None:
    bring_to(host, "configured")
    configure(host, "copy", brand="sparse")
    assert zoneadm(host, "-z", "copy", "clone", "web").stderr == (
        "zoneadm: zone web is configured; installed is required.\n"
    )
    assert zoneadm(host, "-z", "web", "install").exit == 0
    assert zoneadm(host, "-z", "copy", "clone", "web").stderr == (
        "zoneadm: Zones 'web' and 'copy' have different brand types.\n"
    )


def test_a_detached_zone_can_be_attached_and_adopted(host: Any) -> None:
    bring_to(host, "installed")
    assert zoneadm(host, "-z", "web", "detach") == (0, "", "")
    assert state(host) == "configured"
    assert host.run("zonecfg", "-z", "web", "delete -F").exit == 0
    assert host.run("zonecfg", "-z", "web", "create -a /zones/web") == (0, "", "")
    assert zoneadm(host, "-z", "web", "attach") == (0, "", "")
    assert state(host) == "installed"


@pytest.mark.parametrize("option", [(), ("-u",)])
def test_attach_takes_the_manifest_that_detach_has_left(host: Any, option: tuple[str, ...]) -> None:
    bring_to(host, "installed")
    told = zoneadm(host, "-z", "web", "detach", "-n").stdout
    manifest = host.path("global", "/zones/web/SUNWdetached.xml")
    assert (state(host), manifest.exists()) == ("installed", False)
    assert zoneadm(host, "-z", "web", "detach") == (0, "", "")
    assert manifest.read_text() == told
    assert zoneadm(host, "-z", "web", "attach", *option) == (0, "", "")
    assert [path.name for path in manifest.parent.glob("SUNW*")] == []


def test_attach_by_force_needs_no_manifest_and_keeps_one_under_another_name(host: Any) -> None:
    bring_to(host, "installed")
    assert zoneadm(host, "-z", "web", "detach").exit == 0
    assert zoneadm(host, "-z", "web", "attach", "-F") == (0, "", "")
    place = host.path("global", "/zones/web")
    assert [path.name for path in place.glob("SUNW*")] == ["SUNWattached.xml"]
    assert zoneadm(host, "-z", "web", "detach").exit == 0
    (place / "SUNWdetached.xml").unlink()
    refused = (1, "", "zoneadm: could not read manifest: /zones/web\n")
    assert zoneadm(host, "-z", "web", "attach") == refused
    assert state(host) == "configured"
    assert zoneadm(host, "-z", "web", "attach", "-F") == (0, "", "")
    assert state(host) == "installed"


def test_attach_by_force_mends_an_incomplete_zone(host: Any) -> None:
    bring_to(host, "incomplete")
    assert zoneadm(host, "-z", "web", "attach", "-F") == (0, "", "")
    assert state(host) == "installed"


@pytest.mark.parametrize("words", ["", "incomplete now", "installed", "running", "-x incomplete"])
def test_mark_knows_one_state_and_says_nothing_of_others(host: Any, words: str) -> None:
    bring_to(host, "installed")
    assert zoneadm(host, "-z", "web", "mark", *words.split()) == (2, "", "")
    assert state(host) == "installed"


def test_a_clone_with_the_originals_address_is_warned_of(host: Any) -> None:
    address = ("set ip-type=exclusive", "add net", "set physical=web0", "set allowed-address=10.0.0.5/24")
    configure(host, "web", *address, "end")
    assert zoneadm(host, "-z", "web", "install").exit == 0
    configure(host, "copy", *address, "end")
    done = zoneadm(host, "-z", "copy", "clone", "web")
    warning = "WARNING: network address '10.0.0.5/24' is configured in both zones.\n"
    assert (done.exit, warning in done.stderr) == (0, True)


def test_two_installations_at_once_do_one(host: Any) -> None:
    configure(host, "web")
    host.time_scale = 0.02
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(zoneadm(host, "-z", "web", "install")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.exit for result in results) == [0, 1, 1]
    assert state(host) == "installed"


# Boot and halt -----------------------------------------------------------------------------------


def test_boot_lends_links_makes_the_stack_and_starts_the_zone(host: Any) -> None:
    bring_to(host, "running")
    assert host.links.get("web0").zone == "web"
    assert "web" in host.stacks
    assert [call[0] for call in host.runtime.calls[-3:]] == [
        "mount_zone_root",
        "create_stack",
        "start_zone",
    ]
    assert host.smf.calls == [("start", "web")]
    assert zoneadm(host, "list").stdout == "global\nweb\n"
    assert host.path("global", "/var/run/zones/web.snapshot.xml").exists()


@pytest.mark.parametrize(
    ("words", "milestone"),
    [
        (["-s"], "single-user"),
        (["--", "-s"], "single-user"),
        (["--", "-m", "verbose,milestone=multi-user"], "multi-user"),
        (["--", "-m", "verbose"], ""),
    ],
)
def test_boot_arguments_say_how_far_services_go(host: Any, words: list[str], milestone: str) -> None:
    bring_to(host, "installed")
    assert zoneadm(host, "-z", "web", "boot", *words) == (0, "", "")
    assert host.smf.calls == [("start", f"web {milestone}".strip())]


def test_boot_arguments_of_the_command_go_before_those_of_the_configuration(host: Any) -> None:
    bring_to(host, "installed")
    assert host.run("zonecfg", "-z", "web", 'set bootargs="-m milestone=single-user"').exit == 0
    assert zoneadm(host, "-z", "web", "boot").exit == 0
    assert zoneadm(host, "-z", "web", "reboot", "--", "-m", "milestone=multi-user").exit == 0
    assert [call for call in host.smf.calls if call[0] == "start"] == [
        ("start", "web single-user"),
        ("start", "web multi-user"),
    ]


def test_words_among_boot_arguments_are_warned_of(host: Any) -> None:
    bring_to(host, "installed")
    assert zoneadm(host, "-z", "web", "boot", "--", "kernel/unix", "-v", "now") == (
        0,
        "",
        "zone 'web': WARNING: Unused or invalid boot arguments ` -v now'.\n",
    )


def test_another_init_must_be_there(host: Any) -> None:
    bring_to(host, "installed")
    result = zoneadm(host, "-z", "web", "boot", "--", "-i", "/sbin/other")
    assert result.exit == 1
    assert result.stderr.endswith(
        "/other: No such file or directory\nzoneadm: zone 'web': call to zoneadmd failed\n"
    )
    assert state(host) == "installed"


def test_shutdown_stops_services_before_the_zone_is_halted(host: Any) -> None:
    bring_to(host, "running")
    assert zoneadm(host, "-z", "web", "shutdown", "-r", "--", "-s") == (0, "", "")
    assert host.smf.calls == [
        ("start", "web"),
        ("shut_down", "web"),
        ("stop", "web"),
        ("start", "web single-user"),
    ]


def test_reboot_and_halt_stop_no_service(host: Any) -> None:
    bring_to(host, "running")
    assert zoneadm(host, "-z", "web", "reboot", "--", "-s") == (0, "", "")
    assert zoneadm(host, "-z", "web", "halt") == (0, "", "")
    assert host.smf.calls == [
        ("start", "web"),
        ("stop", "web"),
        ("start", "web single-user"),
        ("stop", "web"),
    ]


def test_the_service_of_zones_shuts_all_down_and_halts_what_takes_too_long(host: Any) -> None:
    for zone in ("web", "ready", "slow"):
        configure(host, zone)
        assert zoneadm(host, "-z", zone, "install").exit == 0
        verb = "ready" if zone == "ready" else "boot"
        assert zoneadm(host, "-z", zone, verb) == (0, "", "")
    asked = {zone: threading.Event() for zone in ("web", "slow")}
    never = threading.Event()

    def shut_down(zone: str) -> None:
        asked[zone].set()
        never.wait()

    host.smf.shut_down = shut_down
    host.smf.shutdown_limit = lambda: 0.0
    host.zones.shut_down_all()
    assert {state(host, zone) for zone in ("web", "ready", "slow")} == {"installed"}
    assert all(each.wait(60) for each in asked.values())
    never.set()


def test_a_shutdown_that_takes_too_long_goes_on_by_itself(host: Any) -> None:
    bring_to(host, "running")
    asked, down = threading.Event(), threading.Event()

    def shut_down(zone: str) -> None:
        asked.set()
        down.wait()

    host.smf.shut_down = shut_down
    host.smf.shutdown_limit = lambda: 0.0
    unable = (1, "", "zone 'web': unable to shutdown zone\n")
    assert zoneadm(host, "-z", "web", "shutdown") == unable
    assert asked.wait(60)
    assert zoneadm(host, "-z", "web", "shutdown") == (1, "", "zone 'web': shutdown already in progress\n")
    assert state(host) == "running"
    going = next(thread for thread in threading.enumerate() if thread.name == "web shutdown")
    down.set()
    going.join(60)
    assert state(host) == "installed"


def test_halt_gives_everything_back(host: Any) -> None:
    bring_to(host, "running")
    assert zoneadm(host, "-z", "web", "halt") == (0, "", "")
    assert state(host) == "installed"
    assert host.links.get("web0").zone == ""
    assert "web" not in host.stacks
    assert host.smf.calls == [("start", "web"), ("stop", "web")]
    assert [call[0] for call in host.runtime.calls[-2:]] == ["stop_zone", "destroy_stack"]


def test_zone_ids_are_never_used_again(host: Any) -> None:
    bring_to(host, "running")
    first = host.zones.zone_id("web")
    assert zoneadm(host, "-z", "web", "reboot") == (0, "", "")
    assert host.zones.zone_id("web") > first


def test_allowed_address_is_handed_in_and_protects_the_link(host: Any) -> None:
    address = ("set allowed-address=10.0.0.5/24", "set defrouter=10.0.0.1")
    configure(host, "web", "set ip-type=exclusive", "add net", "set physical=web0", *address, "end")
    assert zoneadm(host, "-z", "web", "install").exit == 0
    assert zoneadm(host, "-z", "web", "boot") == (0, "", "")
    assert host.stacks["web"].from_gz == {"web0": ["10.0.0.5/24"]}
    assert host.stacks["web"].from_gz_router == "10.0.0.1"
    assert host.links.get("web0").properties["allowed-ips"] == ["10.0.0.5"]
    assert zoneadm(host, "-z", "web", "halt").exit == 0
    assert "allowed-ips" not in host.links.get("web0").properties


MAP = "map web0 10.0.0.0/24 -> 0/32\n"


def put_firewall(host: Any, directory: str = "etc", **texts: str) -> None:
    """Files of the global zone's firewall for the zone, beside its root, and the filter's device."""
    place = host.path("global", f"/zones/web/{directory}")
    place.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (place / f"{name}.conf").write_text(text)
    host.path("global", "/dev").mkdir(exist_ok=True)
    host.path("global", "/dev/ipnat").touch()


@pytest.mark.parametrize("directory", ["etc", "config"])
def test_omnios_loads_firewall_files_beside_a_zone(host: Any, directory: str) -> None:
    bring_to(host, "installed")
    put_firewall(host, directory, ipf="block in all\n", ipf6="pass out all\n", ipnat=MAP)
    assert zoneadm(host, "-z", "web", "ready") == (0, "", "")
    assert host.run("ipfstat", "-G", "web", "-i").stdout == "block in all\n"
    assert host.run("ipfstat", "-6G", "web", "-o").stdout == "pass out all\n"
    assert "map web0 10.0.0.0/24 -> 0.0.0.0/32\n" in host.run("ipnat", "-G", "web", "-l").stdout
    # The zone's own rules are others.
    assert host.run("ipnat", "-z", "web", "-l").exit == 1
    assert zoneadm(host, "-z", "web", "boot").exit == 0
    assert "map web0" in host.run("ipnat", "-G", "web", "-l").stdout
    assert zoneadm(host, "-z", "web", "halt").exit == 0
    host.path("global", f"/zones/web/{directory}/ipf.conf").unlink()
    # The rules for addresses alone are not read.
    assert zoneadm(host, "-z", "web", "ready").exit == 0
    assert host.run("ipnat", "-G", "web", "-l").exit == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ipf", "error loading ipf config for IPv4"),
        ("ipf6", "error loading ipf config for IPv6"),
        ("ipnat", "error loading ipnat config"),
    ],
)
def test_a_firewall_file_with_an_error_keeps_the_zone_down(host: Any, name: str, message: str) -> None:
    bring_to(host, "installed")
    put_firewall(host, **{"ipf": "block in all\n", name: "nonsense in\n"})
    done = zoneadm(host, "-z", "web", "boot")
    assert done.exit == 1
    assert f"zone 'web': {message}\n" in done.stderr
    assert state(host) == "installed"
    put_firewall(host, **{name: ""})
    assert zoneadm(host, "-z", "web", "boot") == (0, "", "")


def test_a_firewall_needs_the_filter_in_the_global_zone(host: Any) -> None:
    bring_to(host, "installed")
    put_firewall(host, ipf="block in all\n")
    host.path("global", "/dev/ipnat").unlink()
    assert "zone 'web': error flushing ipf (IPv4)\n" in zoneadm(host, "-z", "web", "boot").stderr


def test_a_missing_link_fails_the_boot_and_leaves_nothing(host: Any) -> None:
    bring_to(host, "installed")
    assert host.run("dladm", "delete-vnic", "web0").exit == 0
    assert zoneadm(host, "-z", "web", "boot") == (
        1,
        "",
        "WARNING: skipping network interface 'web0': object not found\n"
        "zone 'web': WARNING: skipping network interface 'web0': object not found\n"
        "zone 'web': failed to add network device\n"
        "zoneadm: zone 'web': call to zoneadmd failed\n",
    )
    assert state(host) == "installed"
    assert "web" not in host.stacks


def test_a_shared_ip_zone_gets_a_logical_interface_of_the_global_zone(host: Any) -> None:
    assert host.run("ipadm", "create-if", "e1000g0").exit == 0
    configure(host, "web", "add net", "set physical=e1000g0", "set address=192.0.2.77/24", "end")
    assert zoneadm(host, "-z", "web", "install").exit == 0
    assert zoneadm(host, "-z", "web", "boot") == (0, "", "")
    assert ("web", "e1000g0", "192.0.2.77/24") in host.kernel.called("add_address")
    assert zoneadm(host, "-z", "web", "halt").exit == 0
    assert ("web", "e1000g0", "192.0.2.77/24") in host.kernel.called("delete_address")


def test_omnios_makes_a_vnic_on_demand_and_remembers_its_address(host: Any) -> None:
    net = ("add net", "set physical=auto0", "set global-nic=stub0", "end")
    configure(host, "web", "set ip-type=exclusive", *net)
    assert zoneadm(host, "-z", "web", "install").exit == 0
    assert zoneadm(host, "-z", "web", "boot") == (0, "", "")
    assert host.links.get("auto0").zone == "web"
    assert host.zones.config("web").nets()[0].mac_addr
    assert zoneadm(host, "-z", "web", "halt").exit == 0
    assert host.links.get("auto0") is None


def test_omnios_writes_resolv_conf_from_attributes_at_every_boot(host: Any) -> None:
    attr = ("add attr", "set name=resolvers", "set type=string", "set value=192.0.2.53,192.0.2.54", "end")
    configure(host, "web", *NET, *attr)
    assert zoneadm(host, "-z", "web", "install").exit == 0
    assert zoneadm(host, "-z", "web", "boot").exit == 0
    assert host.path("web", "/etc/resolv.conf").read_text() == (
        "nameserver 192.0.2.53\nnameserver 192.0.2.54\n"
    )


def test_edits_take_effect_at_the_next_boot(host: Any) -> None:
    bring_to(host, "running")
    assert host.run("zonecfg", "-z", "web", "remove net").exit == 0
    assert host.links.get("web0").zone == "web"
    assert zoneadm(host, "-z", "web", "reboot").exit == 0
    assert host.links.get("web0").zone == ""


def test_a_host_that_boots_mounts_roots_and_boots_autoboot_zones(host: Any) -> None:
    bring_to(host, "installed")
    assert host.run("zonecfg", "-z", "web", "set autoboot=true").exit == 0
    host.zones.boot()
    assert state(host) == "running"
    host.zones.halt_all()
    assert state(host) == "installed"


def test_a_zone_that_cannot_boot_does_not_keep_others_down(host: Any) -> None:
    configure(
        host, "bad", "set autoboot=true", "set ip-type=exclusive", "add net", "set physical=no0", "end"
    )
    assert zoneadm(host, "-z", "bad", "install").exit == 0
    bring_to(host, "installed")
    assert host.run("zonecfg", "-z", "web", "set autoboot=true").exit == 0
    host.zones.boot()
    assert (state(host, "bad"), state(host)) == ("installed", "running")


def test_configuration_of_an_active_zone_cannot_be_deleted(host: Any) -> None:
    bring_to(host, "running")
    assert host.run("zonecfg", "-z", "web", "delete -F") == (
        1,
        "",
        "web: Zone state is invalid for the requested operation\n",
    )


def test_parseable_list_has_an_eighth_field_where_the_distribution_has_it(
    host: Any, tmp_path: Path
) -> None:
    bring_to(host, "running")
    assert len(zoneadm(host, "-z", "web", "list", "-p").stdout.split(":")) == 8
    plain = zone_host(tmp_path / "plain", replace(OPENINDIANA))
    configure(plain, "web", brand="ipkg")
    assert len(zoneadm(plain, "-z", "web", "list", "-p").stdout.split(":")) == 7


# zlogin and zonename -----------------------------------------------------------------------------


def test_zlogin_joins_its_words_for_roots_shell(host: Any) -> None:
    bring_to(host, "running")
    result = host.run("zlogin", "web", "ls", "-l", "'a b'")
    assert isinstance(result.exit, Spawn)
    assert result.exit.argv == ("/usr/bin/bash", "-c", "ls -l 'a b'")
    assert (result.exit.zone, result.exit.uid, result.exit.stdin_null) == ("web", 0, False)
    assert result.exit.env["PATH"] == "/usr/sbin:/usr/bin"


def test_zlogin_options(host: Any) -> None:
    bring_to(host, "running")
    assert host.run("zlogin", "-n", "web", "true").exit.stdin_null
    assert host.run("zlogin", "-S", "web", "true").exit.argv == ("/sbin/sh", "-c", "true")
    assert host.run("zlogin", "web", stdin="id\n").exit.argv == ("/usr/bin/bash", "-l")
    assert host.run("zlogin", "-l", "nobody", "web", "id").stderr == "su: Unknown id: nobody\n"
    assert host.run("zlogin", "-n", "web") == (
        2,
        "",
        "zlogin: -n may not be specified for interactive login\n"
        "usage: zlogin [-dinCEINQS] [-e cmdchar] [-l user] zonename [command [args ...] ]\n",
    )
    assert host.run("zlogin").exit == 2


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ("configured", "cannot login to a zone which is 'configured'"),
        ("incomplete", "cannot login to a zone which is 'incomplete'"),
        ("installed", "login allowed only to running zones (web is 'installed')."),
    ],
)
def test_zlogin_needs_a_running_zone(host: Any, before: str, message: str) -> None:
    bring_to(host, before)
    assert host.run("zlogin", "web", "true") == (1, "", f"zlogin: {message}\n")


def test_zlogin_refusals(host: Any) -> None:
    assert host.run("zlogin", "nosuch", "true").stderr == "zlogin: zone 'nosuch' unknown\n"
    assert host.run("zlogin", "global", "true").stderr == (
        "zlogin: 'zlogin' not applicable to the global zone\n"
    )
    assert host.run("zlogin", "web", "true", zone="other").stderr == (
        "zlogin: 'zlogin' may only be used from the global zone\n"
    )


def test_zonename_tells_the_callers_zone(host: Any) -> None:
    assert host.run("/sbin/zonename").stdout == "global\n"
    assert host.run("/sbin/zonename", zone="web").stdout == "web\n"
