from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.probes import kernel_files
from agent.probes.kernel_files import Cgroup, figure, kibibytes, own_cgroups, soft_limit, whole_number

V2_MOUNT = "30 25 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n"
V1_MOUNTS = (
    "31 25 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)


def folders(membership: str, mounts: str) -> list[str]:
    return [cgroup.folder for cgroup in own_cgroups(membership, mounts)]


def test_a_container_with_a_namespace_of_its_own_sees_its_cgroup_as_all_there_is() -> None:
    assert own_cgroups("0::/\n", V2_MOUNT) == (Cgroup(2, "/sys/fs/cgroup"),)


def test_the_cgroups_above_are_given_from_the_own_one_upward() -> None:
    assert folders("0::/kubepods/pod7/app\n", V2_MOUNT) == [
        "/sys/fs/cgroup/kubepods/pod7/app",
        "/sys/fs/cgroup/kubepods/pod7",
        "/sys/fs/cgroup/kubepods",
        "/sys/fs/cgroup",
    ]


def test_of_version_1_only_the_hierarchy_of_memory_counts() -> None:
    found = own_cgroups("8:pids:/else\n4:memory:/docker/abc\n", V1_MOUNTS)
    assert found == (
        Cgroup(1, "/sys/fs/cgroup/memory/docker/abc"),
        Cgroup(1, "/sys/fs/cgroup/memory/docker"),
        Cgroup(1, "/sys/fs/cgroup/memory"),
    )


def test_controllers_that_are_mounted_together_are_found() -> None:
    mounts = "35 31 0:32 / /cg rw - cgroup cgroup rw,cpu,memory\n"
    assert folders("4:cpu,memory:/\n", mounts) == ["/cg"]


def test_a_cgroup_that_is_mounted_by_itself_is_not_looked_for_below_itself() -> None:
    mounts = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    assert folders("4:memory:/docker/abc\n", mounts) == ["/sys/fs/cgroup/memory"]
    assert folders("4:memory:/docker/abc/inner\n", mounts)[0] == "/sys/fs/cgroup/memory/inner"


@pytest.mark.parametrize("place", ["/../../outside", "/docker/abcdef", "/"])
def test_a_place_outside_of_what_is_mounted_is_taken_for_what_is_mounted(place: str) -> None:
    mounts = "35 31 0:32 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
    assert folders(f"0::{place}\n", mounts) == ["/sys/fs/cgroup"]


def test_a_mount_point_with_a_blank_in_its_name_is_found() -> None:
    assert folders("0::/\n", "30 25 0:26 / /my\\040cgroups rw - cgroup2 cgroup rw\n") == ["/my cgroups"]


def test_a_place_deeper_than_we_look_still_ends_at_the_top() -> None:
    found = folders("0::" + "/a" * 100 + "\n", V2_MOUNT)
    assert len(found) == kernel_files.MAX_LEVELS
    assert found[-1] == "/sys/fs/cgroup"
    assert found[0].count("/a") == 100


@pytest.mark.parametrize("mounts", ["", "nonsense", "1 2 3 - cgroup2", "1 2 3 4 5 - tmpfs a b", "- - -"])
def test_where_no_cgroup_is_mounted_there_is_none(mounts: str) -> None:
    assert own_cgroups("0::/\n4:memory:/\n", mounts) == ()


@given(st.text(max_size=200), st.text(max_size=200))
def test_whatever_the_files_say_ends_in_few_folders(membership: str, mounts: str) -> None:
    assert len(own_cgroups(membership, mounts)) <= kernel_files.MAX_CGROUPS


def test_a_node_that_names_thousands_of_mounts_has_us_look_at_few() -> None:
    mounts = "".join(f"1 2 0:1 / /cgroup{number} rw - cgroup2 cgroup rw\n" for number in range(1_000))
    assert len(own_cgroups("0::/a/b/c\n", mounts)) == kernel_files.MAX_CGROUPS


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("536870912\n", 536_870_912),
        ("0\n", 0),
        ("max\n", None),
        ("", None),
        (None, None),
        ("-1\n", None),
        ("9223372036854771712\n", None),
        ("9" * 30, None),
        ("²", None),
    ],
)
def test_a_file_is_a_number_or_none(text: str | None, number: int | None) -> None:
    assert whole_number(text) == number


def test_a_figure_is_that_of_its_own_line() -> None:
    text = "inactive_file 7\ntotal_inactive_file 9\noom_kill_disable 0\noom_kill 3\n"
    assert (figure(text, "inactive_file"), figure(text, "total_inactive_file"), figure(text, "oom_kill")) == (7, 9, 3)
    assert figure(text, "active_file") is None
    assert figure(None, "active_file") is None


def test_kibibytes_are_told_in_bytes() -> None:
    assert kibibytes("VmHWM:\t    2128 kB\nVmRSS:\t    2000 kB\n", "VmRSS") == 2_048_000
    assert kibibytes("VmRSS:\t 2000 pages\n", "VmRSS") is None


def test_a_soft_limit_is_the_first_of_its_line() -> None:
    text = "Max data size             unlimited            unlimited            bytes\n"
    text += "Max address space         4294967296           unlimited            bytes\n"
    assert soft_limit(text, "Max address space") == 4_294_967_296
    assert soft_limit(text, "Max data size") is None
    assert soft_limit(text, "Max stack size") is None
