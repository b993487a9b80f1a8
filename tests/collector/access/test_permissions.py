from __future__ import annotations

import pytest

from collector.access.permissions import FOR_MACHINES, PERMISSIONS, READING, ROLES_OF_TOKENS, Permissions, Role

ACTING = {("POST", "/api/v1/nodes/{node}/restarts"): Role.OPERATOR}


def test_roles_are_ordered() -> None:
    assert sorted(Role) == [Role.ANYONE, Role.LOCAL, Role.VIEWER, Role.OPERATOR]


def test_a_token_makes_a_viewer_or_an_operator() -> None:
    assert ROLES_OF_TOKENS == {"viewer": Role.VIEWER, "operator": Role.OPERATOR}


@pytest.mark.parametrize(("method", "route"), PERMISSIONS)
def test_only_an_operator_acts(method: str, route: str) -> None:
    assert method in READING or PERMISSIONS[method, route] == Role.OPERATOR


@pytest.mark.parametrize(("method", "route"), PERMISSIONS)
def test_nobody_from_elsewhere_reads_the_api_unknown(method: str, route: str) -> None:
    assert not route.startswith("/api/") or PERMISSIONS[method, route] >= Role.LOCAL


def test_what_machines_ask_is_open_to_anyone() -> None:
    assert {PERMISSIONS["GET", route] for route in FOR_MACHINES} == {Role.ANYONE}


@pytest.mark.parametrize(("method", "route"), PERMISSIONS)
def test_a_path_is_found_by_its_route(method: str, route: str) -> None:
    path = route.replace("{node}", "tai_autonomics@127.0.0.1").replace("{action_id}", "5f3a9c2b81d0")
    assert Permissions().of(path)[method] == PERMISSIONS[method, route]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nodes/",
        "/api/v1/nodes//memory",
        "/api/v1/nodes/a/b/memory",
        "/api/v1/nodes/-/memory/",
        "/api/v1/nodes/-/memory\n",
        "/API/V1/NODES",
        "//metrics",
        "/metricsx",
        "/openapiXjson",
    ],
)
def test_what_is_no_route_has_no_row(path: str) -> None:
    assert Permissions().of(path) == {}


def test_one_path_may_have_several_methods() -> None:
    table = Permissions(ACTING | {("GET", "/api/v1/nodes/{node}/restarts"): Role.LOCAL})
    assert table.of("/api/v1/nodes/-/restarts") == {"GET": Role.LOCAL, "POST": Role.OPERATOR}


def test_of_two_rows_for_one_path_the_stricter_holds() -> None:
    table = Permissions({("GET", "/{a}"): Role.VIEWER, ("GET", "/x"): Role.ANYONE})
    assert table.of("/x") == {"GET": Role.VIEWER}
