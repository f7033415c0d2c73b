"""Random access to a staged file in bounded memory: small files are held whole, large ones through a moving window."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

WINDOW = 1 << 20
"""Bytes of a large file that are held; one of up to four windows is held whole."""
PIECE = 1 << 20
_DASHES = re.compile(rb"--(?<=[\r\n]--)")
"""Two dashes that begin a line; what a search can skip to comes first, the line's beginning is looked at afterwards."""


class Raw:
    """A file read by offset. Not mmap: its pages would count as ours for as long as a large mail is scanned."""

    def __init__(self, file: Path, window: int = WINDOW) -> None:
        self._span = window
        self._fd = os.open(file, os.O_RDONLY)
        self.size = os.fstat(self._fd).st_size
        self._at = 0
        self._window = os.pread(self._fd, self.size, 0) if self.size <= 4 * window else b""

    def __enter__(self) -> Raw:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from start to end (fewer at the end of the file)."""
        end = min(end, self.size)
        if start >= end:
            return b""
        if start < self._at or end > self._at + len(self._window):
            if end - start > self._span:
                return self._pread(start, end)
            self._at, self._window = start, self._pread(start, min(start + self._span, self.size))
        return self._window[start - self._at : end - self._at]

    def find(self, needle: bytes, start: int, end: int | None = None) -> int:
        """Offset of the first `needle` lying wholly within start..end; -1 if there is none."""
        end = self.size if end is None else min(end, self.size)
        while start < end:
            if not self._at <= start < self._at + len(self._window):
                self._at, self._window = start, self._pread(start, min(start + self._span, self.size))
            stop = self._at + len(self._window)
            found = self._window.find(needle, start - self._at, min(end, stop) - self._at)
            if found >= 0:
                return self._at + found
            if stop >= end:
                return -1
            # the needle may straddle two windows
            overlap = max(start, stop - len(needle) + 1)
            self._at, self._window = overlap, self._pread(overlap, min(overlap + self._span, self.size))
            start = overlap
        return -1

    def dashes(self, start: int) -> int:
        """Offset of the first line that begins after start, with two dashes; -1 if there is none."""
        while start < self.size:
            if not self._at <= start < self._at + len(self._window):
                self._at, self._window = start, self._pread(start, min(start + self._span, self.size))
            found = _DASHES.search(self._window, start + 1 - self._at)
            if found:
                return self._at + found.start()
            stop = self._at + len(self._window)
            if stop >= self.size:
                return -1
            # the dashes and the line end before them may straddle two windows
            start = max(start, stop - 2)
            self._at, self._window = start, self._pread(start, min(start + self._span, self.size))
        return -1

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from start to end, a megabyte at a time."""
        while start < end:
            piece = self.read(start, min(end, start + PIECE))
            if not piece:
                return
            start += len(piece)
            yield piece

    def line(self, start: int, most: int = 4096) -> tuple[bytes, int]:
        """The line that begins at start, without its end and cut to `most` bytes, and the offset of the next one.

        A line ends with LF, CR LF, CR CR LF (a known breakage) or a lone CR.
        """
        at = start - self._at
        if 0 <= at < len(self._window):
            lf = self._window.find(b"\n", at, at + most)
            if lf >= 0:
                text = self._window[at:lf].rstrip(b"\r")
                if b"\r" not in text:
                    return text, self._at + lf + 1
        head = self.read(start, start + most)
        lf = head.find(b"\n")
        text = head if lf < 0 else head[:lf]
        cr = text.find(b"\r")
        if cr >= 0 and lf >= 0 and not text[cr:].strip(b"\r"):
            return text[:cr], start + lf + 1
        if cr >= 0 and text[cr:].strip(b"\r"):
            return text[:cr], start + cr + 1
        if lf >= 0:
            return text, start + lf + 1
        if len(head) < most:
            return text.rstrip(b"\r"), start + len(head)
        following = self.find(b"\n", start + len(head))
        following = self.size if following < 0 else following + 1
        lone = self.find(b"\r", start + len(text.rstrip(b"\r")), following)
        if lone >= 0 and self.read(lone, following).strip(b"\r\n"):
            following = lone + 1
        return text.rstrip(b"\r"), following

    def _pread(self, start: int, end: int) -> bytes:
        parts = []
        while start < end and (part := os.pread(self._fd, end - start, start)):
            parts.append(part)
            start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
