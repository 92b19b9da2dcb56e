"""How commands talk: sentences on stderr, and Ctrl-C once to leave cleanly."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["quiet", "run_until_interrupt", "talk"]

_LEVELS = (logging.INFO, logging.INFO, logging.DEBUG)
_SAME_EVENT_S = 10.0  # within this time the same sentence is about the same thing
_MOST_DOWN = 10_000
_NAME_BLANKS = 2  # what has more of them is a sentence, not somebody's name
_OF_DEVICES = ("uns.connection", "uns.bridge.", "uns.opcua")  # what ails one is its own
_CHATTY = ("asyncua", "amqtt", "gmqtt", "transitions", "snap7", "aiohttp", "asyncio", "aiosqlite")


class _Sentences(logging.Formatter):
    """`12:30:05 bridge  filler-1 is down …`: a time, who, and what."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")


class _News(logging.Filter):
    """What is news to whoever did not ask for more: bad news once, and its good end once.

    Every line has a session of its own: when the broker goes, all of them say the same, and
    the first is enough. Of devices each is told, whatever others say. That something works is news only after it was said that it does not.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said_at: dict[str, float] = {}
        self._down: set[tuple[str, str]] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is news."""
        args = record.args if isinstance(record.args, tuple) else ()
        who = (record.name, "" if not args or _is_sentence(args[0]) else str(args[0]))
        if record.levelno < logging.WARNING:
            was_down = who in self._down
            self._down.discard(who)
            return was_down
        if self._is_repeated(args, record):
            return False
        if len(self._down) >= _MOST_DOWN:  # peers may invent names without end
            self._down.clear()
        self._down.add(who)
        return True

    def _is_repeated(self, args: tuple[object, ...], record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING or record.name.startswith(_OF_DEVICES):
            return False
        if not args or not _is_sentence(args[-1]):
            return False
        now, sentence = record.created, str(args[-1])
        if now - self._said_at.get(sentence, -_SAME_EVENT_S) < _SAME_EVENT_S:
            return True
        self._said_at.pop(sentence, None)  # to the end: the oldest stand first
        self._said_at[sentence] = now
        while now - self._said_at[oldest := next(iter(self._said_at))] >= _SAME_EVENT_S:
            del self._said_at[oldest]
        return False


def _is_sentence(text: object) -> bool:
    return str(text).count(" ") > _NAME_BLANKS


def talk(verbose: int = 0) -> None:
    """Send what services say to stderr; `verbose` 0 is news, 1 all changes of state, 2 all."""
    to_stderr = logging.StreamHandler(sys.stderr)
    to_stderr.setFormatter(_Sentences())
    if not verbose:
        to_stderr.addFilter(_News())
    root = logging.getLogger()
    root.handlers[:] = [to_stderr]
    root.setLevel(logging.WARNING)
    logging.getLogger("uns").setLevel(_LEVELS[min(verbose, 2)])
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def quiet() -> None:
    """Say nothing of what is lost from now on: we are leaving, and everything ends on purpose."""
    logging.getLogger("uns").setLevel(logging.ERROR)


def run_until_interrupt(
    work: Coroutine[Any, Any, object], *, on_leaving: Callable[[], None] = lambda: None
) -> None:
    """Run `work`; SIGINT or SIGTERM once cancels it and waits, a second SIGINT ends at once.

    Raises what `work` raises; a cancelled `work` is a good end. `on_leaving` is called when
    the signal comes.
    """

    async def guarded() -> None:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()

        def leave() -> None:
            on_leaving()
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, _end_at_once)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, leave)
        try:
            await task
        except asyncio.CancelledError:
            if not task.cancelled():
                raise

    asyncio.run(guarded())


def _end_at_once(_: int, __: object) -> None:
    quiet()
    raise KeyboardInterrupt
