"""A run of zonecfg(8): its input, its state and its messages.

Messages, what sets the final exit status and what does not, and which prompt is asked when follow the real
program, oddities included; scripts depend on them.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from illumos_lab.zonecfg import admins, usage
from illumos_lab.zonecfg.grammar import Command, EndOfInput, Parser, SyntaxFault, UsageFault
from illumos_lab.zonecfg.lexer import Dialect, Lexer
from illumos_lab.zonecfg.model import Configuration
from illumos_lab.zonecfg.store import NoSuchZoneError, Store
from illumos_lab.zonecfg.verify import verify
from illumos_lab.zonecfg.xmlfile import InvalidDocumentError

if TYPE_CHECKING:
    from illumos_lab.host import Host
    from illumos_lab.invocation import Invocation
    from illumos_lab.zonecfg.scope import Scope

NO_ZONE = "No such zone configured"
INVALID_DOCUMENT = "Invalid document"
NO_RESOURCE_TYPE = "No such resource type"
NO_PROPERTY_TYPE = "No such property type"

USAGE_PROPERTIES = "\n" + usage.PROPERTY_TYPES
USAGE_RESOURCES = "\n" + usage.RESOURCE_TYPES + "\n" + usage.PROPERTY_TYPES
HELP_TAIL = {
    "add": USAGE_RESOURCES,
    "clear": USAGE_PROPERTIES,
    "info": USAGE_RESOURCES,
    "remove": USAGE_RESOURCES,
    "select": USAGE_RESOURCES,
    "set": USAGE_PROPERTIES,
}
"""What the help of some subcommands ends with."""

_LINE = re.compile(r"[^\n]*\n|[^\n]+")


class ImmediateExit(Exception):
    """The program ends at once; nothing is saved."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def absolute(run: Invocation, name: str) -> str:
    """A file name of the caller as an absolute path of its zone."""
    return name if name.startswith("/") else f"{run.cwd}/{name}"


class Session:
    """One run of zonecfg for one zone.

    Args:
        root: alternate root whose zones it is about; empty for those of the running system.

    Attributes:
        zone: name that messages use; ``set zonename`` changes it.
        configuration: the configuration being edited; None until a command needs it.
        scope: the resource being edited; None in the global scope.
        failed: an error was flagged, so that the exit status will be 1.
        unsaved: there are changes to commit.
    """

    def __init__(self, host: Host, run: Invocation, zone: str, root: str = "") -> None:
        self.host = host
        self.run = run
        self.zone = zone
        self.dialect = Dialect(host.profile.forked_zonecfg, host.profile.smartos_zonecfg)
        self.store = Store(host, root)
        self.configuration: Configuration | None = None
        self.scope: Scope | None = None
        self.failed = False
        self.unsaved = False
        self._read_only = not run.privileged
        self._saved_name = zone
        self._loaded_once = False
        self._leaving = False
        self._forced = False
        self._options_reported = True
        self._file: str | None = None
        self._interactive = False
        self._may_ask = run.stdin_isatty()
        self._lexer = Lexer(lambda: "", self.dialect)
        self._last_line = 0

    def carry_out(self, command: Command) -> None:
        """Run one subcommand."""
        raise NotImplementedError(command.name)

    # Input ---------------------------------------------------------------------------------------

    def warn_of_read_only(self) -> None:
        """Say that nothing can be changed, if so."""
        if self._read_only:
            self.run.err(
                "WARNING: you do not have write access to this zone's configuration file;\n"
                "going into read-only mode.\n"
            )

    def run_arguments(self, argv: list[str], file: str | None = None) -> int:
        """Carry out the commands of the command line; returns the exit status.

        Args:
            argv: their words.
            file: name of a file that was asked for too, which is not read, but named in messages.
        """
        self._file = file
        lines = iter([" ".join(argv) + "\n"])
        return self._session(lambda: next(lines, ""), stop_on_error=False, ends_at_exit=False)

    def run_file(self, name: str) -> int:
        """Carry out the commands of a file of the caller's zone; returns the exit status."""
        path = self.host.path(self.run.zone, absolute(self.run, name))
        descriptor = self.run.descriptor(name)
        try:
            status = path.stat() if descriptor is None else os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                self.run.err(f"{name} is not a regular file.\n")
                return 1
            with self.run.open(name, path, "rb") as file:
                text = file.read().decode("utf-8", "surrogateescape")
        except OSError as error:
            self.run.err(f"could not open file {name}: {os.strerror(error.errno or 0)}\n")
            return 1
        self._file = name
        self._may_ask = False
        lines = iter(_LINE.findall(text))
        return self._session(lambda: next(lines, ""), stop_on_error=True)

    def run_stdin(self, named: bool) -> int:
        """Carry out the commands of standard input; returns the exit status.

        Args:
            named: it was asked for by ``-f -``, so that messages tell the line number.
        """
        self._interactive = True
        self._file = "-" if named else None
        if not named and not self._read_only:
            try:
                self._ready(expected=False)
            except ImmediateExit as leave:
                return leave.status
        lines = self._stdin_lines()
        return self._session(lambda: next(lines, ""), stop_on_error=False)

    def _stdin_lines(self) -> Iterator[str]:
        terminal = self.run.stdin_isatty()
        buffer = b""
        while True:
            if terminal:
                scope = f":{self.scope.resource}" if self.scope else ""
                self.run.out(f"zonecfg:{self.zone}{scope}> ")
            while b"\n" not in buffer and (chunk := os.read(self.run.stdin, 4096)):
                buffer += chunk
            line, feed, buffer = buffer.partition(b"\n")
            if not line and not feed:
                return
            yield (line + feed).decode("utf-8", "surrogateescape")

    def _session(self, read_line: Callable[[], str], stop_on_error: bool, ends_at_exit: bool = True) -> int:
        self._lexer = Lexer(read_line, self.dialect)
        parser = Parser(self._lexer)
        try:
            while True:
                self._read(parser, stop_on_error, ends_at_exit)
                status = self._finish(one_command=not ends_at_exit)
                if status is not None:
                    return status
                self._leaving = False
        except ImmediateExit as leave:
            return leave.status

    def _read(self, parser: Parser, stop_on_error: bool, ends_at_exit: bool) -> None:
        """Carry out commands up to the end of the input, or to where the session is left."""
        while not (self._leaving and ends_at_exit):
            try:
                command = parser.parse()
                if command is not None:
                    self.carry_out(command)
            except SyntaxFault as fault:
                self._syntax_error(fault)
                parser.recover()
            except UsageFault as fault:
                self.short_usage(fault.command, "" if fault.synopsis_only else HELP_TAIL[fault.command])
                parser.recover()
            except EndOfInput:
                return
            if self.failed and stop_on_error:
                self._leaving = True

    def _finish(self, one_command: bool) -> int | None:
        """Commit what was changed; the exit status, or None when the user wants to go on."""
        if one_command and self._file is None:
            self._may_ask = False
        if self.scope is not None:
            if not self._leaving:
                answer = self.ask("Resource incomplete; really quit")
                if answer is None:
                    self.error("Resource incomplete.")
                    return 1
                if not answer:
                    return None
            self.failed = True
        if self.unsaved and self.configuration is not None:
            if not self._refuse_edit("commit"):
                verify(self, save=True)
            if self.unsaved:
                if self._forced:
                    self.error("Configuration not saved.")
                    return 1
                answer = self.ask("Configuration not saved; really quit")
                if answer is None:
                    self.error("Configuration not saved.")
                    return 1
                if not answer:
                    return None
        return 1 if self.unsaved or self.failed else 0

    # Messages ------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Print a message without changing the exit status; the first of a line tells its number."""
        line = self._lexer.line
        if self._file is not None and line > self._last_line:
            where = "" if self._file == "-" else f" of {self._file}"
            self.run.err(f"On line {line - 1}{where}:\n")
        self._last_line = line
        self.run.err(text + "\n")

    def error(self, text: str) -> None:
        """Print a message and let the session end with exit status 1."""
        self.say(text)
        self.failed = True

    def short_usage(self, command: str, tail: str = "") -> None:
        """Print the synopsis of a command as an error."""
        if self._file is not None:
            where = "" if self._file == "-" else f" of {self._file}"
            self.run.err(f"syntax error on line {self._lexer.line - 1}{where}\n")
        self.run.err("usage:\n" + usage.SHORT[command] + tail)
        self.failed = True

    def long_usage(self, command: str, tail: str = "") -> None:
        """Print synopsis and description of a command as an error."""
        self.run.err("usage:\n" + usage.SHORT[command] + usage.DESCRIPTION[command] + tail)
        self.failed = True

    def wrong_property(self, command: str, name: str) -> None:
        """A property does not belong to the scope."""
        self.error(f"{name}: {NO_PROPERTY_TYPE}")
        self.long_usage(command, usage.PROPERTY_TYPES)

    def wrong_resource(self, command: str, name: str) -> None:
        """A resource has no such list property."""
        self.error(f"{name}: {NO_RESOURCE_TYPE}")
        self.long_usage(command, usage.RESOURCE_TYPES + "\n")

    def _help_usage(self, command: str) -> None:
        self.run.out(
            "usage:\n" + usage.SHORT[command] + usage.DESCRIPTION[command] + HELP_TAIL.get(command, "")
        )

    def _syntax_error(self, fault: SyntaxFault) -> None:
        token = "\\n" if fault.token.text == "\n" else fault.token.text
        where = f" on line {self._lexer.line}" if self._file is not None else ""
        self.run.err(f"syntax error{where} at '{token}'\n")
        self.run.err("Commands:\n\n" + "".join(usage.SHORT[name] for name in usage.COMMANDS))
        self.failed = True

    def ask(self, question: str) -> bool | None:
        """Ask yes or no on the terminal, no is the default; None, an error, when nobody can be asked."""
        if not self._may_ask:
            self.failed = True
            return None
        while True:
            self.run.out(f"{question} (y/[n])? ")
            answer = b""
            while not answer.endswith(b"\n"):
                char = os.read(self.run.stdin, 1)
                if not char:
                    return None
                answer += char
            if answer[:1].lower() == b"y":
                return True
            if answer[:1].lower() in (b"n", b"\n"):
                return False

    # State ---------------------------------------------------------------------------------------

    @property
    def is_global(self) -> bool:
        """The session is about the global zone."""
        return self.zone == "global"

    @property
    def current(self) -> Configuration:
        """The loaded configuration; a command has made sure that there is one."""
        assert self.configuration is not None
        return self.configuration

    def _ready(self, expected: bool = True) -> bool:
        """Load the zone's configuration unless it is loaded; says why it cannot be."""
        if self.configuration is not None:
            return True
        try:
            self.configuration = self.store.load(self.zone)
        except NoSuchZoneError:
            if self.is_global and not self._loaded_once and not self._read_only:
                template = self.store.load_document("SUNWblank")
                self.configuration = Configuration.from_template(template, "global")
                self._loaded_once = self.unsaved = True
                return True
            self._load_failed(NO_ZONE, expected)
            if self._interactive and not self._loaded_once and not self._read_only:
                self._say_how_to_begin()
            return False
        except InvalidDocumentError as error:
            self._load_failed(INVALID_DOCUMENT, expected)
            if error.document is not None:
                # It has been read all the same, and further commands do not look at that again.
                self.configuration = Configuration(error.document)
            return False
        self._loaded_once = True
        brand = self.store.brand_of(self.configuration)
        if not self.is_global and brand not in self.store.brands():
            self.error(f'Zone {self.zone} uses non-existent brand "{brand}".  Unable to continue')
            raise ImmediateExit(1)
        if admins.update_from_rbac(self.store.root, self.configuration):
            self.say(
                "The administrative rights were updated to match the current RBAC configuration.\n"
                'Use "info admin" and "revert" to compare with the previous settings.'
            )
            self.unsaved = True
        return True

    def _load_again(self, name: str) -> str | None:
        """Read the configuration of `name` anew; why it cannot be used, if so."""
        try:
            self.configuration = self.store.load(name)
        except NoSuchZoneError:
            self.configuration = None
            problem = NO_ZONE
        except InvalidDocumentError as error:
            self.configuration = None if error.document is None else Configuration(error.document)
            problem = INVALID_DOCUMENT
        else:
            return None
        self._loaded_once = False
        return problem

    def _say_how_to_begin(self) -> None:
        self.run.out("Use 'create' to begin configuring a new zone.\n")

    def _load_failed(self, text: str, expected: bool) -> None:
        self.say(f"{self.zone}: {text}")
        if expected or self._loaded_once:
            self.failed = True

    def _refuse_edit(self, command: str) -> bool:
        if self.zone.startswith("SUNW"):
            self.error(f"{self.zone}: zones beginning with SUNW are read-only.")
            return True
        if self._read_only:
            self.error(f"{self.zone}: cannot {command} in read-only mode.")
            return True
        return False

    def _is_installed(self) -> bool:
        return self.store.state_at_least_installed(self.zone)

    def saved(self) -> None:
        """The configuration has been saved under its present name."""
        self.unsaved = False
        self._saved_name = self.zone

    # Options -------------------------------------------------------------------------------------

    def _options(
        self, command: Command, spec: str, synopsis_only: bool = False, takes_words: bool = False
    ) -> dict[str, str] | None:
        """The options of a command; None when they are wrong and the usage has been shown.

        Args:
            command: the command.
            spec: option letters, a colon after those with a value.
            synopsis_only: an unknown option is an error that shows the synopsis.
            takes_words: words that are no options are no error.
        """
        found: dict[str, str] = {}
        words = list(command.arguments)
        wrong = False
        while words and words[0].startswith("-") and len(words[0]) > 1:
            word = words.pop(0)
            if word == "--":
                break
            letters = word[1:]
            while letters:
                letter, letters = letters[0], letters[1:]
                problem = ""
                at = spec.find(letter)
                if at < 0 or letter == ":":
                    problem = "illegal option"
                elif spec[at + 1 : at + 2] != ":":
                    found[letter] = ""
                elif letters or words:
                    found[letter] = letters or words.pop(0)
                    letters = ""
                else:
                    problem = "option requires an argument"
                if problem:
                    wrong = True
                    if letter != "?" and self._options_reported:
                        self.run.err(f"{command.arguments[0]}: {problem} -- {letter}\n")
                    self._bad_option(command.name, letter, synopsis_only)
        if wrong:
            return None
        if words and not takes_words:
            self.short_usage(command.name)
            return None
        return found

    def _bad_option(self, command: str, letter: str, synopsis_only: bool) -> None:
        if synopsis_only and letter != "?":
            self.short_usage(command)
        else:
            self._help_usage(command)

    @property
    def saved_name(self) -> str:
        """The name under which the configuration was read or last saved."""
        return self._saved_name
