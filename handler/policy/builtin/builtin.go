package builtin

import (
	"errors"

	"visor/export/alert"
	"visor/handler"
	"visor/handler/asks"
	"visor/handler/bgp"
	"visor/handler/dhcp"
	"visor/handler/dns"
	"visor/handler/flow"
	"visor/handler/netprobe"
	"visor/handler/network"
	"visor/handler/options"
	"visor/handler/pcap"
	"visor/handler/policy"
	"visor/handler/resources"
)

// Catalog returns visor's inputs and handlers. The caller owns the slices.
func Catalog() policy.Catalog {
	return catalog(
		pcapInput((*pcapConfig).capture), dnstapInput((*dnstapConfig).openListener),
		flowInput("flow", (*flowConfig).listen), flowInput("sflow", (*flowConfig).listen),
		netprobeInput((*netprobeConfig).probe), mockInput((*mockConfig).mock),
	)
}

// Recordings returns the Catalog for a program that reads files. It checks documents as Catalog
// does, and refuses to open an input that is not a file. Such a program links neither live capture
// nor HTTP and TLS, which are a fifth of its size. The caller owns the slices.
func Recordings() policy.Catalog {
	return catalog(
		pcapInput(noFile[pcapConfig]), dnstapInput(noFile[dnstapConfig]),
		flowInput("flow", noFile[flowConfig]), flowInput("sflow", noFile[flowConfig]),
		netprobeInput(noFile[netprobeConfig]), mockInput(noFile[mockConfig]),
	)
}

// opener opens an input that is not a file.
type opener[C any] func(*C, policy.InputEnv) (policy.Opened, error)

// noFile is the opener of programs that read files.
func noFile[C any](*C, policy.InputEnv) (policy.Opened, error) {
	return policy.Opened{}, errors.New("this program only reads files")
}

func catalog(inputs ...policy.InputType) policy.Catalog {
	return policy.Catalog{
		Inputs: inputs,
		Handlers: []policy.Analyzer{
			declare("asks", "1.0", "AsksStreamHandler", asks.New, asksEnv, asksBytes),
			declare("bgp", "1.0", "BgpStreamHandler", bgp.New, nil, nil),
			declare("dhcp", "1.0", "DhcpStreamHandler", dhcp.New, noLists, nil),
			own(declare("dns", "1.0", "DnsStreamHandler", dns.New, dnsEnv, dnsBytes), dnsOwnBytes),
			own(declare("dns", "2.0", "DnsStreamHandler", dns.NewTransactions, dnsEnv, dnsBytes), dnsOwnBytes),
			declare("flow", "1.0", "FlowStreamHandler", flow.New, flowEnv, flowBytes),
			anyKey(declare("input_resources", "1.0", "InputResourcesStreamHandler", resources.New, nil, nil)),
			own(declare("net", "1.0", "NetStreamHandler", network.New, netEnv, netBytes), netOwnBytes),
			own(declare("net", "2.0", "NetStreamHandler", network.NewByDirection, netEnv, netBytes), netOwnBytes),
			declare("netprobe", "1.0", "NetProbeStreamHandler", netprobe.New, nil, nil),
			declare("pcap", "1.0", "PcapStreamHandler", pcap.New, nil, nil),
		},
		Sections: []policy.Section{{Name: "alerts", Keys: alert.Keys(), Check: checkAlerts}},
	}
}

func checkAlerts(table options.Table) options.Problems {
	_, err := alert.Read(table)
	problems, _ := errors.AsType[options.Problems](err)
	return problems
}

// declare returns an analyzer with its name in pktvisor's error texts. The func adapt, which may be
// nil, changes the parsed configuration.
func declare[C any, H handler.Handler](typ, version, class string, make func(C) (H, error),
	adapt func(*C, policy.Env), bytes func(int64, policy.Limits) int64,
) policy.Analyzer {
	a := policy.Declare(typ, version, func(cfg C, env policy.Env) (handler.Handler, error) {
		if adapt != nil {
			adapt(&cfg, env)
		}
		return make(cfg)
	})
	a.Class, a.Words, a.Bytes = class, words(), bytes
	return a
}

// anyKey accepts any key, as pktvisor does.
func anyKey(a policy.Analyzer) policy.Analyzer {
	a.AnyKey = true
	return a
}

// noLists ignores the length of lists, as pktvisor does.
func noLists(cfg *dhcp.Config, _ policy.Env) { cfg.TopN, cfg.TopPercentile = 0, 0 }

func asksEnv(cfg *asks.Config, env policy.Env) { cfg.Geo = env.Geo }

func dnsEnv(cfg *dns.Config, env policy.Env) { cfg.Geo = env.Geo }

func netEnv(cfg *network.Config, env policy.Env) { cfg.Geo = env.Geo }

func flowEnv(cfg *flow.Config, env policy.Env) {
	cfg.Geo, cfg.Services, cfg.MaxBytes = env.Geo, env.Services, env.FlowBytes
}

const mib = 1 << 20

func asksBytes(periods int64, _ policy.Limits) int64 { return 3 * mib * periods }

func dnsBytes(periods int64, _ policy.Limits) int64 { return 8*mib + 3*mib*(periods-1) }

// dnsOwnBytes is for the ends of waiting queries, for lists of clients and servers, and for names
// behind extended errors.
func dnsOwnBytes(periods int64) int64 { return 14*mib + 6*mib*(periods-1) }

func netBytes(periods int64, _ policy.Limits) int64 { return mib * periods }

// netOwnBytes is for lists of ports and subnets.
func netOwnBytes(periods int64) int64 { return mib * periods }

func flowBytes(_ int64, l policy.Limits) int64 { return int64(l.Flows()) }

// own sets the memory of metric groups that pktvisor lacks.
func own(a policy.Analyzer, bytes func(periods int64) int64) policy.Analyzer {
	a.OwnBytes = bytes
	return a
}
