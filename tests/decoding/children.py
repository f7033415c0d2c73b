"""The decoder children of this process."""

from __future__ import annotations

from pathlib import Path


def decoder_children() -> set[int]:
    """Their process ids."""
    tasks = Path("/proc/self/task").glob("*/children")
    found = {int(pid) for task in tasks for pid in task.read_text().split()}
    return {pid for pid in found if b"decoding.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()}
