package frame

import "github.com/gobwas/ws"

// An Error is a violation of the protocol by a client. It fails the connection.
// Errors are compared by identity and never changed.
type Error struct {
	Code   ws.StatusCode // of the Close frame that answers the violation
	Reason string        // of the Close frame, in English
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// The violations that callers tell apart.
var (
	ErrTooBig = &Error{ws.StatusMessageTooBig, "message is over the limit"}
	ErrUTF8   = &Error{ws.StatusInvalidFramePayloadData, "text is not UTF-8"}
)

var (
	errLengthTopBit  = protocolError("length has its top bit set")
	errLengthLong    = protocolError("length is not in its shortest form")
	errRSV           = protocolError("reserved bit set")
	errUnmasked      = protocolError("frame from client is not masked")
	errOpCode        = protocolError("reserved opcode")
	errControlLong   = protocolError("control frame over 125 bytes")
	errControlFrag   = protocolError("control frame is fragmented")
	errContinuation  = protocolError("continuation without a message")
	errInterleaved   = protocolError("new message inside a fragmented one")
	errCloseLength   = protocolError("close frame of one byte")
	errCloseCode     = protocolError("close code not allowed on the wire")
	errCloseUTF8     = &Error{ws.StatusInvalidFramePayloadData, "close reason is not UTF-8"}
	errDeflate       = &Error{ws.StatusInvalidFramePayloadData, "compressed data is damaged"}
	errTooManyPieces = &Error{ws.StatusMessageTooBig, "message has too many fragments"}
)

func protocolError(reason string) *Error { return &Error{ws.StatusProtocolError, reason} }
