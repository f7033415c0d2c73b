"""What Linux does better than the standard library offers: copying in the kernel, renaming that never replaces."""

from __future__ import annotations

import ctypes
import errno
import os

PIECE = 1 << 20
RENAME_NOREPLACE = 1
"""renameat2(2), Linux 3.15."""
_NO_COPY_RANGE = {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EIO, errno.ETXTBSY}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}


def copy(src: int, dst: int) -> int:
    """Copy to the end within the kernel where it can; the bytes copied."""
    total = 0
    try:
        while piece := os.copy_file_range(src, dst, 1 << 26):
            total += piece
    except OSError as exc:
        if total or exc.errno not in _NO_COPY_RANGE:
            raise
    if total == 0:  # also where copy_file_range silently gives nothing (procfs, some FUSE)
        while data := os.read(src, PIECE):
            view = memoryview(data)
            while view:
                view = view[os.write(dst, view) :]
            total += len(data)
    return total


def rename_new(src: int, old: str, dst: int, new: str) -> None:
    """Rename from one open folder into another, never replacing.

    :raises FileExistsError: :raises OSError: EXDEV and whatever else rename(2) says.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        result = libc.renameat2(src, os.fsencode(old), dst, os.fsencode(new), RENAME_NOREPLACE)
        code = ctypes.get_errno()
        if result == 0:
            return
        if code not in {errno.EINVAL, errno.ENOSYS}:
            raise OSError(code, os.strerror(code), old)
    _link_new(src, old, dst, new)


def _link_new(src: int, old: str, dst: int, new: str) -> None:
    """Where the file system has no RENAME_NOREPLACE: a link never replaces. A crash in between leaves both names."""
    try:
        os.link(old, new, src_dir_fd=src, dst_dir_fd=dst, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
    else:
        os.unlink(old, dir_fd=src)
        return
    try:  # neither (FAT, some shares): look, then rename; nothing better is there
        os.stat(new, dir_fd=dst, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(old, new, src_dir_fd=src, dst_dir_fd=dst)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
