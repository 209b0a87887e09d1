"""Commands and steps as one POSIX shell script, and the way back from what it prints.

The script travels on the standard input of one exec channel, so no login shell ever sees it. Around the
output of each command it prints frames on both streams: lines that begin with a marker made for this run.
What stands outside of frames (greetings of login files) is ignored; what stands inside is the command's
output, byte for byte.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pulumi_illumos_provider.host.quoting import words
from pulumi_illumos_provider.plan import Command, Completed, Probes, Step

# Every command runs in the background and is waited for, so that a signal or its time limit can end it.
# The watchdog holds no stream open, and sleeps a second at a time: once it is ended, nothing of ours stays
# behind for longer.
_PROLOGUE = """\
LC_ALL=C PATH=/usr/bin:/usr/sbin:/sbin:/bin
export LC_ALL PATH
unset ENV BASH_ENV CDPATH
umask 022
cd /
job=
trap '[ -z "$job" ] || kill -TERM "$job" 2>/dev/null; exit 129' HUP INT TERM
frame() {
    printf '\\n%s %s\\n' MARKER "$*" || exit 141
    printf '\\n%s %s\\n' MARKER "$*" >&2
}
within() {
    limit=$1
    shift
    "$@" &
    job=$!
    (
        while [ "$limit" -gt 0 ]; do
            sleep 1
            limit=$((limit - 1))
        done
        kill -TERM "$job" 2>/dev/null
    ) </dev/null >/dev/null 2>&1 &
    dog=$!
    wait "$job"
    status=$?
    job=
    kill -KILL "$dog" 2>/dev/null
    wait "$dog" 2>/dev/null
    return "$status"
}
silently() {
    within "$@" >/dev/null 2>&1
}
frame hello "$(/usr/bin/id -u)"
"""

_CHECK_LIMIT = 60


def new_marker() -> str:
    """A marker that no output contains."""
    return f"@{secrets.token_hex(16)}"


def reading(probes: Probes, marker: str, timeout: float) -> str:
    """The script that runs probes one after the other."""
    lines = [_PROLOGUE.replace("MARKER", marker)]
    for number, command in enumerate(probes.values()):
        lines.append(_function(f"p{number}", command, marker))
        lines.append(f"frame begin {number}\nwithin {math.ceil(timeout)} p{number}\n")
        lines.append(f'frame end {number} "$?"\n')
    lines.append("frame bye\n")
    return "".join(lines)


def applying(steps: Sequence[Step], marker: str) -> str:
    """The script that carries out steps, and stops at the first that fails."""
    lines = [_PROLOGUE.replace("MARKER", marker)]
    for number, step in enumerate(steps):
        lines.append(_function(f"s{number}", step.run, marker))
        done = "false"
        if step.done is not None:
            lines.append(_function(f"d{number}", step.done, marker))
            done = f"silently {_CHECK_LIMIT} d{number}"
        check = f"{done} || status=255" if step.done is not None else ":"
        lines.append(f"""\
frame start {number}
if {done}; then
    frame skip {number}
else
    tries={step.attempts}
    while :; do
        frame begin {number}
        within {math.ceil(step.timeout)} s{number}
        status=$?
        frame end {number} "$status"
        [ "$status" -ne 0 ] || {{ {check}; }}
        tries=$((tries - 1))
        [ "$status" -ne 0 ] && [ "$tries" -gt 0 ] || break
        sleep {step.pause:g} 2>/dev/null || sleep 1
        if {done}; then status=0; break; fi
    done
    frame finish {number} "$status"
    [ "$status" -eq 0 ] || exit 1
fi
""")
    lines.append("frame bye\n")
    return "".join(lines)


NO_EFFECT = 255
"""Status of a step whose command succeeded although its ``done`` still says no."""


def _function(name: str, command: Command, marker: str) -> str:
    """A shell function that becomes the command, with its own standard input."""
    line = f"exec {words(command.argv)}"
    text = command.stdin
    if not text:
        return f"{name}() {{\n{line} </dev/null\n}}\n"
    if "\0" in text:
        raise ValueError("a NUL character cannot be sent to a host")
    if not text.endswith("\n"):
        # A here-document always ends with a line feed. printf is built into the shell: no argument list.
        return f"{name}() {{\nprintf %s {words((text,))} | {words(command.argv)}\n}}\n"
    return f"{name}() {{\n{line} <<'{marker}'\n{text}{marker}\n}}\n"


@dataclass
class Frame:
    """What a script said between two commands.

    Attributes:
        word: ``hello``, ``begin``, ``end``, ``start``, ``skip``, ``finish``, ``bye``.
        numbers: what follows the word.
    """

    word: str
    numbers: tuple[str, ...] = ()


@dataclass
class Unframer:
    """Takes one stream apart while it arrives.

    Attributes:
        marker: the run's marker.
        output: what stood between ``begin`` and ``end``, by number; the last attempt's only.
    """

    marker: str
    output: dict[str, str] = field(default_factory=dict)
    _rest: str = ""
    _open: str | None = None

    def feed(self, text: str) -> Iterable[Frame]:
        """Take in more of the stream; the frames that are complete now, in order."""
        self._rest += text
        pattern = re.compile(rf"\n{re.escape(self.marker)} ([^\n]*)\n")
        while match := pattern.search(self._rest):
            before, self._rest = self._rest[: match.start()], self._rest[match.end() :]
            if self._open is not None:
                self.output[self._open] += before
            word, *numbers = match[1].split()
            if word == "begin":
                self._open = numbers[0]
                self.output[self._open] = ""
            elif word in ("end", "hello", "bye"):
                self._open = None
            yield Frame(word, tuple(numbers))
        self._keep_flowing()

    def _keep_flowing(self) -> None:
        """Move what cannot be part of a frame out of the way, so that long output costs nothing."""
        cut = self._rest.rfind("\n")
        if cut > 0 and self._open is not None:
            self.output[self._open] += self._rest[:cut]
            self._rest = self._rest[cut:]


def completed(number: str, status: str, out: Unframer, err: Unframer) -> Completed:
    """A command's end from both streams."""
    return Completed(int(status), out.output.get(number, ""), err.output.get(number, ""))
