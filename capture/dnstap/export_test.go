package dnstap

// Network exports network for tests.
var Network = network
