"""Work done by a thread that may change its own namespaces, since it ends with the work.

To return to the namespaces it came from a thread would need rights over them that root of a user namespace
has not got.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Work(Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.result: T
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:
            self.error = error


def in_thread(work: Callable[[], T]) -> T:
    """Call a function in a thread of its own; its result or exception is the caller's."""
    job = _Work(work)
    thread = threading.Thread(target=job.run, name="namespace")
    thread.start()
    thread.join()
    if job.error is not None:
        raise job.error
    return job.result
