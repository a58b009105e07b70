package drill_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"visor/handler/policy/drill"
)

func Example() {
	plan, err := drill.Suffix("example.com", "pcap")
	if err != nil {
		fmt.Println(err)
		return
	}
	doc, err := plan.Document("drill-1", drill.Base{Policy: "all", Tap: "eth0", InputType: "pcap"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var out bytes.Buffer
	if err := json.Indent(&out, doc, "", " "); err != nil {
		fmt.Println(err)
		return
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if strings.Contains(line, "original") || strings.Contains(line, "example.com") {
			fmt.Println(strings.TrimSpace(line))
		}
	}
	// Output:
	// "original": "all"
	// "example.com"
}
