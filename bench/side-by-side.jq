# SPDX-License-Identifier: BSD-3-Clause
# The table of bench/side-by-side from the JSON files of all its runs:
# jq -n --argjson rounds 5 -f side-by-side.jq FILES

{loopback: "loopback", memif: "loopback", veth: "veth", af_xdp: "veth", af_packet: "veth"} as $kernel_of
# Best round of each "path-test": the shortest median, the most bits per second.
| reduce (inputs | . + (input_filename
      | capture("(?<path>[a-z_]+)-(?<test>tcp|udp|bulk|frames)\\.[0-9]+\\.client\\.json$"))) as $run ({};
    ($run.path + "-" + $run.test) as $name
    | if $run.test == "bulk"
      then .[$name] |= ([., $run.received.bits_per_s / 1e9] | max)
      else .[$name] |= ([. // infinite, $run.round_trip_ns.p50 / 1e3] | min)
      end)
| . as $best
| {rounds: $rounds, rows: [to_entries[]
    | (.key | capture("^(?<path>[a-z_]+)-(?<test>.*)$")) as $is
    | {what: .key, best: .value, unit: (if $is.test == "bulk" then "Gbit/s" else "us" end)}
      + if $kernel_of[$is.path] == null or $kernel_of[$is.path] == $is.path then {}
        else {ratio_to_kernel: (.value / $best[$kernel_of[$is.path] + "-" + $is.test])} end
      + if $is.path == "memif" and $is.test != "bulk" then {ratio_to_raw: (.value / $best["raw-frames"])}
        else {} end]}
