package handler_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/handlertest"
)

// TestExampleDeclare holds the analyzer that programs copy against the rules of a pipeline.
func TestExampleDeclare(t *testing.T) {
	request, err := hex.DecodeString("ffffffffffff0200000000010806" + "0001080006040001020000000001c0000201000000000000c0000202")
	require.NoError(t, err)
	handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) { return newARP(s) },
		capture.Frame{TimeNS: 1_767_225_600e9, Data: request, WireLen: uint32(len(request)), Link: decode.LinkEthernet})
}
