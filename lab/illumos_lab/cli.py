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
from rich.markdown import Markdown
from rich.table import Table

from illumos_lab import documentation
from illumos_lab import dump as dumps
from illumos_lab.lab import Lab, default_directory, terminate_on_signals
from illumos_lab.protocol import LabError

app = typer.Typer(
    help="""Emulated illumos hosts on this machine, reached over real SSH.

    A lab has hosts; `up` makes and boots them, `down` switches them off, and what they hold is kept.
    `run` is for one command on a host that nobody needs afterwards.
    """,
    epilog="""**Exit status.** 0: done. 1: it cannot be done, standard error says why. 2: wrong usage.
    `ssh`, `run` and `outside` exit as the command does that they run: with its status, with 128 and the
    number of the signal that ended it, and `ssh` with 255 when there is no connection.

    What the hosts can do: `illumos-lab docs`.""",
    rich_markup_mode="markdown",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


class ProfileName(StrEnum):
    """The distributions that a host can play."""

    omnios = "omnios"
    smartos = "smartos"
    tribblix = "tribblix"
    openindiana = "openindiana"


Directory = Annotated[
    Path | None,
    typer.Option(
        "--dir", help="Where the lab keeps its files (~/.local/state/illumos-lab).", show_default=False
    ),
]
HostArgument = Annotated[str, typer.Argument(metavar="HOST", help="Name of a host of this lab.")]
Words = Annotated[
    list[str] | None, typer.Argument(metavar="[-- CMD...]", help="The command and its arguments.")
]


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
    """Switch hosts on, and print the path of an ssh_config file for them.

    Without `--host`: all hosts that the lab has, at first one named gz1.

    Example: `ssh -F $(illumos-lab up --host a --host b --profile tribblix) a zoneadm list -cv`
    """
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
    """Switch all hosts off. Their state is kept: `up` boots them again."""
    _lab(directory).down()


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    directory: Directory = None,
) -> None:
    """List the hosts of the lab: where they answer, and how many of their zones run.

    Exits with 1 when no lab runs.
    """
    lab = _lab(directory)
    hosts = lab.status()
    if as_json:
        print(json.dumps(hosts, indent=1))
        return
    table = Table("host", "state", "profile", "address", "ssh port", "zones", box=None)
    for host in hosts:
        running = host["running"]
        table.add_row(
            host["name"],
            "[green]running[/]" if running else "[dim]off[/]",
            host["profile"],
            f"192.0.2.{host['number']}",
            str(host["port"] or "-"),
            _zones(lab, host["name"]) if running else "-",
        )
    Console().print(table)


def _zones(lab: Lab, host: str) -> str:
    """How many zones of a host run, of how many there are."""
    with tempfile.TemporaryFile() as output:
        lab.execute(host, ["/usr/sbin/zoneadm", "list", "-cnp"], (0, output.fileno(), 2))
        output.seek(0)
        states = [line.split(b":")[2] for line in output.read().splitlines()]
    return f"{states.count(b'running')} of {len(states)} run" if states else "none"


@app.command()
def docs(
    program: Annotated[
        str | None, typer.Argument(metavar="[PROGRAM]", help="Only what is said of this program.")
    ] = None,
) -> None:
    """Print what the hosts emulate and what not, program by program.

    On a terminal it is set for reading; otherwise it is Markdown, as in docs/lab.md.
    """
    try:
        text = documentation.page(program or "")
    except LookupError:
        known = ", ".join(documentation.programs())
        raise LabError(f"{program} is not emulated; what is: {known}") from None
    if sys.stdout.isatty():
        console = Console()
        with console.pager(styles=True):
            console.print(Markdown(text))
    else:
        print(text, end="")


@app.command(context_settings=_PASS_ON)
def ssh(host: HostArgument, words: Words = None, directory: Directory = None) -> NoReturn:
    """Log in to a host, or run a command there; its exit status is passed on.

    Example: `illumos-lab ssh gz1 -- dladm show-link`
    """
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


class When(StrEnum):
    """A side of a command."""

    before = "before"
    after = "after"


_COMMANDS = "Commands that match"
_LOGINS = "Logins, and the line to sshd"
_MACHINE = "The machine"
_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@app.command()
def fault(
    host: HostArgument,
    match: Annotated[
        str | None,
        typer.Option(
            help="Regular expression for command lines with full path.", rich_help_panel=_COMMANDS
        ),
    ] = None,
    nth: Annotated[
        int | None, typer.Option(help="First one to hit, from 1.", rich_help_panel=_COMMANDS)
    ] = None,
    times: Annotated[
        int | None, typer.Option(help="How many to hit (1).", rich_help_panel=_COMMANDS)
    ] = None,
    always: Annotated[
        bool, typer.Option("--always", help="Hit all from the n-th on.", rich_help_panel=_COMMANDS)
    ] = False,
    status: Annotated[
        int | None,
        typer.Option(help="Do not run it: exit with this status.", rich_help_panel=_COMMANDS),
    ] = None,
    stderr: Annotated[
        str | None, typer.Option(help="Text for standard error.", rich_help_panel=_COMMANDS)
    ] = None,
    stdout: Annotated[
        str | None, typer.Option(help="Text for standard output.", rich_help_panel=_COMMANDS)
    ] = None,
    delay: Annotated[
        float | None, typer.Option(help="Seconds to wait before it.", rich_help_panel=_COMMANDS)
    ] = None,
    drop: Annotated[
        When | None, typer.Option(help="Drop its SSH connection.", rich_help_panel=_COMMANDS)
    ] = None,
    freeze: Annotated[
        When | None,
        typer.Option(
            help="Freeze its SSH connection: no reset, no answer any more.", rich_help_panel=_COMMANDS
        ),
    ] = None,
    latency: Annotated[
        float | None, typer.Option(help="Seconds of a round trip.", rich_help_panel=_LOGINS)
    ] = None,
    frozen: Annotated[
        bool | None, typer.Option(help="Freeze all connections, new ones too.", rich_help_panel=_LOGINS)
    ] = None,
    max_sessions: Annotated[
        int | None, typer.Option(help="Channels at once on one connection.", rich_help_panel=_LOGINS)
    ] = None,
    max_startups: Annotated[
        str | None,
        typer.Option(
            metavar="START:RATE:FULL",
            help="Connections that have not logged in yet (10:30:100).",
            rich_help_panel=_LOGINS,
        ),
    ] = None,
    banner: Annotated[
        str | None, typer.Option(help="Text before authentication.", rich_help_panel=_LOGINS)
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(help="Text on standard output of every channel.", rich_help_panel=_LOGINS),
    ] = None,
    noise_stderr: Annotated[
        str | None,
        typer.Option(help="Text on standard error of every channel.", rich_help_panel=_LOGINS),
    ] = None,
    shell: Annotated[
        list[str] | None,
        typer.Option(metavar="USER:SHELL", help="Login shell; repeatable.", rich_help_panel=_LOGINS),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Environment of logins, as PATH or LANG; repeatable.",
            rich_help_panel=_LOGINS,
        ),
    ] = None,
    new_host_key: Annotated[
        bool, typer.Option("--new-host-key", help="Show another host key.", rich_help_panel=_LOGINS)
    ] = False,
    lock: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE:SECONDS",
            help="Hold a zone's lock, for which zoneadm waits.",
            rich_help_panel=_MACHINE,
        ),
    ] = None,
    disk_free: Annotated[
        str | None,
        typer.Option(
            metavar="BYTES",
            help="Leave so much of the disk free (K, M, G); 0 makes it full."
            " Only where the lab keeps it in memory.",
            rich_help_panel=_MACHINE,
        ),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all faults first.")] = False,
    directory: Directory = None,
) -> None:
    """Make things go wrong on a host, until --clear or a reboot; print what is set.

    Example: `illumos-lab fault gz1 --match 'zoneadm .* install' --status 1 --stderr 'pkg: no such host'`
    """
    command: dict[str, object] = {
        "nth": nth,
        "times": times,
        "status": status,
        "stderr": stderr,
        "stdout": stdout,
        "delay": delay,
        "drop": drop,
        "freeze": freeze,
    }
    login: dict[str, object] = {
        "noise": noise,
        "noise_stderr": noise_stderr,
        "banner": banner,
        "shells": dict(_pair(text, "--shell USER:SHELL") for text in shell or []) or None,
        "env": dict(_pair(text, "--env NAME=VALUE", "=") for text in env or []) or None,
        "latency": latency,
        "frozen": frozen,
        "max_sessions": max_sessions,
        "max_startups": max_startups,
    }
    command, login = _given(command), _given(login)
    message: dict[str, object] = {"clear": clear, "new_host_key": new_host_key}
    if match is not None:
        message["fault"] = {"pattern": match, **command, **({"times": None} if always else {})}
    elif command or always:
        raise LabError("which commands? give --match REGEX")
    if login:
        message["login"] = login
    if lock is not None:
        zone, seconds = _pair(lock, "--lock ZONE:SECONDS")
        message["lock"] = {"zone": zone, "seconds": _seconds(seconds)}
    if disk_free is not None:
        message["disk_free"] = _bytes(disk_free)
    print(json.dumps(_lab(directory).fault(host, **message), indent=1))


def _given(options: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise LabError(f"{text!r} is not a number of seconds") from None


def _bytes(text: str) -> int:
    number = text.upper().rstrip("KMG")
    suffix = text.upper().removeprefix(number)
    if not number.isdigit() or suffix not in _SIZES:
        raise LabError(f"{text!r} is not a number of bytes")
    return int(number) * _SIZES[suffix]


def _pair(text: str, form: str, separator: str = ":") -> tuple[str, str]:
    left, found, right = text.partition(separator)
    if not found or not left or not right:
        raise LabError(f"{text!r} is not of the form {form}")
    return left, right


@app.command(context_settings=_PASS_ON)
def outside(words: Words = None, directory: Directory = None) -> NoReturn:
    """Run a program of this machine in the world beyond the gateway; its exit status is passed on.

    Example: `illumos-lab outside -- curl http://192.0.2.100/`
    """
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
    """Run a command as root in the global zone of a host made for it alone.

    The host is gone afterwards; the exit status is that of the command.

    Example: `illumos-lab run --profile omnios --copy ./setup.sh:/root/setup.sh -- /root/setup.sh`
    """
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
