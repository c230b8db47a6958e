"""Log lines: on stderr, readable on a terminal and JSON elsewhere, unless settings say otherwise."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from servicemanager.config import LogFormat


@contextmanager
def _not_found(name: str) -> Iterator[None]:
    """As if the package were not installed, unless it is loaded already."""
    known = sys.modules.get(name)
    sys.modules[name] = known  # type: ignore[assignment]  # what stands for "there is none" is None
    try:
        yield
    finally:
        if known is None:
            del sys.modules[name]


# It loads Rich where it finds it, to draw stack traces; ours are text before they get there.
with _not_found("rich"):
    import structlog


def configure(layout: LogFormat, role: Callable[[], str] | None = None) -> None:
    """`role` is what every line says this instance is; a command that a person starts has none."""

    def add_role(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if role:
            event["role"] = role()
        return event

    # The pool tells with a stack trace that it could not set a broken connection back; our own sentence says the same.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    as_json = layout is LogFormat.JSON or (layout is LogFormat.AUTO and not sys.stderr.isatty())
    renderer = structlog.processors.JSONRenderer(_dump) if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            add_role,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # Looked up at each line, because a progress bar or a test puts another stream in its place.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _dump(event: MutableMapping[str, Any], **options: Any) -> str:
    """As a person reads it: when, how bad, who, what, and then the details."""
    first = {name: event[name] for name in ("timestamp", "level", "role", "event") if name in event}
    return json.dumps({**first, **event}, **options)
