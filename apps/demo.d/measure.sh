# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# One run: a server, a client, and what they write. Sourced by apps/demo and bench/side-by-side.
#
# A run NAME, which is $out/PATH-PROTOCOL.ROUND, leaves NAME.client.json, NAME.server.json, NAME.hgrm
# and two logs. A side of a path that has a configuration is millrace, one that has none is the kernel.
#
# Invariant: at most one server runs, and server_pid is empty when none does.

lat=build/release/apps/millrace-lat
server_pid=
n_failures=0
declare -A cpu_of command_of=([server]=server [client]=ping-pong)
declare -A address_of=(
    [memif]=10.77.2.1:7777
    [capture]=10.77.2.1:7777
    [loopback]=127.0.0.1:$((20000 + $$ % 10000))
    [af_xdp]=10.77.0.2:7777
    [af_packet]=10.77.0.2:7777
    [veth]=10.77.1.2:7777
)

# On one core the two sides stop each other, and no number means anything.
pick_cpus() {
    local cpu cpus=()
    for cpu in $(lscpu -p=CPU,CORE | awk -F, '!/^#/ && !seen[$2]++ { print $1 }'); do
        if taskset -c "$cpu" true 2>/dev/null; then cpus+=("$cpu"); fi
    done
    cpu_of=([server]=${cpus[0]} [client]=${cpus[1]-${cpus[0]}})
    [ ${#cpus[@]} -gt 1 ] || say "one core only: the numbers below mean nothing"
}

prepare() {
    rm -rf "$out"
    mkdir -p "$out"
    scratch=$(mktemp -d)
    at_exit rm -rf "$scratch"
    export RUNTIME_DIRECTORY=$scratch # EAL's directory, which it does not remove
    at_exit stop_server
    reserve_hugepages 512
    pick_cpus
    write_memif_configs
}

# set_words ROLE PATH: the command line of one side, in `words`.
set_words() {
    local config=$out/$2-$1.toml
    words=()
    case $2 in
        af_* | veth) words+=(ip netns exec "millrace-$1-$$") ;;
    esac
    words+=(taskset -c "${cpu_of[$1]}" "$lat" "${command_of[$1]}" --address "${address_of[$2]}")
    if [ -e "$config" ]; then
        words+=(--config "$config")
    else
        words+=(--kernel --spin)
    fi
}

# start_server PATH PROTOCOL NAME: returns when it listens; fails when it does not.
start_server() {
    local i words
    set_words server "$1"
    [ "$2" != sctp ] || words+=(--sctp) # TCP and UDP are served without being asked
    : >"$3.server.log"
    "${words[@]}" --json "$3.server.json" >>"$3.server.log" 2>&1 &
    server_pid=$!
    for ((i = 0; i < 200; i++)); do
        if grep -q '^listening' "$3.server.log"; then return 0; fi
        kill -0 "$server_pid" 2>/dev/null || return 1
        sleep 0.05
    done
    return 1
}

# It writes its counters when it ends.
stop_server() {
    local i
    [ -n "$server_pid" ] || return 0
    kill "$server_pid" 2>/dev/null || true
    for ((i = 0; i < 100; i++)); do
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.05
    done
    kill -KILL "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
    server_pid=
}

# run_client PATH PROTOCOL NAME [words for the client...]
run_client() {
    local words
    set_words client "$1"
    timeout 20 "${words[@]}" "--$2" --json "$3.client.json" "${@:4}" >"$3.client.log" 2>&1
}

# try_run PATH PROTOCOL NAME [words for the client...]: server and client, from start to end.
try_run() {
    local status=0
    start_server "$1" "$2" "$3" && run_client "$@" || status=1
    stop_server
    return $status
}

# run PATH PROTOCOL NAME [words for the client...]: once more if it fails, since a shared machine may
# stand still for seconds; counts what fails then.
run() {
    local attempt
    for attempt in first second; do
        if try_run "$@"; then return 0; fi
        say "$1 $2: the $attempt attempt failed: $(tail -qn 1 "$3".*.log | tr '\n' ' ')"
        rm -f "$3".*.json "$3.hgrm"
    done
    n_failures=$((n_failures + 1))
}

# measure PATH PROTOCOL ROUND: round trips
measure() {
    local name=$out/$1-$2.$3
    run "$1" "$2" "$name" --size 64 --duration "$seconds" --warmup "$warmup" --hgrm "$name.hgrm"
}

# A short run of its own, so that capturing disturbs no measurement.
capture() {
    say "a short run with a capture"
    run capture tcp "$out/capture" --size 64 --duration 0.01 --warmup 0
    rm -f "$out"/capture.*
}
