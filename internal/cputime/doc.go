// Package cputime lets benchmarks measure the CPU time of one thread, which other work on the
// machine does not change.
package cputime
