"""The county's endpoints and the processes of the service, on a database of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import serving
from tests.faults.fleet import Fleet
from tests.faults.sink import Sink, sink_at


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    with sink_at(tmp_path / "sink.sqlite3") as sink:
        yield sink


@pytest.fixture
def fleet_on(sink: Sink, tmp_path: Path) -> Iterator[Callable[[str], Fleet]]:
    """The service on the database of an address, whose agencies have the sink as their endpoint."""
    with ExitStack() as stack:

        def fleet_on(url: str) -> Fleet:
            fleet = Fleet(url, serving.set_endpoints(url, sink.endpoint), tmp_path / "log")
            stack.callback(fleet.end)
            return fleet

        yield fleet_on


@pytest.fixture
def fleet(database_url: str, fleet_on: Callable[[str], Fleet]) -> Fleet:
    return fleet_on(database_url)
