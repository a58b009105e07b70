package httpapi_test

import (
	"fmt"
	"net/http/httptest"
	"strings"

	"visor/export/httpapi"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

func Example() {
	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
	defer m.Close()
	api, err := httpapi.New(httpapi.Config{Policies: m, Admin: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	request := func(method, path, body string) {
		r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-yaml")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(w.Code)
		fmt.Println(w.Body)
	}
	request("POST", "/api/v1/taps", "visor: {taps: {names: {input_type: dnstap, config: {socket: /run/visor/dnstap.sock}}}}")
	request("DELETE", "/api/v1/policies/none", "")
	// Output:
	// 201
	// {"names":{"config":{"socket":"/run/visor/dnstap.sock"},"input_type":"dnstap","interface":"visor.module.input/1.0","tags":null}}
	// 404
	// {"error":"policy does not exists"}
}
