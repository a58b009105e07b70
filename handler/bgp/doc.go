// Package bgp counts BGP messages by type: the YAML module "bgp".
//
//	h, err := bgp.New(bgp.Config{})
//	...
//	fmt.Println(bgp.From(snapshot).Update.Value())
//
// Messages are what TCP connections of port 179 carry, put in order and split by their own lengths;
// the reference takes each piece of a stream for one message. Bytes that are no message are no
// event, but undecodable in the handler's account.
package bgp
