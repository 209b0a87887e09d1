"""Zones' processes and file systems: overlays, chroot, and nested pid namespaces.

A program is started by a short-lived thread that first moves *itself* into the zone's namespaces and
root directory; the new process inherits them. Every zone has an init, a process that does nothing; its
end ends the zone's pid namespace with all processes in it. The zones' inits live inside the host's pid
namespace, so the global zone sees every process, and the end of the host ends them all.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from illumos_lab import accounts, image
from illumos_lab.console_terminal import Terminal, open_terminal
from illumos_lab.linux import syscalls
from illumos_lab.linux.network import LinuxKernel
from illumos_lab.linux.threads import in_thread
from illumos_lab.profile import Profile

File = int | IO[bytes]

_NAMESPACES = {
    "pid_for_children": syscalls.CLONE_NEWPID,
    "uts": syscalls.CLONE_NEWUTS,
    "ipc": syscalls.CLONE_NEWIPC,
}

# Mounts proc as seen from the new pid namespace, says so, and sleeps as the zone's init: with SIGCHLD
# ignored the kernel reaps the orphans that fall to it.
_INIT = (
    'mount -t proc proc "$0/proc" && hostname "$1" && echo up && trap "" CHLD'
    ' && exec chroot "$0" /system/lab/init infinity <&- >&- 2>&-'
)
_SETSID = "/system/lab/linux/bin/setsid"


@dataclass
class _Running:
    """The processes of one zone.

    Attributes:
        root: its root directory.
        launcher: the process that started the init and waits for it.
        namespaces: descriptors of its namespaces, by kind.
        mounts: what was mounted for it, in order.
    """

    root: Path
    launcher: subprocess.Popen[bytes]
    namespaces: dict[int, int]
    mounts: list[str]


class LinuxRuntime:
    """`illumos_lab.host.Runtime` made with Linux namespaces.

    Args:
        kernel: the host's network.
        profile: distribution; decides what an image contains.
        directory: the host's directory on this machine.
        name: host name.
        zone_started: called with a zone's name and root before its first program runs.
        zone_stopped: called when the zone's processes are gone.
    """

    def __init__(
        self,
        kernel: LinuxKernel,
        profile: Profile,
        directory: Path,
        name: str,
        *,
        zone_started: Callable[[str, Path], None],
        zone_stopped: Callable[[str], None],
    ) -> None:
        self._kernel = kernel
        self._profile = profile
        self._directory = directory
        self._name = name
        self._zone_started = zone_started
        self._zone_stopped = zone_stopped
        self._images = directory / "image"
        self._running: dict[str, _Running] = {}
        self._mounted: dict[str, list[str]] = {}

    @property
    def root(self) -> Path:
        """The global zone's root directory."""
        return self._directory / "root"

    # The host ------------------------------------------------------------------------------------
    def boot(self, address: str) -> None:
        """Mount the host's root and start its init. Must be called by the main thread.

        Args:
            address: the host's address with prefix length on the lab's wire.
        """
        self._images.mkdir(exist_ok=True)
        syscalls.mount("image", str(self._images), "tmpfs", 0, "mode=755")
        image.build(self._images, self._profile, self._name, address)
        self.root.mkdir(exist_ok=True)
        _mount_root(
            self.root,
            self._directory / "state",
            self._images / "host",
            self._images / "host-usr",
        )
        self._start_init("global", self.root, self._name)

    def halt(self) -> None:
        """End every process of the host: all zones' processes live inside its pid namespace."""
        _kill_init(self._running["global"])
        # It is not gone before those of its processes have been waited for whose parent is this one.
        for zone, running in list(self._running.items()):
            if zone != "global":
                running.launcher.wait()
        self.stop_zone("global")

    # Zones ---------------------------------------------------------------------------------------
    def create_stack(self, zone: str) -> None:
        self._kernel.create_stack(zone)

    def create_share(self, zone: str) -> None:
        self._kernel.create_share(zone)

    def destroy_share(self, zone: str) -> None:
        self._kernel.destroy_share(zone)

    def destroy_stack(self, zone: str) -> None:
        self._kernel.destroy_stack(zone)

    def start_zone(self, zone: str, root: Path, exclusive_ip: bool) -> None:
        if exclusive_ip and not self._kernel.has_stack(zone):
            raise OSError(errno.ENXIO, "exclusive-ip zone has no stack", zone)
        try:
            hostname = (root / "etc/nodename").read_text().strip()
        except OSError:
            hostname = ""
        self._start_init(zone, root, hostname or zone)

    def start_guest(self, zone: str, hostname: str) -> Path:
        if not self._kernel.has_stack(zone):
            raise OSError(errno.ENXIO, "a virtual machine needs a stack of its own", zone)
        disk = self._directory / "guests" / zone
        # What an earlier guest has written is not kept.
        shutil.rmtree(disk, ignore_errors=True)
        root = disk / "root"
        root.mkdir(parents=True)
        lower, usr = (self._images / tree for tree in image.LINUX)
        mounts = _mount_root(root, disk, lower, usr)
        try:
            self._start_init(zone, root, hostname)
        except BaseException:
            for target in reversed(mounts):
                syscalls.unmount(target)
            raise
        self._running[zone].mounts[:0] = mounts
        return root

    def stop_zone(self, zone: str) -> None:
        running = self._running.pop(zone, None)
        if running is None:
            return
        _kill_init(running)
        # The launcher ends after the init, and the init after every process of its namespace.
        running.launcher.wait()
        for fd in running.namespaces.values():
            os.close(fd)
        self._zone_stopped(zone)
        for target in reversed(running.mounts):
            with contextlib.suppress(OSError):
                syscalls.unmount(target)

    def _start_init(self, zone: str, root: Path, hostname: str) -> None:
        mounts = _mount_volatile(root)
        parent = self._running.get("global")
        command = ["unshare", "--pid", "--uts", "--ipc", "--fork", "--kill-child=KILL"]
        command += ["sh", "-c", _INIT, str(root), hostname]
        if parent is None:
            # The host's init ends with the daemon, and with it every zone's.
            command = ["setpriv", "--pdeathsig", "KILL", *command]

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )

        try:
            # The host's by this, the main thread: it must not end before the host does.
            launcher = start() if parent is None else self._start_inside(parent, start)
            assert launcher.stdout is not None
            assert launcher.stderr is not None
            if launcher.stdout.readline() != b"up\n":
                launcher.kill()
                reason = launcher.stderr.read().decode(errors="replace").strip()
                raise OSError(errno.EPERM, f"cannot start the init of a zone: {reason}", zone)
            launcher.stdout.close()
            launcher.stderr.close()
            init = _children(launcher.pid)[0]
            namespaces = {
                kind: os.open(f"/proc/{init}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
                for name, kind in _NAMESPACES.items()
            }
        except BaseException:
            for target in reversed(mounts):
                with contextlib.suppress(OSError):
                    syscalls.unmount(target)
            raise
        self._running[zone] = _Running(root, launcher, namespaces, mounts)
        self._zone_started(zone, root)

    def _start_inside(
        self, running: _Running, start: Callable[[], subprocess.Popen[bytes]]
    ) -> subprocess.Popen[bytes]:
        def enter_and_start() -> subprocess.Popen[bytes]:
            self._enter(running, None)
            return start()

        return in_thread(enter_and_start)

    def _enter(self, running: _Running, zone: str | None) -> None:
        """Move the calling thread into a zone; without a zone name, only its processes' world."""
        syscalls.unshare(syscalls.CLONE_FS)
        for kind, fd in running.namespaces.items():
            syscalls.setns(fd, kind)
        if zone is not None:
            syscalls.setns(self._kernel.netns(zone).fd, syscalls.CLONE_NEWNET)
            os.chroot(running.root)
            os.chdir("/")

    # Programs ------------------------------------------------------------------------------------
    def popen(
        self,
        zone: str,
        argv: Sequence[str],
        *,
        uid: int = 0,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        stdin: File = subprocess.DEVNULL,
        stdout: File = subprocess.DEVNULL,
        stderr: File = subprocess.DEVNULL,
        terminal: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start a program in a zone as the leader of a new session.

        Args:
            zone: a running zone.
            argv: program and arguments; a name without a slash is looked up along ``PATH`` of env.
            uid: user id; the zone's own passwd file gives the groups.
            env: the whole environment; by default just a ``PATH``.
            cwd: working directory; the root directory when it does not exist.
            stdin, stdout, stderr: open files, or `subprocess.PIPE` and the like.
            terminal: make standard input the controlling terminal.

        Raises:
            OSError: the zone is not running, or the program cannot be executed.
        """
        running = self._running.get(zone)
        if running is None:
            raise OSError(errno.ESRCH, "zone is not running", zone)
        if uid and not _has_users():
            raise OSError(errno.EPERM, "this lab has no users but root: run it as root, or install uidmap")
        environment = dict(env) if env is not None else {"PATH": self._profile.search_path}
        account = accounts.by_uid(running.root, uid)
        gid, groups = (account.gid, account.groups) if account else (uid, ())
        program = argv[0]

        def start() -> subprocess.Popen[bytes]:
            self._enter(running, zone)
            directory = cwd if Path(cwd).is_dir() else "/"
            path = program
            if "/" not in program:
                search = environment.get("PATH", self._profile.search_path)
                path = shutil.which(program, path=search) or program
                if "/" not in path:
                    raise FileNotFoundError(errno.ENOENT, "not found", program)
            command = [path, *argv[1:]]
            if terminal:
                command = [_SETSID, "--ctty", *command]
            return subprocess.Popen(
                command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=directory,
                env=environment,
                # root needs no change of identity, and Python starts it faster without one.
                user=uid if uid else None,
                group=gid if uid else None,
                extra_groups=groups if uid else None,
                umask=0o022,
                start_new_session=not terminal,
            )

        return in_thread(start)

    def open_terminal(self, zone: str) -> Terminal:
        running = self._running.get(zone)
        if running is None:
            raise OSError(errno.ESRCH, "zone is not running", zone)
        return open_terminal(running.root / "dev/pts")

    def open_console(self, zone: str) -> Terminal:
        terminal = self.open_terminal(zone)
        running = self._running[zone]
        # By its own name, which tty(1) then shows.
        device = running.root / "dev/console"
        device.unlink()
        device.touch()
        syscalls.bind(str(terminal.path), str(device))
        running.mounts.append(str(device))
        return replace(terminal, path=device)

    def run(
        self,
        zone: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        process = self.popen(
            zone,
            argv,
            env=env,
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        data = None if input is None else input.encode("utf-8", "surrogateescape")
        try:
            out, err = process.communicate(data, timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        return subprocess.CompletedProcess(
            list(argv),
            process.returncode,
            out.decode("utf-8", "surrogateescape"),
            err.decode("utf-8", "surrogateescape"),
        )

    def start(
        self,
        zone: str,
        argv: Sequence[str],
        log: Path,
        *,
        uid: int = 0,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
    ) -> subprocess.Popen[bytes]:
        with log.open("ab") as file:
            return self.popen(zone, argv, uid=uid, env=env, cwd=cwd, stdout=file, stderr=file)

    def processes(self, zone: str) -> list[int]:
        """Process ids, as this machine counts them, of all processes in a zone but its init."""
        running = self._running.get(zone)
        if running is None:
            return []
        fd = running.namespaces[syscalls.CLONE_NEWPID]
        wanted = os.fstat(fd).st_ino
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                if (entry / "ns/pid").stat().st_ino == wanted:
                    found.append(int(entry.name))
        init = _children(running.launcher.pid)
        return [pid for pid in found if pid not in init]

    # Zone roots ----------------------------------------------------------------------------------
    def create_zone_root(self, zonepath: str, brand: str, saved: str = "") -> None:
        store = self._store(zonepath)
        if store.exists():
            self.destroy_zone_root(zonepath)
        store.mkdir(parents=True)
        if saved:
            _copy_layers(self._saved(saved), store)
        (store / "zone.json").write_text(json.dumps({"zonepath": zonepath, "brand": brand}))
        root = self._zone_root(zonepath)
        root.mkdir(parents=True, exist_ok=True)
        self.mount_zone_root(zonepath)

    def mount_zone_root(self, zonepath: str) -> None:
        if zonepath in self._mounted:
            return
        store = self._store(zonepath)
        brand = json.loads((store / "zone.json").read_text())["brand"]
        lower, usr = image.trees(brand)
        root = self._zone_root(zonepath)
        root.mkdir(parents=True, exist_ok=True)
        self._mounted[zonepath] = _mount_root(
            *(root, store, self._images / lower, self._images / usr if usr else None),
            shared_usr=self.root / "usr",
        )

    def destroy_zone_root(self, zonepath: str) -> None:
        for target in reversed(self._mounted.pop(zonepath, [])):
            syscalls.unmount(target)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._store(zonepath))
        with contextlib.suppress(OSError):
            self._zone_root(zonepath).rmdir()

    def move_zone_root(self, zonepath: str, new: str) -> None:
        for target in reversed(self._mounted.pop(zonepath, [])):
            syscalls.unmount(target)
        store = self._store(new)
        self._store(zonepath).rename(store)
        place = store / "zone.json"
        place.write_text(json.dumps({**json.loads(place.read_text()), "zonepath": new}))

    def save_zone_root(self, zonepath: str, name: str) -> None:
        store, target = self._store(zonepath), self._saved(name)
        if store.exists():
            target.mkdir(parents=True)
            _copy_layers(store, target)

    def forget_zone_root(self, name: str) -> None:
        shutil.rmtree(self._saved(name), ignore_errors=True)

    def _saved(self, name: str) -> Path:
        return self._directory / "saved" / name

    def mount(self, source: Path | None, target: Path, *, read_only: bool = False) -> None:
        if source is None:
            flags = syscalls.MS_NOSUID | (syscalls.MS_RDONLY if read_only else 0)
            syscalls.mount("swap", str(target), "tmpfs", flags)
        else:
            syscalls.bind(str(source), str(target), read_only=read_only)

    def unmount(self, target: Path) -> None:
        syscalls.unmount(str(target))

    def zone_stores(self) -> dict[str, Path]:
        """Where the changed files of each zone root are kept, by zonepath."""
        stores = {}
        for file in sorted((self._directory / "zones").glob("*/zone.json")):
            stores[str(json.loads(file.read_text())["zonepath"])] = file.parent
        return stores

    def _zone_root(self, zonepath: str) -> Path:
        return self.root / zonepath.lstrip("/") / "root"

    def _store(self, zonepath: str) -> Path:
        digest = hashlib.sha256(zonepath.encode()).hexdigest()[:16]
        return self._directory / "zones" / digest


# Mounts ------------------------------------------------------------------------------------------


def _mount_root(
    root: Path, store: Path, lower: Path, usr: Path | None, shared_usr: Path | None = None
) -> list[str]:
    """Mount a root directory: an overlay for all but /usr, and one for /usr over this machine's.

    Without ``usr`` the zone is sparse: its /usr is that of the global zone, read-only.
    """
    mounts = [str(root)]
    _overlay(root, [lower], store / "upper", store / "work")
    target = root / "usr"
    if usr is not None:
        _overlay(target, [usr, Path("/usr")], store / "usr-upper", store / "usr-work")
    else:
        assert shared_usr is not None
        syscalls.bind(str(shared_usr), str(target), read_only=True)
    mounts.append(str(target))
    return mounts


def _overlay(target: Path, lower: Sequence[Path], upper: Path, work: Path) -> None:
    upper.mkdir(parents=True, exist_ok=True)
    upper.chmod(0o755)
    work.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={':'.join(map(str, lower))},upperdir={upper},workdir={work}"
    if in_user_namespace():
        options += ",userxattr"
    syscalls.mount("overlay", str(target), "overlay", 0, options)


def _copy_layers(source: Path, target: Path) -> None:
    """Copy the upper layers of a root directory, with the marks that overlayfs has put on them."""
    layers = [source / name for name in ("upper", "usr-upper") if (source / name).exists()]
    subprocess.run(["cp", "--archive", *layers, target], check=True)


def in_user_namespace() -> bool:
    """Whether this process is root in a user namespace only."""
    return Path("/proc/self/uid_map").read_text().split() != ["0", "0", "4294967295"]


def _has_users() -> bool:
    """Whether programs here can run as another user than root."""
    mapped = Path("/proc/self/uid_map").read_text().splitlines()
    return sum(int(line.split()[2]) for line in mapped) > 1


def _mount_volatile(root: Path) -> list[str]:
    """Mount what a running zone has in memory, and this machine's files that its programs need."""
    mounts = []

    def tmpfs(place: str, mode: str) -> Path:
        target = root / place
        syscalls.mount("swap", str(target), "tmpfs", syscalls.MS_NOSUID, f"mode={mode}")
        mounts.append(str(target))
        return target

    def bind(source: str, target: Path, *, read_only: bool = False) -> None:
        syscalls.bind(source, str(target), read_only=read_only)
        mounts.append(str(target))

    # proc is mounted by the zone's init.
    mounts.append(str(root / "proc"))
    dev = tmpfs("dev", "755")
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        (dev / name).touch()
        bind(f"/dev/{name}", dev / name)
    for name, target in image.DEVICE_LINKS.items():
        (dev / name).symlink_to(target)
    for name in ("pts", "shm"):
        (dev / name).mkdir()
    options = "newinstance,ptmxmode=0666,mode=0620"
    syscalls.mount("devpts", str(dev / "pts"), "devpts", syscalls.MS_NOSUID, options)
    mounts.append(str(dev / "pts"))
    tmpfs("tmp", "1777")
    tmpfs("var/run", "755")
    lab = tmpfs("system/lab", "755")
    # By its name the init is known to what looks at process 1.
    (lab / "init").symlink_to("linux/bin/sleep")
    for place, source in image.MACHINE_FILES.items():
        if Path(source).is_dir():
            (lab / place).mkdir()
            bind(source, lab / place, read_only=not in_user_namespace())
    return mounts


# Processes ---------------------------------------------------------------------------------------


def _kill_init(running: _Running) -> None:
    """Begin the end of a zone: every process of its pid namespace is killed with the init."""
    for init in _children(running.launcher.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(init, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
