package wire

import (
	"errors"
	"fmt"

	"github.com/centrifugal/protocol"
)

// The three kinds of codes are errors: what handles a command returns one, or
// an error that wraps one, and errors.As tells whether the client gets a reply
// (ErrorCode) or its connection is closed (DisconnectCode). They are constants:
// nobody can change what a code means.

// ErrorCode is the code of an error reply. 0 to 399 are the protocol's, 400 to
// 1999 an application's own.
type ErrorCode uint32

// The protocol's error codes. In the replies to connect and subscribe the SDKs
// retry after a temporary one, ask for a new token after ErrTokenExpired, and
// give up after any other.
const (
	ErrInternal              ErrorCode = 100 // a fault of the server; temporary
	ErrUnauthorized          ErrorCode = 101 // who asks must say who it is
	ErrUnknownChannel        ErrorCode = 102 // there is no such room
	ErrPermissionDenied      ErrorCode = 103 // known, and not allowed
	ErrMethodNotFound        ErrorCode = 104 // no such command
	ErrAlreadySubscribed     ErrorCode = 105 // this connection is in the room already
	ErrLimitExceeded         ErrorCode = 106 // a cap of the server; trying again is no use
	ErrBadRequest            ErrorCode = 107 // the command is malformed; trying again is no use
	ErrNotAvailable          ErrorCode = 108 // not offered here: an unknown RPC, a feature that is off
	ErrTokenExpired          ErrorCode = 109 // ask for a new token and come back
	ErrExpired               ErrorCode = 110 // expired without a token having been involved
	ErrTooManyRequests       ErrorCode = 111 // too fast; temporary
	ErrUnrecoverablePosition ErrorCode = 112 // the history does not reach back to that position
	ErrConflict              ErrorCode = 113 // the id of a message, or the name of a room, belongs to another
)

// Our own error codes, of the calls of package chat and of publishing.
const (
	ErrMuted     ErrorCode = 440 // may say nothing there, for some time
	ErrSlowMode  ErrorCode = 441 // the room takes a message of each user only so often; temporary
	ErrLocked    ErrorCode = 442 // nobody but moderators may say anything there now
	ErrBanned    ErrorCode = 443 // may not be there, for some time
	ErrNoMessage ErrorCode = 444 // there is no such message, or no longer
	ErrText      ErrorCode = 445 // the text is too long, or has control characters
)

var errorTexts = map[ErrorCode]string{
	ErrInternal:              "internal server error",
	ErrUnauthorized:          "unauthorized",
	ErrUnknownChannel:        "unknown channel",
	ErrPermissionDenied:      "permission denied",
	ErrMethodNotFound:        "method not found",
	ErrAlreadySubscribed:     "already subscribed",
	ErrLimitExceeded:         "limit exceeded",
	ErrBadRequest:            "bad request",
	ErrNotAvailable:          "not available",
	ErrTokenExpired:          "token expired",
	ErrExpired:               "expired",
	ErrTooManyRequests:       "too many requests",
	ErrUnrecoverablePosition: "unrecoverable position",
	ErrConflict:              "conflict",
	ErrMuted:                 "muted",
	ErrSlowMode:              "slow mode",
	ErrLocked:                "locked",
	ErrBanned:                "banned",
	ErrNoMessage:             "no such message",
	ErrText:                  "text not allowed",
}

// Text is the message that goes with the code in the reply; for a code that is
// not in the list above it is "error N".
func (c ErrorCode) Text() string { return textOf(errorTexts, c, "error") }

// Error is the code with its text, as logs show it.
func (c ErrorCode) Error() string { return fmt.Sprintf("%d: %s", uint32(c), c.Text()) }

// Temporary tells whether the same command may succeed a little later.
func (c ErrorCode) Temporary() bool {
	return c == ErrInternal || c == ErrTooManyRequests || c == ErrSlowMode
}

// Reply is the error reply to the command with that id.
func (c ErrorCode) Reply(id uint32) *protocol.Reply {
	return &protocol.Reply{Id: id, Error: &protocol.Error{Code: uint32(c), Message: c.Text(), Temporary: c.Temporary()}}
}

// explained is a code with a sentence of its own.
type explained struct {
	code  error
	text  string
	again bool // see Again
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.code }

// Explain is an error that wraps a code and says more than its text: what was
// wrong, and what to do. The sentence is for whoever sent the command.
func Explain(code ErrorCode, sentence string) error { return &explained{code: code, text: sentence} }

// Again is Explain for what may succeed a little later, although the code is not
// Temporary.
func Again(code ErrorCode, sentence string) error { return &explained{code, sentence, true} }

// ExplainEnd is Explain for the end of a connection: the sentence is the reason of
// the close frame, of which 123 bytes are sent.
func ExplainEnd(code DisconnectCode, reason string) error {
	return &explained{code: code, text: reason}
}

// Ending is the code that err wraps, or DisconnectServerError, and the reason of
// the close frame.
func Ending(err error) (DisconnectCode, string) {
	code := DisconnectServerError
	errors.As(err, &code)
	var more *explained
	if errors.As(err, &more) {
		return code, more.text
	}
	return code, code.Text()
}

// Internal is ErrInternal with its cause, which is for the log and for no client. It
// returns a cause that wraps an ErrorCode as it is: that says more.
func Internal(cause error) error {
	var code ErrorCode
	if errors.As(cause, &code) {
		return cause
	}
	return &internal{cause}
}

type internal struct{ cause error }

func (e *internal) Error() string   { return ErrInternal.Error() + ": " + e.cause.Error() }
func (e *internal) Unwrap() []error { return []error{ErrInternal, e.cause} }

// IsInternal reports whether ErrorReply tells a client of err nothing but ErrInternal.
func IsInternal(err error) bool {
	var code ErrorCode
	var end DisconnectCode
	return !errors.As(err, &end) && (!errors.As(err, &code) || code == ErrInternal)
}

// ErrorReply is the error reply to the command with that id: with the ErrorCode
// that err wraps, else ErrInternal, of which nothing more is told.
func ErrorReply(id uint32, err error) *protocol.Reply {
	code := ErrInternal
	errors.As(err, &code)
	r := code.Reply(id)
	var more *explained
	if errors.As(err, &more) {
		r.Error.Message, r.Error.Temporary = more.text, more.again || r.Error.Temporary
	}
	return r
}

// DisconnectCode is the code of the close frame that ends a connection; its
// text is the frame's reason. The bands say what the client does next: after
// 3000–3499 and 4000–4499 it reconnects, after 3500–3999 and 4500–4999 it does
// not, ever. 3xxx are the protocol's, 4xxx an application's own.
type DisconnectCode uint16

// The protocol's disconnect codes after which clients reconnect, with back-off.
const (
	DisconnectConnectionClosed  DisconnectCode = 3000 // gone, without a word from the server
	DisconnectShutdown          DisconnectCode = 3001 // the server stops
	DisconnectServerError       DisconnectCode = 3004
	DisconnectExpired           DisconnectCode = 3005 // the connection's token expired and was not refreshed
	DisconnectSubExpired        DisconnectCode = 3006 // the same of a subscription made by the server
	DisconnectSlow              DisconnectCode = 3008 // reads slower than its rooms speak
	DisconnectWriteError        DisconnectCode = 3009
	DisconnectInsufficientState DisconnectCode = 3010 // a gap in a subscription made by the server
	DisconnectForceReconnect    DisconnectCode = 3011
	DisconnectNoPong            DisconnectCode = 3012
	DisconnectTooManyRequests   DisconnectCode = 3013
)

// The protocol's terminal disconnect codes: clients stay away until their user
// does something.
const (
	DisconnectInvalidToken          DisconnectCode = 3500
	DisconnectBadRequest            DisconnectCode = 3501 // what came is not the protocol
	DisconnectStale                 DisconnectCode = 3502 // no connect command in time
	DisconnectForceNoReconnect      DisconnectCode = 3503 // kicked
	DisconnectConnectionLimit       DisconnectCode = 3504
	DisconnectChannelLimit          DisconnectCode = 3505
	DisconnectInappropriateProtocol DisconnectCode = 3506 // a JSON connection where data is binary
	DisconnectPermissionDenied      DisconnectCode = 3507
	DisconnectNotAvailable          DisconnectCode = 3508 // as error 108, for what gets no reply
	DisconnectTooManyErrors         DisconnectCode = 3509
	DisconnectBanned                DisconnectCode = 4503 // our own: the user or the address is banned
)

var disconnectTexts = map[DisconnectCode]string{
	DisconnectConnectionClosed:      "connection closed",
	DisconnectShutdown:              "shutdown",
	DisconnectServerError:           "internal server error",
	DisconnectExpired:               "connection expired",
	DisconnectSubExpired:            "subscription expired",
	DisconnectSlow:                  "slow",
	DisconnectWriteError:            "write error",
	DisconnectInsufficientState:     "insufficient state",
	DisconnectForceReconnect:        "force reconnect",
	DisconnectNoPong:                "no pong",
	DisconnectTooManyRequests:       "too many requests",
	DisconnectInvalidToken:          "invalid token",
	DisconnectBadRequest:            "bad request",
	DisconnectStale:                 "stale",
	DisconnectForceNoReconnect:      "force disconnect",
	DisconnectConnectionLimit:       "connection limit",
	DisconnectChannelLimit:          "channel limit",
	DisconnectInappropriateProtocol: "inappropriate protocol",
	DisconnectPermissionDenied:      "permission denied",
	DisconnectNotAvailable:          "not available",
	DisconnectTooManyErrors:         "too many errors",
	DisconnectBanned:                "banned",
}

// Text is the reason of the close frame; for a code that is not in the lists
// above it is "disconnect N".
func (c DisconnectCode) Text() string { return textOf(disconnectTexts, c, "disconnect") }

// Error is the code with its text, as logs show it.
func (c DisconnectCode) Error() string { return fmt.Sprintf("%d: %s", uint16(c), c.Text()) }

// Reconnects tells whether a client comes back by itself after this code.
func (c DisconnectCode) Reconnects() bool {
	return c < 3500 || c >= 4000 && c < 4500 || c >= 5000
}

// UnsubscribeCode is the code of an unsubscribe push. From 2500 on the client
// subscribes again by itself, recovering what it can; below, it does not.
// 2000–2099 and 2500–2599 are the protocol's.
type UnsubscribeCode uint32

// The protocol's unsubscribe codes that a server sends.
const (
	UnsubscribeServer            UnsubscribeCode = 2000 // somebody removed the client from the room
	UnsubscribeInsufficientState UnsubscribeCode = 2500 // a gap: the client recovers by subscribing again
	UnsubscribeExpired           UnsubscribeCode = 2501 // the subscription's token expired
)

var unsubscribeTexts = map[UnsubscribeCode]string{
	UnsubscribeServer:            "server unsubscribe",
	UnsubscribeInsufficientState: "insufficient state",
	UnsubscribeExpired:           "subscription expired",
}

// Text is the reason in the push; for a code that is not in the list above it
// is "unsubscribe N".
func (c UnsubscribeCode) Text() string { return textOf(unsubscribeTexts, c, "unsubscribe") }

// Resubscribes tells whether a client subscribes again by itself after this code.
func (c UnsubscribeCode) Resubscribes() bool { return c >= 2500 }

// Push is the push that takes the room from the client.
func (c UnsubscribeCode) Push(room string) *protocol.Reply {
	return &protocol.Reply{Push: &protocol.Push{
		Channel:     room,
		Unsubscribe: &protocol.Unsubscribe{Code: uint32(c), Reason: c.Text()},
	}}
}

func textOf[C ~uint16 | ~uint32](texts map[C]string, code C, kind string) string {
	if text, ok := texts[code]; ok {
		return text
	}
	return fmt.Sprintf("%s %d", kind, code)
}
