"""Keeping things running: a part that fails is said once, and started again after a pause."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from uns.errors import ProjectError, UnsError

__all__ = ["keep_running"]

log = logging.getLogger("uns.service")

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_STABLE_S = 60.0  # a part that ran this long starts its pauses from the shortest again


async def keep_running(name: str, start: Callable[[], Awaitable[None]]) -> None:
    """Run `start()` until cancelled; neighbours do not notice when it fails.

    A ProjectError ends it for good and is raised: no restart repairs a project.
    """
    pause = _FIRST_PAUSE_S
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            await start()
        except asyncio.CancelledError:
            raise
        except ProjectError:
            raise
        except UnsError as error:
            log.error("%s stopped: %s %s", name, error, error.hint)  # noqa: TRY400 - a sentence, not a traceback
        except Exception:
            log.exception("%s stopped on a mistake of ours", name)
        else:
            return
        if loop.time() - began > _STABLE_S:
            pause = _FIRST_PAUSE_S
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
        pause = min(pause * 2, _LONGEST_PAUSE_S)
