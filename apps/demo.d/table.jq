# SPDX-License-Identifier: BSD-3-Clause
# The table of the demo, tab-separated, from the JSON files of all its runs; each number is the median
# of the rounds: jq -rn --arg pairs "memif:loopback af_xdp:veth" -f table.jq FILES

def median: if . == [] then "-" else sort | .[length / 2 | floor] end;

# Every file of a run, with what its name says.
[inputs | . + (input_filename |
    capture("(?<path>[a-z_]+)-(?<protocol>tcp|udp)\\.(?<round>[0-9]+)\\.(?<side>client|server)\\.json$"))]
| . as $files
| def runs($path; $protocol; $side):
    [$files[] | select(.path == $path and .protocol == $protocol and .side == $side)];

  # millrace counts copies where it runs: on both sides of memif, on the server's of a veth pair.
  def copied($path; $protocol):
    [runs($path; $protocol; "client", "server")[] | .copied_per_delivered | values] | median;

  # Runs of the same round followed each other.
  def ratio($path; $kernel; $protocol):
    [runs($path; $protocol; "client")[] as $run
     | runs($kernel; $protocol; "client")[] | select(.round == $run.round)
     | $run.round_trip_ns.p50 / .round_trip_ns.p50] | median;

  def row($path; $protocol; $ratio):
    runs($path; $protocol; "client") as $runs
    | if $runs == [] then empty else
        [$path, $protocol,
         ([$runs[].round_trip_ns.p50] | median / 1000),
         ([$runs[].round_trip_ns.p99] | median / 1000),
         ([$runs[].messages_per_s] | median | round),
         copied($path; $protocol), $ratio]
      end;

  ["path", "protocol", "p50_us", "p99_us", "messages/s", "copied/delivered", "ratio_to_kernel"],
  ($pairs | split(" ")[] | split(":") as [$path, $kernel] | "tcp", "udp"
   | row($path; .; ratio($path; $kernel; .)), row($kernel; .; "-"))
| @tsv
