package builtin

import (
	"visor/capture/probe"
	"visor/handler/options"
	"visor/handler/policy"
)

// parsed parses a configuration as a policy that starts does.
func parsed[C any, P interface {
	*C
	policy.Checker
}](t policy.InputType, opts policy.Options) (cfg C, err error) {
	problems := P(&cfg).Check(opts, options.Read(opts, &cfg, "", t.Words))
	if len(problems) > 0 {
		return cfg, problems
	}
	if v, ok := any(P(&cfg)).(policy.Verifier); ok {
		err = v.Verify()
	}
	return cfg, err
}

func parseFlow(opts policy.Options) (flowConfig, error) {
	return parsed[flowConfig](flowInput("flow", (*flowConfig).listen), opts)
}

func parsePcap(opts policy.Options) (pcapConfig, error) {
	return parsed[pcapConfig](pcapInput((*pcapConfig).capture), opts)
}

func parseTap(opts policy.Options) (dnstapConfig, error) {
	return parsed[dnstapConfig](dnstapInput((*dnstapConfig).openListener), opts)
}

func parseProbe(opts policy.Options) (cfg probe.Config, err error) {
	c, err := parsed[netprobeConfig](netprobeInput((*netprobeConfig).probe), opts)
	if err != nil {
		return cfg, err
	}
	cfg = c.config()
	cfg.TLS, err = c.TLS.read()
	return cfg, err
}
