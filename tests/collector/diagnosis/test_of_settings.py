from __future__ import annotations

import socket

import pytest
from pydantic import ValidationError

from agent.probes.memory_limit import Limit, LimitSource, MemoryLimit
from collector.cloud import CloudPlace
from collector.diagnosis.history import History
from collector.diagnosis.of_settings import KnownLimit, limit_of, place_of, service_of
from collector.diagnosis.service import Service
from collector.diagnosis.service_facts import NotKnown
from collector.diagnosis.shell_commands import Place
from collector.settings import Settings

MIB = 1024 * 1024
CGROUP = Limit(LimitSource.CGROUP_V2, "/sys/fs/cgroup/memory.max", 512 * MIB, 400 * MIB, 100 * MIB)
MACHINE = Limit(LimitSource.MACHINE, "/proc/meminfo", 16_384 * MIB, 8_192 * MIB)
SET = Settings(service_memory_limit_bytes=1024 * MIB)


def told(*limits: Limit, not_known: tuple[str, ...] = ()) -> MemoryLimit:
    return MemoryLimit(limits, 200 * MIB, None, None, not_known)


def test_the_service_is_asked_itself_unless_there_is_a_prometheus() -> None:
    assert service_of(Settings(), "127.0.0.1") == Service("http://127.0.0.1:8080")
    with_history = Settings(prometheus_url="http://prometheus:9090", prometheus_selector='job="tai"')
    asked = service_of(with_history, "127.0.0.1")
    assert asked == Service("http://127.0.0.1:8080", History("http://prometheus:9090", 'job="tai"'))


def test_the_service_of_a_node_elsewhere_is_not_looked_for_here() -> None:
    assert isinstance(service_of(Settings(), "10.1.2.3"), NotKnown)
    assert service_of(Settings(service_url="http://10.1.2.3:8080"), "10.1.2.3") == Service("http://10.1.2.3:8080")
    assert service_of(Settings(), socket.gethostname()) == Service("http://127.0.0.1:8080")


def test_where_there_is_no_service_none_is_asked() -> None:
    assert service_of(Settings(service_url="none"), "127.0.0.1") == NotKnown(
        "service_url is none: there is no service to ask"
    )


def test_what_is_set_outranks_what_cloud_run_says_and_the_rest_stays_a_placeholder() -> None:
    cloud = CloudPlace("acme-prod", "europe-west1", None, "tai-00042-abc")
    found = place_of(Settings(cloud_project="acme-staging"), cloud)
    assert found == Place("SERVICE", "europe-west1", "acme-staging", "tai-00042-abc")


def test_the_limit_of_the_node_s_own_container_counts() -> None:
    expected = KnownLimit(512 * MIB, "cgroup v2, /sys/fs/cgroup/memory.max", 300 * MIB)
    assert limit_of(Settings(), told(CGROUP, MACHINE)) == expected
    assert limit_of(SET, told(CGROUP, MACHINE)) == expected
    assert expected.left_bytes == 212 * MIB
    assert expected.share == pytest.approx(300 / 512)


def test_a_limit_that_is_set_outranks_the_machine_s_memory() -> None:
    assert limit_of(SET, told(MACHINE)) == KnownLimit(1024 * MIB, "service_memory_limit_bytes", 200 * MIB)
    assert limit_of(Settings(), told(MACHINE)) == KnownLimit(
        16_384 * MIB, "the machine's memory, /proc/meminfo", 8_192 * MIB
    )


def test_a_limit_that_is_set_counts_where_the_node_tells_nothing() -> None:
    found = limit_of(SET, NotKnown("it did not answer"))
    assert found == KnownLimit(1024 * MIB, "service_memory_limit_bytes", None)
    assert (found.left_bytes, found.share) == (None, None)


def test_where_nobody_says_a_limit_it_is_not_known_and_why() -> None:
    assert limit_of(Settings(), told(not_known=("no /proc", "no cgroup"))) == NotKnown("no /proc; no cgroup")
    assert limit_of(Settings(), told()) == NotKnown("the node sees no limit of its memory")
    assert limit_of(Settings(), NotKnown("late")) == NotKnown("late")


@pytest.mark.parametrize("selector", ['job="tai"', ' { job="tai" , env=~"prod|test" } ', "", '{a!="b"}', r'a="\""'])
def test_label_matchers_are_taken_with_braces_and_without(selector: str) -> None:
    assert "{" not in Settings(prometheus_selector=selector).prometheus_selector


@pytest.mark.parametrize("selector", ["tai", 'job="a"} or up{', 'job="a",', "job=a", '1="a"', 'a="\n"'])
def test_what_would_be_another_question_is_no_label_matcher(selector: str) -> None:
    with pytest.raises(ValidationError, match="no list of label matchers"):
        Settings(prometheus_selector=selector)


@pytest.mark.parametrize("name", ["Acme", "a b", "$(date)", "", "-a", "a\n"])
def test_what_is_no_name_in_google_cloud_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="no name as Google Cloud has them"):
        Settings(cloud_service=name)
