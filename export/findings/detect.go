package findings

import (
	"fmt"
	"math"
)

// detect looks at a view of a period with all detectors.
func (w *Watcher) detect(v *view) {
	switch v.module.Type {
	case "dns":
		v.randomLabels(&w.allow)
		v.tunnels(&w.allow)
		v.enumerators(&w.allow)
		v.reflection()
		before := len(v.found)
		if v.oneServer(); len(v.found) == before {
			v.serverTrouble()
		}
		v.oneSided()
	case "net":
		v.scanner(&w.allow)
	case "pcap":
		v.drops()
	}
	v.clockStep()
	if !v.short {
		v.spike()
		v.vanished()
	}
}

// figureOf returns a figure with its usual value.
func figureOf(name string, value, usual float64, unit string) Figure {
	return Figure{Name: name, Value: value, Usual: &usual, Unit: unit}
}

const perSecond = "per second"

// quantity formats a number for a sentence.
func quantity(x float64) string {
	switch {
	case x >= 10 || x == math.Trunc(x):
		return grouped(fmt.Sprintf("%.0f", x))
	case x >= 1:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// grouped separates thousands.
func grouped(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// percent formats a share.
func percent(x float64) string { return fmt.Sprintf("%.0f %%", 100*x) }
