package metric_test

import (
	"fmt"
	"strconv"

	"visor/handler/metric"
	"visor/sketch"
	"visor/sketch/hash64"
)

func Example() {
	type Metrics struct {
		Queries sketch.Counter  `metric:"queries,counters" help:"DNS queries"`
		Names   metric.TopNames `metric:"top_names,names" label:"name" help:"names by queries"`
	}
	groups := metric.GroupNames{"counters", "names"}
	schema, err := metric.NewSchema[Metrics]("mine", groups)
	if err != nil {
		fmt.Println(err)
		return
	}
	hasher := hash64.Random()
	set := schema.New()
	for _, name := range []string{"a.example", "b.example", "a.example"} {
		set.Metrics.Queries.Add(1)
		set.Metrics.Names.Add(hasher.Sum([]byte(name)), []byte(name), 1)
	}
	for _, v := range set.Values(groups.All(), metric.Rendering{TopN: 10}) {
		fmt.Println(v.Prom, v.Int)
		for _, item := range v.Items {
			fmt.Println(" ", item.Name, item.Estimate)
		}
	}
	// Output:
	// mine_queries 3
	// mine_top_names 0
	//   a.example 2
	//   b.example 1
}

// hops is the key of a list of numbers.
type hops uint16

func (h hops) String() string { return strconv.Itoa(int(h)) + " hops" }

func ExampleTopNumbers() {
	var list metric.TopNumbers[hops]
	list.Add(64, 2)
	list.Add(63, 5)
	for _, item := range list.Items(10) {
		fmt.Println(item.Name, item.Estimate)
	}
	// Output:
	// 63 hops 5
	// 64 hops 2
}

// A field with the tag must be a metric.
func ExampleNewSchema() {
	type Metrics struct {
		N int `metric:"n"`
	}
	_, err := metric.NewSchema[Metrics]("mine", nil)
	fmt.Println(err)
	// Output: metric: metric_test.Metrics.N: int is not a metric
}
