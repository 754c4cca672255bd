"""A database's address as an operator writes it, and as the drivers are to be told."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_POSTGRES_PORT = "5432"
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
# What may stand behind the `?` of PostgreSQL's address; of some, one of these.
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_OPTIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("host", "port", "user", "password", "database", "passfile", "service", "servicefile"), ()),
    "sslmode": _SSL_MODES,
    "ssl": _SSL_MODES,
    "target_session_attrs": ("any", "primary", "read-write"),  # the service writes
    "krbsrvname": (),
    "gsslib": ("gssapi", "sspi"),
}
_SEVERAL = "of several hosts: postgresql://user:password@/database?host=a,b&port=5432,5433"


def for_the_driver(address: str) -> str:
    """Raises ValueError, also for what the driver would stumble over only when it is first asked; of a wrong address nothing
    is repeated: it may be a secret."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):  # the latter for ports of several hosts where one port is expected
        raise ValueError(f"is not a database address; {_SEVERAL}") from None
    if url.drivername not in _DRIVERS:
        raise ValueError("names a database that is not supported; write sqlite:///… or postgresql://…")
    if url.drivername.startswith("sqlite"):
        if url.database in (None, "", ":memory:"):
            raise ValueError("needs a file, a database in memory would lose everything; write sqlite:////path/to/file")
        if url.host or url.username:
            raise ValueError("has two slashes where a file's has three, or four; write sqlite:////path/to/file")
        if url.query:
            raise ValueError("has options behind its ?, and a file takes none; write sqlite:////path/to/file")
    else:
        options = parse_qsl(address.rpartition("@")[2].partition("?")[2], keep_blank_values=True)
        if not all(value for _, value in options):
            raise ValueError("has an option behind its ? that says nothing; leave it out, or give it a value")
        url = _with_its_options(url)
    return url.set(drivername=_DRIVERS[url.drivername]).render_as_string(hide_password=False)


def _with_its_options(url: URL) -> URL:
    """`sslmode` is libpq's word; the driver's is `ssl`. Several hosts are libpq's `host=a,b`, with `port=1,2` or one
    port for all; the one wanted is the primary, unless the address says otherwise."""
    for name, value in url.query.items():
        if name not in _OPTIONS or not isinstance(value, str):  # of one that stands twice there are several
            raise ValueError(f"has an option behind its ? that is none of {', '.join(_OPTIONS)}, each once")
        if _OPTIONS[name] and value not in _OPTIONS[name]:
            raise ValueError(f"has a value for {name} that is none of {', '.join(_OPTIONS[name])}")
    if {"ssl", "sslmode"} <= url.query.keys():
        raise ValueError("says both ssl and sslmode, which are the same; write one of them")
    hosts = str(url.query.get("host", "")).split(",")
    ports = str(url.query.get("port", _POSTGRES_PORT if url.port is None else url.port)).split(",")
    if not all(re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536 for port in ports):
        raise ValueError("has a port that is no number from 1 to 65535")
    if "," in (url.host or "") or any(re.fullmatch("[^:/]+:[0-9]*", host) for host in hosts):
        raise ValueError(f"has another host, or a port, behind a host; {_SEVERAL}")
    if mode := url.query.get("sslmode"):
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    if len(hosts) == len(ports) == 1:
        return url
    ports = ports * len(hosts) if len(ports) == 1 else ports
    if "" in hosts or len(ports) != len(hosts):
        raise ValueError(f"names several hosts, and not one port for all or one for each; {_SEVERAL}")
    wanted = url.query.get("target_session_attrs", "read-write")
    return url.update_query_dict({"port": ",".join(ports), "target_session_attrs": wanted})
