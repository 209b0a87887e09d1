"""svcs, svcadm, svcprop, svccfg, and the services of router zones."""

from __future__ import annotations

import errno
import json
import threading
from pathlib import Path

import pytest

from illumos_lab import dnsmasq
from illumos_lab.ipfilter.state import filters
from illumos_lab.profile import OMNIOS, OPENINDIANA, TRIBBLIX, Profile
from illumos_lab.smf import NoRepositoryError
from illumos_lab.smf import fmri as names
from tests.lab.fakes import Result
from tests.lab.fakes_smf import ServiceHost, service_host

IPFILTER = "svc:/network/ipfilter:default"
RCAP = "svc:/system/rcap:default"
FORWARDING = "svc:/network/ipv4-forwarding:default"
LAST = "svc:/milestone/multi-user-server:default"


@pytest.fixture
def host(tmp_path: Path) -> ServiceHost:
    return service_host(tmp_path)


@pytest.fixture
def router(host: ServiceHost) -> ServiceHost:
    """An OmniOS host with a router zone ``gw`` that has dnsmasq."""
    host.boot_zone("gw", "lipkg", "ooce/network/dnsmasq")
    return host


def svcs(host: ServiceHost, *argv: str, zone: str = "global") -> Result:
    return host.run("/usr/bin/svcs", *argv, zone=zone)


def log(host: ServiceHost, zone: str, name: str) -> str:
    return host.path(zone, f"/var/svc/log/{name}.log").read_text()


# Names -------------------------------------------------------------------------------------------

KNOWN = ["svc:/network/smtp:sendmail", "svc:/network/smtp:other", "svc:/network/ssh:default"]


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("svc:/network/smtp:sendmail", 1),
        ("svc://localhost/network/smtp:sendmail", 1),
        ("svc:/network/smtp", 2),
        ("sendmail", 1),
        (":sendmail", 1),
        ("smtp", 2),
        ("smtp:sendmail", 1),
        ("network/smtp", 2),
        ("network", 0),
        ("network/smt", 0),
        ("mail", 0),
        ("network/*", 3),
        ("*smtp*", 2),
        ("svc:/network/s*:default", 1),
        ("smt*", 0),
    ],
)
def test_an_operand_names_instances_as_the_manual_says(pattern: str, count: int) -> None:
    assert len(names.match(pattern, KNOWN)) == count


# svcs --------------------------------------------------------------------------------------------


def test_state_of_one_instance_for_a_script(host: ServiceHost) -> None:
    assert svcs(host, "-H", "-o", "state", LAST) == (0, "online\n", "")


def test_zone_option_asks_the_services_of_that_zone(router: ServiceHost) -> None:
    assert svcs(router, "-z", "gw", "-H", "-o", "state,fmri", "dnsmasq") == (
        0,
        f"{'disabled':<14} svc:/network/dns/dnsmasq:default\n",
        "",
    )


def test_no_match_is_an_error(host: ServiceHost) -> None:
    assert svcs(host, "-H", "-o", "state", "nosuch") == (
        1,
        "",
        "svcs: Pattern 'nosuch' doesn't match any instances\n",
    )


def test_the_rest_of_the_patterns_is_answered_all_the_same(host: ServiceHost) -> None:
    status, stdout, stderr = svcs(host, "-H", "-o", "fmri", "nosuch", "ssh")
    assert (status, stdout) == (1, "svc:/network/ssh:default\n")
    assert "nosuch" in stderr


def test_the_table_has_a_heading_and_hides_what_is_disabled(host: ServiceHost) -> None:
    _, stdout, _ = svcs(host)
    assert stdout.startswith("STATE          STIME    FMRI\n")
    assert "online" in stdout
    assert "disabled" not in stdout
    assert "disabled       " in svcs(host, "-a")[1]


@pytest.mark.parametrize("argv", [["-o", "nosuch"], ["-Q"], ["-l"], ["-x", "-l", "ssh"]])
def test_wrong_usage_of_svcs_is_status_2(host: ServiceHost, argv: list[str]) -> None:
    assert svcs(host, *argv)[0] == 2


def test_a_zone_that_does_not_run_has_no_repository(host: ServiceHost) -> None:
    host.zones.states["web"] = "installed"  # type: ignore[attr-defined]
    status, _, stderr = svcs(host, "-z", "web", "-H", "-o", "state", LAST)
    assert status == 1
    assert stderr.startswith("svcs: zone 'web': ")


def test_a_zone_that_has_just_booted_has_none_yet(host: ServiceHost) -> None:
    host.add_zone("web")
    status, _, stderr = svcs(host, "-z", "web", "-H", "-o", "state", LAST)
    assert status == 1
    assert stderr.startswith("svcs: Could not bind to repository server for zone web: ")


def test_a_brand_without_smf_never_has_one(host: ServiceHost) -> None:
    host.add_zone("vm")
    host.zones.brands["vm"] = "bhyve"  # type: ignore[attr-defined]
    host.smf.start("vm")
    with pytest.raises(NoRepositoryError):
        host.smf.restarter("vm")


def test_a_zone_whose_inittab_starts_something_else_has_none(host: ServiceHost) -> None:
    root = host.boot_zone("web")
    inittab = root / "etc/inittab"
    inittab.write_text("smf::sysinit:/lib/svc/bin/svc.startd >/dev/msglog\n")
    host.restart_zone("web")
    inittab.write_text("smf::sysinit:/usr/bin/sleep Inf >/dev/msglog\n")
    host.smf.stop("web")
    host.smf.start("web")
    with pytest.raises(NoRepositoryError):
        host.smf.restarter("web")


def test_users_log_in_to_a_zone_while_its_sshd_runs(host: ServiceHost) -> None:
    host.boot_zone("web")
    assert host.sshd.zones == {"web"}
    host.run("svcadm", "disable", "-s", "ssh", zone="web")
    assert host.sshd.zones == set()
    host.sshd.failure = OSError(errno.EADDRINUSE, "Address already in use")
    host.run("svcadm", "enable", "ssh", zone="web")
    host.wait_for("web", "svc:/network/ssh:default", "maintenance")
    assert "Bind to port 22" in log(host, "web", "network-ssh:default")


def test_zone_option_is_for_the_global_zone(router: ServiceHost) -> None:
    assert svcs(router, "-z", "gw", zone="gw")[0] == 1


def test_long_listing_tells_of_dependencies(host: ServiceHost) -> None:
    status, stdout, _ = svcs(host, "-l", FORWARDING)
    assert status == 0
    assert f"fmri         {FORWARDING}\n" in stdout
    assert "enabled      false\n" in stdout
    assert "dependency   require_all/refresh svc:/network/routing-setup (online)\n" in stdout


# svcadm ------------------------------------------------------------------------------------------


def test_enable_and_disable_wait_when_asked(router: ServiceHost) -> None:
    assert router.run("svcadm", "-z", "gw", "enable", "-s", FORWARDING) == (0, "", "")
    assert router.smf.state("gw", FORWARDING) == "online"
    assert ("set_forwarding", "gw", None, True) in router.kernel.calls
    assert router.run("svcadm", "-z", "gw", "disable", "-s", FORWARDING) == (0, "", "")
    assert router.smf.state("gw", FORWARDING) == "disabled"


def test_enabling_twice_is_silent_success(host: ServiceHost) -> None:
    for _ in range(2):
        assert host.run("svcadm", "enable", "-s", "ssh") == (0, "", "")


def test_enable_without_waiting_returns_before_the_method_ran(router: ServiceHost) -> None:
    running, go = threading.Event(), threading.Event()

    def slow(argv: object) -> tuple[int, str, str]:
        running.set()
        assert go.wait(60)
        return 0, "", ""

    router.runtime.programs["/sbin/sh"] = slow
    script = router.path("gw", "/etc/rc2.d/S99slow")
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text("")
    assert router.run("svcadm", "-z", "gw", "restart", "svc:/milestone/multi-user:default").exit == 0
    assert running.wait(60)
    state = svcs(router, "-z", "gw", "-H", "-o", "state", "svc:/milestone/multi-user:default")
    both = svcs(router, "-z", "gw", "-H", "-o", "state,nstate", "svc:/milestone/multi-user:default")
    go.set()
    assert state[1] == "offline*\n"
    assert both[1] == f"{'offline':<14} online\n"
    router.wait_for("gw", "svc:/milestone/multi-user:default", "online")


def test_enablement_is_kept_over_a_reboot_unless_temporary(router: ServiceHost) -> None:
    router.run("svcadm", "-z", "gw", "enable", "-s", IPFILTER)
    router.run("svcadm", "-z", "gw", "enable", "-st", FORWARDING)
    router.restart_zone("gw")
    router.wait_for("gw", IPFILTER, "online")
    assert router.smf.state("gw", FORWARDING) == "disabled"
    stored = json.loads(router.path("gw", "/etc/svc/repository.db").read_text())
    assert stored["enabled"] == {IPFILTER: True}


def test_a_name_that_fits_several_is_refused(tmp_path: Path) -> None:
    host = service_host(tmp_path, TRIBBLIX)
    assert host.run("svcadm", "enable", "network/physical") == (
        1,
        "",
        "svcadm: Partial FMRI 'network/physical' matches multiple instances:\n"
        "\tsvc:/network/physical:default\n\tsvc:/network/physical:nwam\n",
    )


def test_no_match_of_svcadm(host: ServiceHost) -> None:
    assert host.run("svcadm", "enable", "nosuch") == (
        1,
        "",
        "svcadm: Pattern 'nosuch' doesn't match any instances\n",
    )


@pytest.mark.parametrize("argv", [[], ["frobnicate"], ["enable"], ["enable", "-q", "ssh"], ["mark", "ssh"]])
def test_wrong_usage_of_svcadm_is_status_2(host: ServiceHost, argv: list[str]) -> None:
    assert host.run("svcadm", *argv).exit == 2


def test_an_ordinary_user_may_not(host: ServiceHost) -> None:
    result = host.run("svcadm", "disable", "ssh", privileged=False)
    assert result == (1, "", "svcadm: svc:/network/ssh:default: Permission denied.\n")
    assert host.smf.state("global", "ssh") == "online"


def test_clear_is_for_maintenance_only(host: ServiceHost) -> None:
    assert host.run("svcadm", "clear", "ssh") == (
        1,
        "",
        'svcadm: Instance "svc:/network/ssh:default" is not in a maintenance or degraded state.\n',
    )


def test_mark_and_clear(host: ServiceHost) -> None:
    assert host.run("svcadm", "mark", "maintenance", "ssh").exit == 0
    host.wait_for("global", "svc:/network/ssh:default", "maintenance")
    assert "State: maintenance" in svcs(host, "-x")[1]
    assert host.run("svcadm", "clear", "ssh").exit == 0
    host.wait_for("global", "svc:/network/ssh:default", "online")
    assert svcs(host, "-x") == (0, "", "")


def test_enable_with_dependencies(host: ServiceHost) -> None:
    host.run("svcadm", "disable", "-s", "svc:/network/routing-setup:default")
    assert host.run("svcadm", "enable", "-s", FORWARDING) == (
        4,
        "",
        f'svcadm: Instance "{FORWARDING}" has unsatisfied dependencies.\n',
    )
    assert host.run("svcadm", "enable", "-rs", FORWARDING).exit == 0
    assert host.smf.state("global", "svc:/network/routing-setup:default") == "online"


def test_a_zone_halt_ends_a_waiting_svcadm(router: ServiceHost) -> None:
    router.runtime.programs["/sbin/sh"] = lambda argv: (0, "", "")
    restarter = router.smf.restarter("gw")
    ended = threading.Event()

    def wait() -> None:
        restarter.wait(lambda: False)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    router.smf.stop("gw")
    assert ended.wait(60)


# Boot --------------------------------------------------------------------------------------------


def test_the_global_zone_boots_its_zones(host: ServiceHost) -> None:
    host.wait_for("global", "svc:/system/zones:default", "online")
    assert host.zones.booted == 1  # type: ignore[attr-defined]


def test_legacy_scripts_run_in_order_and_are_listed(host: ServiceHost) -> None:
    root = host.add_zone("web")
    for name in ("rc2.d/S83router", "rc2.d/K10old", "rc2.d/S10first", "rc3.d/S99last"):
        script = root / "etc" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text("")
    host.restart_zone("web")
    runs = [argv for zone, argv in host.runtime.called("run") if zone == "web"]
    assert runs == [
        ("/sbin/sh", "/etc/rc2.d/K10old", "stop"),
        ("/sbin/sh", "/etc/rc2.d/S10first", "start"),
        ("/sbin/sh", "/etc/rc2.d/S83router", "start"),
        ("/sbin/sh", "/etc/rc3.d/S99last", "start"),
    ]
    assert "lrc:/etc/rc2_d/S83router\n" in svcs(host, "-z", "web", "-H", "-o", "fmri")[1]


def test_a_script_may_enable_a_service_and_wait(host: ServiceHost) -> None:
    root = host.add_zone("web")
    (root / "etc/rc2.d").mkdir()
    (root / "etc/rc2.d/S83router").write_text("")
    statuses = []

    def script(argv: object) -> tuple[int, str, str]:
        statuses.append(host.run("svcadm", "enable", "-s", FORWARDING, zone="web").exit)
        return 0, "", ""

    host.runtime.programs["/sbin/sh"] = script
    host.restart_zone("web")
    assert statuses == [0]


# ipfilter ----------------------------------------------------------------------------------------

MAP = "map znic0 10.1.2.0/24 -> 0/32\n"


def write_nat(host: ServiceHost, text: str) -> None:
    path = host.path("gw", "/etc/ipf/ipnat.conf")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_ipfilter_loads_its_rules(router: ServiceHost) -> None:
    write_nat(router, MAP)
    assert router.run("svcadm", "-z", "gw", "enable", "-s", IPFILTER).exit == 0
    listed = router.run("ipnat", "-z", "gw", "-l")
    assert listed.stdout == (
        "List of active MAP/Redirect filters:\nmap znic0 10.1.2.0/24 -> 0.0.0.0/32\n"
        "\nList of active sessions:\n"
    )
    assert len(router.kernel.called("set_nat")[-1][1]) == 1
    router.run("svcadm", "-z", "gw", "disable", "-s", IPFILTER)
    assert router.run("ipnat", "-z", "gw", "-l").exit == 1
    assert router.kernel.called("set_nat")[-1] == ("gw", ())


def test_a_broken_file_puts_it_into_maintenance(router: ServiceHost) -> None:
    write_nat(router, MAP + "map znic0 10.1.3.0/24\n" + MAP)
    assert router.run("svcadm", "-z", "gw", "enable", "-s", IPFILTER) == (
        3,
        "",
        f'svcadm: Instance "{IPFILTER}" is in maintenance state.\n',
    )
    assert 'syntax error error at "map", line 3' in log(router, "gw", "network-ipfilter:default")
    write_nat(router, MAP)
    assert router.run("svcadm", "-z", "gw", "clear", IPFILTER).exit == 0
    router.wait_for("gw", IPFILTER, "online")


def test_a_failing_refresh_is_maintenance_as_well(router: ServiceHost) -> None:
    router.run("svcadm", "-z", "gw", "enable", "-s", IPFILTER)
    write_nat(router, MAP + "rdr\n")
    router.run("svcadm", "-z", "gw", "refresh", IPFILTER)
    router.wait_for("gw", IPFILTER, "maintenance")
    assert [rule.text() for rule in filters(router).plane("gw").rules] == [
        "map znic0 10.1.2.0/24 -> 0.0.0.0/32"
    ]


def test_duplicate_rules_do_not_fail_it(router: ServiceHost) -> None:
    write_nat(router, MAP + MAP)
    assert router.run("svcadm", "-z", "gw", "enable", "-s", IPFILTER).exit == 0


def test_rules_are_gone_after_a_halt(router: ServiceHost) -> None:
    write_nat(router, MAP)
    router.run("svcadm", "-z", "gw", "enable", "-s", IPFILTER)
    router.smf.stop("gw")
    assert filters(router).plane("gw").rules == []


def test_without_the_package_in_the_global_zone_there_is_no_device(tmp_path: Path) -> None:
    host = service_host(tmp_path, TRIBBLIX)
    host.boot_zone("gw", "whole-root", "TRIBnet-ipfilter")
    assert not host.path("gw", "/dev/ipnat").exists()
    assert host.run("svcadm", "-z", "gw", "enable", "-s", IPFILTER).exit == 3
    assert "open device: No such file" in log(host, "gw", "network-ipfilter:default")
    host.packages.install(host.root, "TRIBnet-ipfilter")
    host.restart_zone("gw")
    host.wait_for("gw", IPFILTER, "online")


def test_restarting_the_network_restarts_it(router: ServiceHost) -> None:
    router.run("svcadm", "-z", "gw", "enable", "-s", IPFILTER)
    before = len(router.kernel.called("set_nat"))
    router.run("svcadm", "-z", "gw", "restart", "svc:/network/physical:default")
    restarter = router.smf.restarter("gw")
    assert restarter.wait(
        lambda: (
            len(router.kernel.called("set_nat")) > before + 1
            and restarter.instances[IPFILTER].state == "online"
        ),
        60,
    )


# dnsmasq -----------------------------------------------------------------------------------------

DNSMASQ = "svc:/network/dns/dnsmasq:default"


def configure(host: ServiceHost, text: str) -> None:
    host.path("gw", host.profile.dnsmasq.config).write_text(text)


def test_dnsmasq_runs_the_real_program_in_the_foreground(router: ServiceHost) -> None:
    configure(router, "interface=znic1\ndhcp-leasefile=/var/tmp/leases\n")
    router.path("gw", "/var/tmp").mkdir()
    assert router.run("svcadm", "-z", "gw", "enable", "-s", DNSMASQ).exit == 0
    argv = router.runtime.daemons[-1].args
    assert argv[:2] == ["/system/lab/linux/sbin/dnsmasq", "-k"]
    assert argv[-2:] == ["-C", "/etc/opt/ooce/dnsmasq/dnsmasq.conf"]
    assert router.smf.processes("gw") == {"console-login": 999, "dnsmasq": 1000}
    assert router.run("svcadm", "-z", "gw", "disable", "-s", DNSMASQ).exit == 0
    assert router.runtime.daemons[-1].returncode == -15
    assert router.smf.processes("gw") == {"console-login": 999}


def test_restart_starts_a_new_one(router: ServiceHost) -> None:
    router.run("svcadm", "-z", "gw", "enable", "-s", DNSMASQ)
    router.run("svcadm", "-z", "gw", "restart", "dnsmasq")
    restarter = router.smf.restarter("gw")
    assert restarter.wait(
        lambda: len(router.runtime.daemons) == 2 and restarter.instances[DNSMASQ].state == "online",
        60,
    )
    assert router.runtime.daemons[0].returncode == -15


def test_refresh_does_nothing_to_it(router: ServiceHost) -> None:
    router.run("svcadm", "-z", "gw", "enable", "-s", DNSMASQ)
    assert router.run("svcadm", "-z", "gw", "refresh", DNSMASQ).exit == 0
    assert len(router.runtime.daemons) == 1
    assert "No 'refresh' method defined.  Treating as :true." in log(
        router, "gw", "network-dns-dnsmasq:default"
    )


def test_a_daemon_that_cannot_start_is_tried_again_and_then_given_up(router: ServiceHost) -> None:
    router.runtime.exit_at_once = 2
    assert router.run("svcadm", "-z", "gw", "enable", "-s", DNSMASQ).exit == 3
    assert len(router.runtime.daemons) == 3
    log = router.path("gw", "/var/svc/log/network-dns-dnsmasq:default.log").read_text()
    told = [line for line in log.splitlines() if "Executing start method" in line or "exited" in line]
    assert ['Method "start" exited with status 2. ]' in line for line in told] == [False, True] * 3
    router.runtime.exit_at_once = None
    assert router.run("svcadm", "-z", "gw", "clear", DNSMASQ).exit == 0
    router.wait_for("gw", DNSMASQ, "online")


def test_a_daemon_that_dies_is_started_again(router: ServiceHost) -> None:
    router.run("svcadm", "-z", "gw", "enable", "-s", DNSMASQ)
    router.runtime.daemons[0].die(1)
    restarter = router.smf.restarter("gw")
    assert restarter.wait(
        lambda: len(router.runtime.daemons) == 2 and restarter.instances[DNSMASQ].process is not None,
        60,
    )


@pytest.mark.parametrize("entity", ["network/dns/dnsmasq", "network/dns/dnsmasq:default"])
def test_with_a_privilege_it_answers_clients_that_have_no_address(router: ServiceHost, entity: str) -> None:
    configure(router, "interface=znic1\n")
    assert router.run("svcprop", "-z", "gw", "-p", "start/user", DNSMASQ).stdout == "dnsmasq\n"
    wanted = "basic,net_privaddr,sys_ip_config"
    set_it = ("setprop", "start/privileges", "=", "astring:", wanted)
    assert router.run("svccfg", "-z", "gw", "-s", entity, *set_it) == (0, "", "")

    def start_and_stop() -> None:
        for verb in ("enable", "disable"):
            assert router.run("svcadm", "-z", "gw", verb, "-s", DNSMASQ).exit == 0

    # What is set counts when the service has been refreshed.
    start_and_stop()
    router.run("svcadm", "-z", "gw", "refresh", DNSMASQ)
    start_and_stop()
    assert router.kernel.called("set_unicast_offers") == [("gw", False), ("gw", True)]


@pytest.mark.parametrize(
    "line", ["dhcp-hostsdir=/etc/hosts.d", "hostsdir=/x", "bind-dynamic", "log-async=5"]
)
def test_what_only_linux_can_is_refused(router: ServiceHost, line: str) -> None:
    configure(router, f"{line}\n")
    assert router.run("svcadm", "-z", "gw", "enable", "-s", DNSMASQ).exit == 3
    assert router.runtime.daemons == []


def test_on_tribblix_it_stays_offline_without_its_file(tmp_path: Path) -> None:
    host = service_host(tmp_path, TRIBBLIX)
    host.boot_zone("gw", "whole-root", "TRIBdnsmasq")
    fmri = "svc:/network/dnsmasq:default"
    assert host.run("svcadm", "-z", "gw", "enable", "-s", fmri) == (
        4,
        "",
        f'svcadm: Instance "{fmri}" has unsatisfied dependencies.\n',
    )
    assert host.smf.state("gw", fmri) == "offline"
    host.path("gw", "/etc/dnsmasq.conf").write_text("port=0\n")
    assert host.run("svcadm", "-z", "gw", "enable", "-s", fmri).exit == 0


def test_long_link_names_are_translated_in_a_copy(
    router: ServiceHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "a_very_long_link_name0"
    monkeypatch.setattr(
        router.kernel, "linux_name", lambda link: "lk1" if link == long else link, raising=False
    )
    fragments = router.path("gw", "/etc/dnsmasq.d")
    fragments.mkdir()
    (fragments / "net.conf").write_text(f"interface={long}\n# interface=x0\n")
    configure(router, "conf-dir=/etc/dnsmasq.d\ndhcp-hostsfile=/etc/dnsmasq.hosts.d\n")
    router.run("svcadm", "-z", "gw", "enable", "-s", DNSMASQ)
    copy = router.runtime.daemons[-1].args[-1]
    main = router.path("gw", copy).read_text()
    assert main == ("conf-dir=/var/run/lab-dnsmasq/etc/dnsmasq.d\ndhcp-hostsfile=/etc/dnsmasq.hosts.d\n")
    fragment = router.path("gw", "/var/run/lab-dnsmasq/etc/dnsmasq.d/net.conf").read_text()
    assert fragment == "interface=lk1\n# interface=x0\n"


def test_users_are_dropped_where_there_is_only_one(
    router: ServiceHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dnsmasq, "can_change_user", lambda: False)
    configure(router, "user=dnsmasq\nport=0\n")
    router.run("svcadm", "-z", "gw", "enable", "-s", DNSMASQ)
    argv = router.runtime.daemons[-1].args
    assert "--user=" in argv
    assert "user=" not in router.path("gw", argv[-1]).read_text()


# Properties --------------------------------------------------------------------------------------


def test_properties_are_seen_by_svcprop_after_a_refresh(router: ServiceHost) -> None:
    def policy() -> str:
        argv = ("-z", "gw", "-p", "firewall_config_default/policy", IPFILTER)
        return router.run("/usr/bin/svcprop", *argv).stdout

    assert policy() == "none\n"
    words = ("-z", "gw", "-s", IPFILTER, "setprop", "firewall_config_default/policy", "=")
    assert router.run("svccfg", *words, "astring:", "custom") == (0, "", "")
    assert policy() == "none\n"
    assert router.run("svccfg", "-z", "gw", "-s", IPFILTER, "refresh").exit == 0
    assert policy() == "custom\n"


def test_svcprop_shows_the_state(host: ServiceHost) -> None:
    assert host.run("/usr/bin/svcprop", "-p", "restarter/state", "ssh").stdout == "online\n"
    result = host.run("/usr/bin/svcprop", "-p", "nosuch/name", "ssh")
    assert result.exit == 1
    assert "Couldn't find property 'nosuch/name'" in result.stderr


def test_property_groups_are_made_and_removed(host: ServiceHost) -> None:
    script = (
        "select network/ssh:default\naddpg own application\nsetprop own/list = astring: (a b)\n"
        "addpropvalue own/list c\nlistprop own/*\ndelpg own\nlistprop own*\n"
    )
    assert host.run("svccfg", "-f", "-", stdin=script) == (
        0,
        'own/list  astring  "a" "b" "c"\n',
        "",
    )


def test_properties_are_listed_in_columns(host: ServiceHost) -> None:
    script = (
        "select network/ssh:default\naddpg own application\nsetprop own/size = count: 3\n"
        'setprop own/words = astring: "a \\"b\\""\nlistprop own\nlistpg own\n'
    )
    assert host.run("svccfg", "-f", "-", stdin=script) == (
        0,
        "own        application\n"
        "own/size   count    3\n"
        'own/words  astring  "a \\"b\\""\n'
        "own  application\n",
        "",
    )


def test_a_service_is_made_without_a_manifest(host: ServiceHost) -> None:
    script = (
        "add site/own\nselect site/own\nadd default\nselect default\n"
        "addpg start method\nsetprop start/exec = astring: /bin/own\n"
        "setprop start/type = astring: method\nsetenv COLOUR blue\nsetenv COLOUR red\n"
        "listprop start/environment\nrefresh\n"
    )
    shown = "start/environment  astring  COLOUR=red\n"
    assert host.run("svccfg", stdin=script) == (0, shown, "")
    own = "svc:/site/own:default"
    assert svcs(host, "-H", "-o", "state", own).stdout == "disabled\n"
    assert host.run("svccfg", "-s", own, "unsetenv", "COLOUR").exit == 0
    assert host.run("svccfg", "-s", own, "listprop", "start/environment").stdout == (
        "start/environment  astring \n"
    )
    assert host.run("svccfg", "delete", "site/own").exit == 0
    assert host.run("svccfg", "list", "site/own").stdout == ""


@pytest.mark.parametrize(
    ("select", "words", "message"),
    [
        ("ssh:default", ["add", "x"], "Cannot add entities to an instance."),
        ("network/ssh", ["add", "default"], "Instance already exists."),
        ("network/ssh", ["add", "a b"], "Invalid name."),
        ("", ["add", "network/ssh"], "Service already exists."),
        ("network/ssh", ["listsnap"], "Instance not selected."),
        ("network/ssh", ["setenv", "-i", "A", "b"], "No instance is selected."),
        ("ssh:default", ["setenv", "-m", "none", "A", "b"], 'Couldn\'t find the method "none".'),
        ("ssh:default", ["revert", "none"], "No such snapshot."),
    ],
)
def test_what_svccfg_refuses(host: ServiceHost, select: str, words: list[str], message: str) -> None:
    argv = ["-s", select, *words] if select else words
    assert host.run("svccfg", *argv) == (1, "", f"svccfg: {message}\n")


def test_a_snapshot_brings_properties_back(host: ServiceHost) -> None:
    def show() -> str:
        return host.run("svccfg", "-s", RCAP, "listprop", "config/pressure").stdout

    assert host.run("svccfg", "-s", RCAP, "listsnap").stdout == "initial\nrunning\n"
    for value, refresh in (("10", True), ("20", False)):
        host.run("svccfg", "-s", RCAP, "setprop", "config/pressure", "=", value)
        if refresh:
            host.run("svcadm", "refresh", RCAP)
    shown = "config/pressure  count    {}\n"
    assert show() == shown.format(20)
    assert host.run("svccfg", "-s", RCAP, "revert", "running").exit == 0
    assert show() == shown.format(10)
    assert host.run("svccfg", "-s", RCAP, "revert", "initial").exit == 0
    assert show() == shown.format(0)


def test_a_snapshot_can_be_looked_at_and_reverted_to(host: ServiceHost) -> None:
    host.run("svccfg", "-s", RCAP, "setprop", "config/pressure", "=", "10")
    show = "listprop config/pressure\n"
    lines = f"select {RCAP}\nselectsnap running\n{show}selectsnap\n{show}"
    shown = "config/pressure  count    {}\n"
    assert host.run("svccfg", stdin=lines) == (0, shown.format(0) + shown.format(10), "")
    change = f"select {RCAP}\nselectsnap initial\nsetprop config/pressure = 5\nrevert\n{show}"
    assert host.run("svccfg", stdin=change) == (
        1,
        shown.format(0),
        "svccfg: Cannot modify snapshots.\n",
    )
    refused = host.run("svccfg", "-s", RCAP, "selectsnap", "last")
    assert refused == (1, "", 'svccfg: No such snapshot "last".\n')
    assert host.run("svccfg", "selectsnap", "initial").stderr == "svccfg: Instance not selected.\n"


def test_validate_takes_an_instance_too(host: ServiceHost) -> None:
    assert host.run("svccfg", "-s", RCAP, "validate") == (0, "", "")
    assert host.run("svccfg", "validate", f"svc:/{RCAP.removeprefix('svc:/')}") == (0, "", "")
    assert host.run("svccfg", "validate").stderr == "svccfg: No instance selected\n"
    assert host.run("svccfg", "validate", "svc:/no/such").exit == 1
    assert host.run("svccfg", "-v", "set", "-v") == (0, "", "")
    assert host.run("svccfg", "delcust").stderr == "svccfg: Syntax error.\n"


def test_an_inventory_names_instances_and_services(host: ServiceHost) -> None:
    host.path("global", "/tmp").mkdir(exist_ok=True)
    host.path("global", "/tmp/m.xml").write_text(
        "<service_bundle type='manifest' name='m'><service name='site/m' type='service' version='1'>"
        "<instance name='one' enabled='false'/><instance name='two' enabled='false'/>"
        "</service></service_bundle>"
    )
    assert host.run("svccfg", "inventory", "/tmp/m.xml").stdout == (
        "svc:/site/m:one\nsvc:/site/m:two\nsvc:/site/m\n"
    )


# Milestones --------------------------------------------------------------------------------------


def test_a_milestone_stops_what_it_does_not_need_and_all_brings_it_back(host: ServiceHost) -> None:
    ssh, network = "svc:/network/ssh:default", "svc:/milestone/network:default"
    assert host.run("svcadm", "milestone", "single-user") == (0, "", "")
    host.wait_for("global", ssh, "disabled")
    assert host.smf.state("global", network) == "online"
    assert "enabled      false (temporary)\n" in svcs(host, "-l", ssh).stdout
    assert host.run("svcadm", "milestone", "all") == (0, "", "")
    host.wait_for("global", ssh, "online")


def test_dependents_stop_before_what_they_need(host: ServiceHost) -> None:
    restarter = host.smf.restarter("global")
    restarter.shut_down()
    since = {fmri: each.since for fmri, each in restarter.instances.items()}
    order = ["multi-user-server", "multi-user", "single-user", "network"]
    times = [since[f"svc:/milestone/{name}:default"] for name in order]
    assert times == sorted(times)
    assert {each.state for each in restarter.instances.values()} == {"disabled"}


def test_a_default_milestone_holds_at_the_next_boot(host: ServiceHost) -> None:
    root = host.boot_zone("web")
    assert root.exists()
    assert host.run("svcadm", "-z", "web", "milestone", "-d", "svc:/milestone/single-user").exit == 0
    host.smf.stop("web")
    host.smf.start("web")
    assert host.smf.wait("web", "svc:/milestone/single-user:default", timeout=60)
    assert host.smf.state("web", "svc:/network/ssh:default") in ("disabled", "uninitialized")
    assert not host.smf.restarter("web").is_enabled(
        host.smf.restarter("web").instances["svc:/network/ssh:default"]
    )


def test_only_major_milestones_count(host: ServiceHost) -> None:
    for name in ("network", "user", "svc:/network/ssh:default"):
        result = host.run("svcadm", "milestone", name)
        assert result.exit == 2
        assert result.stderr.startswith(
            f'"{name}" is not a valid major milestone.\nUsage: svcadm milestone'
        )


def test_svcadm_acts_in_every_zone(host: ServiceHost) -> None:
    cron = "svc:/system/cron:default"
    host.boot_zone("web")
    assert host.run("svcadm", "-Z", "disable", "-s", cron) == (0, "", "")
    assert [host.smf.state(zone, cron) for zone in ("global", "web")] == ["disabled", "disabled"]
    assert host.run("svcadm", "-Z", "-z", "web", "enable", cron).exit == 2
    assert host.run("svcadm", "-z", "web", "enable", cron, zone="web").stderr == (
        "svcadm: svcadm -z may only be used from the global zone\n"
    )


@pytest.mark.parametrize(
    "argv",
    [
        ["import", "/tmp/x.xml"],
        ["-s", "nosuch", "listprop"],
        ["listprop"],
        ["-s", "ssh:default", "setprop", "nosuch/x", "=", "astring: 1"],
        ["-s", "ssh:default", "frobnicate"],
    ],
)
def test_what_svccfg_cannot_do_is_an_error(host: ServiceHost, argv: list[str]) -> None:
    result = host.run("svccfg", *argv)
    assert result.exit == 1
    assert result.stderr.startswith("svccfg: ")


@pytest.mark.parametrize("profile", [OMNIOS, TRIBBLIX, OPENINDIANA], ids=lambda each: each.name)
def test_every_distribution_comes_up(tmp_path: Path, profile: Profile) -> None:
    host = service_host(tmp_path, profile)
    host.boot_zone("web")
    for zone in ("global", "web"):
        # Nothing waits for it.
        host.wait_for(zone, "svc:/system/console-login:default", "online")
    assert svcs(host, "-x") == (0, "", "")
    assert svcs(host, "-z", "web", "-x") == (0, "", "")


def test_cleanup_forgets_services_without_a_manifest(host: ServiceHost) -> None:
    file = host.path("global", "/var/svc/manifest/site/gone.xml")
    file.parent.mkdir(parents=True)
    file.write_text(
        "<service_bundle type='manifest' name='gone'><service name='site/gone' type='service' version='1'>"
        "<create_default_instance enabled='false'/>"
        "<exec_method type='method' name='start' exec=':true' timeout_seconds='60'/>"
        "<exec_method type='method' name='stop' exec=':true' timeout_seconds='60'/>"
        "</service></service_bundle>"
    )
    host.smf.import_directories("global", print)
    assert host.run("svccfg", "cleanup") == (0, "", "")
    assert "site/gone\n" in host.run("svccfg", "list").stdout
    file.unlink()
    assert host.run("svccfg", "cleanup", privileged=False).stderr == "svccfg: Permission denied.\n"
    assert host.run("svccfg", "cleanup", "-a") == (0, "", "")
    assert "site/gone\n" not in host.run("svccfg", "list").stdout
