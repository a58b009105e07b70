package main

import (
	"errors"
	"strings"

	"visor/handler/policy/drill"
)

// drilldown is a drill-down into an entry. A temporary policy of the agent counts only its traffic.
type drilldown struct {
	title  string
	policy string
}

// base returns the traffic of a policy, on its first tap.
func (info policyInfo) base(policy string) (drill.Base, error) {
	taps := sortedKeys(info.Taps)
	if len(taps) == 0 {
		return drill.Base{}, errors.New("the policy has no tap that is still there")
	}
	tap := info.Taps[taps[0]]
	base := drill.Base{Policy: policy, Tap: taps[0], InputType: tap.InputType, Anonymize: info.Anonymize, TapAnonymize: tap.Anonymize}
	for name, in := range info.Input {
		if former, ok := in.Module.Config["bpf"].(string); ok && strings.HasPrefix(name, base.Tap+"-") {
			base.BPF = former
		}
	}
	return base, nil
}
