"""How commands talk: sentences on stderr, and Ctrl-C once to leave cleanly."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["quiet", "run_until_interrupt", "talk"]

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
_SAME_EVENT_S = 10.0  # within this time the same sentence is about the same thing
_SENTENCE_LETTERS = 20  # shorter arguments are names and numbers
_CHATTY = ("asyncua", "amqtt", "gmqtt", "transitions", "aiohttp", "asyncio", "aiosqlite")


class _Sentences(logging.Formatter):
    """`12:30:05 bridge  filler-1 is down …`: a time, who, and what."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")


class _Once(logging.Filter):
    """Drops a warning whose sentence another of us has just said.

    Every line has a session of its own: when the broker goes, all of them say the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is news."""
        args = record.args
        if record.levelno != logging.WARNING or not isinstance(args, tuple) or not args:
            return True
        sentence = args[-1]
        if not isinstance(sentence, str) or len(sentence) < _SENTENCE_LETTERS:
            return True
        self._said = {
            key: at for key, at in self._said.items() if record.created - at < _SAME_EVENT_S
        }
        is_news = sentence not in self._said
        self._said.setdefault(sentence, record.created)
        return is_news


def talk(verbose: int = 0) -> None:
    """Send what services say to stderr; `verbose` 0 is warnings, 1 changes of state, 2 all."""
    to_stderr = logging.StreamHandler(sys.stderr)
    to_stderr.setFormatter(_Sentences())
    if not verbose:
        to_stderr.addFilter(_Once())
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
