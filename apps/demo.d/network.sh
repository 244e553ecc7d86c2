# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Where the paths run: millrace's configurations, and for root two network namespaces with two
# veth pairs of the same settings between them. Sourced by apps/demo and bench/side-by-side.
#
#   millrace-server-PID                     millrace-client-PID
#     fast  10.77.0.2 (a DPDK port) ----------- fast  10.77.0.1
#     slow  10.77.1.2 (the kernel)  ----------- slow  10.77.1.1

server_netns=millrace-server-$$
client_netns=millrace-client-$$
device=

# eal_args WORDS...: TOML, with the words that choose the memory: hugepages where enough are free.
eal_args() {
    local word free words=(--no-pci --no-telemetry --single-file-segments "$@")
    free=$(cat $hugepages/free_hugepages 2>/dev/null || echo 0)
    if [ "$(id -u)" = 0 ] && [ "$free" -ge 400 ]; then
        words+=(--in-memory --iova-mode=va)
    else
        words+=(--no-huge -m 256 --no-shconf)
    fi
    printf 'args = ['
    for word in "${words[@]}"; do printf '"%s", ' "$word"; done
    printf ']\n'
}

# write_config FILE DEVICE ADDRESS VDEV [line of the port]
write_config() {
    {
        echo '[eal]'
        eal_args "--vdev=$4"
        printf '[[port]]\ndevice = "%s"\naddresses = ["%s/24"]\n%s\n' "$2" "$3" "${5-}"
        printf '[stack]\nmbufs = 16384\n'
    } >"$1"
}

write_memif_configs() {
    local common="id=0,rsize=11,bsize=2048,socket=$scratch/memif.sock,socket-abstract=no"
    local client="net_memif0,role=client,zero-copy=yes,$common"
    write_config "$out/memif-server.toml" net_memif0 10.77.2.1 "net_memif0,role=server,$common"
    write_config "$out/memif-client.toml" net_memif0 10.77.2.2 "$client"
    cp "$out/memif-server.toml" "$out/capture-server.toml"
    write_config "$out/capture-client.toml" net_memif0 10.77.2.2 "$client" \
        "capture = \"$PWD/$out/memif.pcapng\""
}

add_netns() {
    ip netns add "$1" 2>/dev/null || return 1
    at_exit ip netns del "$1"
}

# Both ends alike, both pairs alike: one queue, and no offload that a NIC between two machines could not
# have; the kernel computes every checksum, as millrace does.
add_veth() {
    local netns
    ip -n "$server_netns" link add name "$1" numrxqueues 1 numtxqueues 1 type veth \
        peer name "$1" numrxqueues 1 numtxqueues 1 netns "$client_netns" || return 1
    for netns in "$server_netns" "$client_netns"; do
        ip netns exec "$netns" ethtool -K "$1" tx off tso off gso off gro off >/dev/null 2>&1
        ip -n "$netns" link set "$1" up
    done
    ip -n "$client_netns" address add "$2.1/24" dev "$1"
}

# try_device KIND: whether a datagram comes back from a port of this kind.
try_device() {
    write_config "$out/$1-server.toml" "net_${1}0" 10.77.0.2 "net_${1}0,iface=fast"
    try_run "$1" udp "$out/$1-try" --duration 0.05 --warmup 0
}

# make_network: namespaces and veth pairs, and in `device` the kind of port that works: af_xdp where the
# kernel has it, else af_packet. Fails, with a line that says why, where nothing of that is to be had.
make_network() {
    if [ "$(id -u)" != 0 ]; then
        say "not root: no veth pairs, only memif and loopback"
        return 1
    fi
    if ! add_netns "$server_netns" || ! add_netns "$client_netns" || ! add_veth fast 10.77.0 ||
        ! add_veth slow 10.77.1; then
        say "no network namespaces or no veth here: only memif and loopback"
        return 1
    fi
    ip -n "$server_netns" address add 10.77.1.2/24 dev slow
    for device in af_xdp af_packet; do
        if try_device "$device"; then return 0; fi
        say "$device does not work here: $(tail -n 1 "$out/$device-try.server.log")"
    done
    return 1
}
