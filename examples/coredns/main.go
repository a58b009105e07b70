// Command coredns is CoreDNS with the plugin visor. The plugin analyses the queries and responses
// of a server block, and adds the results to CoreDNS's Prometheus metrics.
//
//	go run . -conf Corefile
package main

import (
	"slices"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/template"
	_ "github.com/coredns/coredns/plugin/whoami"
)

func main() {
	dnsserver.Directives = before(dnsserver.Directives, "cache", pluginName)
	coremain.Run()
}

// before returns directives with name in front of next, because a plugin sees the responses of the
// plugins after it.
func before(directives []string, next, name string) []string {
	return slices.Insert(slices.Clone(directives), slices.Index(directives, next), name)
}
