// Package compat holds the tests that compare visor with others: with the values that the reference's own
// tests expect, with what the reference answers on its fixtures, and with what tshark and capinfos see in
// real captures. All of them need the folder shared/ beside the module and are skipped without it.
//
// Where visor differs and is right, a table in testdata says so: a line names the case, and why.
package compat
