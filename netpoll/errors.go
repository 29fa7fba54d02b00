package netpoll

import (
	"errors"
	"fmt"
	"slices"
)

// Errors that pushing and closing return. All are final for the call, none is
// worth logging by default: a connection may end at any time.
var (
	// ErrClosed: the connection is closed, closing, or its id belongs to an
	// earlier connection.
	ErrClosed = errors.New("netpoll: connection is closed")
	// ErrNotOpen: the handshake is not finished, so no frame may be sent yet.
	ErrNotOpen = errors.New("netpoll: connection is not open yet")
	// ErrSlow: the write queue is at its limit. The connection is being closed.
	ErrSlow = errors.New("netpoll: write queue is full, connection closed as slow")
	// ErrBadFrame: a type other than text or binary, text that is not UTF-8, or
	// a control payload over 125 bytes.
	ErrBadFrame = errors.New("netpoll: frame is not allowed by RFC 6455")
	// ErrServerClosed is returned by Serve after Shutdown or Close, and by Shutdown if a Close cut
	// it short.
	ErrServerClosed = errors.New("netpoll: server closed")
)

// Cause says which side ended a connection, and for which reason. Every close has exactly one.
type Cause uint8

// The causes of a close. The first group is the client's doing, the second
// the server's by will, the third the server's by rule.
const (
	causeNone Cause = iota

	ClientClosed // the client sent a Close frame
	ClientGone   // end of stream or reset without a Close frame

	ServerClosed // Conn.Close
	Shutdown     // the server shuts down (1001)

	ProtocolError // RFC 6455 broken (1002)
	BadText       // text that is not UTF-8 (1007)
	TooBig        // message, fragments or inflated size over the limit (1009)
	OutOfMemory   // the server's total of unfinished input or queued output is spent (1013)
	ControlFlood  // too many ping, pong frames a second (1008)
	Slow          // its queue was at the limit, or the socket took nothing for WriteTimeout
	PongTimeout   // no traffic after a ping
	Unfinished    // a message stayed unfinished for MessageTimeout (1008)
	HandlerPanic  // a callback panicked (1011)

	// Never opened: counted in Stats, told to no handler.
	HandshakeTimeout // TCP + TLS + HTTP took longer than HandshakeTimeout
	HandshakeFailed  // the client broke off, or TLS failed
	Refused          // answered with an HTTP error
	HandedToHTTP     // not an upgrade: net/http has it

	numCauses
)

var causeNames = [numCauses]string{
	"none", "client closed", "client gone", "server closed", "shutdown", "protocol error", "bad text", "too big",
	"out of memory", "control flood", "slow", "pong timeout", "unfinished message", "handler panic",
	"handshake timeout", "handshake failed", "refused", "handed to http",
}

// Causes returns all causes, in their order.
func Causes() []Cause {
	all := make([]Cause, 0, numCauses-1)
	for c := causeNone + 1; c < numCauses; c++ {
		all = append(all, c)
	}
	return all
}

// String returns the cause's name in lower case, for logs and metrics.
func (c Cause) String() string {
	if c < numCauses {
		return causeNames[c]
	}
	return fmt.Sprintf("cause(%d)", uint8(c))
}

// causeNamed returns the cause with a name; ServerClosed for one that this program does not know.
func causeNamed(name string) Cause {
	if i := slices.Index(causeNames[:], name); i > 0 {
		return Cause(i)
	}
	return ServerClosed
}

// ByClient reports whether the client ended the connection of its own will.
func (c Cause) ByClient() bool { return c == ClientClosed || c == ClientGone }

// A Party has caused the end of a connection.
type Party uint8

// The parties.
const (
	ByClient   Party = iota + 1 // it left, or broke the protocol
	ByNetwork                   // the client is gone, or cannot be reached
	ByServer                    // a rule of the server that is no limit, such as the end of a token; a shutdown; a fault
	ByOperator                  // a person with the right to do so: see Conn.CloseBy
	ByLimit                     // the client was at a limit, or refused
)

var partyNames = [...]string{"", "client", "network", "server", "operator", "limit"}

// String returns the name of the party.
func (p Party) String() string { return partyNames[min(int(p), len(partyNames)-1)] }

// party returns the Party of a cause. For ServerClosed, the caller of Conn.CloseBy knows better.
func (c Cause) party() Party {
	switch c {
	case ClientClosed, ProtocolError, BadText:
		return ByClient
	case ClientGone, PongTimeout, HandshakeFailed:
		return ByNetwork
	case ServerClosed, Shutdown, HandlerPanic, HandedToHTTP:
		return ByServer
	}
	return ByLimit
}
