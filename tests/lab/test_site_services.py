"""Services of one's own: manifests are imported, their methods run, their processes are looked after."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from illumos_lab.smf import manifest
from illumos_lab.testing import Host, Lab

METHOD = """\
#!/sbin/sh
. /lib/svc/share/smf_include.sh
smf_present || exit $SMF_EXIT_ERR_NOSMF
case $1 in
start)
    [ -f /etc/web.conf ] || exit $SMF_EXIT_ERR_CONFIG
    echo "$SMF_FMRI $SMF_METHOD $GREETING $(pwd) $2" >/var/tmp/web.started
    /usr/bin/sleep 9100 &
    /usr/bin/sleep 9100 &
    ;;
refresh)
    cp /etc/web.conf /var/tmp/web.loaded
    ;;
esac
"""

MANIFEST = """\
<?xml version="1.0"?>
<!DOCTYPE service_bundle SYSTEM "/usr/share/lib/xml/dtd/service_bundle.dtd.1">
<service_bundle type="manifest" name="site:web">
  <service name="site/web" type="service" version="1">
    <create_default_instance enabled="false"/>
    <single_instance/>
    <dependency name="network" grouping="require_all" restart_on="none" type="service">
      <service_fmri value="svc:/milestone/network:default"/>
    </dependency>
    <method_context working_directory="/var">
      <method_environment><envvar name="GREETING" value="good morning"/></method_environment>
    </method_context>
    <exec_method type="method" name="start" exec="/opt/web %m %{config/port}" timeout_seconds="60"/>
    <exec_method type="method" name="stop" exec=":kill" timeout_seconds="60"/>
    <exec_method type="method" name="refresh" exec="/opt/web %m" timeout_seconds="60"/>
    <property_group name="config" type="application">
      <propval name="port" type="count" value="8080"/>
      <property name="names" type="astring">
        <astring_list><value_node value="a b"/><value_node value="c"/></astring_list>
      </property>
    </property_group>
    <stability value="Evolving"/>
    <template><common_name><loctext xml:lang="C">My web server</loctext></common_name></template>
  </service>
</service_bundle>
"""

ONCE = """\
<service_bundle type="manifest" name="site:once">
  <service name="site/once" type="service" version="1">
    <instance name="first" enabled="true">
      <exec_method type="method" name="start" exec="/usr/bin/id -un &gt; /tmp/once" timeout_seconds="0">
        <method_context><method_credential user="{user}" group="staff"/></method_context>
      </exec_method>
      <exec_method type="method" name="stop" exec=":true" timeout_seconds="0"/>
      <property_group name="startd" type="framework">
        <propval name="duration" type="astring" value="transient"/>
      </property_group>
    </instance>
  </service>
</service_bundle>
"""

PROFILE = """\
<service_bundle type="profile" name="site">
  <service name="site/web" version="1" type="service">
    <instance name="default" enabled="true"/>
  </service>
  <service name="site/absent" version="1" type="service">
    <instance name="default" enabled="true"/>
  </service>
</service_bundle>
"""
SLEEPERS = "pgrep -f '[s]leep 9100'"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Lab.start(time_scale=0) as lab:
        lab.host.run("mkdir -p /opt; cat > /opt/web; chmod a+x /opt/web", input=METHOD).check()
        _eventually(lambda: _state(lab.host, "multi-user-server") == "online")
        yield lab.host


def _eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _state(host: Host, name: str) -> str:
    return host.run(f"svcs -H -o state {name}").stdout.strip()


def _import(host: Host, text: str) -> None:
    host.run("cat > /tmp/m.xml && svccfg import /tmp/m.xml", input=text).check()


def test_the_life_of_a_service(host: Host) -> None:
    host.run("rm -f /etc/web.conf")
    _import(host, MANIFEST)
    assert host.run("svcs -H -o state,desc site/web").stdout.split(None, 1) == [
        *("disabled", "My web server\n")
    ]
    assert host.run("svcprop -p config/names site/web").stdout == "a\\ b c\n"
    assert host.run("svcprop -p start/exec site/web").stdout == "/opt/web\\ %m\\ %{config/port}\n"

    # The method says that there is no configuration: nobody tries again.
    host.run("svcadm enable site/web").check()
    _eventually(lambda: _state(host, "site/web") == "maintenance")
    assert "/opt/web %m" in host.run("cat /var/svc/log/site-web:default.log").stdout

    host.run("echo one > /etc/web.conf; svcadm clear site/web").check()
    _eventually(lambda: _state(host, "site/web") == "online")
    assert host.run("cat /var/tmp/web.started").stdout == (
        "svc:/site/web:default start good morning /var 8080\n"
    )
    _eventually(lambda: len(host.run(SLEEPERS).stdout.split()) == 2)
    sleepers = host.run(SLEEPERS).stdout.split()
    rows = host.run("svcs -p site/web").stdout.splitlines()
    assert [row.split()[1:] for row in rows[2:]] == [[pid, "sleep"] for pid in sleepers]

    # It stays online while one of its processes is left, and is started again when none is.
    host.run(f"kill {sleepers[0]}").check()
    _eventually(lambda: host.run(SLEEPERS).stdout.split() == sleepers[1:])
    assert _state(host, "site/web") == "online"
    host.run(
        "svccfg -s site/web:default setprop config/port = count: 9090; svcadm refresh site/web"
    ).check()
    _eventually(lambda: host.run("cat /var/tmp/web.loaded").stdout == "one\n")
    host.run(f"kill {sleepers[1]}").check()
    _eventually(lambda: "9090" in host.run("cat /var/tmp/web.started").stdout)
    _eventually(lambda: _state(host, "site/web") == "online")

    # What an administrator has set outlives a new import.
    _import(host, MANIFEST.replace("My web server", "Renamed").replace("8080", "8081"))
    assert host.run("svcs -H -o desc site/web").stdout == "Renamed\n"
    assert host.run("svcprop -p config/port site/web").stdout == "9090\n"

    host.run("svcadm disable -s site/web").check()
    assert host.run(SLEEPERS).stdout == ""
    host.run("svccfg delete site/web").check()
    assert host.run("svcs site/web").status == 1


def test_a_transient_service_runs_as_its_user_and_leaves_no_process(host: Host) -> None:
    _import(host, ONCE.format(user="admin"))
    _eventually(lambda: _state(host, "once:first") == "online")
    assert host.run("cat /tmp/once").stdout == "admin\n"
    assert host.run("svcs -H -o ctid once:first").stdout.strip() == "-"
    refused = host.run("svccfg delete svc:/site/once:first")
    assert (refused.status, "Use -f" in refused.stderr) == (1, True)
    host.run("svccfg delete -f svc:/site/once:first").check()
    assert host.run("svcs once:first").status == 1


def test_a_dump_waits_for_a_service_that_starts(host: Host) -> None:
    _import(host, ONCE.format(user="root").replace("/usr/bin/id -un &gt; /tmp/once", "/usr/bin/sleep 1"))
    assert "online svc:/site/once:first" in host.dump()["services"]
    host.run("svccfg delete -f once:first").check()


def test_a_profile_enables_what_is_there(host: Host) -> None:
    host.run("echo one > /etc/web.conf")
    _import(host, MANIFEST)
    host.run("cat > /tmp/p.xml && svccfg apply /tmp/p.xml", input=PROFILE).check()
    _eventually(lambda: _state(host, "site/web") == "online")
    host.run("svccfg delete -f site/web").check()
    _eventually(lambda: host.run(SLEEPERS).stdout == "")


def test_an_export_imported_again_exports_the_same(host: Host) -> None:
    _import(host, MANIFEST)
    exported = host.run("svccfg export site/web").check().stdout
    before = manifest.read(exported)
    host.run("svccfg delete site/web").check()
    _import(host, exported)
    assert host.run("svccfg export site/web").check().stdout == exported
    assert manifest.read(exported) == before
    host.run("svccfg delete site/web").check()


def test_a_manifest_in_place_is_read_at_boot_and_forgotten_with_its_file(host: Host) -> None:
    place = "/var/svc/manifest/site/once.xml"
    host.run(f"mkdir -p /var/svc/manifest/site; cat > {place}", input=ONCE.format(user="root")).check()
    host.reboot()
    _eventually(lambda: _state(host, "once:first") == "online")
    assert host.run("cat /tmp/once").stdout == "root\n"
    # It is in the repository now, and started at each boot.
    host.reboot()
    _eventually(lambda: _state(host, "once:first") == "online")
    host.run(f"rm {place}; svcadm restart manifest-import").check()
    _eventually(lambda: host.run("svcs once:first").status == 1)


def test_waiting_for_a_change_of_a_property_group(host: Host) -> None:
    _import(host, ONCE.format(user="root"))
    _eventually(lambda: _state(host, "once:first") == "online")
    host.run("svcprop -w -p restarter/state once:first > /tmp/waited &").check()
    _eventually(lambda: host.run("pgrep -f '[s]vcprop -w'").status == 0)
    # Until the wait has begun, a change goes unnoticed.
    deadline = time.monotonic() + 60
    while not (waited := host.run("cat /tmp/waited").stdout):
        assert time.monotonic() < deadline
        host.run("svcadm restart once:first")
    assert waited.strip() in ("online", "offline")
    host.run("svccfg delete -f once:first").check()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<service_bundle", "couldn't parse document"),
        ("<other/>", "not a service bundle"),
        (PROFILE, "document is a profile, not a manifest"),
        (
            '<service_bundle type="manifest"><service name="site/x"/></service_bundle>',
            "no service instance",
        ),
        (MANIFEST.replace("site/web", "a b"), "'a b' is not the name of a service"),
        (MANIFEST.replace("require_all", "some"), "'some' is not a grouping"),
        (MANIFEST.replace('timeout_seconds="60"', 'timeout_seconds="soon"'), "'soon' is not a number"),
        (MANIFEST.replace("<stability", "<dependent name='x'/><stability"), "<dependent>: not emulated"),
        (MANIFEST.replace("site/web", "network/ssh"), "of the system: not emulated"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_and_changes_nothing(
    host: Host, text: str, message: str
) -> None:
    before = host.run("svcs -a -H -o fmri").stdout
    refused = host.run("cat > /tmp/m.xml && svccfg import /tmp/m.xml", input=text)
    assert (refused.status, refused.stdout) == (1, "")
    assert message in refused.stderr
    assert host.run("svcs -a -H -o fmri").stdout == before


def test_what_svccfg_cannot_find_or_export_is_told(host: Host) -> None:
    assert host.run("svccfg import /none").stderr == (
        "svccfg: Could not open /none: No such file or directory\n"
    )
    assert "not emulated" in host.run("svccfg export network/ssh").stderr
    assert "not emulated" in host.run("svccfg delete network/ssh").stderr
    assert host.run("svcprop -w network/ssh").status == 2


ORDERLY = """\
<service_bundle type='manifest' name='orderly'>
  <service name='site/orderly' type='service' version='1'>
    <create_default_instance enabled='true'/>
    <exec_method type='method' name='start' exec=':true' timeout_seconds='60'/>
    <exec_method type='method' name='stop' exec='/usr/bin/touch /var/tmp/stopped' timeout_seconds='60'/>
    <property_group name='startd' type='framework'>
      <propval name='duration' type='astring' value='transient'/>
    </property_group>
  </service>
</service_bundle>
"""


def test_a_zone_that_shuts_down_stops_its_services_and_one_that_is_halted_does_not(host: Host) -> None:
    def boot(*words: str) -> None:
        host.run(f"zoneadm -z down boot {' '.join(words)}").check()
        state = "svcs -z down -H -o state svc:/milestone/multi-user-server:default 2>/dev/null"
        _eventually(lambda: host.run(state).stdout == "online\n")
        host.run("rm -f /zones/down/root/var/tmp/stopped && svcadm -z down enable -s site/orderly").check()

    def stopped() -> bool:
        return host.run("ls /zones/down/root/var/tmp/stopped").status == 0

    def is_down() -> bool:
        return host.run("zoneadm -z down list -p | cut -d: -f3").stdout == "installed\n"

    host.run("zonecfg -z down 'create -t lipkg; set zonepath=/zones/down'").check()
    host.run("zoneadm -z down install -s").check()
    host.run("cat > /zones/down/root/var/svc/manifest/orderly.xml", input=ORDERLY).check()
    boot()
    host.run("zoneadm -z down halt").check()
    assert not stopped()
    boot()
    host.run("zoneadm -z down shutdown").check()
    assert stopped()
    boot()
    host.run("zlogin down /usr/sbin/shutdown -y -g0 -i5")
    _eventually(is_down)
    assert stopped()
    host.run("zoneadm -z down uninstall -F && zonecfg -z down delete -F").check()


def test_a_zone_boots_as_far_as_it_is_told(host: Host) -> None:
    def state(name: str) -> str:
        return host.run(f"svcs -z far -H -o state {name} 2>/dev/null").stdout

    host.run("zonecfg -z far 'create -t lipkg; set zonepath=/zones/far'").check()
    host.run("zoneadm -z far install -s && zoneadm -z far boot -- -m milestone=single-user").check()
    _eventually(lambda: state("svc:/milestone/single-user:default") == "online\n")
    assert state("svc:/network/ssh:default") == "disabled\n"
    host.run("svcadm -z far milestone all").check()
    _eventually(lambda: state("svc:/network/ssh:default") == "online\n")
    host.run("zoneadm -z far halt && zoneadm -z far uninstall -F && zonecfg -z far delete -F").check()
