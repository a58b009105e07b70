module visor/benchmarks/compare

go 1.26.0

require (
	github.com/netsampler/goflow2/v2 v2.2.6
	visor v0.0.0
)

require google.golang.org/protobuf v1.36.12 // indirect

replace visor => ../..
