"""The command line: ``illumos-lab``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from illumos_lab import dump as dumps
from illumos_lab.lab import Lab, default_directory, terminate_on_signals
from illumos_lab.protocol import LabError

app = typer.Typer(
    help="Emulated illumos hosts on this machine, reached over real SSH.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


class ProfileName(StrEnum):
    """The distributions that a host can play."""

    omnios = "omnios"
    tribblix = "tribblix"
    openindiana = "openindiana"


Directory = Annotated[
    Path | None, typer.Option("--dir", help="Where the lab keeps its files.", show_default=False)
]
HostArgument = Annotated[str, typer.Argument(metavar="HOST")]
Words = Annotated[list[str] | None, typer.Argument(metavar="[-- CMD...]")]


def _lab(directory: Path | None) -> Lab:
    return Lab(directory or default_directory())


@app.command()
def up(
    host: Annotated[list[str] | None, typer.Option(help="Host to switch on; repeatable.")] = None,
    profile: Annotated[ProfileName | None, typer.Option(help="Distribution of new hosts (omnios).")] = None,
    directory: Directory = None,
    time_scale: Annotated[
        float | None,
        typer.Option(help="Factor on the durations of slow operations; 0 makes them immediate."),
    ] = None,
    foreground: Annotated[bool, typer.Option(help="Stay, and stop the lab on Ctrl-C.")] = False,
) -> None:
    """Switch hosts on, and print the path of an ssh_config file for them."""
    lab = _lab(directory)
    was_running = lab.running
    lab.start(tied=foreground)
    try:
        lab.up(host or [], profile=profile, time_scale=time_scale)
    except LabError:
        if not was_running:
            lab.down()
        raise
    print(lab.files.ssh_config, flush=True)
    if foreground:
        terminate_on_signals()
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass
        finally:
            lab.down()


@app.command()
def down(directory: Directory = None) -> None:
    """Switch all hosts off. Their state is kept: ``up`` boots them again."""
    _lab(directory).down()


@app.command()
def status(directory: Directory = None) -> None:
    """List the hosts of the lab."""
    lab = _lab(directory)
    table = Table("host", "state", "profile", "address", "ssh port", box=None)
    for host in lab.status():
        state = "running" if host["running"] else "off"
        address = f"192.0.2.{host['number']}"
        table.add_row(host["name"], state, host["profile"], address, str(host["port"] or "-"))
    Console().print(table)


@app.command(context_settings=_PASS_ON)
def ssh(host: HostArgument, words: Words = None, directory: Directory = None) -> NoReturn:
    """Log in to a host, or run a command there; its exit status is passed on."""
    command = _lab(directory).ssh_command(host, words or [])
    program = shutil.which(command[0])
    if program is None:
        raise LabError("ssh is missing: apt install openssh-client")
    os.execv(program, command)


@app.command()
def dump(
    host: HostArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    directory: Directory = None,
) -> None:
    """Print everything that exists on a host, in a form made to be compared."""
    sections = _lab(directory).dump(host)
    print(json.dumps(sections, indent=1) if as_json else dumps.as_text(sections), end="")
    if as_json:
        print()


@app.command()
def reboot(host: HostArgument, directory: Directory = None) -> None:
    """Switch a host off and on again, and wait until it answers."""
    _lab(directory).reboot(host)


@app.command()
def journal(
    host: HostArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    clear: Annotated[bool, typer.Option(help="Forget what ran before.")] = False,
    directory: Directory = None,
) -> None:
    """Print each command that ran on a host, and the number of SSH connections and channels."""
    record = _lab(directory).journal(host, clear=clear)
    if as_json:
        print(json.dumps(record, indent=1))
        return
    for entry in record["commands"]:
        where = f"{entry['connection'] or '-'}/{entry['channel'] or '-'}"
        print(
            f"{where:>7} {entry['zone']:12} {entry['status']:4} {entry['seconds']:8.3f}"
            f" {' '.join(entry['argv'])}"
        )
    print(f"{record['connections']} connections, {record['channels']} channels")


@app.command()
def fault(
    host: HostArgument,
    match: Annotated[
        str | None, typer.Option(help="Regular expression for command lines with full path.")
    ] = None,
    nth: Annotated[int, typer.Option(help="First matching command to hit.")] = 1,
    times: Annotated[int, typer.Option(help="How many to hit.")] = 1,
    always: Annotated[bool, typer.Option(help="Hit all from the n-th on.")] = False,
    status: Annotated[int | None, typer.Option(help="Do not run it: exit with this status.")] = None,
    stderr: Annotated[str, typer.Option(help="Text for standard error.")] = "",
    stdout: Annotated[str, typer.Option(help="Text for standard output.")] = "",
    delay: Annotated[float, typer.Option(help="Seconds to wait before it.")] = 0.0,
    drop: Annotated[str | None, typer.Option(help="Drop the SSH connection: before or after.")] = None,
    noise: Annotated[str | None, typer.Option(help="Text on standard output of every login.")] = None,
    banner: Annotated[str | None, typer.Option(help="Text before authentication.")] = None,
    shell: Annotated[
        list[str] | None, typer.Option(metavar="USER:SHELL", help="Login shell of a user.")
    ] = None,
    latency: Annotated[float | None, typer.Option(help="Seconds that each channel takes to start.")] = None,
    max_sessions: Annotated[int | None, typer.Option(help="Channels at once on one connection.")] = None,
    clear: Annotated[bool, typer.Option(help="Remove all faults first.")] = False,
    directory: Directory = None,
) -> None:
    """Make things go wrong on a host, until --clear or a reboot; print what is set."""
    message: dict[str, object] = {"op": "fault", "clear": clear}
    if match is not None:
        message["fault"] = {
            "pattern": match,
            "nth": nth,
            "times": None if always else times,
            "status": status,
            "stderr": stderr,
            "stdout": stdout,
            "delay": delay,
            "drop": drop,
        }
    login: dict[str, object] = {
        "noise": noise,
        "banner": banner,
        "latency": latency,
        "max_sessions": max_sessions,
    }
    login = {name: value for name, value in login.items() if value is not None}
    if shell:
        login["shells"] = dict(_pair(text, "--shell USER:SHELL") for text in shell)
    if login:
        message["login"] = login
    print(json.dumps(_lab(directory).ask_host(host, message)["faults"], indent=1))


def _pair(text: str, form: str) -> tuple[str, str]:
    left, colon, right = text.partition(":")
    if not colon or not left or not right:
        raise LabError(f"{text!r} is not of the form {form}")
    return left, right


@app.command(context_settings=_PASS_ON)
def outside(words: Words = None, directory: Directory = None) -> NoReturn:
    """Run a program of this machine in the world beyond the gateway."""
    if not words:
        raise LabError("outside needs a command: illumos-lab outside -- CMD")
    sys.exit(_lab(directory).outside(words))


@app.command(context_settings=_PASS_ON)
def run(
    words: Words = None,
    profile: Annotated[ProfileName, typer.Option(help="Distribution.")] = ProfileName.omnios,
    copy: Annotated[
        list[str] | None,
        typer.Option(metavar="SRC:DST", help="File or directory to copy in first; repeatable."),
    ] = None,
    time_scale: Annotated[float, typer.Option(help="Factor on the durations of slow operations.")] = 1.0,
) -> NoReturn:
    """Run a command as root in the global zone of a host made for it alone."""
    if not words:
        raise LabError("run needs a command: illumos-lab run -- CMD")
    pairs = [_pair(text, "--copy SRC:DST") for text in copy or []]
    terminate_on_signals()
    directory = Path(tempfile.mkdtemp(prefix="illumos-lab-"))
    lab = Lab(directory)
    try:
        lab.start(tied=True, remove=True)
        lab.up(["gz1"], profile=profile, time_scale=time_scale)
        for source, target in pairs:
            copy_in(lab, "gz1", Path(source), target)
        env = {"TERM": os.environ["TERM"]} if "TERM" in os.environ else {}
        status = lab.execute("gz1", words, env=env)
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    finally:
        lab.down()
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(status)


def copy_in(lab: Lab, host: str, source: Path, target: str) -> None:
    """Copy a file or directory of this machine into a host, with modes; owned by root.

    A target that is a directory there, or ends in a slash, gets the source inside it.
    """
    if not source.exists():
        raise LabError(f"{source}: no such file or directory")
    inward, outward = os.pipe()
    packer = ["tar", "-C", str(source.absolute().parent), "-cf", "-", source.name]
    script = (
        'd=$1; n=$2; case $d in */) mkdir -p "$d";; esac;'
        ' if [ -d "$d" ]; then exec tar -C "$d" -xof -; fi;'
        ' t=$(mktemp -d "${TMPDIR:-/tmp}/copy.XXXXXX") && mkdir -p "$(dirname "$d")"'
        ' && tar -C "$t" -xof - && mv "$t/$n" "$d" && rmdir "$t"'
    )
    unpacker = ["/usr/bin/sh", "-c", script, "sh", target, source.name]
    with subprocess.Popen(packer, stdout=outward) as process:
        os.close(outward)
        try:
            status = lab.execute(host, unpacker, (inward, 2, 2))
        finally:
            os.close(inward)
    if status != 0 or process.returncode != 0:
        raise LabError(f"cannot copy {source} to {target} of {host}")


def main() -> None:
    """Entry point of ``illumos-lab``."""
    _run_app(app)


def _run_app(application: Callable[[], object]) -> None:
    try:
        application()
    except LabError as error:
        print(f"illumos-lab: {error}", file=sys.stderr)
        sys.exit(1)
    except PermissionError as error:
        print(f"illumos-lab: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
