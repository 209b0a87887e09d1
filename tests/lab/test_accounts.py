"""Users and groups: the programs that change them, and what they write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from illumos_lab.accounts_files import today
from illumos_lab.accounts_passwords import matches
from illumos_lab.commands import passwd
from illumos_lab.console_terminal import open_terminal
from illumos_lab.datasets import Datasets
from illumos_lab.image import build
from illumos_lab.invocation import Invocation
from illumos_lab.profile import OMNIOS
from tests.lab.fakes import FakeHost, Result, fake_host

INVALID = "Choose another."


@pytest.fixture(scope="module")
def etc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What /etc of a fresh zone holds."""
    target = tmp_path_factory.mktemp("image")
    build(target, OMNIOS, "lab", "192.0.2.11/24")
    return target / "zone/etc"


@pytest.fixture
def host(tmp_path: Path, etc: Path) -> FakeHost:
    made = fake_host(tmp_path)
    for name in ("passwd", "shadow", "group", "user_attr", "security/prof_attr", "security/auth_attr"):
        file = made.root / "etc" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes((etc / name).read_bytes())
    (made.root / "etc/skel").mkdir()
    (made.root / "etc/skel/.profile").write_text("x" * 513)
    (made.root / "usr/bin").mkdir(parents=True)
    (made.root / "usr/bin/bash").touch(0o755)
    (made.root / "home").mkdir()
    made.datasets = Datasets(made)
    made.datasets.boot()
    return made


def lines(host: FakeHost, path: str, name: str) -> list[str]:
    text = (host.root / path).read_text()
    return [line for line in text.splitlines() if line.startswith(f"{name}:")]


def good(result: Result) -> Result:
    assert (result.exit, result.stderr.replace("2 blocks\n", "")) == (0, "")
    return result


# Groups ------------------------------------------------------------------------------------------


def test_a_group_from_beginning_to_end(host: FakeHost) -> None:
    good(host.run("groupadd", "ops"))
    good(host.run("groupadd", "-g", "500", "dev"))
    good(host.run("groupadd", "-g", "500", "-o", "twin"))
    good(host.run("groupadd", "next"))
    assert lines(host, "etc/group", "ops") == ["ops::100:"]
    assert lines(host, "etc/group", "twin") == ["twin::500:"]
    assert lines(host, "etc/group", "next") == ["next::501:"]
    good(host.run("groupmod", "-n", "builders", "-g", "510", "dev"))
    assert lines(host, "etc/group", "dev") == []
    assert lines(host, "etc/group", "builders") == ["builders::510:"]
    good(host.run("groupdel", "builders"))
    assert lines(host, "etc/group", "builders") == []


@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        ("groupadd", 2, "invalid syntax.\nusage: groupadd [-g gid [-o]] group"),
        ("groupadd -o ops", 2, "invalid syntax.\nusage: groupadd [-g gid [-o]] group"),
        ("groupadd staff", 9, f"staff is already in use.  {INVALID}"),
        ("groupadd -g 10 ops", 4, f"10 is already in use.  {INVALID}"),
        ("groupadd -g ten ops", 3, f"ten is not a valid group id.  {INVALID}"),
        ("groupadd -g 2147483648 ops", 3, f"Group id 2147483648 is too big.  {INVALID}"),
        ("groupadd a:b", 3, f"a:b is not a valid group name.  {INVALID}"),
        ("groupmod -g 500 none", 6, "none does not exist."),
        ("groupmod -n bin staff", 9, f"bin is already in use.  {INVALID}"),
        ("groupmod", 2, "invalid syntax.\nusage: groupmod -g gid [-o] | -n name group"),
        ("groupdel none", 6, "none does not exist."),
        ("groupdel a b", 2, "invalid syntax.\nusage: groupdel group"),
    ],
)
def test_what_is_wrong_about_a_group(host: FakeHost, command: str, status: int, text: str) -> None:
    program, *arguments = command.split()
    before = (host.root / "etc/group").read_text()
    assert host.run(program, *arguments) == (status, "", f"UX: {program}: ERROR: {text}\n")
    assert (host.root / "etc/group").read_text() == before


def test_groups_are_warned_of_and_made_all_the_same(host: FakeHost) -> None:
    result = host.run("groupadd", "-g", "50", "Developers")
    assert result == (
        0,
        "",
        "UX: groupadd: Developers name too long.\n"
        "UX: groupadd: Developers name should be all lower case or numeric.\n"
        "UX: groupadd: WARNING: gid 50 is reserved.\n",
    )
    assert lines(host, "etc/group", "Developers") == ["Developers::50:"]


def test_only_the_privileged_change_a_group(host: FakeHost) -> None:
    result = host.run("groupadd", "ops", privileged=False)
    text = "UX: groupadd: ERROR: Cannot update system files - group cannot be created.\n"
    assert result == (10, "", text)


# Users -------------------------------------------------------------------------------------------


def test_a_user_with_defaults(host: FakeHost) -> None:
    mode = (host.root / "etc/shadow").stat().st_mode
    good(host.run("useradd", "ann"))
    assert lines(host, "etc/passwd", "ann") == ["ann:x:100:1::/home/ann:/bin/sh"]
    assert lines(host, "etc/shadow", "ann") == ["ann:*LK*:::::::"]
    assert lines(host, "etc/user_attr", "ann") == []
    assert not (host.root / "home/ann").exists()
    assert (host.root / "etc/shadow").stat().st_mode == mode
    assert lines(host, "etc/oshadow", "ann") == []
    assert lines(host, "etc/oshadow", "root") == ["root::6445::::::"]


def test_a_user_with_everything(host: FakeHost) -> None:
    result = host.run(
        "useradd", *("-u", "700", "-g", "staff", "-G", "sys,10,adm", "-c", "Ann, of #1", "-d", "/export/a"),
        *("-m", "-s", "/usr/bin/bash", "-f", "30", "-e", "01/02/2100", "-P", "Zone Management,All"),
        *("-A", "solaris.smf.manage", "-K", "defaultpriv=basic", "ann"),
    )  # fmt: skip
    assert result == (0, "", "2 blocks\n")
    assert lines(host, "etc/passwd", "ann") == ["ann:x:700:10:Ann, of #1:/export/a:/usr/bin/bash"]
    assert lines(host, "etc/shadow", "ann") == ["ann:*LK*:::::30:47483:"]
    assert lines(host, "etc/user_attr", "ann") == [
        "ann::::type=normal;auths=solaris.smf.manage;profiles=Zone Management,All;defaultpriv=basic"
    ]
    assert lines(host, "etc/group", "sys") == ["sys::3:root,bin,adm,ann"]
    assert lines(host, "etc/group", "adm") == ["adm::4:root,daemon,ann"]
    assert lines(host, "etc/group", "staff") == ["staff::10:"]
    assert (host.root / "export/a/.profile").stat().st_size == 513
    assert host.run("/usr/bin/getent", "passwd", "700").stdout == (
        "ann:x:700:10:Ann, of #1:/export/a:/usr/bin/bash\n"
    )
    assert host.run("/usr/bin/auths", "ann").stdout == "solaris.smf.manage\n"


def test_a_user_changes(host: FakeHost) -> None:
    good(host.run("useradd", "-m", "-G", "sys", "-P", "All", "ann"))
    good(host.run("usermod", "-c", "Ann", "-s", "/usr/bin/bash", "-g", "staff", "-u", "800", "ann"))
    assert lines(host, "etc/passwd", "ann") == ["ann:x:800:10:Ann:/home/ann:/usr/bin/bash"]
    good(host.run("usermod", "-m", "-d", "/export/ann", "ann"))
    assert not (host.root / "home/ann").exists()
    assert (host.root / "export/ann/.profile").exists()
    good(host.run("usermod", "-G", "adm,bin", "ann"))
    assert lines(host, "etc/group", "sys") == ["sys::3:root,bin,adm"]
    assert lines(host, "etc/group", "bin") == ["bin::2:root,daemon,ann"]
    good(host.run("usermod", "-l", "anna", "ann"))
    assert lines(host, "etc/passwd", "ann") == lines(host, "etc/shadow", "ann") == []
    assert lines(host, "etc/shadow", "anna") == ["anna:*LK*:::::::"]
    assert lines(host, "etc/user_attr", "anna") == ["anna::::type=normal;profiles=All"]
    good(host.run("usermod", "-P", "", "anna"))
    assert lines(host, "etc/user_attr", "anna") == []
    good(host.run("usermod", "-c", "Ann", "anna"))


def test_a_user_goes_and_the_home_if_asked(host: FakeHost) -> None:
    good(host.run("useradd", "-m", "-G", "sys", "-P", "All", "ann"))
    good(host.run("userdel", "ann"))
    for path in ("passwd", "shadow", "user_attr"):
        assert lines(host, f"etc/{path}", "ann") == []
    assert lines(host, "etc/group", "sys") == ["sys::3:root,bin,adm"]
    assert (host.root / "home/ann").is_dir()
    good(host.run("useradd", "-d", "/home/ann", "-m", "ann"))
    good(host.run("userdel", "-r", "ann"))
    assert not (host.root / "home/ann").exists()


def test_roles(host: FakeHost) -> None:
    good(host.run("roleadd", "boss"))
    assert lines(host, "etc/passwd", "boss") == ["boss:x:100:1::/home/boss:/bin/pfsh"]
    assert lines(host, "etc/user_attr", "boss") == ["boss::::type=role;profiles=All"]
    good(host.run("useradd", "-R", "boss", "ann"))
    assert host.run("/usr/bin/roles", "ann").stdout == "boss\n"
    assert host.run("/usr/bin/roles", "ann", "root").stdout == "ann : boss\nroot : No roles\n"
    assert host.run("usermod", "-c", "B", "boss").stderr == (
        "UX: usermod: ERROR: Roles must be modified with ``rolemod''.\n"
    )
    good(host.run("rolemod", "-c", "B", "boss"))
    good(host.run("roledel", "boss"))
    assert host.run("/usr/bin/roles", "ann").stdout == "No roles\n"
    assert host.run("/usr/bin/roles", "boss") == (1, "", "roles: boss : No such user\n")
    assert host.run("/usr/bin/auths", "root").stdout == "solaris.*\n"


@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        ("useradd bin", 9, f"bin is already in use.  {INVALID}"),
        ("useradd a:b", 3, f"a:b is not a valid login name.  {INVALID}"),
        ("useradd -u 2 ann", 4, f"uid 2 is already in use.  {INVALID}"),
        ("useradd -u two ann", 3, f"two is not a valid user id.  {INVALID}"),
        ("useradd -u 2147483648 ann", 3, f"uid 2147483648 is too big.  {INVALID}"),
        ("useradd -g none ann", 6, f"group none does not exist.  {INVALID}"),
        ("useradd -G none ann", 3, f"group none does not exist.  {INVALID}"),
        ("useradd -d home ann", 3, f"home is not a full path name.  {INVALID}"),
        ("useradd -s /bin/none ann", 3, f"/bin/none is not a valid path.  {INVALID}"),
        ("useradd -s /usr/bin ann", 3, f"/usr/bin is not a valid shell.  {INVALID}"),
        ("useradd -f soon ann", 3, f"soon is not a valid inactivity period.  {INVALID}"),
        ("useradd -e 01/02/1999 ann", 3, f"01/02/1999 is not a valid expiration date.  {INVALID}"),
        ("useradd -P Nothing ann", 3, f"Nothing is not a valid profile name.  {INVALID}"),
        ("useradd -R root ann", 3, f"root is not a valid role name.  {INVALID}"),
        ("useradd -A mine.all ann", 3, f"mine.all is not a valid authorization.  {INVALID}"),
        ("useradd -K profiles ann", 3, "Missing value specification."),
        ("useradd -K colour=red ann", 3, "Invalid key."),
        ("useradd -P All -K profiles=All ann", 3, "Multiple definitions of key ``profiles''."),
        ("useradd -m -d /no/a ann", 12, "Unable to create the home directory: No such file or directory."),
        (f"useradd {'a' * 33}", 3, f"{'a' * 33} is too long.  {INVALID}"),
        ("useradd", 2, "invalid syntax.\nusage:  useradd [-u uid [-o] | -g group |…"),
        ("useradd -k /etc/skel ann", 2, "invalid syntax.\nusage:  useradd …"),
        ("usermod ann", 2, "Invalid syntax.\nusage:  usermod -u uid [-o] | …"),
        ("usermod -c x none", 6, "none does not exist."),
        ("usermod -l sys bin", 9, f"sys is already in use.  {INVALID}"),
        ("userdel none", 6, "none does not exist."),
        ("userdel", 2, "Invalid syntax.\nusage:  userdel [-r] login"),
        ("userdel -r sys", 12, "Unable to find status about home directory: No such file or directory."),
    ],
)  # fmt: skip
def test_what_is_wrong_about_a_user(host: FakeHost, command: str, status: int, text: str) -> None:
    program, *arguments = command.split()
    if command == "userdel -r sys":
        good(host.run("usermod", "-d", "/gone", "sys"))
    before = {path: (host.root / "etc" / path).read_text() for path in ("passwd", "shadow", "user_attr")}
    result = host.run(program, *arguments)
    assert result.exit == status
    wanted = f"UX: {program}: ERROR: {text}"
    assert result.stderr.startswith(wanted.removesuffix("…"))
    if not text.endswith("…"):
        assert result.stderr == f"{wanted}\n"
    assert {path: (host.root / "etc" / path).read_text() for path in before} == before


def test_names_of_users_that_are_disliked(host: FakeHost) -> None:
    result = host.run("useradd", "-u", "99", "1LONG_NAME+")
    assert result == (
        0,
        "",
        "UX: useradd: 1LONG_NAME+ name too long.\n"
        "UX: useradd: 1LONG_NAME+ name should be all alphanumeric, '-', '_', or '.'\n"
        "UX: useradd: 1LONG_NAME+ name first character should be alphabetic.\n"
        "UX: useradd: 1LONG_NAME+ name should have at least one lower case character.\n"
        "UX: useradd: WARNING: uid 99 is reserved.\n",
    )


def test_only_the_privileged_change_a_user(host: FakeHost) -> None:
    result = host.run("useradd", "ann", privileged=False)
    assert result == (1, "", "UX: useradd: ERROR: Permission denied.\n")


def test_the_defaults_are_shown(host: FakeHost) -> None:
    assert good(host.run("useradd", "-D")).stdout == (
        "group=other,1  project=default,3  basedir=/home  \n"
        "skel=/etc/skel  shell=/bin/sh  inactive=0  \n"
        "expire=  auths=  profiles=  roles=  limitpriv=  \n"
        "defaultpriv=  lock_after_retries=  \n"
    )


# Homes as file systems ---------------------------------------------------------------------------


def test_a_home_is_a_file_system_if_asked(host: FakeHost) -> None:
    for options, name in (("-m -Z", "plain"), ("-m -z", "own"), ("-mm", "twice"), ("-m", "usual")):
        good(host.run("useradd", *f"{options} -s /usr/bin/bash -d /export/home/{name} {name}".split()))
    made = [each.name for each in host.datasets.children("rpool/export/home")]
    assert made == ["rpool/export/home/own", "rpool/export/home/twice"]
    assert (host.root / "export/home/own/.profile").is_file()

    elsewhere = host.run("useradd", *["-m", "-z", "-s", "/usr/bin/bash", "-d", "/home/else", "else"])
    assert elsewhere.exit == 0
    assert elsewhere.stderr.startswith(
        "UX: useradd: WARNING: Avoided creating ZFS filesystem as parent directory /home is not a ZFS mount"
    )
    assert (host.root / "home/else").is_dir()


@pytest.mark.parametrize("options", ["-m -z -Z", "-z", "-mm -Z"])
def test_options_for_homes_that_contradict_each_other(host: FakeHost, options: str) -> None:
    assert host.run("useradd", *options.split(), "who").exit == 2


def test_a_home_that_is_a_file_system_goes_where_that_is_said(host: FakeHost) -> None:
    good(host.run("useradd", *["-m", "-z", "-s", "/usr/bin/bash", "-d", "/export/home/own", "own"]))
    refused = host.run("userdel", "-r", "own")
    assert refused.exit == 12
    assert "Unable to remove directory /export/home/own: Device busy" in refused.stderr
    assert lines(host, "etc/passwd", "own")
    (host.root / "etc/default").mkdir(exist_ok=True)
    (host.root / "etc/default/useradd").write_text("MANAGE_ZFS=YES\n")
    good(host.run("userdel", "-r", "own"))
    assert host.datasets.get("rpool/export/home/own") is None


# Passwords ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "before", "after", "shown"),
    [
        ("-l", "$5$x$y", "*LK*$5$x$y", "LK"),
        ("-l", "*LK*", "*LK*", "LK"),
        ("-u", "*LK*$5$x$y", "$5$x$y", "PS"),
        ("-d", "$5$x$y", "", "NP"),
        ("-N", "$5$x$y", "NP", "NL"),
    ],
)
def test_passwords_are_locked_and_unlocked(
    host: FakeHost, option: str, before: str, after: str, shown: str
) -> None:
    shadow = host.root / "etc/shadow"
    shadow.write_text(f"ann:{before}:1::::::\n")
    result = good(host.run("/usr/bin/passwd", "-r", "files", option, "ann"))
    assert result.stdout == "passwd: password information changed for ann\n"
    assert shadow.read_text() == f"ann:{after}:{today()}::::::\n"
    assert good(host.run("/usr/bin/passwd", "-s", "ann")).stdout == f"ann       {shown}    \n"


def test_aging(host: FakeHost) -> None:
    shadow = host.root / "etc/shadow"
    shadow.write_text("ann:$5$x$y:10957::::::\n")
    assert host.run("/usr/bin/passwd", "-n", "7", "ann") == (7, "", "Password aging is disabled\n")
    good(host.run("/usr/bin/passwd", "-n", "7", "-x", "90", "-w", "14", "ann"))
    assert shadow.read_text() == "ann:$5$x$y:10957:7:90:14:::\n"
    assert (
        host.run("/usr/bin/passwd", "-s", "ann").stdout == "ann       PS    01/01/00     7    90    14  \n"
    )
    good(host.run("/usr/bin/passwd", "-f", "-x", "-1", "ann"))
    assert shadow.read_text() == "ann:$5$x$y:0::::::\n"


@pytest.mark.parametrize(
    ("arguments", "status", "begin", "end"),
    [
        ("-l none", 1, "passwd: User unknown: none\n", "Permission denied\n"),
        ("-s none", 1, "passwd: User unknown: none\n", "Permission denied\n"),
        ("-l -u root", 2, "usage:\n", "Invalid combination of options\n"),
        ("-s -l root", 2, "", "Invalid combination of options\n"),
        ("-l", 6, "usage:\n", "Invalid argument to option\n"),
        ("-r hosts root", 6, "invalid repository: hosts\nusage:\n", "Invalid argument to option\n"),
        ("-x soon root", 6, "passwd: Invalid argument to option -x\n", "Invalid argument to option\n"),
        ("-z root", 2, "passwd: illegal option -- z\nusage:\n", "Invalid combination of options\n"),
        ("root", 1, "", "Permission denied\n"),
    ],
)
def test_what_passwd_refuses(host: FakeHost, arguments: str, status: int, begin: str, end: str) -> None:
    result = host.run("/usr/bin/passwd", *arguments.split())
    assert result.exit == status
    assert result.stderr.startswith(begin)
    assert result.stderr.endswith(end)


def test_a_password_is_typed_twice_on_a_terminal(host: FakeHost, tmp_path: Path) -> None:
    terminal = open_terminal(Path("/dev/pts"))
    with (tmp_path / "out").open("w+b") as out:
        os.write(terminal.master, b"one\ntwo\nSecret1\nSecret1\n")
        run = Invocation(
            path="/usr/bin/passwd",
            argv=["root"],
            env={},
            cwd="/",
            uid=0,
            zone="global",
            stdin=terminal.slave,
            stdout=out.fileno(),
            stderr=out.fileno(),
        )
        assert passwd.main(host, run) == 0
        out.seek(0)
        assert out.read().decode() == (
            "passwd: They don't match.\n\nPlease try again\n"
            "passwd: password successfully changed for root\n"
        )
    asked = os.read(terminal.master, 4096).decode().replace("\r\n", "\n")
    terminal.close()
    assert asked.endswith("New Password: \nRe-enter new Password: \n")
    assert matches("Secret1", lines(host, "etc/shadow", "root")[0].split(":")[1])


# Lists -------------------------------------------------------------------------------------------


def test_logins(host: FakeHost) -> None:
    good(host.run("useradd", "-c", "Ann", "-G", "sys", "-g", "staff", "ann"))
    listed = good(host.run("/usr/bin/logins")).stdout.splitlines()
    assert listed[0] == "root            0       root            0       Super-User"
    assert "ann             100     staff           10      Ann" in listed
    assert (
        good(host.run("/usr/bin/logins", "-o", "-m", "-l", "ann")).stdout == "ann:100:staff:10:Ann:sys:3\n"
    )
    assert good(host.run("/usr/bin/logins", "-ox", "-l", "ann")).stdout == (
        "ann:100:staff:10:Ann:/home/ann:/bin/sh:LK:000000:-1:-1:-1\n"
    )
    assert good(host.run("/usr/bin/logins", "-p")).stdout == f"{listed[0]}\n"
    assert "ann" not in host.run("/usr/bin/logins", "-s").stdout
    assert host.run("/usr/bin/logins", "x").exit == 1
