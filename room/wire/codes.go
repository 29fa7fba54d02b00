package wire

import (
	"errors"
	"fmt"

	"github.com/centrifugal/protocol"
)

// The three kinds of codes are errors. The handler of a command returns one, or an error that wraps
// one, and errors.As decides whether the client gets a reply (ErrorCode) or the server closes its
// connection (DisconnectCode). The codes are constants, so no code can change their meaning.

// ErrorCode is the code of an error reply. The protocol defines 0 to 399; 400 to 1999 are for
// applications.
type ErrorCode uint32

// The protocol's error codes. After an error reply to connect or subscribe, the SDKs retry if it is
// temporary, ask for a new token after ErrTokenExpired, and give up after any other error.
const (
	ErrInternal              ErrorCode = 100 // a failure of the server; temporary
	ErrUnauthorized          ErrorCode = 101 // the client has not said which user it is
	ErrUnknownChannel        ErrorCode = 102 // the room does not exist
	ErrPermissionDenied      ErrorCode = 103 // the client is known, and has no right to do this
	ErrMethodNotFound        ErrorCode = 104 // the command does not exist
	ErrAlreadySubscribed     ErrorCode = 105 // this connection is already in the room
	ErrLimitExceeded         ErrorCode = 106 // a limit of the server; retrying does not help
	ErrBadRequest            ErrorCode = 107 // the command is malformed; retrying does not help
	ErrNotAvailable          ErrorCode = 108 // not offered here: an unknown RPC, or a feature that is off
	ErrTokenExpired          ErrorCode = 109 // the client should get a new token and reconnect
	ErrExpired               ErrorCode = 110 // expired, without a token
	ErrTooManyRequests       ErrorCode = 111 // too fast; temporary
	ErrUnrecoverablePosition ErrorCode = 112 // the history does not reach back to that position
	ErrConflict              ErrorCode = 113 // the id of a message, or the name of a room, is taken
)

// Our own error codes, for the calls of package chat and for publishing.
const (
	ErrMuted     ErrorCode = 440 // the user may not send messages there, for some time
	ErrSlowMode  ErrorCode = 441 // the room takes only one message of a user per interval; temporary
	ErrLocked    ErrorCode = 442 // only moderators may send messages there now
	ErrBanned    ErrorCode = 443 // the user may not be there, for some time
	ErrNoMessage ErrorCode = 444 // the message does not exist, or no longer
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

// Text returns the message of the code in a reply. For a code that is not in the list above it is
// "error N".
func (c ErrorCode) Text() string { return textOf(errorTexts, c, "error") }

// Error returns the code with its text, for logs.
func (c ErrorCode) Error() string { return fmt.Sprintf("%d: %s", uint32(c), c.Text()) }

// Temporary reports whether the same command may succeed a little later.
func (c ErrorCode) Temporary() bool {
	return c == ErrInternal || c == ErrTooManyRequests || c == ErrSlowMode
}

// Reply returns the error reply to the command with the given id.
func (c ErrorCode) Reply(id uint32) *protocol.Reply {
	return &protocol.Reply{Id: id, Error: &protocol.Error{Code: uint32(c), Message: c.Text(), Temporary: c.Temporary()}}
}

// explained is a code with its own text.
type explained struct {
	code  error
	text  string
	again bool // see Again
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.code }

// Explain returns an error that wraps a code and has a text of its own, which tells the sender of
// the command what is wrong and what to do.
func Explain(code ErrorCode, sentence string) error { return &explained{code: code, text: sentence} }

// Again is Explain for an error that is temporary although its code is not.
func Again(code ErrorCode, sentence string) error { return &explained{code, sentence, true} }

// ExplainEnd is Explain for the end of a connection. reason becomes the reason of the Close frame,
// of which 123 bytes are sent.
func ExplainEnd(code DisconnectCode, reason string) error {
	return &explained{code: code, text: reason}
}

// Ending returns the code that err wraps, or DisconnectServerError, and the reason of the Close
// frame.
func Ending(err error) (DisconnectCode, string) {
	code := DisconnectServerError
	errors.As(err, &code)
	var more *explained
	if errors.As(err, &more) {
		return code, more.text
	}
	return code, code.Text()
}

// Internal returns ErrInternal with its cause, which is for the log and not for clients. If the
// cause wraps an ErrorCode, Internal returns it unchanged, because that code says more.
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

// IsInternal reports whether ErrorReply hides the details of err behind ErrInternal.
func IsInternal(err error) bool {
	var code ErrorCode
	var end DisconnectCode
	return !errors.As(err, &end) && (!errors.As(err, &code) || code == ErrInternal)
}

// ErrorReply returns the error reply to the command with the given id. It has the ErrorCode that
// err wraps, or ErrInternal without details. With ErrInternal, if err wraps an error with a method
// Sentence, which engines return when their store fails, that sentence becomes the message.
func ErrorReply(id uint32, err error) *protocol.Reply {
	code := ErrInternal
	errors.As(err, &code)
	r := code.Reply(id)
	var more *explained
	var outside interface{ Sentence() string }
	switch {
	case errors.As(err, &more):
		r.Error.Message, r.Error.Temporary = more.text, more.again || r.Error.Temporary
	case code == ErrInternal && errors.As(err, &outside):
		r.Error.Message = outside.Sentence()
	}
	return r
}

// DisconnectCode is the code of a Close frame; its text is the frame's reason. After 3000–3499 and
// 4000–4499 the client reconnects; after 3500–3999 and 4500–4999 it does not. The protocol defines
// 3xxx; 4xxx are for applications.
type DisconnectCode uint16

// The protocol's disconnect codes after which clients reconnect, with back-off.
const (
	DisconnectShutdown          DisconnectCode = 3001 // the server shuts down
	DisconnectServerError       DisconnectCode = 3004 // an error that wraps no DisconnectCode; see Ending
	DisconnectExpired           DisconnectCode = 3005 // the connection's token expired and was not refreshed
	DisconnectSlow              DisconnectCode = 3008 // the client reads more slowly than its rooms send
	DisconnectInsufficientState DisconnectCode = 3010 // a gap in a subscription made by the server
	DisconnectNoPong            DisconnectCode = 3012
)

// The protocol's terminal disconnect codes: clients do not reconnect by themselves.
const (
	DisconnectInvalidToken          DisconnectCode = 3500
	DisconnectBadRequest            DisconnectCode = 3501 // the client does not speak the protocol
	DisconnectStale                 DisconnectCode = 3502 // no connect command in time
	DisconnectForceNoReconnect      DisconnectCode = 3503 // kicked
	DisconnectConnectionLimit       DisconnectCode = 3504
	DisconnectChannelLimit          DisconnectCode = 3505 // only a backend sends it; the chat page has a text for it
	DisconnectInappropriateProtocol DisconnectCode = 3506 // a JSON connection in a binary room
	DisconnectPermissionDenied      DisconnectCode = 3507 // as 3505
	DisconnectNotAvailable          DisconnectCode = 3508 // as 3505
	DisconnectTooManyErrors         DisconnectCode = 3509
	DisconnectBanned                DisconnectCode = 4503 // our own: the user or the address is banned
)

var disconnectTexts = map[DisconnectCode]string{
	DisconnectShutdown:              "shutdown",
	DisconnectServerError:           "internal server error",
	DisconnectExpired:               "connection expired",
	DisconnectSlow:                  "slow",
	DisconnectInsufficientState:     "insufficient state",
	DisconnectNoPong:                "no pong",
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

// Text returns the reason of the Close frame. For a code that is not in the lists above it is
// "disconnect N".
func (c DisconnectCode) Text() string { return textOf(disconnectTexts, c, "disconnect") }

// Error returns the code with its text, for logs.
func (c DisconnectCode) Error() string { return fmt.Sprintf("%d: %s", uint16(c), c.Text()) }

// Reconnects reports whether clients reconnect by themselves after this code.
func (c DisconnectCode) Reconnects() bool {
	return c < 3500 || c >= 4000 && c < 4500 || c >= 5000
}

// UnsubscribeCode is the code of an unsubscribe push. From 2500 on, the client subscribes again by
// itself and recovers; below, it does not. The protocol defines 2000–2099 and 2500–2599.
type UnsubscribeCode uint32

// The protocol's unsubscribe codes that a server sends.
const (
	UnsubscribeServer            UnsubscribeCode = 2000 // somebody removed the client from the room
	UnsubscribeNoRight           UnsubscribeCode = 2001 // the client may no longer be in the room: its rights have changed
	UnsubscribeInsufficientState UnsubscribeCode = 2500 // a gap: the client recovers by subscribing again
	UnsubscribeExpired           UnsubscribeCode = 2501 // the subscription's token expired
)

var unsubscribeTexts = map[UnsubscribeCode]string{
	UnsubscribeServer:            "server unsubscribe",
	UnsubscribeNoRight:           "permission denied",
	UnsubscribeInsufficientState: "insufficient state",
	UnsubscribeExpired:           "subscription expired",
}

// Text returns the reason in the push. For a code that is not in the list above it is "unsubscribe
// N".
func (c UnsubscribeCode) Text() string { return textOf(unsubscribeTexts, c, "unsubscribe") }

// Resubscribes reports whether clients subscribe again by themselves after this code.
func (c UnsubscribeCode) Resubscribes() bool { return c >= 2500 }

// Push returns the push that ends the client's subscription to a room.
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
