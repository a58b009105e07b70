package dnstap

// Network is for tests.
var Network = network
