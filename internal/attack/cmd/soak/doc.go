// Command soak attacks a visord with everything at once, beside ordinary DNS traffic of which it
// knows what the right answers are, and prints a line per minute: what was counted and what was
// sent, recall of the heaviest names, error of the cardinality, memory, goroutines, descriptors.
// benchmarks/soak.sh starts it in a network namespace, and the agent in a cgroup of 512 MB.
package main
