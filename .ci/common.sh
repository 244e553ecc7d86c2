# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# What apps/demo and tests/run share: packages, hugepages, builds, the end of a script. Sourced by
# bash, from the repository's root, with `set -euo pipefail`.
#
# Invariant: what at_exit was given runs on every way out, last given first, so that hugepages, mounts,
# namespaces and processes are as they were before.

exit_actions=()

say() { printf '== %s\n' "$*"; }

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# at_exit WORDS...: runs the command WORDS when the script ends.
at_exit() { exit_actions+=("$(printf '%q ' "$@")"); }

run_exit_actions() {
    local status=$? i
    trap '' INT TERM HUP
    set +e
    for ((i = ${#exit_actions[@]} - 1; i >= 0; i--)); do eval "${exit_actions[i]}"; done
    exit "$status"
}
trap run_exit_actions EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- packages -----------------------------------------------------------------------------------

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Fetching lwIP's sources needs apt's lists, too; container images come without them.
has_apt_lists() { [ -n "$(apt-get indextargets 'Created-By: Packages' 2>/dev/null)" ]; }

install_packages() {
    local package missing=()
    command -v apt-get >/dev/null || fail "needs Debian 12: packages are installed with apt-get"
    while read -r package; do
        is_installed "$package" || missing+=("$package")
    done < <(grep -v '^#' .ci/packages)
    [ ${#missing[@]} -gt 0 ] || has_apt_lists || missing=(debian-archive-keyring)
    [ ${#missing[@]} -gt 0 ] || return 0
    local install=(apt-get install -y --no-install-recommends "${missing[@]}")
    [ "$(id -u)" = 0 ] || fail "run as root once: apt-get update && ${install[*]}"
    say "installing ${missing[*]}"
    local log
    log=$(mktemp)
    if ! { apt-get -qq update && DEBIAN_FRONTEND=noninteractive "${install[@]}"; } >"$log" 2>&1; then
        cat "$log" >&2
        fail "apt-get failed; its output is above"
    fi
    rm "$log"
}

# ---- hugepages ----------------------------------------------------------------------------------

hugepages=/sys/kernel/mm/hugepages/hugepages-2048kB

set_hugepages() { echo "$1" 2>/dev/null >$hugepages/nr_hugepages; }

# reserve_hugepages N: at least N pages of 2 MiB and a hugetlbfs, if this machine lets us; as before at
# exit. Nothing needs them, so nothing here fails.
reserve_hugepages() {
    local before
    before=$(cat $hugepages/nr_hugepages 2>/dev/null) || return 0
    if [ "$before" -lt "$1" ] && set_hugepages "$1"; then
        at_exit set_hugepages "$before"
    fi
    if ! grep -q ' hugetlbfs ' /proc/mounts && [ -d /dev/hugepages ] &&
        mount -t hugetlbfs hugetlbfs /dev/hugepages 2>/dev/null; then
        at_exit umount /dev/hugepages
    fi
}

# ---- builds -------------------------------------------------------------------------------------

# Every build directory fetches lwIP; a copy from another one is quicker.
share_lwip() {
    local have
    [ ! -e "build/$1/lwip-2.2.1" ] || return 0
    for have in build/*/lwip-2.2.1; do
        [ -e "$have/src/Filelists.cmake" ] || continue
        mkdir -p "build/$1" && cp -r "$have" "build/$1/"
        return
    done
}

# build PRESET [words of cmake --build...]: configures and builds; Ninja's [n/m] is the progress, one line
# that changes on a terminal.
build() {
    local preset=$1 log=build/$1/configure.log
    share_lwip "$preset"
    mkdir -p "build/$preset"
    say "configuring build/$preset (fetches lwIP the first time)"
    cmake --preset "$preset" >"$log" 2>&1 || {
        cat "$log" >&2
        return 1
    }
    say "building build/$preset"
    cmake --build --preset "$@"
}
