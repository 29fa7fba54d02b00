package api

import (
	"errors"
	"fmt"

	"webim/room"
	"webim/room/control"
	"webim/room/engine"
	"webim/room/token"
	"webim/room/wire"
)

// Error is the error of a failed call, as the response has it.
type Error struct {
	// Code is an error code of the client protocol (wire.ErrorCode), or CodeConflict.
	Code uint32 `json:"code"`
	// Message is the text of the code, and often a detail.
	Message string `json:"message"`
}

// CodeConflict is the code of a call with the idempotency key of another message.
const CodeConflict = 113

// Error returns the code and the message.
func (e *Error) Error() string { return fmt.Sprintf("%d: %s", e.Code, e.Message) }

// coded returns an error with a detail; "" means without detail.
func coded(code wire.ErrorCode, detail string) *Error {
	text := code.Text()
	if detail != "" {
		text += ": " + detail
	}
	return &Error{uint32(code), text}
}

func bad(detail string) *Error { return coded(wire.ErrBadRequest, detail) }

// quoted quotes a client's text for a message, and cuts it if it is long.
func quoted(text string) string {
	const most = 64
	if len(text) > most {
		text = text[:most] + "…"
	}
	return fmt.Sprintf("%q", text)
}

// errorOf converts an error of package room into the error that clients see.
func errorOf(err error) *Error {
	var own *Error
	var name wire.RoomNameError
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, engine.ErrKeyReused):
		return &Error{CodeConflict, "conflict: the idempotency key was used with another message"}
	case errors.Is(err, room.ErrBusy):
		return coded(wire.ErrTooManyRequests, "the room's members receive more slowly than others publish, try again")
	case errors.Is(err, room.ErrBadMessage):
		return bad("data must be one JSON value, at most 50 levels deep")
	case errors.Is(err, control.ErrNoTarget):
		return bad("user or client is missing")
	case errors.Is(err, control.ErrInvalid):
		return bad("the code must be from 3000 to 4999, the reason at most 123 bytes, and info and data one JSON value each")
	case errors.As(err, &name):
		return bad(name.Error())
	case errors.Is(err, token.ErrFull):
		return coded(wire.ErrLimitExceeded, "too many revocations are in force")
	}
	e := wire.ErrorReply(0, err).Error
	return &Error{e.Code, e.Message}
}
