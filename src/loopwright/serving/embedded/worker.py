"""The thread that computes: takes newcomers in between steps, and lets the weights go when idle."""

from __future__ import annotations

import ctypes
import gc
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch

from loopwright.errors import LoopwrightError
from loopwright.models.imprint import Imprint
from loopwright.serving.embedded.generation import Generation, Piece
from loopwright.serving.embedded.lane import Lane
from loopwright.serving.embedded.loading import Loaded
from loopwright.serving.embedded.refusals import (
    MEMORY_BOUND,
    RefusalError,
    defect,
    too_large,
    unavailable,
)

_log = logging.getLogger(__name__)

News = list[tuple[Generation, Piece]]


class Clock(Protocol):
    """Seconds that only go forward."""

    def __call__(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the worker may take."""

    max_batch: int
    memory_bytes: int | None
    idle_seconds: float | None


class Worker(threading.Thread):
    """Makes texts with one base and its adapters. Other threads call its public methods only."""

    def __init__(
        self,
        load: Callable[[], Loaded],
        base: str,
        bounds: Bounds,
        deliver: Callable[[News], None],
        *,
        monotonic: Clock = time.monotonic,
    ) -> None:
        """`base` is the label of the weights themselves; `deliver` is called in this thread."""
        super().__init__(name="compute", daemon=True)
        self._load, self._base, self._bounds, self._deliver = load, base, bounds, deliver
        self._monotonic = monotonic
        self._wake = threading.Condition()
        self._newcomers: deque[Generation] = deque()
        self._asked: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._adapters: dict[str, tuple[Path, Imprint]] = {}
        self._leaving: set[str] = set()
        self._broken: dict[str, str] = {}
        self._lanes: dict[str, Lane] = {}
        self._loaded: Loaded | None = None
        self._used_at = monotonic()
        self._is_closing = False
        self.tokens = 0
        """Generated since the process began."""

    # Asked by other threads.

    @property
    def waiting(self) -> int:
        return len(self._newcomers)

    @property
    def running(self) -> int:
        return sum(len(lane.generations) for lane in list(self._lanes.values()))

    @property
    def is_loaded(self) -> bool:
        return self._loaded is not None

    @property
    def memory(self) -> int:
        """Bytes of weights and caches."""
        loaded = self._loaded
        return (loaded.held_bytes if loaded else 0) + self._held()

    def submit(self, generations: Sequence[Generation]) -> None:
        with self._wake:
            self._newcomers.extend(generations)
            self._wake.notify()

    def cancel(self, generations: Sequence[Generation]) -> None:
        for each in generations:
            each.is_cancelled = True
        with self._wake:
            self._wake.notify()

    def ready(self) -> Future[None]:
        """Done when the weights are in memory; holds the error when they do not load."""
        return self._do(self._need)

    def add(self, label: str, folder: Path, imprint: Imprint | None = None) -> Future[None]:
        """Put an adapter on the base, without disturbing what runs."""
        return self._do(lambda: self._add(label, folder, imprint or Imprint()))

    def remove(self, label: str) -> Future[None]:
        """Forget an adapter once nothing runs on it."""
        return self._do(lambda: self._leaving.add(label))

    def close(self) -> None:
        """End the thread after the step that runs."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()

    # The thread's own.

    def run(self) -> None:
        with torch.inference_mode():
            while self._wait():
                try:
                    self._round()
                except Exception as error:  # a thread that died would leave everybody waiting
                    _log.exception("the runtime failed between two steps")
                    self._give_up(defect(type(error).__name__))

    def _round(self) -> None:
        """One step for everybody, and what is due before and after it."""
        self._do_asked()
        news: News = []
        self._take_in(news)
        for label, lane in list(self._lanes.items()):
            if lane.generations:
                self._work(label, Lane.step, news)
        self._let_caches_go()
        self._let_adapters_go()
        if news:
            self._deliver(news)
        self._let_weights_go()

    def _give_up(self, refusal: RefusalError) -> None:
        """Refuse all that waits or runs, and begin anew."""
        everybody = [each for lane in self._lanes.values() for each in lane.generations]
        while self._newcomers:
            everybody.append(self._newcomers.popleft())
        self._lanes.clear()
        self._deliver([(each, Piece(error=refusal)) for each in everybody])

    def _wait(self) -> bool:
        """Wait for something to do; whether to go on."""
        with self._wake:
            while not (self._newcomers or self._asked or self._is_closing or self.running):
                left = self._idle_left()
                if left is not None and left <= 0:
                    break
                self._wake.wait(left)
            return not self._is_closing

    def _do(self, work: Callable[[], Any]) -> Future[Any]:
        done: Future[Any] = Future()
        with self._wake:
            self._asked.append((work, done))
            self._wake.notify()
        return done

    def _do_asked(self) -> None:
        while self._asked:
            work, done = self._asked.popleft()
            try:
                done.set_result(work())
            except Exception as error:
                done.set_exception(error)

    def _need(self) -> Loaded:
        """The weights, loaded if they are not. Raises LoopwrightError."""
        self._used_at = self._monotonic()
        if self._loaded is None:
            loaded = self._load()
            self._broken.clear()
            for label, (folder, imprint) in self._adapters.items():
                try:
                    imprint.check(folder)
                    loaded.adapters.add(label, folder)
                except LoopwrightError as error:  # its files changed while the weights were away
                    self._broken[label] = error.message
            self._loaded = loaded
        return self._loaded

    def _add(self, label: str, folder: Path, imprint: Imprint) -> None:
        self._leaving.discard(label)
        loaded = self._need()
        if self._adapters.get(label) == (folder, imprint) and label not in self._broken:
            return
        imprint.check(folder)
        loaded.adapters.remove(label)
        loaded.adapters.add(label, folder)
        self._adapters[label] = (folder, imprint)
        self._broken.pop(label, None)

    def _take_in(self, news: News) -> None:
        """Let in who fits, in the order of coming."""
        groups: dict[str, list[Generation]] = {}
        room = self._bounds.max_batch - self.running
        while self._newcomers and room > 0:
            first = self._newcomers[0]
            if not first.is_cancelled:
                refusal = self._refusal(first, groups)
                if refusal is None:
                    groups.setdefault(first.order.label, []).append(first)
                    room -= 1
                elif refusal.code == MEMORY_BOUND and (self.running or groups):
                    break  # waits until others have made room
                else:
                    news.append((first, Piece(error=refusal)))
            self._newcomers.popleft()
        for label, group in groups.items():
            self._work(label, partial(Lane.join, newcomers=group), news, group)

    def _refusal(
        self, newcomer: Generation, groups: dict[str, list[Generation]]
    ) -> RefusalError | None:
        """Why it cannot be taken in now."""
        try:
            loaded = self._need()
        except LoopwrightError as error:
            return unavailable(error.message)
        if newcomer.order.label in self._broken:
            return unavailable(self._broken[newcomer.order.label])
        if self._bounds.memory_bytes is None:
            return None
        label = newcomer.order.label
        lane = self._lane(label, loaded)
        needed = lane.bytes_with([*groups.get(label, ()), newcomer])
        others = sum(
            other.bytes_with(groups.get(name, ())) if other.generations or name in groups else 0
            for name, other in self._lanes.items() if name != label
        )  # fmt: skip
        free = self._bounds.memory_bytes - loaded.held_bytes - others
        return None if needed <= free else too_large(needed, max(free, 0))

    def _lane(self, label: str, loaded: Loaded) -> Lane:
        if label not in self._lanes:
            self._lanes[label] = Lane(loaded.rows(self._bounds.max_batch))
        return self._lanes[label]

    def _work(
        self,
        label: str,
        work: Callable[[Lane], Any],
        news: News,
        newcomers: Sequence[Generation] = (),
    ) -> None:
        """Bring one lane on; if the model fails, only who is in that lane hears of it."""
        loaded = self._need()
        lane = self._lane(label, loaded)
        try:
            loaded.adapters.use(None if label == self._base else label)
            made = lane.made
            news.extend(work(lane))
            self.tokens += lane.made - made
        except Exception as error:
            _log.exception("the model failed at a step")
            failed = {id(each): each for each in (*lane.generations, *newcomers)}
            refusal = defect(type(error).__name__)
            news.extend((each, Piece(error=refusal)) for each in failed.values())
            del self._lanes[label]
        self._used_at = self._monotonic()

    def _let_caches_go(self) -> None:
        """Within a bound, what a model that rests has set up is needed by others."""
        if self._bounds.memory_bytes is not None:
            for label in [label for label, lane in self._lanes.items() if not lane.generations]:
                del self._lanes[label]

    def _let_adapters_go(self) -> None:
        for label in list(self._leaving):
            lane = self._lanes.get(label)
            waits = any(each.order.label == label for each in list(self._newcomers))
            if waits or (lane is not None and lane.generations):
                continue
            self._leaving.discard(label)
            self._lanes.pop(label, None)
            if self._adapters.pop(label, None) and self._loaded is not None:
                self._loaded.adapters.remove(label)

    def _idle_left(self) -> float | None:
        """Seconds until the weights go; None when they stay."""
        if self._bounds.idle_seconds is None or self._loaded is None:
            return None
        return self._used_at + self._bounds.idle_seconds - self._monotonic()

    def _let_weights_go(self) -> None:
        if self.running or self._newcomers:
            return
        left = self._idle_left()
        if left is not None and left <= 0:
            self._loaded = None
            self._lanes.clear()
            _give_memory_back()
            _log.info("the weights left memory: no call for %s s", self._bounds.idle_seconds)

    def _held(self) -> int:
        return sum(lane.held_bytes for lane in list(self._lanes.values()))


def _give_memory_back() -> None:
    """To the system: what Python and the allocator of C keep for later is not needed later."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL("libc.so.6").malloc_trim(0)
