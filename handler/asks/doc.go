// Package asks counts the clients that ask for a name, or what a client asks for. It answers
// questions such as: which clients still query a deleted record?
//
//	h, err := asks.New(asks.Config{OnlyQNames: []string{"deleted.example.com"}})
//	...
//	fmt.Println(asks.From(snap).Sentence(question, time.Minute))
//
// For each client and each name it counts queries by type and replies by result, with the times of
// the first and the last message. These details are kept for the first 256 clients and names of a
// period; others share the entry "others". The lists of clients and names are not cut in this way:
// they find the heaviest ones among any number.
//
// pktvisor does not have this analyzer. Its filters apply to dnstap messages too.
package asks
