package options_test

import (
	"fmt"

	"visor/handler/options"
)

func Example() {
	var cfg struct {
		Only []string `policy:"only_names" help:"counts these names alone"`
		Size int      `policy:"max_size" range:"1-512" help:"bytes of the largest frame"`
	}
	table := options.Table{"only_names": []string{"a", "b"}, "max_size": uint64(9000)}
	for _, problem := range options.Read(table, &cfg, "1.0", options.Dialect{}) {
		fmt.Println(problem)
	}
	fmt.Println(cfg.Only)
	// Output:
	// max_size must be from 1 to 512 but is 9000
	// [a b]
}
