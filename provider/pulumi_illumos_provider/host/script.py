"""Commands as one POSIX shell script, and the host's answers read back from it.

The script goes to the standard input of a plain ``/bin/sh -s``, so that no login shell interprets
any of it. Its conduct:

- A script that arrives only in part does nothing: it defines functions, and its last line calls one.
- Around what a command writes stand marks with a random word, on both output streams. What login
  files, banners and daemons write outside of them is ignored; what the command writes comes back to
  the byte.
- Each command has a time limit, kept by a ``sleep`` beside it. When the command ends in time, that
  sleep is killed; when not, the command and all its descendants get a TERM, and five seconds later a
  KILL.
- A listener reads what is left of the input. The line ``stop`` ends the script: nothing new starts,
  and what runs gets two seconds, then is ended in the same way. When the input closes because the
  connection is gone, or a mark cannot be written, it is the same with `ORPHAN_GRACE` seconds.
- When all is done, or ended in one of these ways, no process of the script is left.

Only features of POSIX shells are used, that ksh93, dash and bash have. The programs: sleep, ps, id.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pulumi_illumos_provider.host.quoting import command_line, feed
from pulumi_illumos_provider.plan import Command, Completed, Probes, Step

PATH: Final = "/usr/bin:/usr/sbin:/sbin"
"""The search path of what runs on a host, whatever its user's is."""

KILL_GRACE: Final = 5
"""Seconds between the TERM and the KILL of a command that must end."""

STOP_GRACE: Final = 2
"""Seconds that a running command gets to end by itself after we said stop."""

ORPHAN_GRACE: Final = 20
"""Seconds that a running step gets to end by itself after its connection is gone."""

TAKEOVER_WAIT: Final = 60
"""Seconds that a script waits for the one before it, cut off with its connection, before it ends that."""

STOP: Final = b"stop\n"
"""What to write to a running script to end it."""

_NOISE: Final = 4096

# Marks that are about a probe or a step, and marks that are not; with the number of further words.
_ABOUT: Final = {"started": 0, "skipped": 0, "done": 0, "failed": 2}
_GENERAL: Final = {"hello": 2, "unfit": 1, "late": 0, "over": 0, "stopped": 0}

_PRELUDE: Final = r"""
LC_ALL=C PATH=@PATH@
export LC_ALL PATH
unset ENV BASH_ENV CDPATH IFS
umask 022
cd /
pi_job= pi_nap= pi_listener= pi_frame=0
pi_say() {
    printf '\n%s %s\n' '@NONCE@' "$*" || pi_quit 0
}
pi_both() {
    pi_say "$1 $2 $3"
    printf '\n%s %s\n' '@NONCE@' "$1 $2" >&2 || pi_quit 0
}
pi_tree() {
    pi_all=$(ps -e -o pid= -o ppid= 2>/dev/null)
    pi_found=" $1 "
    pi_more=yes
    while [ -n "$pi_more" ]; do
        pi_more= pi_pid=
        for pi_word in $pi_all; do
            if [ -z "$pi_pid" ]; then
                pi_pid=$pi_word
                continue
            fi
            case $pi_found in
            *" $pi_pid "*) ;;
            *" $pi_word "*) pi_found="$pi_found$pi_pid " pi_more=yes ;;
            esac
            pi_pid=
        done
    done
    printf %s "$pi_found"
}
pi_alive() {
    for pi_pid in $1; do
        kill -0 "$pi_pid" 2>/dev/null || continue
        case $(ps -o s= -p "$pi_pid" 2>/dev/null) in
        *Z*) ;;
        *) return 0 ;;
        esac
    done
    return 1
}
pi_wait_end() {
    if sleep 0.1 2>/dev/null; then
        pi_tick=0.1 pi_count=$(($1 * 10))
    else
        pi_tick=1 pi_count=$1
    fi
    while [ "$pi_count" -gt 0 ] && pi_alive "$2"; do
        sleep "$pi_tick"
        pi_count=$((pi_count - 1))
    done
}
pi_end() {
    pi_doomed=$(pi_tree "$1")
    kill -TERM $pi_doomed 2>/dev/null
    pi_wait_end @KILL_GRACE@ "$pi_doomed"
    kill -KILL $pi_doomed $(pi_tree "$1") 2>/dev/null
}
pi_quit() {
    trap '' HUP INT TERM PIPE USR1
    if [ -n "$pi_job" ]; then
        pi_wait_end "$1" "$pi_job"
        pi_end "$pi_job"
    fi
    for pi_pid in $pi_nap $pi_listener $(pi_tree $$); do
        [ "$pi_pid" = $$ ] || kill -KILL "$pi_pid" 2>/dev/null
    done
    printf '\n%s %s\n' '@NONCE@' stopped 2>/dev/null
    exit 1
}
pi_over() {
    kill -KILL $pi_listener 2>/dev/null
    pi_say over
    exit 0
}
pi_listen() {
    exec 3<&0 </dev/null
    (
        read -r pi_word <&3
        case $pi_word in
        stop) kill -TERM $$ ;;
        *) kill -USR1 $$ ;;
        esac
    ) >/dev/null 2>&1 &
    pi_listener=$!
    exec 3<&-
}
pi_start() {
    trap 'pi_quit @STOP_GRACE@' TERM INT
    trap 'pi_quit @ORPHAN_GRACE@' HUP PIPE USR1
    pi_listen
    pi_uid=$(id -u 2>/dev/null)
    pi_say hello "${pi_uid:--}" $$
    if [ @ROOT@ = yes ] && [ "$pi_uid" != 0 ]; then
        pi_over
    fi
    if [ @FEEDS@ = yes ] && [ "$(command -v printf)" != printf ]; then
        pi_say unfit printf
        pi_over
    fi
}
pi_run() {
    sleep "$1" </dev/null >/dev/null 2>&1 &
    pi_nap=$!
    (
        "$2"
        pi_status=$?
        kill -KILL "$pi_nap" 2>/dev/null
        if [ "$pi_status" -gt 255 ]; then
            pi_status=$((pi_status - 128))
        fi
        exit "$pi_status"
    ) </dev/null &
    pi_job=$!
    wait "$pi_nap" 2>/dev/null
    pi_late=$?
    pi_nap=
    if [ "$pi_late" -eq 0 ]; then
        pi_late=late
        pi_end "$pi_job"
    else
        pi_late=-
    fi
    wait "$pi_job" 2>/dev/null
    pi_status=$?
    pi_job=
}
"""

_READ: Final = r"""
pi_probe() {
    pi_both begin "$1"
    "pi_p$1"
    pi_both end "$1" "$1 probe $? -"
}
pi_main() {
    pi_start
    pi_run @LIMIT@ pi_probes
    if [ "$pi_late" = late ]; then
        pi_say late
    fi
    pi_over
}
"""

_APPLY: Final = r"""
pi_await() {
    pi_count=$1
    while :; do
        case $(ps -e -o args= 2>/dev/null) in
        *" -s $2"*) ;;
        *) return 0 ;;
        esac
        [ "$pi_count" -gt 0 ] || return 1
        sleep 1
        pi_count=$((pi_count - 1))
    done
}
pi_take_over() {
    pi_await @TAKEOVER_WAIT@ "$1" && return
    case $(ps -o args= -p "$2" 2>/dev/null) in
    *" -s $1"*) kill -TERM "$2" 2>/dev/null ;;
    esac
    pi_await 15 "$1"
}
pi_command() {
    pi_frame=$((pi_frame + 1))
    pi_both begin "$pi_frame"
    pi_run "$3" "$4"
    pi_both end "$pi_frame" "$1 $2 $pi_status $pi_late"
    if [ "$pi_late" = late ]; then
        pi_say failed "$1" late "$2"
        pi_over
    fi
}
pi_step() {
    if [ "$5" = yes ]; then
        pi_command "$1" check "$2" "pi_d$1"
        if [ "$pi_status" -eq 0 ]; then
            pi_say skipped "$1"
            return
        fi
    fi
    pi_say started "$1"
    pi_left=$3
    while :; do
        pi_command "$1" run "$2" "pi_r$1"
        pi_why=status
        if [ "$pi_status" -eq 0 ]; then
            if [ "$5" = yes ]; then
                pi_command "$1" verify "$2" "pi_d$1"
                pi_why=effect
            fi
            if [ "$pi_status" -eq 0 ]; then
                break
            fi
        fi
        pi_left=$((pi_left - 1))
        if [ "$pi_left" -le 0 ]; then
            pi_say failed "$1" "$pi_why" run
            pi_over
        fi
        sleep "$4" </dev/null >/dev/null 2>&1 &
        pi_nap=$!
        wait "$pi_nap" 2>/dev/null
        pi_nap=
        if [ "$5" = yes ]; then
            pi_command "$1" check "$2" "pi_d$1"
            if [ "$pi_status" -eq 0 ]; then
                break
            fi
        fi
    done
    pi_say done "$1"
}
"""


@dataclass(frozen=True)
class Script:
    """A script and what is needed to speak with it.

    Attributes:
        text: what to write to the standard input of ``/bin/sh -s TOKEN``.
        token: argument by which the host's ps tells this script's processes from others.
        nonce: first word of its marks.
    """

    text: str
    token: str
    nonce: str


@dataclass(frozen=True)
class Cut:
    """A script whose connection was lost while it ran.

    Attributes:
        token: its token.
        pid: its process; None when it had not said.
    """

    token: str
    pid: int | None


@dataclass(frozen=True)
class Mark:
    """One mark of a script.

    Attributes:
        word: ``hello``, ``end``, ``started`` ...
        number: of the probe or step that it is about.
        args: the words after that.
        completed: for ``end``, how the command ended.
    """

    word: str
    number: int = 0
    args: tuple[str, ...] = ()
    completed: Completed | None = None


class Damaged(Exception):
    """The answer does not follow the script."""


# Writing -----------------------------------------------------------------------------------------


def read_script(probes: Probes, *, limit: float, root: bool = False) -> Script:
    """A script that runs probes one after the other, within one time limit.

    The marks: ``hello UID PID``, for each probe ``end NUMBER NUMBER probe STATUS -``, perhaps ``late``,
    then ``over``.

    Args:
        probes: what to run; they are numbered in their order.
        limit: seconds for all of them.
        root: end after ``hello`` unless the user is root.

    Raises:
        ValueError: a command cannot be written as a shell command.
    """
    commands = list(probes.values())
    lines = [_function(f"pi_p{number}", command) for number, command in enumerate(commands)]
    lines.append("pi_probes() {\n" + "".join(f"pi_probe {n}\n" for n in range(len(commands))) + ":\n}\n")
    template = _READ.replace("@LIMIT@", _seconds(limit))
    return _script(template, "".join(lines), commands, root, orphan_grace=0, stop_grace=0)


def apply_script(
    steps: Sequence[Step], *, first: int = 0, root: bool = False, cut: Cut | None = None
) -> Script:
    """A script that takes steps in their order, and stops at the first that fails.

    The marks: ``hello UID PID``; for each command ``end FRAME STEP PURPOSE STATUS LATE`` where the
    purpose is ``check``, ``run`` or ``verify`` and the last word ``late`` or ``-``; for each step
    ``skipped STEP``, or ``started STEP`` and then ``done STEP`` or ``failed STEP WHY PURPOSE`` where
    why is ``status`` (its command failed), ``effect`` (it had none) or ``late``; ``over``, or
    ``stopped`` when it was told to stop.

    Args:
        steps: the steps.
        first: number of the step to begin with.
        root: end after ``hello`` unless the user is root.
        cut: an earlier script of the same plan, which may still be running: it is waited for.

    Raises:
        ValueError: a command cannot be written as a shell command.
    """
    parts = []
    calls = []
    commands = []
    for number, step in enumerate(steps):
        if number < first:
            continue
        commands.append(step.run)
        parts.append(_function(f"pi_r{number}", step.run))
        if step.done:
            commands.append(step.done)
            parts.append(_function(f"pi_d{number}", step.done))
        calls.append(
            f"pi_step {number} {_seconds(step.timeout)} {max(1, step.attempts)} "
            f"{_seconds(step.pause)} {'yes' if step.done else 'no'}\n"
        )
    wait = f"pi_take_over {cut.token} {cut.pid or 0}\n" if cut else ""
    parts.append("pi_main() {\npi_start\n" + wait + "".join(calls) + "pi_over\n}\n")
    return _script(_APPLY, "".join(parts), commands, root, ORPHAN_GRACE, STOP_GRACE)


def _script(
    template: str, rest: str, commands: Sequence[Command], root: bool, orphan_grace: int, stop_grace: int
) -> Script:
    nonce = secrets.token_hex(12)
    own = _PRELUDE.lstrip("\n") + template
    for name, value in {
        "PATH": PATH,
        "NONCE": nonce,
        "ROOT": "yes" if root else "no",
        "FEEDS": "yes" if any(command.stdin for command in commands) else "no",
        "KILL_GRACE": str(KILL_GRACE),
        "ORPHAN_GRACE": str(orphan_grace),
        "STOP_GRACE": str(stop_grace),
        "TAKEOVER_WAIT": str(TAKEOVER_WAIT),
    }.items():
        own = own.replace(f"@{name}@", value)
    return Script(own + rest + "pi_main\n", f"pulumi-illumos-{secrets.token_hex(8)}", nonce)


def _function(name: str, command: Command) -> str:
    line = command_line(command.argv)
    if command.stdin:
        line = f"{feed(command.stdin)} | {line}"
    return f"{name}() {{\n{line}\n}}\n"


def _seconds(value: float) -> str:
    """POSIX sleep knows whole seconds only."""
    return str(max(1, math.ceil(value)))


# Reading -----------------------------------------------------------------------------------------


class Decoder:
    """Reads a script's marks, and what commands wrote between them, from its two output streams.

    Args:
        nonce: the script's.
    """

    def __init__(self, nonce: str) -> None:
        self._stdout = _Stream(nonce)
        self._stderr = _Stream(nonce)
        self._waiting: list[tuple[tuple[str, ...], bytes]] = []
        self._errors: dict[str, bytes] = {}

    def feed(self, data: bytes, *, stderr: bool = False) -> list[Mark]:
        """Take in what arrived on one stream.

        Returns:
            The marks that are complete now; ``end`` only when both streams have reached it.

        Raises:
            Damaged: a mark is not as the script writes it.
        """
        if stderr:
            for words, text in self._stderr.feed(data):
                if words[0] == "end":
                    self._errors[words[1]] = text
        else:
            self._waiting += self._stdout.feed(data)
        marks: list[Mark] = []
        while self._waiting:
            words, text = self._waiting[0]
            if words[0] == "end":
                if words[1] not in self._errors:
                    break
                marks.append(_end(words, text, self._errors.pop(words[1])))
            elif words[0] != "begin":
                marks.append(_mark(words))
            del self._waiting[0]
        return marks

    @property
    def noise(self) -> str:
        """The beginning of what stood outside of all marks, standard error first."""
        parts = (_text(self._stderr.noise).strip(), _text(self._stdout.noise).strip())
        return "\n".join(part for part in parts if part)


def _mark(words: tuple[str, ...]) -> Mark:
    word, *rest = words
    if word in _ABOUT and len(rest) == _ABOUT[word] + 1 and rest[0].isdecimal():
        return Mark(word, int(rest[0]), tuple(rest[1:]))
    if word in _GENERAL and len(rest) == _GENERAL[word]:
        return Mark(word, args=tuple(rest))
    raise Damaged(" ".join(words))


def _end(words: tuple[str, ...], stdout: bytes, stderr: bytes) -> Mark:
    try:
        _, _, number, purpose, status, late = words
        completed = Completed(_status(int(status)), _text(stdout), _text(stderr))
        return Mark("end", int(number), (purpose, late), completed)
    except ValueError:
        raise Damaged(" ".join(words)) from None


def _status(status: int) -> int:
    """The exit status as POSIX shells have it: ksh93 counts from 256 when a signal ended the command."""
    return status - 128 if status > 255 else status


def _text(data: bytes | bytearray) -> str:
    return data.decode("utf-8", "replace")


class _Stream:
    def __init__(self, nonce: str) -> None:
        self._mark = f"\n{nonce} ".encode()
        self._buffer = bytearray()
        self._searched = 0
        self._inside = False
        self._noise = bytearray()

    @property
    def noise(self) -> bytes:
        outside = b"" if self._inside else bytes(self._buffer)
        return (bytes(self._noise) + outside)[:_NOISE]

    def feed(self, data: bytes) -> list[tuple[tuple[str, ...], bytes]]:
        """Marks that are complete now, each with what stands before it."""
        self._buffer += data
        found = []
        while True:
            at = self._buffer.find(self._mark, self._searched)
            if at < 0:
                self._searched = max(0, len(self._buffer) - len(self._mark) + 1)
                break
            self._searched = at
            start = at + len(self._mark)
            end = self._buffer.find(b"\n", start)
            if end < 0:
                break
            words = tuple(_text(self._buffer[start:end]).split())
            if not words or (words[0] in ("begin", "end") and len(words) < 2):
                raise Damaged(_text(self._buffer[at:end]).strip())
            text = bytes(self._buffer[:at])
            del self._buffer[: end + 1]
            self._searched = 0
            if words[0] != "end":
                self._keep(text)
            self._inside = words[0] == "begin"
            found.append((words, text))
        if not self._inside:
            self._keep(self._buffer[: self._searched])
            del self._buffer[: self._searched]
            self._searched = 0
        return found

    def _keep(self, noise: bytes | bytearray) -> None:
        self._noise += noise[: _NOISE - len(self._noise)]
