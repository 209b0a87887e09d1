"""What is set up inside a zone: what is planned for it, what is read back, and what cannot be."""

import hashlib

import pytest

from pulumi_illumos_provider.errors import Refused
from pulumi_illumos_provider.illumos import first_boot
from pulumi_illumos_provider.model.base import Change
from pulumi_illumos_provider.model.zone import ZoneInputs

from .hosts import OMNIOS, OWNER, TRIBBLIX, ZONE, FakeHost, plan, says, text_of

CONFIG = """\
create -b
set zonepath=/zones/web
set brand=lipkg
set autoboot=true
set ip-type=exclusive
add attr
set name="pulumi-owner"
set type="string"
set value="urn:pulumi:dev::site::illumos:index:Thing::thing"
end
"""
TOKEN = "correct-horse-battery"
HASH = "$6$salt$0123456789"
USER = {"name": "deploy", "uid": 1500, "passwordHash": HASH}
FILE = {"path": "/etc/token", "content": f"{TOKEN}\n", "mode": "0600"}
SCRIPT = f"echo {TOKEN}\n"
RECORD = "first-boot\nuser deploy\nfile /etc/token\nchanged /etc/profile\n"
FILES = {
    "etc/resolv.conf": "nameserver 192.0.2.53\n",
    "etc/default/init": "# comment\nTZ=UTC\nCMASK=022\n",
    "etc/inet/hosts": "127.0.0.1\tlocalhost\n",
    "etc/passwd": "root:x:0:0:Super-User:/root:/usr/bin/bash\n"
    "deploy:x:1500:10:D:/export/home/deploy:/bin/sh\n",
    "etc/group": "root::0:\nstaff::10:\n",
    "etc/user_attr": "deploy::::type=normal;profiles=Network Management,Zone Management\n",
}
KEPT = {
    "/etc/token": "-rw-------   1 1500     10            9 Nov 28 16:00 ./etc/token\n"
    + hashlib.sha256(FILE["content"].encode()).hexdigest(),
    "/etc/profile": f"-rw-r--r--+  1 0        0             9 Nov 28 16:00 ./etc/profile\n{'0' * 64}\n",
    "password:deploy": hashlib.sha256(HASH.encode()).hexdigest(),
}
WANTED = {"name": "web", "nics": [], "dnsServers": ["192.0.2.53"]}
PROFILE = {"path": "/etc/profile"}
OURS = {"users": [USER], "files": [{**FILE, "owner": "deploy", "group": "staff"}, PROFILE]}


def host(state="running", files=None, record=RECORD, progress="0", kept=KEPT, brand="lipkg"):
    live = {"belongings": record} | ({"first-boot": progress} if progress else {})
    made = FakeHost(OMNIOS)
    made.brands = "ipkg lipkg sparse lx bhyve"
    return made.zone("web", state, CONFIG, FILES | (files or {}), brand=brand, live=live, kept=kept)


def empty(system=OMNIOS, brands="ipkg lipkg sparse lx bhyve"):
    made = FakeHost(system)
    made.brands = brands
    return made


def planned(here, update=True, **properties):
    return plan(ZONE, {**WANTED, **properties}, here, update=update)


def state_of(here):
    return ZONE.read("gz", "web", here.snapshot())


def differences(here, **properties):
    wanted = ZoneInputs.model_validate({**WANTED, **properties})
    return [found.property for found in ZONE.differences(wanted, state_of(here))]


def refusal(here, update=False, **properties):
    with pytest.raises(Refused) as caught:
        planned(here, update, **properties)
    return caught.value


# A new zone --------------------------------------------------------------------------------------


def test_a_new_zone_is_set_up_between_installation_and_boot():
    steps = says(
        planned(
            empty(),
            update=False,
            **OURS,
            hosts=[{"address": "10.0.0.9", "names": ["db"]}],
            timezone="Europe/Zurich",
            firstBootScript=SCRIPT,
        )
    )
    order = [
        "noting that zone web has a script for its first boot",
        "installing zone web",
        "setting the time zone of zone web to Europe/Zurich",
        "writing entries into /etc/inet/hosts of zone web",
        "noting what is made in zone web",
        "making user deploy in zone web",
        "making the home directory of user deploy in zone web",
        "writing /etc/token in zone web",
        "writing /etc/profile in zone web",
        "writing the script of the first boot of zone web",
        "letting zone web run it at its first boot",
        "booting zone web",
        "waiting for zone web to be up",
        "waiting for the script of the first boot of zone web",
    ]
    assert [step for step in steps if step in order] == order


def test_nothing_secret_is_in_an_argument_or_in_what_is_said():
    steps = planned(empty(), update=False, **OURS, firstBootScript=SCRIPT)
    shown = "\n".join(
        " ".join([step.say, step.remedy, *step.run.argv, *(step.done.argv if step.done else ())])
        for step in steps
    )
    sent = text_of(steps)
    for text in (TOKEN, HASH):
        assert text in sent
        assert text not in shown


def test_without_anything_inside_nothing_is_noted():
    assert not [step for step in says(planned(empty(), update=False)) if "noting" in step]


def test_a_resolver_has_domains():
    steps = planned(empty(), update=False, dnsSearch=["lan.example", "example"])
    text = next(step.run.stdin for step in steps if "/etc/resolv.conf" in step.say)
    assert text == "search lan.example example\nnameserver 192.0.2.53\n"


# A zone that is there ----------------------------------------------------------------------------


def test_what_is_ours_is_read_with_digests_and_names():
    state = state_of(host())
    token, profile = state.files
    assert (token.path, token.mode, token.owner, token.group) == ("/etc/token", "600", "deploy", "staff")
    assert (profile.path, profile.mode, profile.uid) == ("/etc/profile", "644", 0)
    (user,) = state.users
    assert (user.uid, user.group, user.comment) == (1500, "staff", "D")
    assert user.profiles == ["Network Management", "Zone Management"]
    assert state.first_boot_status == 0
    assert TOKEN not in str(state)
    assert HASH not in str(state)


def test_a_zone_that_is_as_it_is_wanted_is_left_alone():
    assert differences(host(), **OURS, firstBootScript="another") == []
    steps = says(planned(host(), **OURS, firstBootScript="another"))
    assert not [step for step in steps if "inside" in step or "writing" in step or "noting" in step]


@pytest.mark.parametrize(
    ("wanted", "step"),
    [
        ({"files": [{**FILE, "content": "new"}, PROFILE]}, "writing /etc/token"),
        (
            {"files": [{**FILE, "owner": "1500", "group": "10", "mode": "644"}, PROFILE]},
            "/etc/token",
        ),
        ({"users": [{**USER, "passwordHash": "NP"}]}, "making user deploy"),
        ({"users": [{**USER, "shell": "/bin/ksh"}]}, "making user deploy"),
        ({"users": [{**USER, "profiles": []}]}, "making user deploy"),
        ({"users": [{**USER, "group": "www"}]}, "making user deploy"),
    ],
)
def test_what_differs_is_written_into_the_running_zone(wanted, step):
    (changed,) = wanted
    assert differences(host(), **(OURS | wanted)) == [changed]
    assert ZoneInputs.change(changed) is Change.LIVE
    steps = says(planned(host(), **(OURS | wanted)))
    assert any(step in said for said in steps)
    assert "shutting down zone web" not in steps


def test_a_file_that_is_gone_is_written_again():
    kept = {name: text for name, text in KEPT.items() if name != "/etc/token"}
    assert differences(host(kept=kept), **OURS) == ["files"]
    assert "writing /etc/token in zone web" in says(planned(host(kept=kept), **OURS))


def test_what_is_dropped_is_removed_but_for_what_was_there_before():
    here = host()
    assert set(differences(here)) == {"files", "users"}
    steps = planned(here)
    assert says(steps)[:3] == [
        "removing /etc/token from zone web",
        "removing user deploy from zone web",
        "noting what is left in zone web",
    ]
    assert steps[2].run.stdin == "first-boot\n"
    assert "removing /etc/profile from zone web" not in says(steps)
    wanted = ZoneInputs.model_validate(WANTED)
    (warning,) = ZONE.plan(wanted, here.snapshot(), OWNER, state_of(here)).warnings
    assert "/etc/profile" in warning


def test_the_last_thing_that_is_dropped_takes_the_record_with_it():
    steps = planned(host(record="file /etc/token\n"))
    (note,) = [step for step in steps if step.say == "noting what is left in zone web"]
    assert note.run.argv[2].startswith("rm -f")


def test_a_user_that_we_did_not_make_is_never_taken_over():
    refused = refusal(host(record=""), update=True, users=[USER])
    assert refused.property == "users[0].name"
    assert "was not made by this provider" in str(refused)


def test_a_time_zone_takes_a_boot():
    assert ZoneInputs.change("timezone") is Change.REBOOT
    steps = says(planned(host(), **OURS, timezone="Europe/Zurich"))
    assert "setting the time zone of zone web to Europe/Zurich" in steps
    assert "shutting down zone web" in steps
    assert "setting the time zone of zone web to UTC" not in says(planned(host(), **OURS, timezone="UTC"))


def test_a_resolver_that_means_the_same_is_not_written():
    files = {"etc/resolv.conf": "# mine\nnameserver   192.0.2.53\noptions timeout:1\n"}
    assert not [said for said in says(planned(host(files=files), **OURS)) if "resolv.conf" in said]
    steps = says(planned(host(files=files), **OURS, dnsDomain="example"))
    assert "writing /etc/resolv.conf in zone web" in steps


def test_an_import_spells_what_is_ours_and_previews_empty():
    files = {
        "etc/resolv.conf": "domain lan.example\nnameserver 192.0.2.53\n",
        "etc/default/init": "TZ=Europe/Zurich\n",
        "etc/inet/hosts": "127.0.0.1 localhost\n# BEGIN pulumi-illumos\n::2\ta b\n# END pulumi-illumos\n",
    }
    state = state_of(host(files=files))
    spelled = ZONE.spell(state)
    assert spelled["files"][0] == {"path": "/etc/token", "mode": "600", "owner": "deploy", "group": "staff"}
    assert spelled["hosts"] == [{"address": "::2", "names": ["a", "b"]}]
    assert (spelled["timezone"], spelled["dnsDomain"]) == ("Europe/Zurich", "lan.example")
    assert "passwordHash" not in spelled["users"][0]
    assert ZONE.differences(ZoneInputs.model_validate(spelled), state) == []


# The script of the first boot --------------------------------------------------------------------


def about_the_script(steps):
    return [said for said in says(steps) if "first boot" in said]


@pytest.mark.parametrize("state", ["installed", "running"])
def test_a_script_is_for_new_zones_only(state):
    here = host(state, record="", progress="")
    assert about_the_script(planned(here, firstBootScript=SCRIPT)) == []
    assert (
        differences(here, firstBootScript=SCRIPT, state="running" if state == "running" else "halted") == []
    )


def test_a_script_that_was_not_written_any_more_is_written_by_the_next_run():
    steps = about_the_script(planned(host("installed", progress=""), **OURS, firstBootScript=SCRIPT))
    assert steps == [
        "writing the script of the first boot of zone web",
        "letting zone web run it at its first boot",
        "waiting for the script of the first boot of zone web",
    ]


def test_a_copy_of_a_zone_forgets_what_that_was_told():
    here = host("installed")
    steps = says(plan(ZONE, {"name": "new", "nics": [], "install": {"clone": "web"}}, here))
    assert "clearing what the original of zone new was told for its first boot" in steps
    assert "writing entries into /etc/inet/hosts of zone new" in steps


def test_a_linux_zone_is_not_asked_for_what_its_own_system_wrote():
    files = {"etc/resolv.conf": "search lan.example\nnameserver 192.0.2.53\n"}
    state = state_of(host(files=files, brand="lx", record="", progress=""))
    assert (state.dns_search, state.dns_domain) == ([], None)


@pytest.mark.parametrize("progress", [first_boot.WAITING, first_boot.RUNNING])
def test_a_script_that_has_not_ended_is_waited_for_by_the_next_run(progress):
    steps = about_the_script(planned(host(progress=progress), **OURS, firstBootScript=SCRIPT))
    assert steps == ["waiting for the script of the first boot of zone web"]


def test_a_script_that_failed_is_told_again_and_not_run_again():
    here = host(progress="7")
    wanted = ZoneInputs.model_validate({**WANTED, **OURS, "firstBootScript": SCRIPT})
    found = ZONE.plan(wanted, here.snapshot(), OWNER, state_of(here))
    assert any("status 7" in warning for warning in found.warnings)
    assert about_the_script(found.steps) == []
    assert state_of(here).first_boot_status == 7


# What cannot be ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "properties",
    [
        {"files": [FILE]},
        {"users": [USER]},
        {"hosts": [{"address": "10.0.0.9", "names": ["db"]}]},
        {"firstBootScript": SCRIPT},
        {"timezone": "UTC"},
        {"dnsSearch": ["lan.example"]},
    ],
)
@pytest.mark.parametrize("brand", ["lx", "bhyve"])
def test_what_a_brand_cannot_be_told_is_refused_with_those_that_can(brand, properties):
    image = {"install": {"image": "/images/a.tar.gz"}} if brand == "lx" else {}
    here = empty()
    here.paths.append("file /images/a.tar.gz")
    refused = refusal(here, brand=brand, **image, **properties)
    assert refused.property == next(iter(properties))
    assert "ipkg, lipkg" in str(refused)


def test_a_sparse_zone_has_no_place_for_files_of_its_own_in_usr():
    file = {"path": "/usr/bin/tool", "content": ""}
    refused = refusal(empty(), brand="sparse", files=[file])
    assert refused.property == "files[0].path"
    assert "read-only" in str(refused)
    assert planned(empty(), update=False, brand="lipkg", files=[file])
    tribblix = empty(TRIBBLIX, "sparse-root")
    tribblix.datasets.append("rpool/export/zones\tfilesystem\t/export/zones")
    assert "read-only" in str(refusal(tribblix, files=[file]))


def test_a_file_below_a_mounted_directory_is_refused():
    here = empty()
    here.paths.append("directory /data")
    share = {"dir": "/srv/data", "special": "/data"}
    refused = refusal(here, filesystems=[share], files=[{"path": "/srv/data/a", "content": ""}])
    assert refused.property == "files[0].path"
    assert "/srv/data is mounted" in str(refused)


def test_a_user_that_the_host_has_not_got_is_refused():
    refused = refusal(empty(), users=[{"name": "nobody99", "fromHost": True}])
    assert refused.property == "users[0].name"
    assert planned(empty(), update=False, users=[{"name": "admin", "fromHost": True}])


def test_a_time_zone_that_the_host_does_not_know_is_refused():
    here = empty()
    here.paths.append("directory /usr/share/lib/zoneinfo")
    assert "no time zone Europe/Bern" in str(refusal(here, timezone="Europe/Bern"))
    here.paths.append("file /usr/share/lib/zoneinfo/Europe/Zurich")
    assert planned(here, update=False, timezone="Europe/Zurich")


# Removal -----------------------------------------------------------------------------------------


BARE = {"name": "web", "nics": []}
INSTALLED_BY_US = CONFIG + 'add attr\nset name="pulumi-install"\nset type="string"\nset value="-"\nend\n'


@pytest.mark.parametrize(
    ("state", "config", "written"),
    [
        ("installed", INSTALLED_BY_US, True),
        ("running", INSTALLED_BY_US, False),
        ("installed", CONFIG, False),
    ],
    ids=["a create that was cut off", "a zone that has booted", "a zone that was made by hand"],
)
def test_name_servers_that_nobody_asked_for_are_only_written_before_the_first_boot(state, config, written):
    here = FakeHost(OMNIOS).zone("web", state, config)
    steps = plan(ZONE, BARE, here, update=True)
    assert ("writing /etc/resolv.conf in zone web" in says(steps)) == written
    assert "writing /etc/nodename in zone web" not in says(steps)


def test_the_last_of_domain_and_search_counts():
    both = {"etc/resolv.conf": "search a.example b.example\ndomain lan.example\nnameserver 192.0.2.53\n"}
    state = state_of(host(files=both))
    assert (state.dns_domain, state.dns_search) == ("lan.example", [])
    assert ZONE.spell(state)["dnsDomain"] == "lan.example"
    assert "dnsSearch" not in ZONE.spell(state)


@pytest.mark.parametrize("there", [True, False])
def test_a_removal_forgets_what_was_made(there):
    here = host()
    state = state_of(here)
    if not there:
        here = empty()
    here.paths.append("file /etc/pulumi-illumos/zones/web")
    assert "forgetting what was made in zone web" in says(
        ZONE.plan_delete("web", here.snapshot(), state).steps
    )
