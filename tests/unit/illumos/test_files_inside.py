"""Scripts that work on the files of a zone's root: run here on a directory that stands for one."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from pulumi_illumos_provider.illumos import accounts, belongings, dnsmasq, files, first_boot, ndpd
from pulumi_illumos_provider.illumos.belongings import Belongings
from pulumi_illumos_provider.illumos.distribution import TRIBBLIX
from pulumi_illumos_provider.plan import Command

UID, GID = os.getuid(), os.getgid()
HASH = "$6$salt$0123456789"
AS_ROOT = pytest.mark.skipif(UID != 0, reason="gives files to other users")


def run(command: Command) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command.argv, input=command.stdin or "", capture_output=True, text=True, check=False
    )


def succeed(command: Command) -> None:
    done = run(command)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def root(tmp_path):
    """A zone's root with the files that hold its users; one user is the caller's own."""
    place = tmp_path / "root"
    (place / "etc/inet").mkdir(parents=True)
    for name, text in {
        "passwd": f"root:x:0:0:Super-User:/root:/bin/sh\nme:x:{UID or 200}:{GID}::/:/bin/sh\n",
        "group": f"root::0:\nother::1:root\nstaff::10:\nmine::{GID or 200}:\n",
        "shadow": "root:NP:6445::::::\nme:NP:6445::::::\n",
        "user_attr": "root::::auths=solaris.*\n",
        "inet/hosts": "127.0.0.1\tlocalhost\n",
    }.items():
        (place / "etc" / name).write_text(text)
    (place / "etc/shadow").chmod(0o400)
    return place


def put(root, path, text="secret\n", mode="640", owner="", group=""):
    what = (str(root), path, text, mode, owner or str(UID), group or str(GID))
    return files.put_zone_file(*what), files.zone_file_is_put(*what)


# Files -------------------------------------------------------------------------------------------


def test_a_file_is_put_with_its_mode_and_known_as_put(root):
    write, done = put(root, "opt/app/my settings")
    assert run(done).returncode != 0
    succeed(write)
    succeed(done)
    file = root / "opt/app/my settings"
    assert file.read_text() == "secret\n"
    assert file.stat().st_mode & 0o7777 == 0o640
    assert sorted(file.parent.iterdir()) == [file]
    file.chmod(0o644)
    assert run(done).returncode != 0


def test_a_file_whose_content_is_left_alone_gets_its_mode(root):
    write, done = put(root, "etc/motd", None, "600")
    failed = run(write)
    assert failed.returncode != 0
    assert "/etc/motd" in failed.stderr
    (root / "etc/motd").write_text("hello\n")
    succeed(write)
    succeed(done)
    assert (root / "etc/motd").read_text() == "hello\n"
    assert (root / "etc/motd").stat().st_mode & 0o777 == 0o600


@AS_ROOT
def test_owners_are_those_that_the_zone_knows(root):
    write, done = put(root, "etc/mine", owner="me", group="staff")
    succeed(write)
    succeed(done)
    status = (root / "etc/mine").stat()
    assert (status.st_uid, status.st_gid) == (200, 10)


def test_an_owner_that_the_zone_does_not_know_is_named(root):
    failed = run(put(root, "etc/mine", owner="nobody99")[0])
    assert failed.returncode != 0
    assert "nobody99 is not in /etc/passwd" in failed.stderr
    assert not (root / "etc/mine").exists()


@pytest.mark.parametrize("link", ["etc/away", "etc/away/file", "etc/away/deep/file"])
def test_a_link_that_a_zone_has_planted_is_never_followed(root, tmp_path, link):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("the host's\n")
    (root / "etc/away").symlink_to(outside if "/" in link[4:] else outside / "file")
    write, done = put(root, link)
    failed = run(write)
    assert failed.returncode != 0
    assert "symbolic link" in failed.stderr
    assert run(done).returncode != 0
    assert (outside / "file").read_text() == "the host's\n"
    assert [path.name for path in outside.iterdir()] == ["file"]


def test_a_link_in_the_place_of_the_temporary_name_is_never_followed(root, tmp_path):
    (tmp_path / "target").write_text("the host's\n")
    (root / "etc/mine.new").symlink_to(tmp_path / "target")
    succeed(put(root, "etc/mine")[0])
    assert (tmp_path / "target").read_text() == "the host's\n"
    assert not (root / "etc/mine").is_symlink()


PLANTED = {
    "etc/app.new": lambda root: files.write_zone_file(root, "etc/app", "ours\n"),
    "etc/nsswitch.conf.new": files.use_dns,
    "etc/ssh/sshd_config.new": files.allow_root_login,
    "etc/ssh/sshd_config": files.allow_root_login,
    "etc/dnsmasq.conf.new": lambda root: dnsmasq.replace_config(TRIBBLIX.dnsmasq, "gw", root, "ours\n"),
    "etc/inet/ndpd.conf.new": lambda root: ndpd.replace_config("gw", root, "ours\n"),
}


@pytest.mark.parametrize("link", PLANTED)
def test_no_file_of_the_host_is_written_through_a_planted_link(root, tmp_path, link):
    ours = tmp_path / "hosts-own"
    ours.write_text("PermitRootLogin no\n")
    (root / "etc/ssh").mkdir()
    for name in ("ssh/sshd_config", "inet/ndpd.conf", "nsswitch.dns", "nsswitch.conf"):
        (root / "etc" / name).write_text("PermitRootLogin no\n")
    (root / link).unlink(missing_ok=True)
    (root / link).symlink_to(ours)
    run(PLANTED[link](str(root)))
    assert ours.read_text() == "PermitRootLogin no\n"
    dangling = tmp_path / "new"
    (root / link).unlink(missing_ok=True)
    (root / link).symlink_to(dangling)
    run(PLANTED[link](str(root)))
    assert not dangling.exists()


def test_root_may_log_in_with_a_key_where_it_may_not_at_all(root):
    (root / "etc/ssh").mkdir()
    config = root / "etc/ssh/sshd_config"
    config.write_text("Port 22\nPermitRootLogin no\n")
    succeed(files.allow_root_login(str(root)))
    assert config.read_text() == "Port 22\nPermitRootLogin without-password\n"
    config.unlink()
    succeed(files.allow_root_login(str(root)))


def test_names_are_resolved_by_dns_where_they_are_not_already(root):
    shipped, used = root / "etc/nsswitch.dns", root / "etc/nsswitch.conf"
    succeed(files.use_dns(str(root)))
    assert not used.exists()
    shipped.write_text("hosts: files dns\n")
    used.write_text("hosts: files\n")
    succeed(files.use_dns(str(root)))
    assert used.read_text() == "hosts: files dns\n"
    used.write_text("hosts: files dns mdns\n")
    succeed(files.use_dns(str(root)))
    assert used.read_text() == "hosts: files dns mdns\n"


def test_stars_in_a_path_mean_nothing(root):
    write, done = put(root, "etc/*")
    succeed(write)
    succeed(done)
    assert (root / "etc/*").read_text() == "secret\n"


def test_our_part_of_a_file_comes_changes_and_goes(root):
    hosts = root / "etc/inet/hosts"
    hosts.write_text("127.0.0.1 localhost\n# mine, without line end")
    hosts.chmod(0o640)
    for lines in (["10.0.0.1\ta"], ["10.0.0.1\ta b", "::2\tc"], []):
        text = files.block(lines)
        place = (str(root), "etc/inet/hosts", text)
        assert run(files.has_block(*place)).returncode != 0
        succeed(files.put_block(*place))
        succeed(files.has_block(*place))
        assert files.block_lines(hosts.read_text()) == lines
        assert hosts.read_text().startswith("127.0.0.1 localhost\n# mine, without line end\n")
    assert hosts.stat().st_mode & 0o777 == 0o640
    assert hosts.read_text() == "127.0.0.1 localhost\n# mine, without line end\n"


@pytest.mark.parametrize("before", ["# TZ\nTZ=UTC\nCMASK=022\n", "CMASK=022\n", ""])
def test_a_setting_is_changed_and_other_lines_stay(root, before):
    (root / "etc/init").write_text(before)
    place = (str(root), "etc/init", "TZ", "Europe/Zurich")
    assert run(files.has_setting(*place)).returncode != 0
    succeed(files.put_setting(*place))
    succeed(files.has_setting(*place))
    after = (root / "etc/init").read_text().splitlines()
    assert [line for line in after if not line.startswith("TZ=")] == [
        line for line in before.splitlines() if not line.startswith("TZ=")
    ]
    assert after.count("TZ=Europe/Zurich") == 1


# Users -------------------------------------------------------------------------------------------


def line(root, file, name):
    found = [x for x in (root / "etc" / file).read_text().splitlines() if x.startswith(f"{name}:")]
    assert len(found) <= 1
    return found[0] if found else None


def test_a_user_is_made_changed_and_removed_and_others_stay(root):
    before = {f: (root / "etc" / f).read_text() for f in ("passwd", "shadow", "user_attr")}
    succeed(accounts.put(str(root), "web"))
    assert line(root, "passwd", "web") == "web:x:1000:1::/export/home/web:/bin/sh"
    assert line(root, "shadow", "web") == "web:NP:::::::"
    succeed(
        accounts.put(
            str(root),
            "web",
            group="www",
            comment="Web & Co",
            shell="/usr/bin/bash",
            attributes=accounts.attributes_line("web", ["Network Management"], []),
            password_hash=HASH,
        )
    )
    assert line(root, "passwd", "web") == "web:x:1000:1000:Web & Co:/export/home/web:/usr/bin/bash"
    assert line(root, "shadow", "web") == f"web:{HASH}:::::::"
    assert line(root, "group", "www") == "www::1000:"
    attributes = (root / "etc/user_attr").read_text()
    assert accounts.parse_attributes(attributes, "web")["profiles"] == ["Network Management"]
    # Without a hash the one that is there stays.
    succeed(accounts.put(str(root), "web", comment=""))
    assert line(root, "shadow", "web") == f"web:{HASH}:::::::"
    assert accounts.parse_passwd((root / "etc/passwd").read_text())["web"].comment == ""
    assert (root / "etc/shadow").stat().st_mode & 0o777 == 0o400
    assert run(accounts.removed(str(root), "web")).returncode != 0
    succeed(accounts.remove(str(root), "web"))
    succeed(accounts.removed(str(root), "web"))
    assert {f: (root / "etc" / f).read_text() for f in before} == before
    assert [p.name for p in (root / "etc").iterdir() if p.name.endswith(".new")] == []


def test_a_number_of_another_user_is_refused(root):
    succeed(accounts.put(str(root), "web", uid=1500))
    failed = run(accounts.put(str(root), "db", uid=1500))
    assert failed.returncode != 0
    assert "uid 1500 is that of web" in failed.stderr
    assert line(root, "passwd", "db") is None


def test_a_user_of_the_system_is_never_changed(root):
    failed = run(accounts.put(str(root), "root", shell="/bin/false"))
    assert "one of the system's" in failed.stderr
    assert "/bin/false" not in (root / "etc/passwd").read_text()


def test_a_hash_is_in_no_argument(root):
    command = accounts.put(str(root), "web", password_hash=HASH)
    assert HASH not in " ".join(command.argv)


def test_a_home_directory_is_made_for_its_user(root):
    (root / "etc/passwd").write_text(f"web:x:{UID}:{GID}::/export/home/web:/bin/sh\n")
    succeed(accounts.make_home(str(root), "web", "/export/home/web", for_keys=True))
    home = root / "export/home/web"
    assert home.stat().st_mode & 0o777 == 0o755
    assert (home / ".ssh").stat().st_mode & 0o777 == 0o700
    assert (home / ".ssh").stat().st_uid == UID


# What is ours ------------------------------------------------------------------------------------


@pytest.fixture
def notes(tmp_path, monkeypatch):
    monkeypatch.setattr(belongings, "DIRECTORY", f"{tmp_path}/var/zones")
    return tmp_path / "var/zones"


def test_what_was_there_before_is_told_from_what_we_made(root, notes):
    (root / "etc/motd").write_text("hello\n")
    new = Belongings(files=("/etc/motd", "/opt/new file"), users=("web",), first_boot=True)
    succeed(belongings.add("web", str(root), new))
    put(root, "opt/new file")
    found = belongings.parse((notes / "web").read_text())
    assert found == Belongings(("/opt/new file",), ("/etc/motd",), ("web",), True)
    # Once more after a cut: by now it is there, and ours all the same.
    succeed(put(root, "opt/new file")[0])
    succeed(belongings.add("web", str(root), new))
    assert belongings.parse((notes / "web").read_text()) == found


def test_a_record_is_reduced_and_goes_with_its_last_line(root, notes):
    succeed(belongings.add("web", str(root), Belongings(files=("/a", "/b"))))
    succeed(belongings.keep("web", Belongings(files=("/b",))))
    assert (notes / "web").read_text() == "file /b\n"
    succeed(belongings.keep("web", Belongings()))
    assert not notes.parent.exists()


def shown(root, record):
    """What the probe tells of a root, by heading; sha256sum(1) stands for digest(1)."""
    show = 'show() {\n[ -f "$1" ] || return 0\nprintf "#file %s\\n" "$1"\nsed "s/^/\t/" "$1"\n}\n'
    text = "digest() {\nsha256sum | cut -c1-64\n}\n"
    text += "root=.\n" + belongings.SHOW.replace("/usr/bin/digest -a sha256", "digest")
    done = subprocess.run(
        ["/bin/sh", "-c", f'{show}{text}\nshow_inside "$1"', "sh", str(record)],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    found: dict[str, str] = {}
    for text_line in done.stdout.splitlines():
        if text_line.startswith("#"):
            heading = text_line[1:]
            found[heading] = ""
        else:
            found[heading] += f"{text_line[1:]}\n"
    return found


def test_the_probe_tells_digests_and_no_contents(root, tmp_path):
    for path, mode in (("opt/my secret", "640"), ("opt/tool", "4755")):
        succeed(put(root, path, "top secret\n", mode)[0])
    succeed(accounts.put(str(root), "web", password_hash=HASH))
    record = tmp_path / "record"
    record.write_text("user web\nfile /opt/my secret\nfile /opt/tool\nfile /opt/gone\n")
    found = shown(root, record)
    kept = belongings.parse_kept(found["kept /opt/my secret"])
    digest = hashlib.sha256(b"top secret\n").hexdigest()
    assert kept == belongings.Kept("640", UID, GID, digest)
    tool = belongings.parse_kept(found["kept /opt/tool"])
    assert tool is not None
    assert tool.mode == "4755"
    assert "kept /opt/gone" not in found
    assert found["kept password:web"].strip() == hashlib.sha256(HASH.encode()).hexdigest()
    assert "top secret" not in str(found)
    assert HASH not in str(found)


def test_the_probe_follows_no_link(root, tmp_path):
    (tmp_path / "shadow").write_text("the host's own\n")
    (root / "opt").mkdir()
    (root / "opt/file").symlink_to(tmp_path / "shadow")
    (root / "etc/inet/hosts").unlink()
    (root / "etc/inet/hosts").symlink_to(tmp_path / "shadow")
    record = tmp_path / "record"
    record.write_text("file /opt/file\n")
    found = shown(root, record)
    assert "kept /opt/file" not in found
    assert "file etc/inet/hosts" not in found


def test_lines_of_a_status_cannot_pass_for_those_of_the_probe(root, tmp_path):
    status = root / first_boot.STATUS
    status.parent.mkdir()
    status.write_text("0\n#file etc/shadow\n\tfalse\n")
    record = tmp_path / "record"
    record.touch()
    assert "file etc/shadow" not in shown(root, record)


@pytest.mark.parametrize(
    ("text", "status"), [("0\n", 0), ("127", 127), ("running\n", None), ("9" * 5000, None)]
)
def test_a_status_is_a_number_that_a_shell_can_have(text, status):
    assert first_boot.parse_status(text) == status


def test_users_with_numbers_that_are_none_are_left_out():
    assert accounts.parse_passwd(f"a:x:\u00b2:1::/:/bin/sh\nb:x:1:{'9' * 5000}::/:/bin/sh\n") == {}
    assert accounts.parse_group(f"a::\u00b2:\nb::{'9' * 5000}:\n") == {}


@pytest.mark.parametrize(
    ("letters", "digits"),
    [("rw-r--r--", "644"), ("---------", "0"), ("rwsr-xr-x", "4755"), ("rwSr-Sr-T", "7644")],
)
def test_letters_of_a_mode_as_digits(letters, digits):
    assert belongings.octal(letters) == digits


# The script of the first boot --------------------------------------------------------------------


def status(root, text):
    place = root / first_boot.STATUS
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def test_what_came_from_the_original_is_cleared(root):
    succeed(first_boot.cleared(str(root)))
    status(root, "0\n")
    for path in (first_boot.SCRIPT, first_boot.STARTER):
        succeed(put(root, path)[0])
    assert run(first_boot.cleared(str(root))).returncode != 0
    succeed(first_boot.clear(str(root)))
    succeed(first_boot.cleared(str(root)))
    assert not (root / first_boot.SCRIPT).exists()


def test_a_script_that_ended_well_is_waited_for(root):
    status(root, "0\n")
    succeed(first_boot.wait(str(root), 5))


def test_a_script_that_failed_is_told_with_the_end_of_its_output(root):
    status(root, "3\n")
    log = Path(root, first_boot.LOG)
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"line {number}\n" for number in range(99)))
    failed = run(first_boot.wait(str(root), 5))
    assert failed.returncode != 0
    assert "status 3" in failed.stderr
    assert failed.stderr.splitlines()[-1] == "line 98"
    assert "line 70\n" not in failed.stderr


@pytest.mark.parametrize("state", [None, "running\n"])
def test_a_script_that_does_not_end_is_told(root, state):
    if state:
        status(root, state)
    failed = run(first_boot.wait(str(root), 0))
    assert failed.returncode != 0
    assert "has not ended" in failed.stderr
