"""zfs and zpool."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from illumos_lab.datasets import Datasets, nice_size, parse_size
from illumos_lab.profile import OMNIOS, OPENINDIANA, TRIBBLIX, Profile
from tests.lab.fakes_smf import ServiceHost, service_host


@pytest.fixture
def host(tmp_path: Path) -> ServiceHost:
    return service_host(tmp_path)


def names(host: ServiceHost, *argv: str) -> list[str]:
    result = host.run("zfs", "list", "-H", "-o", "name", *argv)
    assert (result.exit, result.stderr) == (0, "")
    return result.stdout.splitlines()


@pytest.mark.parametrize("profile", [OMNIOS, TRIBBLIX, OPENINDIANA], ids=lambda each: each.name)
def test_a_fresh_host_has_a_place_for_zones(tmp_path: Path, profile: Profile) -> None:
    host = service_host(tmp_path, profile)
    assert names(host)[:3] == ["rpool", "rpool/ROOT", f"rpool/ROOT/{profile.name}"]
    argv = ("get", "-H", "-o", "value", "mountpoint", profile.zones_dataset)
    assert host.run("zfs", *argv).stdout == f"{profile.zones_parent}\n"
    assert host.path("global", profile.zones_parent).is_dir()


def test_create_mounts_and_destroy_removes(host: ServiceHost) -> None:
    assert host.run("zfs", "create", "rpool/zones/web") == (0, "", "")
    place = host.path("global", "/zones/web")
    (place / "file").write_text("")
    assert host.run("zfs", "destroy", "rpool/zones/web") == (0, "", "")
    assert not place.exists()


def test_what_exists_is_not_created_again(host: ServiceHost) -> None:
    assert host.run("zfs", "create", "rpool/zones") == (
        1,
        "",
        "cannot create 'rpool/zones': dataset already exists\n",
    )
    assert host.run("zfs", "create", "-p", "rpool/zones").exit == 0


def test_parents_are_made_on_request_only(host: ServiceHost) -> None:
    assert host.run("zfs", "create", "rpool/a/b") == (
        1,
        "",
        "cannot create 'rpool/a/b': parent does not exist\n",
    )
    assert host.run("zfs", "create", "-p", "rpool/a/b").exit == 0
    assert names(host, "-r", "rpool/a") == ["rpool/a", "rpool/a/b"]


def test_children_protect_a_dataset(host: ServiceHost) -> None:
    host.run("zfs", "create", "-p", "rpool/a/b")
    host.run("zfs", "snapshot", "rpool/a@one")
    assert host.run("zfs", "destroy", "rpool/a") == (
        1,
        "",
        "cannot destroy 'rpool/a': filesystem has children\n"
        "use '-r' to destroy the following datasets:\nrpool/a@one\nrpool/a/b\n",
    )
    assert host.run("zfs", "destroy", "-r", "rpool/a").exit == 0
    assert host.run("zfs", "list", "rpool/a") == (
        1,
        "",
        "cannot open 'rpool/a': dataset does not exist\n",
    )


def test_the_table_for_people(host: ServiceHost) -> None:
    assert host.run("zfs", "list", "rpool/zones").stdout == (
        "NAME          USED  AVAIL  REFER  MOUNTPOINT\nrpool/zones    96K    32G    96K  /zones\n"
    )


def test_exact_figures_and_other_columns(host: ServiceHost) -> None:
    result = host.run("zfs", "list", "-Hp", "-o", "name,used,type,mounted", "rpool/zones")
    assert result.stdout == "rpool/zones\t98304\tfilesystem\tyes\n"


def test_a_path_names_the_dataset_that_holds_it(host: ServiceHost) -> None:
    host.path("global", "/zones/plain").mkdir()
    assert names(host, "/zones/plain") == ["rpool/zones"]
    assert host.run("zfs", "list", "/nosuch").stderr == (
        "cannot open '/nosuch': No such file or directory\n"
    )


def test_types_and_order(host: ServiceHost) -> None:
    host.run("zfs", "create", "-V", "1G", "rpool/vol")
    host.run("zfs", "snapshot", "-r", "rpool/export@now")
    assert names(host, "-t", "volume") == ["rpool/vol"]
    assert names(host, "-t", "snapshot") == ["rpool/export@now", "rpool/export/home@now"]
    assert names(host, "-S", "name")[0] == "rpool/zones"
    assert names(host, "-d", "1", "rpool/export") == ["rpool/export", "rpool/export/home"]


def test_properties_are_set_inherited_and_forgotten(host: ServiceHost) -> None:
    def get(*argv: str) -> str:
        return host.run("zfs", "get", "-H", "-o", "value,source", *argv).stdout

    assert get("compression", "rpool/export") == "off\tdefault\n"
    assert host.run("zfs", "set", "compression=lz4", "rpool").exit == 0
    assert get("compression", "rpool/export") == "lz4\tinherited from rpool\n"
    host.run("zfs", "set", "quota=1.5G", "rpool/export")
    assert get("quota", "rpool/export") == "1.50G\tlocal\n"
    assert get("-p", "quota", "rpool/export") == "1610612736\tlocal\n"
    assert get("quota", "rpool/export/home") == "none\tdefault\n"
    host.run("zfs", "set", "org.example:note=a b", "rpool/export")
    assert get("org.example:note", "rpool/export/home") == "a b\tinherited from rpool/export\n"
    host.run("zfs", "inherit", "compression", "rpool")
    assert get("compression", "rpool/export") == "off\tdefault\n"


def test_files_follow_the_mountpoint(host: ServiceHost) -> None:
    host.run("zfs", "create", "rpool/zones/web")
    host.path("global", "/zones/web/file").write_text("x")
    assert host.run("zfs", "set", "mountpoint=/srv", "rpool/zones").exit == 0
    assert host.path("global", "/srv/web/file").read_text() == "x"
    assert host.run("zfs", "rename", "rpool/zones/web", "rpool/zones/www").exit == 0
    assert host.path("global", "/srv/www/file").read_text() == "x"


def test_mount_and_unmount(host: ServiceHost) -> None:
    assert host.run("zfs", "unmount", "rpool/zones").exit == 0
    assert host.run("zfs", "get", "-H", "-o", "value", "mounted", "rpool/zones").stdout == "no\n"
    assert host.run("zfs", "mount", "rpool/zones").exit == 0
    assert host.run("zfs", "mount", "rpool/zones") == (
        1,
        "",
        "cannot mount 'rpool/zones': filesystem already mounted\n",
    )


def mounts(host: ServiceHost) -> dict[str, tuple[str, ...]]:
    """Special file and type by mount point, as mnttab(5) lists them."""
    lines = host.path("global", "/etc/mnttab").read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    assert {len(row) for row in rows} == {5}
    return {row[1]: (row[0], row[2]) for row in rows}


def test_the_table_of_mounted_file_systems(host: ServiceHost) -> None:
    assert next(iter(mounts(host).items())) == ("/", ("rpool/ROOT/omnios", "zfs"))
    assert mounts(host)["/zones"] == ("rpool/zones", "zfs")
    assert mounts(host)["/tmp"] == ("swap", "tmpfs")

    host.run("zfs", "create", "-o", "mountpoint=/srv", "rpool/srv")
    assert mounts(host)["/srv"] == ("rpool/srv", "zfs")
    host.run("zfs", "unmount", "/srv")
    assert "/srv" not in mounts(host)
    host.run("zfs", "mount", "rpool/srv")
    host.run("zfs", "set", "mountpoint=/data", "rpool/srv")
    assert mounts(host).keys() & {"/srv", "/data"} == {"/data"}
    host.run("zfs", "destroy", "rpool/srv")
    assert "/data" not in mounts(host)


def test_datasets_survive_a_reboot(host: ServiceHost) -> None:
    host.run("zfs", "create", "-o", "quota=1G", "rpool/zones/web")
    shutil.rmtree(host.path("global", "/zones/web"))
    host.datasets = Datasets(host)
    host.datasets.boot()
    assert "rpool/zones/web" in names(host)
    assert host.path("global", "/zones/web").is_dir()
    found = host.datasets.by_mountpoint("/zones/web/")
    assert found is not None
    assert found.local == {"quota": "1G"}


@pytest.mark.parametrize(
    ("argv", "status", "text"),
    [
        ([], 2, "missing command"),
        (["frobnicate"], 2, "unrecognized command 'frobnicate'"),
        (["send", "a@b"], 1, "not emulated"),
        (["create"], 2, "missing filesystem argument"),
        (["create", "-Q", "rpool/a"], 2, "invalid option 'Q'"),
        (["create", "-o", "nosuch=1", "rpool/a"], 1, "cannot create 'rpool/a': invalid property 'nosuch'"),
        (["create", "-o", "mountpoint=x", "rpool/a"], 1, "must be an absolute path, 'none', or 'legacy'"),
        (["create", "tank/a"], 1, "cannot create 'tank/a': no such pool 'tank'"),
        (["create", "rpool/a%"], 1, "cannot create 'rpool/a%': invalid character '%' in name"),
        (["create", "rpool//a"], 1, "cannot create 'rpool//a': empty component in name"),
        (["set", "quota=x", "rpool"], 1, "bad numeric value 'x'"),
        (["set", "used=1", "rpool"], 1, "'used' is readonly"),
        (["get", "nosuch", "rpool"], 2, "bad property list: invalid property 'nosuch'"),
        (["list", "-o", "nosuch"], 2, "bad property list: invalid property 'nosuch'"),
        (["list", "-t", "nosuch"], 2, "invalid type 'nosuch'"),
        (["destroy", "rpool/nosuch"], 1, "cannot open 'rpool/nosuch': dataset does not exist"),
        (["unmount", "rpool/ROOT"], 1, "cannot unmount 'rpool/ROOT': not currently mounted"),
    ],
)  # fmt: skip
def test_mistakes_are_refused(host: ServiceHost, argv: list[str], status: int, text: str) -> None:
    result = host.run("zfs", *argv)
    assert result.exit == status
    assert text in result.stderr


def test_an_ordinary_user_creates_nothing(host: ServiceHost) -> None:
    assert host.run("zfs", "create", "rpool/a", privileged=False) == (
        1,
        "",
        "cannot create 'rpool/a': permission denied\n",
    )


def test_a_zone_sees_no_datasets(host: ServiceHost) -> None:
    host.boot_zone("web")
    assert host.run("zfs", "list", zone="web") == (0, "", "no datasets available\n")


@pytest.mark.parametrize(
    ("text", "number"), [("1G", 2**30), ("512", 512), ("1.5m", 1572864), ("none", 0), ("x", None)]
)
def test_sizes_are_read(text: str, number: int | None) -> None:
    assert parse_size(text) == number


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (512, "512"), (98304, "96K"), (1610612736, "1.50G"), (8321499136, "7.75G")],
)
def test_sizes_are_shown(number: int, text: str) -> None:
    assert nice_size(number) == text


def test_the_pool(host: ServiceHost) -> None:
    assert host.run("zpool", "list", "-H", "-o", "name,health") == (0, "rpool\tONLINE\n", "")
    assert host.run("zpool", "list", "tank") == (1, "", "cannot open 'tank': no such pool\n")
    assert host.run("zpool", "status", "-x").stdout == "all pools are healthy\n"
    assert host.run("zpool", "get", "-H", "-o", "value", "health", "rpool").stdout == "ONLINE\n"
    assert host.run("zpool", "create", "tank", "c1t1d0").exit == 1
    assert host.run("zpool", "frobnicate").exit == 2


def test_a_volume_has_a_size_in_whole_blocks(host: ServiceHost) -> None:
    assert host.run("zfs", "create", "-b", "4K", "-V", "1M", "rpool/disk").exit == 0
    get = ("get", "-Hp", "-o", "property,value,source", "volsize,volblocksize", "rpool/disk")
    assert host.run("zfs", *get).stdout == "volsize\t1048576\tlocal\nvolblocksize\t4096\t-\n"
    assert host.run("zfs", "set", "volsize=2M", "rpool/disk") == (0, "", "")
    assert host.run("zfs", "get", "-H", "-o", "value", "volsize", "rpool/disk").stdout == "2M\n"
    failed = "cannot set property for 'rpool/disk': "
    for value, message in (
        ("volsize=5000", "'volsize' must be a multiple of volume block size (4K)"),
        ("volsize=much", "bad numeric value 'much'"),
        ("volblocksize=8K", "'volblocksize' is readonly"),
    ):
        assert host.run("zfs", "set", value, "rpool/disk") == (1, "", f"{failed}{message}\n")
    assert host.run("zfs", "set", "volsize=1M", "rpool/zones") == (
        1,
        "",
        "cannot set property for 'rpool/zones': 'volsize' does not apply to datasets of this type\n",
    )
    assert host.run("zfs", "create", "-b", "3K", "-V", "3M", "rpool/odd") == (
        1,
        "",
        "cannot create 'rpool/odd': 'volblocksize' must be power of 2 from 512B to 128KB\n",
    )
