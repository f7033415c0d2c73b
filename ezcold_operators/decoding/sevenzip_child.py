"""The child process of `sevenzip`: unpacks one archive into numbered files and says on standard output what it found.

Standard input: {"archive", "folder", "cap", "count", "memory", "seconds", "passwords"}. Standard output, a line each:
{"name", "file"} for a complete member, {"name", "file", "refused"} for a link, and last {"end"}: "", "limit",
"disk:<errno>" or a reason. Imports nothing of the package, so that it starts quickly.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import resource
import signal
import sys
from pathlib import Path
from typing import Any

_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class _OverLimit(Exception):
    pass


def main() -> None:
    """Read the task, unpack, report."""
    task = json.load(sys.stdin)
    _limit(resource.RLIMIT_AS, task["memory"])
    _limit(resource.RLIMIT_CPU, task["seconds"])
    with contextlib.suppress(OSError, AttributeError):  # dies with its parent, where the system can do that
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    try:
        import py7zr
    except ImportError:
        return _say({"end": "install ezcold[sevenzip]"})
    problem = "it is encrypted and no password is configured"
    for password in [None, *task["passwords"]]:
        try:
            with py7zr.SevenZipFile(task["archive"], password=password, max_extract_size=task["cap"]) as archive:
                if password is None and archive.needs_password():
                    continue
                problem = _unpack(archive, task)
        except MemoryError:
            problem = "it needs more memory than is allowed"
        except Exception as error:  # hostile bytes make the library raise anything at all
            problem = _reason(error, password, problem)
        if problem in ("", "limit") or problem.startswith("disk:") or (password is None and "encrypted" not in problem):
            break
    _say({"end": problem})


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _reason(error: Exception, password: str | None, before: str) -> str:
    kind = type(error).__name__
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
        return f"disk:{error.errno}"
    if kind == "PasswordRequired":
        return before
    if kind in ("DecompressionBombError", "_OverLimit"):
        return "limit"
    if password is not None:
        return "it is encrypted and no configured password opens it"
    if kind == "UnsupportedCompressionMethodError":
        return "it is compressed by a method that cannot be read here"
    return f"it is damaged or cut off ({kind})"


def _unpack(archive: Any, task: dict[str, Any]) -> str:
    """Members are renamed to their numbers first: no name of the archive ever meets the file system."""
    names = {}
    for number, member in enumerate(archive.files):
        label, name = f"{number:08d}", str(member.filename)
        if member.is_file:
            names[label] = name
        elif not member.is_directory:
            _say({"name": name, "file": label, "refused": "it is a link or a device, not a file"})
        member._file_info["filename"] = label
    if len(names) > task["count"]:
        return f"max_documents: it holds more than {task['count']} files"
    factory = _Factory(Path(task["folder"]), names, task["cap"])
    if names:
        archive.extract(targets=set(names), factory=factory)
    return "" if len(factory.done) == len(names) else "some of its members were not unpacked"


class _Factory:
    """What py7zr asks for a file to write each member to."""

    def __init__(self, folder: Path, names: dict[str, str], cap: int) -> None:
        self.folder, self.names, self.left = folder, names, cap
        self.done: set[str] = set()

    def create(self, filename: str) -> _Writer:
        return _Writer(filename.rpartition("/")[2], self)


class _Writer:
    """One member's file, as py7zr.io.Py7zIO describes it; py7zr is not imported yet where this class is made."""

    def __init__(self, label: str, factory: _Factory) -> None:
        self._label, self._factory = label, factory
        self._file = (factory.folder / label).open("w+b")

    def write(self, s: bytes | bytearray) -> int:
        self._factory.left -= len(s)
        if self._factory.left < 0:
            raise _OverLimit
        return self._file.write(s)

    def read(self, size: int | None = None) -> bytes:
        return self._file.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def flush(self) -> None:
        self._file.flush()

    def size(self) -> int:
        return self._file.seek(0, 2)

    def close(self) -> None:
        """Called for complete members only."""
        self._file.close()
        self._factory.done.add(self._label)
        _say({"name": self._factory.names[self._label], "file": self._label})


def _say(line: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
