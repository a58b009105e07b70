package policy

import "visor/handler/options"

// Options holds configuration values by key: uint64, bool, string, []string, or Options. As in
// pktvisor, a value of digits is a number even if quoted.
type Options = options.Table
