"""What the root directory of a zone is made from: archives, directories, another zone's files."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from illumos_lab.first_boot import SYSIDTOOL
from illumos_lab.sysidcfg import UNCONFIGURED
from illumos_lab.zone_states import GLOBAL

if TYPE_CHECKING:
    from illumos_lab.host import Host


SOLARIS10_RELEASE = "                   Oracle Solaris 10 1/13 s10x_u11wos_24a X86\n"


def exists(host: Host, image: str) -> bool:
    """Whether there is a dataset, a snapshot, or below an absolute path a file or a directory."""
    if image.startswith("/"):
        return host.path(GLOBAL, image).exists()
    return host.datasets.get(image) is not None


def unpack(host: Host, image: str, root: Path) -> None:
    """Put the files of an image over a fresh root directory.

    A tar archive (plain, or compressed by gzip, bzip2 or xz) and a directory have files; of a dataset or
    a stream of ZFS nothing is taken: the fresh root directory stands for it.
    """
    source = host.path(GLOBAL, image) if image.startswith("/") else None
    if source is not None and source.is_dir():
        copy(source, root)
    elif source is not None and tarfile.is_tarfile(source):
        with tarfile.open(source, errorlevel=0) as archive:
            _extract(archive, root.resolve())


def _extract(archive: tarfile.TarFile, root: Path) -> None:
    """Extract what stays below a root directory.

    What cannot be made here, such as a device, is left out.
    """
    archive.extraction_filter = lambda member, path: member
    for member in archive:
        member.name = member.name.lstrip("/")
        places = [(root / member.name).parent]
        places += [root / member.linkname] if member.islnk() else []
        if all(place.resolve().is_relative_to(root) for place in places):
            archive.extract(member, root)


def copy(source: Path, target: Path) -> None:
    """Copy what an administrator may have changed: everything outside the image's programs."""
    names = [name for name in ("etc", "var", "root", "home", "opt", "export") if (source / name).is_dir()]
    # Links and owners are copied as they are, over what the fresh image holds already.
    subprocess.run(
        ["cp", "-a", "--remove-destination", *(source / name for name in names), target], check=True
    )


def copy_zone(host: Host, zonepath: str, new: str, brand: str) -> None:
    """Copy what is in a zonepath to another one that exists, with the zone's root directory."""
    source, target = host.path(GLOBAL, zonepath), host.path(GLOBAL, new)
    subprocess.run(["cp", "-ax", f"{source}/.", target], check=True)
    name = uuid4().hex
    host.runtime.save_zone_root(zonepath, name)
    host.runtime.create_zone_root(new, brand, name)
    host.runtime.forget_zone_root(name)


def close(root: Path) -> None:
    """What OmniOS' brands do to a copy besides: new host keys, no login of root, time in UTC."""
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for place, name, line in (
        ("etc/default/init", "TZ=", "TZ=UTC"),
        ("etc/ssh/sshd_config", "PermitRootLogin ", "PermitRootLogin no"),
    ):
        file = root / place
        if file.exists():
            lines = file.read_text().splitlines()
            file.write_text("".join(f"{line if each.startswith(name) else each}\n" for each in lines))


def unconfigure(root: Path) -> None:
    """Take the identity of the original out of a copy."""
    etc = root / "etc"
    doomed = [*etc.glob("hostname.*"), *etc.glob("hostname6.*"), *etc.glob("dhcp.*")]
    doomed += [etc / name for name in ("defaultrouter", "nodename", "resolv.conf")]
    doomed += [etc / "ipadm/ipadm.conf", etc / "dladm/datalink.conf", etc / "inet/static_routes"]
    for path in doomed:
        path.unlink(missing_ok=True)


def make_solaris10(host: Host, root: Path, *, ask: bool) -> None:
    """Make a root directory that of a Solaris 10, which may still have to ask who it is."""
    etc = root / "etc"
    (etc / "release").write_text(SOLARIS10_RELEASE)
    (etc / "os-release").unlink(missing_ok=True)
    host.smf.install_service(root, SYSIDTOOL)
    if ask:
        (root / UNCONFIGURED.lstrip("/")).touch()


def identify(root: Path, uuid: str) -> None:
    """Leave a zone's universal id where the scripts of virtual machines look for it."""
    etc = root / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    (etc / "uuid").write_text(f"{uuid}\n")
