"""Two API replicas and two workers on a replicated PostgreSQL whose primary is lost under load; see ha.sh.

python -m tests.faults.ha SCENARIO FOLDER NAME:SQL_PORT:REST_PORT NAME:SQL_PORT:REST_PORT
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests import serving
from tests.faults.accounts import settle, wait_until_delivered
from tests.faults.load import Load
from tests.faults.sink import sink_at
from tests.watching import until

BEFORE, AFTER = 300, 300  # receipts
_asking = httpx.Client(timeout=2, trust_env=False)


@dataclass(frozen=True)
class Node:
    name: str
    sql: int
    rest: int
    folder: Path

    def says(self, path: str) -> bool:
        """Whether Patroni answers 200: `/primary`, `/synchronous`."""
        try:
            return _asking.get(f"http://127.0.0.1:{self.rest}{path}").status_code == 200
        except httpx.TransportError:
            return False

    def processes(self, *, with_patroni: bool) -> list[psutil.Process]:
        files = [self.folder / "data" / "postmaster.pid"]
        if with_patroni:
            files.insert(0, self.folder / "patroni.pid")  # first, or it would start PostgreSQL again
        roots = [psutil.Process(int(file.read_text().split()[0])) for file in files]
        return [each for root in roots for each in (root, *root.children(recursive=True))]


def lose(node: Node, scenario: str) -> list[psutil.Process]:
    """What was frozen, to be let go at the end."""
    processes = node.processes(with_patroni=scenario != "postgres")
    number = signal.SIGSTOP if scenario == "freeze" else signal.SIGKILL
    for each in processes:
        with suppress(ProcessLookupError):  # its parent took it along
            os.kill(each.pid, number)
    return processes if scenario == "freeze" else []


def let_go(processes: list[psutil.Process]) -> None:
    for each in processes:
        if each.is_running():
            os.kill(each.pid, signal.SIGCONT)


def run(scenario: str, folder: Path, nodes: list[Node]) -> None:
    def the(path: str) -> Callable[[], Node | None]:
        return lambda: next((node for node in nodes if node.says(path)), None)

    primary, standby = until(the("/primary"), 90, "a primary"), until(the("/synchronous"), 90, "a synchronous standby")
    hosts, ports = ",".join("127.0.0.1" for _ in nodes), ",".join(str(node.sql) for node in nodes)
    server = f"postgresql://postgres@/postgres?host={hosts}&port={ports}&target_session_attrs=read-write"
    url = serving.make_postgres_database(server)
    serving.prepare(url)
    with ExitStack() as stack:
        sink = stack.enter_context(sink_at(folder / "sink.sqlite3"))
        secrets = serving.set_endpoints(url, sink.endpoint)
        replicas = [serving.Service(url, "--no-worker", log=folder / "log") for _ in range(2)]
        workers = [serving.Worker(url, log=folder / "log") for _ in range(2)]
        for process in (*replicas, *workers):
            stack.callback(process.kill)
        for replica in replicas:
            replica.wait_until(within=120)
        load = Load([each.address for each in replicas], url, secrets, doors=8)
        load.wait_for(BEFORE)
        stack.callback(let_go, lose(primary, scenario))
        lost_at = time.monotonic()
        before = len(load.receipts)
        print(f"lost: {primary.name} ({scenario}), the primary, after {before} requests were taken in", flush=True)
        until(lambda: standby.says("/primary"), 120, "another primary")
        promoted = time.monotonic() - lost_at
        load.wait_for(before + AFTER)
        load.end()
        wait_until_delivered(url)
        settled = settle(url, load, sink)
    again = min(ended for began, ended in load.taken_at if began > lost_at) - lost_at
    delivered = min(each.began for each in settled.received if each.began > lost_at + promoted) - lost_at
    print(f"another primary after       {promoted:6.1f} s")
    print(f"intake works again after    {again:6.1f} s")
    print(f"deliveries go on after      {delivered:6.1f} s")
    print(f"accepted (201)              {len(load.receipts):6}")
    print("accepted and lost                0")
    print(f"callbacks applied           {len(load.reported):6}, none twice")
    print(f"messages taken              {len(settled.received) - settled.again.total():6}")
    print(f"taken more than once        {settled.again.total():6}, each with the same id and bytes")
    print(f"calls repeated by the doors {load.repeated:6}")


def main() -> None:
    scenario, folder, *given = sys.argv[1:]
    nodes = []
    for each in given:
        name, sql, rest = each.split(":")
        nodes.append(Node(name, int(sql), int(rest), Path(folder) / name))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run(scenario, Path(folder), nodes)


if __name__ == "__main__":
    main()
