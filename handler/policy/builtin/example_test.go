package builtin_test

import (
	"fmt"

	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

func Example() {
	h, err := builtin.Catalog().Build(policy.Module{
		Name: "new-types", Type: "dns",
		Config: policy.Options{"only_qtype": []string{"AAAA", "HTTPS"}, "num_periods": uint64(2)},
	}, policy.Env{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(h.Info().Name, h.Info().Periods)

	_, err = builtin.Catalog().Build(policy.Module{Type: "dns", Config: policy.Options{"only_qtypes": []string{"A"}}}, policy.Env{})
	fmt.Println(err.Error()[:53])
	// Output:
	// new-types 2
	// only_qtypes is an invalid/unsupported config or filte
}
