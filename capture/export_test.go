package capture

// NewFanout is Fanout with another hash.
var NewFanout = newFanout
