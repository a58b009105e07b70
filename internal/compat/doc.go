// Package compat compares visor with other programs: with the expected values of pktvisor's tests,
// with pktvisor's answers on its fixtures, and with tshark's and capinfos' results on real
// captures. All tests need the folder shared/ beside the module and are skipped without it.
//
// Where visor differs and is right, a table in testdata names the case and the reason.
package compat
