"""How much memory another process takes, as each system tells it: what Python's own library leaves out."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

FOOTPRINT = 9  # `ri_phys_footprint` among the 12 words of macOS' struct rusage_info_v0
QUERY = 0x1000  # Windows' PROCESS_QUERY_LIMITED_INFORMATION
COMMITTED = 7  # `PagefileUsage` among the 9 words of Windows' PROCESS_MEMORY_COUNTERS, of which the first is two halves


def resident_bytes(process: int) -> int | None:
    """Bytes that the process with this number takes; None where nobody says, and when it has ended."""
    try:
        if sys.platform == "darwin":
            return _on_macos(process)
        if sys.platform == "win32":
            return _on_windows(process)
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError, ValueError, IndexError):  # another system, or the process is gone
        return None


def _on_macos(process: int) -> int | None:
    """What counts as the process's own there, the part that was compressed too."""
    told = (ctypes.c_uint64 * 12)()
    return told[FOOTPRINT] if ctypes.CDLL("/usr/lib/libproc.dylib").proc_pid_rusage(process, 0, told) == 0 else None


def _on_windows(process: int) -> int | None:
    """What the system has promised to the process, in memory or in the page file."""
    kernel = ctypes.WinDLL("kernel32")
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(QUERY, False, process)
    if not handle:
        return None
    told = (ctypes.c_size_t * 9)()
    told[0] = ctypes.sizeof(told)
    try:
        answered = kernel.K32GetProcessMemoryInfo(ctypes.c_void_p(handle), told, ctypes.sizeof(told))
        return told[COMMITTED] if answered else None
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))
