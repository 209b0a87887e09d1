"""svc.startd of one running zone: it brings every instance to the state that it should have.

Every event (an instance enabled, a method ended, a daemon died) makes the restarter look at all instances
again, until nothing more can be done at once. Methods run in threads of their own; in the meantime the
instance is in transition and left alone.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from illumos_lab.service import HOPELESS, Context, Daemon, Dependency, Method, MethodError, Service
from illumos_lab.smf import fmri as names
from illumos_lab.smf.repository import Properties, Property, Repository

if TYPE_CHECKING:
    from illumos_lab.host import Host

UP = frozenset({"online", "degraded"})
START_TRIES = 3
"""A start or refresh method that fails is tried this often."""

QUICK_DEATH = 2.0
"""A daemon that lives for fewer seconds than this counts as failing."""

_TRIGGERS = {"restart": {"restart", "refresh"}, "refresh": {"refresh"}}
"""Values of a dependency's restart_on that react, by what happened."""

ALL, NONE = "all", "none"
"""Milestones that are no services."""

RESTARTER = "svc:/system/svc/restarter:default"
_MILESTONE = "options/milestone"

_FILE = "file://localhost"
_POLL = 0.1
_KILL_AFTER = 5.0


@dataclass(eq=False)
class Instance:
    """An instance and its state.

    Attributes:
        service: its definition.
        state, next_state: as svcs shows them; ``none`` when stable.
        since: when the state was entered, in seconds since the epoch.
        temporary: enabled or disabled until reboot; None when the repository decides.
        process: its daemon.
        running: properties of the running snapshot.
        reason: why it is in maintenance, for ``svcs -x``.
        restart, refresh, clear: requests that wait to be served.
        mark: state asked for by ``svcadm mark``.
        dying: how many times in a row its daemon died at once.
    """

    service: Service
    state: str = "uninitialized"
    next_state: str = "none"
    since: float = field(default_factory=time.time)
    temporary: bool | None = None
    process: Daemon | None = None
    running: Properties = field(default_factory=dict)
    reason: str = ""
    restart: bool = False
    refresh: bool = False
    clear: bool = False
    mark: str = ""
    dying: int = 0

    @property
    def fmri(self) -> str:
        return self.service.fmri

    @property
    def busy(self) -> bool:
        """A method is running."""
        return self.next_state != "none"


class Restarter:
    """The running services of one zone.

    Args:
        host: the machine.
        zone: the zone's name.
        repository: its repository.
        services: the instances that are delivered there.
        milestone: how far to go at boot, see `set_milestone`; empty for what the repository says.
    """

    def __init__(
        self,
        host: Host,
        zone: str,
        repository: Repository,
        services: Iterable[Service],
        milestone: str = "",
    ) -> None:
        self.zone = zone
        self.repository = repository
        self.instances: dict[str, Instance] = {}
        self.legacy: dict[str, float] = {}
        self.changed = threading.Condition()
        self._host = host
        self._closed = False
        self._named: dict[str, list[Instance]] = {}
        self._log_directory = host.path(zone, "/var/svc/log")
        self._log_directory.mkdir(parents=True, exist_ok=True)
        for service in services:
            self._add(service)
        self.milestone = milestone or self._default_milestone()
        self._within = self._reached_by(self.milestone)

    # What others ask ---------------------------------------------------------------------------
    def begin(self) -> None:
        """Start everything that is enabled; returns at once."""
        with self.changed:
            self._settle()

    def close(self) -> list[Daemon]:
        """Stop looking after the services; gives the daemons that still run."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
            return [item.process for item in self.instances.values() if item.process is not None]

    @property
    def closed(self) -> bool:
        """The zone is down."""
        return self._closed

    def add(self, service: Service) -> None:
        """Take up a service that a package has just delivered."""
        with self.changed:
            if service.fmri not in self.instances:
                self._add(service)
                self._settle()

    def remove(self, fmri: str) -> None:
        """Stop a service that a package takes away, and forget it and all that was set on it."""
        with self.changed:
            if fmri not in self.instances:
                return
            self.set_enabled(fmri, False, temporary=True)
            instance = self.instances[fmri]
            self.wait(lambda: instance.state == "disabled" and not instance.busy)
            del self.instances[fmri]
            self._named.clear()

    def redefine(self, service: Service) -> None:
        """Take up a service, or its new definition; what it ran with stays until it is refreshed."""
        with self.changed:
            instance = self.instances.get(service.fmri)
            if instance is None:
                self._add(service)
            else:
                instance.service = service
            self._settle()

    def set_milestone(self, milestone: str, *, persistent: bool = False) -> None:
        """Let only those services run that a milestone needs; returns before anything has happened.

        Args:
            milestone: FMRI of an instance, ``all`` or ``none``.
            persistent: so it shall be at every boot.
        """
        with self.changed:
            if persistent:
                own = self.repository.properties.setdefault(RESTARTER, {})
                own[_MILESTONE] = Property("astring", (milestone,))
                self.repository.save()
            self.milestone = milestone
            self._within = self._reached_by(milestone)
            for instance in self.instances.values():
                if instance.temporary and self._is_left_out(instance):
                    instance.temporary = None
            self._settle()

    def shut_down(self) -> None:
        """Stop all services as at the end of a zone, dependents first; returns when they are down."""
        self.set_milestone(NONE)
        self.wait(lambda: not any(each.state in UP or each.busy for each in self.instances.values()))

    def is_temporary(self, instance: Instance) -> bool:
        """Whether it runs, or does not, only until the next boot."""
        return instance.temporary is not None or self._is_left_out(instance)

    def _is_left_out(self, instance: Instance) -> bool:
        return self._within is not None and instance.fmri not in self._within

    def _default_milestone(self) -> str:
        found = self.repository.properties.get(RESTARTER, {}).get(_MILESTONE)
        return found.values[0] if found else ALL

    def _reached_by(self, milestone: str) -> frozenset[str] | None:
        """The instances that a milestone needs, itself included; None for all that there are."""
        if milestone == ALL:
            return None
        reached: set[str] = set()
        waiting = [] if milestone == NONE else [milestone]
        while waiting:
            fmri = waiting.pop()
            if fmri in reached or fmri not in self.instances:
                continue
            reached.add(fmri)
            for dependency in self.instances[fmri].service.dependencies:
                if dependency.grouping != "exclude_all":
                    waiting += [each.fmri for wanted in dependency.fmris for each in self.named(wanted)]
        return frozenset(reached)

    def is_enabled(self, instance: Instance) -> bool:
        """Whether it should run: by a temporary decision, by the milestone, else by the repository."""
        if instance.temporary is not None:
            return instance.temporary
        if self._is_left_out(instance):
            return False
        return self.repository.enabled.get(instance.fmri, instance.service.enabled)

    def set_enabled(self, fmri: str, enabled: bool, *, temporary: bool = False, comment: str = "") -> None:
        """Ask for an instance to run or not; returns before anything has happened."""
        with self.changed:
            instance = self.instances[fmri]
            was = self.is_enabled(instance)
            instance.temporary = enabled if temporary else None
            if not temporary:
                self.repository.enabled[fmri] = enabled
                self.repository.comments.pop(fmri, None)
                if comment:
                    self.repository.comments[fmri] = comment
                self.repository.save()
            if was != enabled:
                self._log(instance, "Enabled." if enabled else "Disabled.")
            self._settle()

    def request(self, fmri: str, *, restart: bool = False, refresh: bool = False) -> None:
        """Ask for a restart or refresh; nothing happens to an instance that is not online."""
        with self.changed:
            instance = self.instances[fmri]
            if refresh:
                instance.running = self.composed(fmri)
            if instance.state in UP or instance.busy:
                instance.restart |= restart
                instance.refresh |= refresh
            self._settle()

    def clear(self, fmri: str) -> bool:
        """Ask for an instance to leave maintenance or degraded; False when it is in neither."""
        with self.changed:
            instance = self.instances[fmri]
            if instance.state not in ("maintenance", "degraded"):
                return False
            instance.clear = True
            self._settle()
            return True

    def mark(self, fmri: str, state: str, *, temporary: bool) -> None:
        """Put an instance into maintenance, or an online one into degraded, as administrators may."""
        with self.changed:
            instance = self.instances[fmri]
            instance.mark = state
            instance.reason = "Temporarily disabled by an administrator." if temporary else ""
            self._settle()

    def wait(self, done: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait until a condition on the instances holds or the zone goes down."""
        with self.changed:
            return self.changed.wait_for(lambda: self._closed or done(), timeout)

    def satisfied(self, instance: Instance) -> bool | None:
        """Whether the dependencies hold; None when they may yet come to hold without being asked."""
        answers = [self._dependency(each) for each in instance.service.dependencies]
        if False in answers:
            return False
        return None if None in answers else True

    def named(self, fmri: str) -> list[Instance]:
        """The instances that a dependency names."""
        if fmri not in self._named:
            found = names.match(fmri, self.instances)
            self._named[fmri] = [self.instances[each] for each in found]
        return self._named[fmri]

    def has_file(self, fmri: str) -> bool:
        """Whether the file of a dependency on a path is there."""
        return self._host.path(self.zone, fmri.removeprefix(_FILE)).exists()

    def composed(self, fmri: str) -> Properties:
        """All properties of an instance: its own over its service's over the delivered ones."""
        service = self.instances[fmri].service
        properties: Properties = {
            "general/enabled": Property(
                "boolean",
                (str(self.repository.enabled.get(fmri, service.enabled)).lower(),),
            )
        }
        for name, (kind, value) in service.properties.items():
            properties[name] = Property(kind, (value,))
        for entity in (names.split(fmri)[0], fmri):
            properties |= self.repository.properties.get(entity, {})
        return properties

    def live(self, instance: Instance) -> Properties:
        """Properties that the restarter itself keeps."""
        seconds = f"{instance.since:.9f}"
        logfile = f"/var/svc/log/{names.log_name(instance.fmri)}"
        return {
            "restarter/logfile": Property("astring", (logfile,)),
            "restarter/next_state": Property("astring", (instance.next_state,)),
            "restarter/state": Property("astring", (instance.state,)),
            "restarter/state_timestamp": Property("time", (seconds,)),
        }

    # The machine -------------------------------------------------------------------------------
    def _add(self, service: Service) -> None:
        instance = Instance(service)
        self._named.clear()
        self.instances[service.fmri] = instance
        instance.running = self.composed(service.fmri)

    def _settle(self) -> None:
        progress = True
        while progress and not self._closed:
            progress = False
            for instance in self.instances.values():
                if not instance.busy:
                    progress |= self._step(instance)
        self.changed.notify_all()

    def _step(self, instance: Instance) -> bool:
        """Do the next thing for one instance; False when there is nothing to do."""
        wanted = self.is_enabled(instance)
        if instance.mark:
            return self._step_mark(instance)
        match instance.state:
            case "uninitialized":
                self._enter(instance, "offline" if wanted else "disabled")
            case "disabled" if wanted:
                self._enter(instance, "offline")
            case "offline" | "maintenance" if not wanted:
                self._enter(instance, "disabled")
            case "maintenance" if instance.clear:
                self._log(instance, "Leaving maintenance because clear requested.")
                self._enter(instance, "offline")
            case "offline" if self.satisfied(instance):
                self._start(instance)
            case "degraded" if instance.clear and wanted:
                self._enter(instance, "online")
            case "online" | "degraded" if not wanted:
                if self._is_left_out(instance) and self._is_needed(instance):
                    return False
                self._stop(instance, "service disabled")
            case "online" | "degraded" if instance.restart:
                self._stop(instance, "service restarting")
            case "online" | "degraded" if instance.refresh:
                self._refresh(instance)
            case _:
                return False
        return True

    def _is_needed(self, instance: Instance) -> bool:
        """Whether what depends on it still has to stop before it, on the way down to a milestone."""
        return any(
            (other.state in UP or other.busy)
            and other is not instance
            and self._is_left_out(other)
            and not self.is_enabled(other)
            and any(
                instance in self.named(wanted)
                for dependency in other.service.dependencies
                if dependency.grouping != "exclude_all"
                for wanted in dependency.fmris
            )
            for other in self.instances.values()
        )

    def _step_mark(self, instance: Instance) -> bool:
        state, instance.mark = instance.mark, ""
        if state == "degraded" and instance.state != "online":
            return False
        if state == "maintenance" and instance.state in UP:
            self._stop(instance, "maintenance requested", then="maintenance")
        else:
            self._enter(instance, state)
        return True

    def _enter(self, instance: Instance, state: str) -> None:
        was = instance.state
        instance.state, instance.next_state = state, "none"
        instance.since = time.time()
        instance.clear = False
        if state not in UP:
            instance.refresh = instance.restart = False
        if was in UP and state not in UP:
            self._tell_dependents(instance, "restart")

    def _tell_dependents(self, instance: Instance, event: str) -> None:
        """Restart what asked to be restarted with this instance."""
        for other in self.instances.values():
            for dependency in other.service.dependencies:
                if dependency.restart_on in _TRIGGERS[event] and any(
                    instance in self.named(wanted) for wanted in dependency.fmris
                ):
                    other.restart |= other.state in UP

    def _dependency(self, dependency: Dependency) -> bool | None:
        answers: list[bool | None] = []
        for wanted in dependency.fmris:
            if wanted.startswith(_FILE):
                answers.append(self.has_file(wanted))
                continue
            answers.append(self._service_dependency(dependency.grouping, self.named(wanted)))
        if dependency.grouping != "require_any":
            return False if False in answers else None if None in answers else True
        return True if True in answers else None if None in answers else False

    def _service_dependency(self, grouping: str, found: list[Instance]) -> bool | None:
        up = any(each.state in UP and not each.busy for each in found)
        coming = any(
            self.is_enabled(each) and (each.busy or each.state in ("offline", "uninitialized"))
            for each in found
        )
        if grouping == "exclude_all":
            return not any(self.is_enabled(each) for each in found)
        if grouping == "optional_all":
            # A dependency that is not installed, disabled, broken or itself held up does not count.
            waiting = [each for each in found if self.is_enabled(each) and each.state not in UP]
            held = all(
                each.state == "maintenance" or (not each.busy and self.satisfied(each) is False)
                for each in waiting
            )
            return True if up or held else None
        if up:
            return True
        if not coming:
            return False
        blocked = all(not each.busy and self.satisfied(each) is False for each in found)
        return False if blocked else None

    # Methods -----------------------------------------------------------------------------------
    def _start(self, instance: Instance) -> None:
        service = instance.service
        if service.start is None:
            self._enter(instance, "online")
            return
        instance.next_state = "online"
        # What was asked for before it starts is served by the start.
        instance.restart = instance.refresh = False
        self._in_thread(instance, "start", f'("{service.exec}")', service.start, "online")

    def _stop(self, instance: Instance, why: str, then: str = "offline") -> None:
        service, process = instance.service, instance.process
        self._log(instance, f"Stopping because {why}.")
        if service.stop is None and process is None:
            self._enter(instance, then)
            return
        instance.next_state = "offline"
        instance.process = None

        def stop(context: Context) -> None:
            if service.stop is not None:
                service.stop(context)
            if process is not None:
                kill(process)

        self._in_thread(instance, "stop", "(:kill)" if service.stop is None else '("stop")', stop, then)

    def _refresh(self, instance: Instance) -> None:
        instance.refresh = False
        self._log(instance, "Rereading configuration.")
        if instance.service.refresh is None:
            self._log(instance, "No 'refresh' method defined.  Treating as :true.")
            return
        instance.next_state = instance.state
        self._in_thread(instance, "refresh", '("refresh")', instance.service.refresh, "online")

    def _in_thread(self, instance: Instance, kind: str, title: str, method: Method, then: str) -> None:
        """Run a method; the title is what the log calls it."""
        executing = f"Executing {kind} method {title}."
        self._log(instance, executing)

        def work() -> None:
            context = self._context(instance)
            # A method that ends wrongly is tried again, unless its status says that this is in vain.
            tries = 1 if kind == "stop" else START_TRIES
            for attempt in range(tries):
                status = self._try(context, method)
                if status == 0 or status in HOPELESS or self._closed:
                    break
                if attempt < tries - 1:
                    self._log(instance, f'Method "{kind}" exited with status {status}.')
                    time.sleep(0.1 * self._host.time_scale)
                    self._log(instance, executing)
            with self.changed:
                self._method_ended(instance, kind, context, status, then)

        name = f"{self.zone} {instance.fmri} {kind}"
        threading.Thread(target=work, name=name, daemon=True).start()

    def _try(self, context: Context, method: Method) -> int:
        try:
            method(context)
        except MethodError as error:
            context.note(error.output)
            return error.status
        except Exception as error:
            if not self._closed:
                context.note(f"{type(error).__name__}: {error}")
            return 1
        return 0

    def _method_ended(
        self, instance: Instance, kind: str, context: Context, status: int, then: str
    ) -> None:
        if self._closed:
            if context.process is not None:
                kill(context.process)
            return
        self._log(instance, f'Method "{kind}" exited with status {status}.')
        if status == 0 or kind == "stop":
            self._enter(instance, then)
            if context.process is not None:
                instance.process = context.process
                self._watch(instance, context.process)
            if kind == "refresh":
                self._tell_dependents(instance, "refresh")
        else:
            # The daemons of a failed refresh are left running, outside of the service.
            instance.process = None
            instance.reason = (
                f"Start method exited with $SMF_EXIT_ERR_CONFIG ({status})."
                if status in HOPELESS
                else f"Start method failed repeatedly, last exited with status {status}."
            )
            self._enter(instance, "maintenance")
        self._settle()

    def _context(self, instance: Instance) -> Context:
        def get(name: str) -> str | None:
            found = instance.running.get(name)
            return " ".join(found.values) if found else None

        def put(name: str, kind: str, value: str) -> None:
            with self.changed:
                own = self.repository.properties.setdefault(instance.fmri, {})
                own[name] = instance.running[name] = Property(kind, (value,))
                self.repository.save()

        def legacy(script: str) -> None:
            with self.changed:
                self.legacy["lrc:" + script.replace(".", "_", 1)] = time.time()

        log = self._log_directory / names.log_name(instance.fmri)
        context = Context(self._host, self.zone, instance.fmri, log, get, put, legacy)
        context.daemon = instance.process
        return context

    def _watch(self, instance: Instance, process: Daemon) -> None:
        """Restart a service whose daemon ends by itself; give up when it ends at once, repeatedly."""
        born = time.monotonic()

        def work() -> None:
            while process.poll() is None:
                if self._closed:
                    return
                if instance.process is not process:
                    # It has been stopped, or left running; its zone cannot end before it is waited for.
                    process.wait()
                    return
                time.sleep(_POLL)
            with self.changed:
                # A refresh may be about to put another process in its place.
                self.changed.wait_for(lambda: self._closed or not instance.busy)
                if self._closed or instance.process is not process:
                    return
                instance.process = None
                quick = time.monotonic() - born < QUICK_DEATH
                instance.dying = instance.dying + 1 if quick else 0
                self._log(instance, "Stopping because all processes in service exited.")
                if instance.dying >= START_TRIES:
                    instance.dying = 0
                    instance.reason = "Restarting too quickly."
                    self._log(instance, "Restarting too quickly, changing state to maintenance.")
                    self._enter(instance, "maintenance")
                else:
                    self._enter(instance, "offline")
                self._settle()

        name = f"{self.zone} {instance.fmri} watch"
        threading.Thread(target=work, name=name, daemon=True).start()

    def _log(self, instance: Instance, text: str) -> None:
        stamp = time.strftime("%b %e %H:%M:%S")
        with contextlib.suppress(FileNotFoundError):
            log = self._log_directory / names.log_name(instance.fmri)
            with log.open("a") as file:
                file.write(f"[ {stamp} {text} ]\n")


def kill(process: Daemon) -> None:
    """End a daemon: gently, then by force."""
    process.terminate()
    until = time.monotonic() + _KILL_AFTER
    while process.poll() is None:
        if time.monotonic() > until:
            process.kill()
            process.wait()
            return
        time.sleep(0.02)
