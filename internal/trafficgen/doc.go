// Package trafficgen generates network traffic from a seed, for tests and benchmarks. The same
// [Config] produces the same bytes on every platform.
//
//	frames, truth := trafficgen.Frames(trafficgen.VariedDNS(1_000_000))
//	analyse(capture.NewMemory(frames))
//	require.Equal(t, truth.DNSResponses, counted)
//
// [VariedDNS] is the traffic of a busy resolver's link, [Mixed] is DNS over UDP and TCP among other
// traffic, and [Flood] adds attacks to either. [Frames] holds all frames in memory, [Gen] generates
// them one at a time, [Source] yields them in batches, endlessly if configured, and [WritePcap]
// writes a file. The content is counted exactly during generation: see [Truth].
//
// Frames are Ethernet, complete, and correct in every length and checksum; their times never
// decrease. Local hosts, including the resolvers, are in 192.0.2.0/24 and 2001:db8:53::/48; all
// others are outside. Port 53 carries only DNS.
//
// Results do not depend on floating-point rounding, map order or the platform: samplers work on
// integers, and random bits come from math/rand/v2's PCG. Generating a frame takes about 300 ns and
// allocates nothing once buffers have their size. The tables of names and clients take about 10 MB.
package trafficgen
