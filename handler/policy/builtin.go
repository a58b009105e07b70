package policy

import (
	"cmp"
	"slices"

	"visor/handler"
	"visor/handler/bgp"
	"visor/handler/dhcp"
	"visor/handler/dns"
	"visor/handler/flow"
	"visor/handler/netprobe"
	"visor/handler/network"
	"visor/handler/pcap"
	"visor/handler/resources"
)

// Catalog lists the inputs and handlers that documents may name. The zero Catalog is empty. A
// program adds its own types to those returned by [Builtin].
type Catalog struct {
	Inputs   []InputType
	Handlers []Analyzer
}

// Builtin returns visor's own inputs and handlers. The caller owns the slices.
func Builtin() Catalog {
	return Catalog{
		Inputs: builtinInputs(),
		Handlers: []Analyzer{
			Declare("bgp", "1.0", func(cfg bgp.Config, _ Env) (handler.Handler, error) { return bgp.New(cfg) }).named("BgpStreamHandler"),
			Declare("dhcp", "1.0", makeDHCP).named("DhcpStreamHandler"),
			Declare("dns", "1.0", makeDNS).named("DnsStreamHandler"),
			Declare("dns", "2.0", makeDNSTransactions).named("DnsStreamHandler"),
			Declare("flow", "1.0", makeFlow).named("FlowStreamHandler"),
			resourcesAnalyzer(),
			Declare("net", "1.0", makeNetwork).named("NetStreamHandler"),
			Declare("net", "2.0", makeNetworkByDirection).named("NetStreamHandler"),
			Declare("netprobe", "1.0", func(cfg netprobe.Config, _ Env) (handler.Handler, error) { return netprobe.New(cfg) }).named("NetProbeStreamHandler"),
			Declare("pcap", "1.0", func(cfg pcap.Config, _ Env) (handler.Handler, error) { return pcap.New(cfg) }).named("PcapStreamHandler"),
		},
	}
}

// named sets the handler's name in pktvisor's error texts.
func (a Analyzer) named(class string) Analyzer {
	a.class = class
	return a
}

// resourcesAnalyzer accepts any key, as pktvisor does.
func resourcesAnalyzer() Analyzer {
	a := Declare("input_resources", "1.0", func(cfg resources.Config, _ Env) (handler.Handler, error) { return resources.New(cfg) })
	a.anyKey = true
	return a
}

// makeDHCP ignores the length of lists, as pktvisor does.
func makeDHCP(cfg dhcp.Config, _ Env) (handler.Handler, error) {
	cfg.TopN, cfg.TopPercentile = 0, 0
	return dhcp.New(cfg)
}

func makeDNS(cfg dns.Config, env Env) (handler.Handler, error) {
	cfg.Geo = env.Geo
	return dns.New(cfg)
}

func makeDNSTransactions(cfg dns.Config, env Env) (handler.Handler, error) {
	cfg.Geo = env.Geo
	return dns.NewTransactions(cfg)
}

func makeFlow(cfg flow.Config, env Env) (handler.Handler, error) {
	cfg.Geo, cfg.Services, cfg.MaxBytes = env.Geo, env.Services, env.FlowBytes
	return flow.New(cfg)
}

func makeNetwork(cfg network.Config, env Env) (handler.Handler, error) {
	cfg.Geo = env.Geo
	return network.New(cfg)
}

func makeNetworkByDirection(cfg network.Config, env Env) (handler.Handler, error) {
	cfg.Geo = env.Geo
	return network.NewByDirection(cfg)
}

// analyzer returns the handler type in a version, or nil without one. Version "" means "1.0".
func (c *Catalog) analyzer(typ, version string) *Analyzer {
	version = cmp.Or(version, "1.0")
	i := slices.IndexFunc(c.Handlers, func(a Analyzer) bool { return a.Type == typ && a.Version == version })
	if i < 0 {
		return nil
	}
	return &c.Handlers[i]
}

// handlerTypes returns the names of the handler types, sorted.
func (c *Catalog) handlerTypes() (out []string) {
	for i := range c.Handlers {
		out = append(out, c.Handlers[i].Type)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// InputTypes returns the names of the inputs.
func (c *Catalog) InputTypes() (out []string) {
	for i := range c.Inputs {
		out = append(out, c.Inputs[i].Name)
	}
	return out
}

// input returns the input with a name, or nil without one.
func (c *Catalog) input(name string) *InputType {
	i := slices.IndexFunc(c.Inputs, func(t InputType) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &c.Inputs[i]
}
