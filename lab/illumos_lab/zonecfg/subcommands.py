"""All subcommands of zonecfg(8): those of `editing`, and those about the whole configuration."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable

from illumos_lab.zonecfg import admins, output, usage
from illumos_lab.zonecfg.editing import BAD_ZONE_STATE, Editor
from illumos_lab.zonecfg.grammar import Command
from illumos_lab.zonecfg.index import IndexUpdateError
from illumos_lab.zonecfg.model import Configuration
from illumos_lab.zonecfg.session import INVALID_DOCUMENT, NO_ZONE, ImmediateExit, absolute
from illumos_lab.zonecfg.store import NoSuchZoneError, ZoneStateError
from illumos_lab.zonecfg.verify import verify
from illumos_lab.zonecfg.xmlfile import InvalidDocumentError

_ZONENAME_MAX = 63


class Zonecfg(Editor):
    """A whole run of zonecfg."""

    def carry_out(self, command: Command) -> None:
        """Run one subcommand."""
        subcommands: dict[str, Callable[[Command], None]] = {
            "add": self._add,
            "cancel": self._cancel,
            "clear": self._clear,
            "commit": self._commit,
            "create": self._create,
            "delete": self._delete,
            "end": self._end,
            "exit": self._exit,
            "export": self._export,
            "help": self._help,
            "info": self._info,
            "remove": self._remove,
            "revert": self._revert,
            "select": self._select,
            "set": self._set,
            "verify": self._verify,
        }
        subcommands[command.name](command)

    def _help(self, command: Command) -> None:
        if not command.arguments:
            if self.scope is not None:
                self.run.out(usage.SCOPE_HELP[self.scope.resource] + usage.SCOPE_HELP_END)
            else:
                self.run.out(help_commands())
            return
        subject = command.arguments[0]
        topics: dict[str, Callable[[], str]] = {
            "commands": help_commands,
            "syntax": help_syntax,
            "usage": lambda: usage.INVOCATION,
            "-?": lambda: "usage:\n" + usage.SHORT["help"] + usage.DESCRIPTION["help"],
        }
        if subject in topics:
            self.run.out(topics[subject]())
        elif subject in usage.COMMANDS:
            self._help_usage(subject)
        else:
            self.run.err(
                f"Unknown help subject {subject}.  More help is available for the following:\n\n"
                "\tcommands ('help commands')\n\tsyntax ('help syntax')\n"
                "\tusage ('help usage')\n\n"
                "You may also obtain help on any command by typing 'help <command-name>.'\n"
            )

    def _create(self, command: Command) -> None:
        letters = "Fa:bt:X" if self.dialect.smartos else "Fa:bt:"
        options = self._options(command, letters, synopsis_only=True)
        if options is None or self._refuse_edit("create"):
            return
        # What is adopted may, and must, exist already.
        adopt = "X" in options
        if not adopt and not self._may_create("F" in options):
            return
        template = "SUNWdefault"
        for letter, value in options.items():
            if letter == "b":
                template = "SUNWblank"
            elif letter == "t":
                template = self.store.template_name(value)[:_ZONENAME_MAX]
            elif letter == "X":
                template = self.zone
        if "a" in options:
            made = self._from_detached(options["a"])
            if made is None:
                return
            self.configuration = made
        else:
            try:
                document = self.store.load_document(template)
            except NoSuchZoneError:
                self.error(f"{template}: {NO_ZONE}")
                return
            except InvalidDocumentError:
                self.error(f"{template}: {INVALID_DOCUMENT}")
                return
            self.configuration = Configuration.from_template(document, self.zone)
        if self.dialect.smartos:
            self.configuration.uuid = str(uuid.uuid4())
        self._loaded_once = True
        self.unsaved = True

    def _may_create(self, force: bool) -> bool:
        try:
            self.store.load_document(self.zone)
        except (NoSuchZoneError, InvalidDocumentError):
            return True
        if self._is_installed():
            self.say(f"Zone {self.zone} already installed; create not allowed.")
            return False
        if force:
            self.run.out(f"Zone {self.zone} already exists; overwriting.\n")
            return True
        answer = self.ask(f"Zone {self.zone} already exists; create anyway")
        if answer is None:
            self.say(
                "Zone exists, input not from terminal and -F not specified:\n"
                "create command ignored, exiting."
            )
            raise ImmediateExit(1)
        return answer

    def _from_detached(self, zonepath: str) -> Configuration | None:
        try:
            document = self.store.load_detached(zonepath)
        except NoSuchZoneError:
            self.run.err("invalid path to detached zone\n")
            return None
        except InvalidDocumentError:
            self.run.err("Cannot attach to an earlier release of the operating system\n")
            return None
        made = Configuration.from_template(document, self.zone)
        made.root.attributes["zonepath"] = zonepath
        return made

    def _delete(self, command: Command) -> None:
        options = self._options(command, "F")
        if options is None or self._refuse_edit("delete"):
            return
        force = "F" in options
        if not force:
            if not self._ready():
                return
            answer = self.ask(f"Are you sure you want to delete zone {self.zone}")
            if answer is None:
                self.say("Input not from terminal and -F not specified:\ndelete command ignored, exiting.")
                raise ImmediateExit(1)
            if not answer:
                return
        if self._ready():
            admins.deauthorize(self.store.root, self.current)
        try:
            self.store.destroy(self.zone, force)
        except NoSuchZoneError:
            self.error(f"{self.zone}: {NO_ZONE}")
        except ZoneStateError:
            if force:
                self.error(f"{self.zone}: {BAD_ZONE_STATE}")
            else:
                self.say(
                    f"Zone {self.zone} not in configured state; delete not allowed.  "
                    "Use -F to force delete."
                )
        except IndexUpdateError:
            self.error(f"{self.zone}: Problem updating index file")
        self.unsaved = False
        if force and self.configuration is None and self._interactive:
            self._say_how_to_begin()
        if self._loaded_once:
            problem = self._load_again(self.zone)
            if problem not in (None, NO_ZONE):
                self.error(f"{self.zone}: {problem}")

    def _revert(self, command: Command) -> None:
        options = self._options(command, "F")
        if options is None or self._refuse_edit("revert"):
            return
        if self.scope is not None:
            self.error(
                "You can only use revert in the global scope.\n"
                "Use 'cancel' to cancel changes to a resource specification."
            )
            return
        if self.configuration is None:
            self.error("No changes to revert.")
            return
        if "F" not in options:
            answer = self.ask("Are you sure you want to revert")
            if answer is None:
                self.say("Input not from terminal and -F not specified:\nrevert command ignored, exiting.")
                raise ImmediateExit(1)
            if not answer:
                return
        problem = self._load_again(self._saved_name)
        if problem == NO_ZONE:
            self.error(f"{self._saved_name}: no such saved zone to revert to.")
        elif problem is not None:
            self.error(f"{self.zone}: {problem}")
        # What is read is saved once more at the end.
        self.zone = self._saved_name

    def _commit(self, command: Command) -> None:
        if self._options(command, "") is not None and not self._refuse_edit("commit"):
            self._check(save=True)

    def _verify(self, command: Command) -> None:
        if self._options(command, "", takes_words=True) is None or self._refuse_edit("verify"):
            return
        # Of words, only the one that commit is made of has a meaning.
        self._check(save=command.arguments == ["save"])

    def _check(self, save: bool) -> None:
        if self._ready():
            verify(self, save)

    def _exit(self, command: Command) -> None:
        options = self._options(command, "F")
        if options is None:
            return
        self._forced = self._forced or "F" in options
        if self.scope is None or self._forced:
            self._leaving = True
            return
        answer = self.ask("Resource incomplete; really quit")
        if answer is None:
            self.say(
                "Resource incomplete, input not from terminal and -F not specified:\n"
                "exit command ignored, but exiting anyway."
            )
            raise ImmediateExit(1)
        self._leaving = self._leaving or answer

    def _export(self, command: Command) -> None:
        options = self._options(command, "f:", synopsis_only=True)
        if options is None:
            return
        if not options.get("f"):
            if self._ready():
                self.run.out(output.export(self))
            return
        path = self.host.path(self.run.zone, absolute(self.run, options["f"]))
        try:
            with self.run.open(options["f"], path, "wb") as file:
                if self._ready():
                    file.write(output.export(self).encode("utf-8", "surrogateescape"))
        except OSError as error:
            self.say(f"opening file {options['f']}: {os.strerror(error.errno or 0)}")

    def _info(self, command: Command) -> None:
        if not self._ready():
            return
        if self.scope is not None:
            self.run.out(output.scope(self, self.scope))
            return
        pager = self.run.env.get("PAGER")
        if pager and self._interactive and not self.host.path(self.run.zone, pager).exists():
            self.run.err(f"PAGER {pager} does not exist (No such file or directory).\n")
        output.info(self, command)

    def _end(self, command: Command) -> None:
        if self._options(command, "") is None:
            return
        if self.scope is None:
            self.error("The end command only makes sense in the resource scope.")
            return
        if self.scope.end():
            self.scope = None
            self.unsaved = True

    def _cancel(self, command: Command) -> None:
        if self._options(command, "") is None:
            return
        if self.scope is None:
            self.error("The cancel command only makes sense in the resource scope.")
            return
        self.scope = None


def help_commands() -> str:
    """The help text on all subcommands."""
    blocks = (usage.SHORT[n] + usage.DESCRIPTION[n] + "\n" for n in usage.COMMANDS)
    return "Commands:\n\n" + "".join(blocks)


def help_syntax() -> str:
    """The help text on names and properties."""
    return f"{usage.ZONE_SYNTAX}\n{usage.RESOURCE_TYPES}\n{usage.PROPERTY_TYPES}"


def main_usage() -> str:
    """The help text of the whole program."""
    return usage.INVOCATION + help_commands()
