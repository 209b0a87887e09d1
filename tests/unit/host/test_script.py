"""Scripts and their answers, through the shells that hosts have."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_illumos_provider.host.script import (
    Cut,
    Damaged,
    Decoder,
    Mark,
    apply_script,
    read_script,
)
from pulumi_illumos_provider.plan import Command, Completed, Step, sh

SHELLS = [shell for shell in ("dash", "bash", "ksh93", "busybox") if shutil.which(shell)]


@pytest.fixture(params=SHELLS)
def shell(request):
    return ["busybox", "sh"] if request.param == "busybox" else [request.param]


@pytest.fixture(params=[shell for shell in SHELLS if shell in ("dash", "ksh93")])
def quick_shell(request):
    """For tests that take their time: the shell of illumos, and one of another family."""
    return [request.param]


@pytest.fixture
def hasty(monkeypatch):
    """What must be killed is killed sooner."""
    monkeypatch.setattr("pulumi_illumos_provider.host.script.KILL_GRACE", 1)
    monkeypatch.setattr("pulumi_illumos_provider.host.script.STOP_GRACE", 0)


class Run:
    """A shell that reads a script; its input stays open, as a channel's does."""

    def __init__(self, shell, script, text=None, **more):
        self.script = script
        self.process = subprocess.Popen(
            [*shell, "-s", script.token],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **more,
        )
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        self.stdin, self.stdout, self.stderr = (
            self.process.stdin,
            self.process.stdout,
            self.process.stderr,
        )
        self.send((script.text if text is None else text).encode())

    def send(self, data):
        self.stdin.write(data)
        self.stdin.flush()

    def finish(self):
        """The marks of everything up to the end."""
        decoder = Decoder(self.script.nonce)
        marks = [] if self.stdout.closed else decoder.feed(self.stdout.read())
        marks += decoder.feed(self.stderr.read(), stderr=True)
        self.process.wait(30)
        for stream in (self.stdin, self.stdout, self.stderr):
            stream.close()
        return marks

    def processes(self):
        return processes_with(self.script.token)

    def leaves_nothing(self):
        """Wait until no process of the script is left."""
        until(lambda: not self.processes())


def until(condition):
    """Wait until a condition holds, on processes that nobody waits for."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def processes_with(text):
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (OSError, ValueError):
            continue
        if text in line and "pytest" not in line:
            found.append(line)
    return found


def held(place, then):
    """A command that says that it runs, and goes on when it may."""
    return sh(f"touch {place}/runs; until [ -e {place}/go ]; do sleep 0.05; done; {then}")


def words(marks):
    """What is told of the steps."""
    return [
        " ".join((mark.word, str(mark.number), *mark.args))
        for mark in marks
        if mark.word not in ("hello", "end")
    ]


def answers(marks):
    return [mark.completed for mark in marks if mark.word == "end"]


# Whole scripts -----------------------------------------------------------------------------------


def test_answers_are_told_apart_and_kept_to_the_byte(shell):
    probes = {
        "a": sh("printf 'no end'; echo oh >&2"),
        "b": Command(("/bin/cat",), "line\n\n"),
        "c": sh("exit 3"),
        "d": sh("kill -KILL $$"),
        "e": Command(("/nonexistent/program",)),
    }
    marks = Run(shell, read_script(probes, limit=30)).finish()
    assert marks[0].word == "hello"
    assert marks[-1] == Mark("over")
    a, b, c, d, e = answers(marks)
    assert a == Completed(0, "no end", "oh\n")
    assert b == Completed(0, "line\n\n", "")
    assert c == Completed(3, "", "")
    assert d.status == 137
    assert e.status in (126, 127)


def test_a_command_does_not_read_the_script(shell):
    marks = Run(
        shell, read_script({"a": Command(("/bin/cat",)), "b": sh('read x; echo "[$x]"')}, limit=30)
    ).finish()
    assert answers(marks) == [Completed(0, "", ""), Completed(0, "[]\n", "")]


def test_input_is_in_no_argument_list_and_in_no_file(shell, tmp_path):
    look = 'cat >/dev/null; cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "; ls "$TMPDIR"'
    script = read_script({"a": sh(look, stdin="hush-hush " * 5000)}, limit=30)
    marks = Run(shell, script, env={**os.environ, "TMPDIR": str(tmp_path)}).finish()
    assert "hush-hush" not in answers(marks)[0].stdout
    assert not list(tmp_path.iterdir())


def test_a_script_cut_anywhere_does_nothing(shell, tmp_path):
    file = tmp_path / "made"
    script = apply_script([Step("a", Command(("/bin/touch", str(file))))])
    for end in [*range(0, len(script.text), 211), len(script.text) - 2]:
        run = Run(shell, script, script.text[:end])
        run.stdin.close()
        assert not run.finish()
        assert not file.exists(), script.text[:end][-80:]


def test_steps_that_are_done_are_skipped_and_others_are_asked_again_afterwards(shell, tmp_path):
    made = tmp_path / "made"
    steps = [
        Step("a", Command(("/bin/touch", str(made))), sh('test -f "$1"', str(made))),
        Step("b", sh("exit 1"), sh('test -f "$1"', str(made))),
        Step("c", sh("echo updated"), sh("exit 1")),
        Step("d", sh("echo never")),
    ]
    marks = Run(shell, apply_script(steps)).finish()
    assert words(marks) == [
        "started 0",
        "done 0",
        "skipped 1",
        "started 2",
        "failed 2 effect run",
        "over 0",
    ]


def test_a_failing_step_ends_it(shell):
    marks = Run(shell, apply_script([Step("a", sh("exit 9")), Step("b", sh("echo"))])).finish()
    assert words(marks) == ["started 0", "failed 0 status run", "over 0"]
    assert answers(marks)[0].status == 9


def test_a_plan_can_begin_in_the_middle(shell):
    marks = Run(shell, apply_script([Step("a", sh("exit 9")), Step("b", sh("echo"))], first=1)).finish()
    assert words(marks) == ["started 1", "done 1", "over 0"]


def test_without_the_rights_of_root_nothing_begins(shell, tmp_path):
    script = read_script({"a": sh("echo ran")}, limit=5, root=True)
    text = script.text.replace("id -u", "echo 1001")
    marks = Run(shell, script, text).finish()
    assert (marks[0].word, marks[0].args[0]) == ("hello", "1001")
    assert [mark.word for mark in marks] == ["hello", "over"]


def test_each_shell_reads_what_bash_and_dash_call_correct(shell):
    script = apply_script([Step("a", sh("echo"), sh("echo"))], cut=Cut("x", 1))
    subprocess.run([*shell, "-n"], input=script.text.encode(), check=True)


# Ends --------------------------------------------------------------------------------------------


def test_a_command_past_its_limit_is_ended_though_it_resists(quick_shell, hasty):
    step = Step("a", sh("trap '' TERM; echo begun; sleep 8301 & sleep 8301"), timeout=2)
    marks = Run(quick_shell, apply_script([step, Step("b", sh("echo"))])).finish()
    assert words(marks) == ["started 0", "failed 0 late run", "over 0"]
    assert answers(marks)[0].stdout == "begun\n"
    until(lambda: not processes_with("sleep 8301"))


def test_a_limit_holds_for_the_question_too(quick_shell):
    marks = Run(quick_shell, apply_script([Step("a", sh("echo"), sh("sleep 8302"), timeout=1)])).finish()
    assert words(marks) == ["failed 0 late check", "over 0"]


def test_a_script_that_ends_leaves_no_process(quick_shell):
    run = Run(quick_shell, apply_script([Step("a", sh("echo"), timeout=8303)]))
    run.finish()
    run.leaves_nothing()
    until(lambda: not processes_with("sleep 8303"))


def test_stop_ends_what_runs(quick_shell, hasty):
    run = Run(quick_shell, apply_script([Step("a", sh("sleep 8304 & sleep 8304")), Step("b", sh("echo"))]))
    until(lambda: processes_with("sleep 8304"))
    run.send(b"stop\n")
    assert words(run.finish()) == ["started 0", "stopped 0"]
    run.leaves_nothing()
    until(lambda: not processes_with("sleep 8304"))


def test_stop_ends_a_pause_between_attempts_at_once(quick_shell, tmp_path):
    fails = sh(f"touch {tmp_path}/runs; exit 1")
    run = Run(quick_shell, apply_script([Step("a", fails, attempts=2, pause=8307)]))
    until((tmp_path / "runs").exists)
    time.sleep(0.5)  # Now it pauses; not even one that does not yet may begin again.
    run.send(b"stop\n")
    assert words(run.finish()) == ["started 0", "stopped 0"]
    run.leaves_nothing()


@pytest.mark.parametrize("way", ["input closes", "output closes", "output closes, SIGPIPE ignored"])
def test_when_the_channel_is_gone_the_command_ends_and_no_other_begins(quick_shell, way, tmp_path):
    steps = [
        Step("a", held(tmp_path, f"touch {tmp_path}/a")),
        Step("b", sh(f"touch {tmp_path}/b")),
        Step("c", sh(f"touch {tmp_path}/c")),
    ]
    more = {}
    if "ignored" in way:
        more = {
            "restore_signals": False,
            "preexec_fn": lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN),
        }
    run = Run(quick_shell, apply_script(steps), **more)
    until((tmp_path / "runs").exists)
    before = len(run.processes())
    (run.stdin if way == "input closes" else run.stdout).close()
    if way == "input closes":
        # The one that listens to it has gone, and told the script before.
        until(lambda: len(run.processes()) < before)
    (tmp_path / "go").touch()
    run.finish()
    assert (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()
    run.leaves_nothing()


def test_a_read_whose_channel_is_gone_ends_at_once(quick_shell):
    run = Run(quick_shell, read_script({"a": sh("sleep 8305")}, limit=60))
    until(lambda: processes_with("sleep 8305"))
    run.stdin.close()
    run.finish()
    until(lambda: not processes_with("sleep 8305"))


def test_the_next_script_waits_for_the_one_that_was_cut_off(quick_shell, hasty, tmp_path):
    slow = Step("a", held(tmp_path, f"echo x >>{tmp_path}/a"), sh(f"test -f {tmp_path}/a"))
    first = apply_script([slow])
    run = Run(quick_shell, first)
    until((tmp_path / "runs").exists)
    again = Run(quick_shell, apply_script([slow], cut=Cut(first.token, run.process.pid)))
    time.sleep(0.5)  # One that did not wait would have begun by now.
    (tmp_path / "go").touch()
    assert words(again.finish()) == ["skipped 0", "over 0"]
    assert (tmp_path / "a").read_text() == "x\n"
    run.finish()


def test_a_script_that_was_cut_off_is_ended_when_it_takes_too_long(quick_shell, hasty, monkeypatch):
    monkeypatch.setattr("pulumi_illumos_provider.host.script.TAKEOVER_WAIT", 0)
    slow = Step("a", sh("sleep 8306"), sh("exit 1"), timeout=100)
    first = apply_script([slow])
    run = Run(quick_shell, first)
    until(lambda: processes_with("sleep 8306"))
    again = Run(quick_shell, apply_script([Step("b", sh("echo"))], cut=Cut(first.token, run.process.pid)))
    assert words(again.finish()) == ["started 0", "done 0", "over 0"]
    until(lambda: not processes_with("sleep 8306"))
    run.finish()


# The decoder -------------------------------------------------------------------------------------

NONCE = "nonce"
OUTPUTS = st.binary(max_size=30) | st.sampled_from([b"\n", b"\nnonce", b"nonce ", b"\n\n", b"\nnonc"])


def framed(outputs, noise=b""):
    stdout = stderr = noise
    for number, (out, err) in enumerate(outputs):
        stdout += (
            b"\nnonce begin %d\n" % number
            + out
            + b"\nnonce end %d %d probe 0 -\n" % (number, number)
            + noise
        )
        stderr += b"\nnonce begin %d\n" % number + err + b"\nnonce end %d\n" % number + noise
    return stdout + b"\nnonce over\n", stderr


@settings(max_examples=60)
@given(st.lists(st.tuples(OUTPUTS, OUTPUTS), max_size=4), OUTPUTS, st.data())
def test_the_order_and_size_of_pieces_do_not_matter(outputs, noise, data):
    streams = [list(framed(outputs, noise)[0]), list(framed(outputs, noise)[1])]
    decoder = Decoder(NONCE)
    marks = []
    while streams[0] or streams[1]:
        which = data.draw(st.integers(0, 1))
        size = data.draw(st.integers(1, 25))
        piece, streams[which] = bytes(streams[which][:size]), streams[which][size:]
        if piece:
            marks += decoder.feed(piece, stderr=which == 1)
    assert marks[-1] == Mark("over")
    completed = [mark.completed or Completed(1, "", "") for mark in marks]
    assert [(number, each.stdout, each.stderr) for number, each in enumerate(completed[:-1])] == [
        (number, out.decode(errors="replace"), err.decode(errors="replace"))
        for number, (out, err) in enumerate(outputs)
    ]


def test_an_answer_is_complete_only_when_both_streams_are():
    stdout, stderr = framed([(b"out", b"err")])
    decoder = Decoder(NONCE)
    assert decoder.feed(stdout) == []
    assert decoder.feed(stderr, stderr=True) == [
        Mark("end", 0, ("probe", "-"), Completed(0, "out", "err")),
        Mark("over"),
    ]


def test_what_stands_outside_is_kept_for_messages():
    decoder = Decoder(NONCE)
    decoder.feed(b"This account is not available.\n")
    decoder.feed(b"sudo: a password is required\n", stderr=True)
    assert decoder.noise == "sudo: a password is required\nThis account is not available."


@pytest.mark.parametrize(
    "line",
    ["", "hello", "hello 0", "started", "started x", "failed 1 status", "over 1", "what 1", "end", "begin"],
)
def test_a_damaged_mark_is_refused(line):
    with pytest.raises(Damaged):
        Decoder(NONCE).feed(f"\nnonce {line}\n".encode())


@pytest.mark.parametrize("line", ["end 1", "end 1 0 run x -", "end 1 0 run 0", "end 1 x run 0 -"])
def test_a_damaged_end_is_refused(line):
    decoder = Decoder(NONCE)
    decoder.feed(b"\nnonce end 1\n", stderr=True)
    with pytest.raises(Damaged):
        decoder.feed(f"\nnonce {line}\n".encode())
