// Package trafficgen makes network traffic out of a seed, for tests and benchmarks: the same
// [Config] gives the same bytes on every platform.
//
//	frames, truth := trafficgen.Frames(trafficgen.VariedDNS(1_000_000))
//	analyse(capture.NewMemory(frames))
//	require.Equal(t, truth.DNSResponses, counted)
//
// [VariedDNS] is what a busy resolver's link carries, [Mixed] is DNS over UDP and TCP among all
// kinds of other traffic, and [Flood] adds attacks to either. [Frames] holds all frames in memory,
// [Gen] makes one after the other, [Source] gives them in batches and without end if need be, and
// [WritePcap] writes a file. What was made is counted on the way, exactly: see [Truth].
//
// Frames are Ethernet, complete, and correct in every length and checksum; their times never go
// back. Local hosts, the resolvers among them, stand in 192.0.2.0/24 and 2001:db8:53::/48;
// everybody else stands outside. Only DNS is spoken on port 53.
//
// Nothing depends on floating-point rounding, map order or the platform: samplers work on integers
// and random bits come from math/rand/v2's PCG. A frame costs some 300 ns to make and allocates
// nothing once buffers have their size; memory is that of the tables of names and clients, some 10 MB.
package trafficgen
