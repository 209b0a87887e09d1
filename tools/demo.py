"""The demonstration behind ``make demo``: a virtual datacenter on the lab, up, tried, and down again."""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

HERE = Path(__file__).resolve().parent.parent
HOST = "gz1"
OUTSIDE = "198.51.100.80"
console = Console(highlight=False)


class Failed(Exception):
    """A part of the demonstration did not show what it should."""


def main() -> int:
    """Run it all; 0 when everything was shown."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="illumos-demo-") as directory:
        lab = Path(directory) / "lab"
        try:
            demonstrate(Path(directory), lab)
        except (Failed, subprocess.CalledProcessError) as error:
            console.print(f"\n[red]The demonstration failed:[/red] {error}", markup=True)
            return 1
        finally:
            subprocess.run([*LAB, "down", "--dir", str(lab)], check=False, stdout=subprocess.DEVNULL)
    console.print(f"\n[green]All shown[/green], in {time.monotonic() - began:.0f} s.")
    return 0


LAB = (sys.executable, "-m", "illumos_lab.cli")


def demonstrate(directory: Path, lab: Path) -> None:
    """The acts of the demonstration, in order."""
    act("Starting an emulated illumos host")
    ssh_config = run([*LAB, "up", "--host", HOST, "--dir", str(lab)]).strip().splitlines()[-1]
    before = dump(lab)
    pulumi = Stack(directory, ssh_config)

    act("pulumi up: a switch, a router to the world, two zones")
    pulumi.show("up", "--yes", "--skip-preview")

    act("From inside zone web, through the router's NAT, to the world")
    answer = in_zone(lab, "web", http(OUTSIDE)).strip().splitlines()[-1]
    console.print(f"{OUTSIDE} answers zone web (10.10.0.5); it sees the address [bold]{answer}[/bold]")
    expect(answer == "192.0.2.100", f"the world sees {answer}, not the router's address")

    act("The address that zone app got by DHCP")
    address = in_zone(lab, "app", "/usr/sbin/ipadm show-addr -p -o type,addr | grep '^dhcp:'").strip()
    console.print(address)
    expect(address.startswith("dhcp:10.10.0."), "zone app has no address of the network")

    act("The world cannot reach a zone directly")
    tried = outside(lab, "ping", "-c", "1", "-W", "1", "10.10.0.5")
    console.print(tried.stdout.strip().splitlines()[-1] if tried.stdout.strip() else tried.stderr.strip())
    expect(tried.returncode != 0, "the outside reached 10.10.0.5")
    control = outside(lab, "ping", "-c", "1", "-W", "2", "192.0.2.100")
    expect(control.returncode == 0, "the outside does not even reach the router: the test shows nothing")
    console.print("10.10.0.5 does not answer the world; the router (192.0.2.100) does")

    act("pulumi preview: nothing to change")
    pulumi.show("preview", "--expect-no-changes")

    act("pulumi destroy")
    pulumi.show("destroy", "--yes", "--skip-preview")

    act("The host is exactly as before")
    after = dump(lab)
    if after != before:
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="")
        raise Failed("the host differs:\n" + "\n".join(lines))
    console.print(f"two dumps of everything on it ({len(after.splitlines())} lines) are equal")


class Stack:
    """The example's stack, with its state in a folder."""

    def __init__(self, directory: Path, ssh_config: str) -> None:
        self.program = directory / "program"
        shutil.copytree(HERE / "examples" / "virtual-datacenter", self.program)
        state = directory / "state"
        state.mkdir()
        self.environment = os.environ | {
            "PULUMI_BACKEND_URL": state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "demo",
            "PULUMI_HOME": str(directory / "pulumi-home"),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "ILLUMOS_SSH_CONFIG": ssh_config,
        }
        self.quietly("stack", "init", "demo")
        self.quietly("config", "set", "illumos:host", HOST)

    def show(self, *arguments: str) -> None:
        """Run pulumi before the viewer's eyes."""
        subprocess.run(["pulumi", *arguments], cwd=self.program, env=self.environment, check=True)

    def quietly(self, *arguments: str) -> None:
        """Run pulumi; show its output only when it fails."""
        run(["pulumi", *arguments], cwd=self.program, env=self.environment)


def act(title: str) -> None:
    """Announce a part."""
    console.print(f"\n[bold cyan]== {title}[/bold cyan]")


def expect(condition: bool, otherwise: str) -> None:
    """Fail when something was not shown."""
    if not condition:
        raise Failed(otherwise)


def http(address: str) -> str:
    """A shell sentence that fetches / by HTTP; ksh93 and bash need no program for it."""
    return f"exec 3<>/dev/tcp/{address}/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"


def in_zone(lab: Path, zone: str, script: str) -> str:
    """Run a script inside a zone of the host."""
    command = [*LAB, "ssh", "--dir", str(lab), HOST, "--", f"/usr/sbin/zlogin {zone} /bin/sh -s"]
    return run(command, input=script + "\n")


def outside(lab: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the lab's outside world."""
    return subprocess.run(
        [*LAB, "outside", "--dir", str(lab), "--", *command], capture_output=True, text=True, check=False
    )


def dump(lab: Path) -> str:
    """Everything that exists on the host."""
    return run([*LAB, "dump", "--dir", str(lab), HOST])


def run(command: Sequence[str], **options: object) -> str:
    """Run a command; its output, or an error that shows it."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return str(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
