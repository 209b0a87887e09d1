"""One call of a program whose first word is a subcommand: what dladm, flowadm and ipadm have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from illumos_lab.getopt import MissingValueError, Options, UnknownOptionError, getopt
from illumos_lab.host import Host
from illumos_lab.invocation import Invocation
from illumos_lab.ofmt import Field, OfmtError, Output


class Fatal(Exception):
    """The command ends with exit status 1; the text is its message after the program's name."""


@dataclass
class SubcommandCall:
    """A subcommand as it was called.

    Attributes:
        host: the machine.
        run: the caller.
        subcommand: the word after the program's name.
        argv: what follows that.
        synopsis: arguments of the subcommand, for usage errors.
    """

    host: Host
    run: Invocation
    subcommand: str
    argv: list[str]
    synopsis: str

    @property
    def usage_text(self) -> str:
        """The synopsis as usage errors end with it."""
        return self.synopsis

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.run.err(f"{self.run.name}: warning: {text}\n")

    def read_options(self, letters: str, long: Mapping[str, str]) -> Options:
        """Read the options; a long name whose letter the subcommand does not know is none.

        Raises:
            Fatal: unknown or incomplete options.
        """
        names = {name: letter for name, letter in long.items() if letter in letters}
        try:
            return Options(*getopt(self.argv, letters, names))
        except MissingValueError as error:
            raise Fatal(f"option '{error}' requires a value\nusage: {self.usage_text}") from error
        except UnknownOptionError as error:
            raise Fatal(f"unrecognized option '{error}'\nusage: {self.usage_text}") from error

    def output(
        self,
        columns: Sequence[Field],
        options: Options,
        *,
        parseable: str = "p",
        default: Sequence[str] | None = None,
        wrap: bool = False,
        right: bool = False,
    ) -> Output:
        """Open the listing that the options ask for.

        Raises:
            Fatal: the fields asked for are not known, or must be named.
        """
        try:
            return Output(
                self.run,
                columns,
                options.get("o"),
                parseable=parseable in options,
                warn=self.warn,
                default=default,
                wrap=wrap,
                right=right,
            )
        except OfmtError as error:
            raise Fatal(str(error)) from error
