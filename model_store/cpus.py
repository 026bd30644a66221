"""How many processors this process may use: what the container gives, not what the host has."""

import os
from pathlib import Path


def available(root: Path = Path("/")) -> int:
    """Count the processors that are ours: the smallest of affinity and CPU quotas, rounded down, and at least 1.

    A thread more than the quota allows makes the kernel stop all threads for the rest of each period.

    Args:
        root: where /proc and /sys are found; tests make their own.

    Source: the kernel's Documentation/admin-guide/cgroup-v2.rst (cpu.max), scheduler/sched-bwc.rst (version 1).
    """
    quotas = [quota for path in _groups(root) if (quota := _quota(path)) is not None]
    return max(1, int(min([len(os.sched_getaffinity(0)), *quotas])))


def _groups(root: Path) -> list[Path]:
    """Give our control group's directories and those above: a quota holds for everything below it."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "cpu" in controllers.split(","):
            top = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
            inside = Path(path.lstrip("/"))
            # A container sees its own group as the top one, whatever path the host has for it.
            found += [top / group for group in (inside, *inside.parents)]
    return found


def _quota(group: Path) -> float | None:
    """Read a group's quota in processors, or None where it has none."""
    try:
        if (group / "cpu.max").is_file():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text()
        return None if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError):
        return None
