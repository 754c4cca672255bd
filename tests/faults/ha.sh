#!/usr/bin/env bash
# The primary of a replicated PostgreSQL is lost under load: how long intake stands still, and what is lost (nothing).
#
#   tests/faults/ha.sh [node | postgres | freeze]
#
#   node       kill -9 of the primary's PostgreSQL and of its Patroni, as when a machine loses its power (the default)
#   postgres   kill -9 of its PostgreSQL alone
#   freeze     SIGSTOP of both: connections stay open and nobody answers
#
# PostgreSQL, Patroni and etcd are Debian's: apt-get install postgresql patroni etcd-server. All on loopback, in a
# temporary folder, ended and removed at the end. As root it runs them as the user postgres.
set -euo pipefail
cd "$(dirname "$0")/../.."

scenario=${1:-node}
case $scenario in node | postgres | freeze) ;; *) echo "usage: $0 [node | postgres | freeze]" >&2; exit 2 ;; esac
python=.venv/bin/python
[ -x "$python" ] || python=python3
binaries=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)
if [ -z "$binaries" ] || ! command -v patroni >/dev/null || ! command -v etcd >/dev/null; then
  echo "PostgreSQL, Patroni or etcd is missing: apt-get install postgresql patroni etcd-server" >&2
  exit 3
fi
as_postgres=()
[ "$(id -u)" -ne 0 ] || as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)

folder=$(mktemp -d -t one-window-ha-XXXXXX)
pids=()
end() {
  trap - EXIT
  for pid in "${pids[@]}"; do kill -CONT "$pid" 2>/dev/null || true; kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  for file in "$folder"/*/data/postmaster.pid; do
    [ ! -f "$file" ] || kill -9 "$(head -1 "$file")" 2>/dev/null || true
  done
  rm -rf "$folder"
}
trap end EXIT
trap 'exit 130' INT TERM
mkdir "$folder/etcd" "$folder/a" "$folder/b"
[ "$(id -u)" -ne 0 ] || chown -R postgres: "$folder"

read -r client peer sql_a rest_a sql_b rest_b < <("$python" - <<'EOF'
import socket
probes = [socket.socket() for _ in range(6)]
for probe in probes:
    probe.bind(("127.0.0.1", 0))
print(*(probe.getsockname()[1] for probe in probes))
EOF
)

"${as_postgres[@]}" etcd --data-dir "$folder/etcd" --log-level error --name only \
  --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
  --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
  --initial-cluster "only=http://127.0.0.1:$peer" >"$folder/etcd.log" 2>&1 &
pids+=($!)

start_node() { # name, port of PostgreSQL, port of Patroni
  cat >"$folder/$1/patroni.yml" <<EOF
scope: one-window
name: $1
etcd3: {host: "127.0.0.1:$client"}
restapi: {listen: "127.0.0.1:$3", connect_address: "127.0.0.1:$3"}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 2
    retry_timeout: 5
    primary_start_timeout: 0
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      remove_data_directory_on_rewind_failure: true
      remove_data_directory_on_diverged_timelines: true
      parameters: {max_connections: 100, synchronous_commit: "on"}
  initdb: [{encoding: UTF8}, {auth: trust}, data-checksums]
  pg_hba: ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
postgresql:
  listen: 127.0.0.1:$2
  connect_address: 127.0.0.1:$2
  data_dir: $folder/$1/data
  pgpass: $folder/$1/pgpass
  bin_dir: $binaries
  authentication: {superuser: {username: postgres}, replication: {username: postgres}}
  parameters: {unix_socket_directories: "$folder/$1"}
EOF
  "${as_postgres[@]}" patroni "$folder/$1/patroni.yml" >"$folder/$1/patroni.log" 2>&1 &
  pids+=($!)
  echo $! >"$folder/$1/patroni.pid"
}
start_node a "$sql_a" "$rest_a"
start_node b "$sql_b" "$rest_b"

# In the background and waited for, so that the trap is not kept waiting.
"$python" -m tests.faults.ha "$scenario" "$folder" "a:$sql_a:$rest_a" "b:$sql_b:$rest_b" &
driver=$!
pids+=($driver)
if ! wait "$driver" 2>/dev/null; then # without the shell's own word on what was killed
  tail -n 5 "$folder"/*/patroni.log >&2
  exit 1
fi
