package capture

// NewFanout is Fanout with a hash function as parameter.
var NewFanout = newFanout
