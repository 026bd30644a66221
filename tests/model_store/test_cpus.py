import os
import runpy
from pathlib import Path

import pillow_heif
import pytest

from model_store import cpus, images

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A function that lays out files as the kernel shows them, on a machine with eight processors."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))

    def make(files: dict[str, str]):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path

    return make


def test_a_container_of_version_2_has_its_quota(machine):
    root = machine({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"})
    assert cpus.available(root) == 2


def test_a_part_of_a_processor_is_no_thread_but_one_thread_there_always_is(machine):
    root = machine({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "350000 100000\n"})
    assert cpus.available(root) == 3
    root = machine({"sys/fs/cgroup/cpu.max": "50000 100000\n"})
    assert cpus.available(root) == 1


def test_the_tightest_quota_above_us_holds(machine):
    root = machine(
        {
            "proc/self/cgroup": "0::/kubepods/pod7/site\n",
            "sys/fs/cgroup/kubepods/pod7/site/cpu.max": "max 100000\n",
            "sys/fs/cgroup/kubepods/pod7/cpu.max": "400000 100000\n",
        }
    )
    assert cpus.available(root) == 4


def test_version_1_has_its_own_files(machine):
    root = machine(
        {
            "proc/self/cgroup": "4:cpuset:/\n3:cpu,cpuacct:/docker/1f\n0::/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        }
    )
    assert cpus.available(root) == 3


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"},
        {"proc/self/cgroup": "3:cpu:/\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
         "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "a riddle\n"},
    ],
    ids=["no control groups", "no limit", "no limit in version 1", "unreadable"],
)  # fmt: skip
def test_without_a_quota_the_affinity_counts(machine, files):
    assert cpus.available(machine(files)) == 8


def test_every_library_that_starts_threads_of_its_own_is_told():
    assert images.AvifImagePlugin.DEFAULT_MAX_THREADS == pillow_heif.options.DECODE_THREADS == cpus.available()
    served = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    assert f"OPENBLAS_NUM_THREADS={cpus.available()}" in served["raw_env"]


def test_here_it_is_at_most_what_the_machine_has():
    assert 1 <= cpus.available() <= (os.cpu_count() or 1)
