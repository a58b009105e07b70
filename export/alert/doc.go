// Package alert sends findings to people: to webhooks, and to Prometheus' Alertmanager.
//
//	hook := alert.Receiver{Type: alert.Webhook, URL: "https://example.com/", SecretFile: "secret"}
//	d, err := alert.New(alert.Config{Receivers: map[string]alert.Receiver{"oncall": hook}})
//	if err != nil {
//		return err
//	}
//	defer d.Close(ctx) // sends pending messages
//	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Found: d.Add})
//
// A program without policies adds what [findings.Watcher.Add] returns.
//
// Findings with equal labels, such as the same attack in two policies, are one alert. An alert has
// episodes. In each episode it fires once and resolves once, with a key that no other episode has.
// An episode begins with the first finding, and ends when the last one has resolved.
//
// [Dispatcher.Add] does not wait for a receiver: it can be called where packets are counted. Each
// receiver has its own queue and its own goroutine. A receiver that is down gets the messages in
// order when it returns. Messages are lost only when the queue is full or when they are a day old;
// [Stats] counts them. A resolved message follows only a fired message that the receiver accepted.
// After the resolved message, the key is not sent again. If a receiver's answer is lost, it may see
// a message twice. It can recognize the message by its ID.
//
// Addresses and secrets belong to [Config], not to documents that an API receives. visord reads
// them from its configuration file. Redirects are refused.
package alert
