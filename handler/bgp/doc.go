// Package bgp counts BGP messages by type: the YAML module "bgp".
//
//	h, err := bgp.New(bgp.Config{})
//	...
//	fmt.Println(bgp.From(snapshot).Update.Value())
//
// Messages come from TCP connections of port 179. The streams are put in order and split by the
// messages' own lengths. pktvisor counts each piece of a stream as one message. Bytes that are not
// a message are not an event, but the handler's account counts them as undecodable.
package bgp
