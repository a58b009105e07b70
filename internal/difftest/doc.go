// Package difftest compares answers about the same traffic: one worker and four, both versions of
// an analyzer, any order of merging, all output formats. Its fuzz targets mutate frames of
// generated traffic and, if ../shared exists, of real captures. The gate runs each for seconds; for
// hours:
//
//	go test -fuzz FuzzWorkers -fuzztime 2h ./internal/difftest
package difftest
