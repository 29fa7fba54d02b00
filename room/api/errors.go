package api

import (
	"errors"
	"fmt"

	"webim/room"
	"webim/room/token"
	"webim/room/wire"
)

// Error is what went wrong with a call, as its answer has it.
type Error struct {
	// Code is the client protocol's, wire.ErrorCode, or CodeConflict.
	Code uint32 `json:"code"`
	// Message is the code's text, and often what was wrong in particular.
	Message string `json:"message"`
}

// CodeConflict is the code of a call whose idempotency key belongs to another.
const CodeConflict = 113

// Error is the code with its text.
func (e *Error) Error() string { return fmt.Sprintf("%d: %s", e.Code, e.Message) }

// coded is an error with something to say about it; "" is nothing.
func coded(code wire.ErrorCode, detail string) *Error {
	text := code.Text()
	if detail != "" {
		text += ": " + detail
	}
	return &Error{uint32(code), text}
}

func bad(detail string) *Error { return coded(wire.ErrBadRequest, detail) }

// quoted is a client's text in a message, cut where it is long.
func quoted(text string) string {
	const most = 64
	if len(text) > most {
		text = text[:most] + "…"
	}
	return fmt.Sprintf("%q", text)
}

// errorOf is an error of package room as clients are told it.
func errorOf(err error) *Error {
	var own *Error
	var code wire.ErrorCode
	var name wire.RoomNameError
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, room.ErrKeyReused):
		return &Error{CodeConflict, "conflict: the idempotency key came with another message before"}
	case errors.Is(err, room.ErrBusy):
		return coded(wire.ErrTooManyRequests, "the room has more to send than its members take, try again")
	case errors.Is(err, room.ErrBadMessage):
		return bad("data must be one JSON value, at most 50 levels deep")
	case errors.Is(err, room.ErrNoTarget):
		return bad("user or client is missing")
	case errors.Is(err, room.ErrBadOrder):
		return bad("the code is not from 3000 to 4999, the reason longer than 123 bytes, or info or data is not one JSON value")
	case errors.As(err, &name):
		return bad(name.Error())
	case errors.Is(err, token.ErrFull):
		return coded(wire.ErrLimitExceeded, "too many revocations are in force")
	case errors.As(err, &code):
		e := wire.ErrorReply(0, err).Error
		return &Error{e.Code, e.Message}
	}
	return coded(wire.ErrInternal, "")
}
