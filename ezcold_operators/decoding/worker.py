"""The child of guard.py: `python -m ezcold_operators.decoding.worker MEMORY_MB`; a JSON line in, one out, until EOF."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from ezcold_operators.i18n import _

from ..errors import ConfigurationError
from . import mime  # noqa: F401 - loaded before the first item comes
from .api import decode, decode_any
from .unfolding import is_disk_failure
from .wire import decoded_to, options_from

ALARM = 5.0
"""Seconds past the deadline after which the child ends itself: its parent may be gone."""


def main() -> None:
    """Serve until standard input closes."""
    memory = int(sys.argv[1]) << 20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # libraries that print must not reach the protocol
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = sys.stdin.buffer
    while line := requests.readline():
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, request["seconds"] + ALARM)
        answer = json.dumps(serve(request)).encode("ascii") + b"\n"
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            answers.write(answer)
            answers.flush()
        except BrokenPipeError:
            return


def serve(request: dict[str, Any]) -> dict[str, Any]:
    """Decode one item; whatever it makes us raise is its failure, except our own disk's."""
    try:
        *files, prefix = request["files"]
        raw, workdir = map(Path, files)
        if not workdir.is_dir():
            workdir.mkdir(parents=True, exist_ok=True)
        options = options_from(request["options"])
        find = decode_any if options.kind == "any" else decode
        return decoded_to(find(raw, workdir, options, prefix))
    except OSError as error:
        if is_disk_failure(error):
            return {"disk": error.strerror or type(error).__name__}
        return {
            "failed": _("decoding failed ({error}: {strerror})").format(
                error=type(error).__name__, strerror=error.strerror
            )
        }
    except ConfigurationError as error:
        return {"configuration": str(error)}
    except MemoryError:
        return {"failed": _("decoding needs more memory than it may have")}
    except Exception as error:
        return {"failed": _("decoding failed ({error})").format(error=type(error).__name__)}


if __name__ == "__main__":
    main()
    os._exit(0)  # all is said: our parent need not wait while an interpreter tidies up
