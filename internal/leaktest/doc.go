// Package leaktest searches all that visor writes for whole addresses of hosts, for policies that
// anonymize them. Its inputs feed every handler of the catalog, so that a new one is searched, too.
package leaktest
