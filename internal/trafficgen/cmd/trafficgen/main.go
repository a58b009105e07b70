// Command trafficgen writes a pcap file of generated traffic, which is always the same for the same
// flags:
//
//	trafficgen -kind mixed -n 1000000 -seed 7 -o traffic.pcap
//
// It prints a summary of the file to standard error.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"visor/internal/trafficgen"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "trafficgen:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	cfg, path, err := parse(args, stderr)
	if err != nil {
		return err
	}
	began := time.Now()
	truth, err := write(path, stdout, cfg)
	if err != nil {
		return err
	}
	report(stderr, &truth, time.Since(began))
	return nil
}

func parse(args []string, stderr io.Writer) (cfg trafficgen.Config, path string, err error) {
	fs := flag.NewFlagSet("trafficgen", flag.ContinueOnError)
	fs.SetOutput(stderr)
	kind := fs.String("kind", "mixed", "`varied` (DNS over UDP alone) or mixed (everything)")
	n := fs.Int("n", trafficgen.DefaultPackets, "`frames` to write")
	seed := fs.Uint64("seed", 0, "the same seed generates the same file")
	pps := fs.Float64("pps", 50_000, "frames per second, by their timestamps")
	nx := fs.Int("nxdomain", 0, "`percent` of DNS transactions in a flood of names that do not exist")
	labels := fs.Int("randomlabel", 0, "`percent` of DNS transactions in a random-label attack")
	victim := fs.String("victim", "", "the `zone` under that attack (default victim.example)")
	fs.StringVar(&path, "o", "-", "`file` to write, - for the standard output")
	if err := fs.Parse(args); err != nil {
		return cfg, "", err
	}
	switch *kind {
	case "varied":
		cfg = trafficgen.VariedDNS(*n)
	case "mixed":
		cfg = trafficgen.Mixed(*n)
	default:
		return cfg, "", fmt.Errorf("-kind %s: want varied or mixed", *kind)
	}
	if fs.NArg() > 0 {
		return cfg, "", fmt.Errorf("unexpected argument %s", fs.Arg(0))
	}
	cfg.Seed, cfg.PPS = *seed, *pps
	cfg.Flood = trafficgen.Flood{NXDomain: *nx, RandomLabel: *labels, Victim: *victim}
	return cfg, path, nil
}

func write(path string, stdout io.Writer, cfg trafficgen.Config) (trafficgen.Truth, error) {
	if path == "-" {
		return trafficgen.WritePcap(stdout, cfg)
	}
	return trafficgen.WriteFile(path, cfg)
}

func report(w io.Writer, t *trafficgen.Truth, took time.Duration) {
	fmt.Fprintf(w, "%d frames, %d bytes, %.1f s of traffic, made in %v\n", t.Packets, t.Bytes, float64(t.LastNS-t.FirstNS)/1e9, took.Round(time.Millisecond))
	fmt.Fprintf(w, "IPv4 %d, IPv6 %d, ARP %d, UDP %d, TCP %d, ICMP %d, ICMPv6 %d, VLAN %d, fragments %d\n",
		t.IPv4, t.IPv6, t.ARP, t.UDP, t.TCP, t.ICMP, t.ICMPv6, t.VLAN, t.Fragments)
	fmt.Fprintf(w, "DNS: %d queries, %d responses (%d of both over TCP), %d matched, %d names, %d clients\n",
		t.DNSQueries, t.DNSResponses, t.DNSTCP, t.Matched, t.DistinctQNames, t.DistinctClients)
	fmt.Fprintf(w, "DNS: NOERROR %d (%d NODATA), NXDOMAIN %d, SERVFAIL %d, REFUSED %d; in floods %d queries\n",
		t.RCodes[0], t.NoData, t.RCodes[3], t.RCodes[2], t.RCodes[5], t.FloodNX+t.FloodVictim)
}
