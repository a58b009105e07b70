// Package alert sends findings to people: to webhooks, and to Prometheus' Alertmanager.
//
//	hook := alert.Receiver{Type: alert.Webhook, URL: "https://example.com/", SecretFile: "secret"}
//	d, err := alert.New(alert.Config{Receivers: map[string]alert.Receiver{"oncall": hook}})
//	if err != nil {
//		return err
//	}
//	defer d.Close(ctx) // sends what is pending
//	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog(), Found: d.Add})
//
// Findings with equal labels, such as the same attack in two policies, are one alert. An alert has
// episodes. In each episode it fires once and resolves once, with a key that no other episode has.
// An episode begins with the first finding, and ends when the last one has resolved.
//
// [Dispatcher.Add] does not wait for a receiver: it can be called where packets are counted. Each
// receiver has its own queue and its own goroutine. A receiver that is down gets the messages when
// it returns, in order: nothing is lost until the queue is full or a message is a day old. What is
// lost is counted in [Stats]. A resolved message follows only a fired message that the receiver
// accepted. After the resolved message, the key is not sent again. A receiver whose answer got lost
// may see a message twice. It can recognize the message by its ID.
//
// Addresses and secrets are parts of [Config]. Documents that an API receives must not have them:
// in visord they are in the configuration file. Redirects are refused.
package alert
