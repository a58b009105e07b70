// Package dhcp counts DHCP messages, for IPv4 and IPv6, and lists clients and servers: the YAML
// module "dhcp".
//
//	h, err := dhcp.New(dhcp.Config{})
//	...
//	m := dhcp.From(snapshot)
//	for _, client := range m.TopClients.Top(10) {
//		fmt.Println(string(client.Key)) // 02:00:00:00:00:01/printer/192.0.2.7
//	}
//
// A message is any datagram on UDP port 67 or 68, or 546 or 547, including relayed and unreadable
// ones. A client is counted when an ACK answers its REQUEST, which may contain its name. If a
// source is shared through capture.Fanout, both go to one worker by their ports. Queues of a
// network interface may separate them, and then the client is not listed.
package dhcp
