package wire_test

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/centrifugal/protocol"

	"webim/room/wire"
)

// TestErrorCodes compares the codes with those of the protocol's reference server (centrifuge
// v0.40.1, files errors.go, disconnect.go, unsubscribe.go), copied by hand.
func TestErrorCodes(t *testing.T) {
	for _, c := range []struct {
		code      wire.ErrorCode
		number    uint32
		text      string
		temporary bool
	}{
		{wire.ErrInternal, 100, "internal server error", true},
		{wire.ErrUnauthorized, 101, "unauthorized", false},
		{wire.ErrUnknownChannel, 102, "unknown channel", false},
		{wire.ErrPermissionDenied, 103, "permission denied", false},
		{wire.ErrMethodNotFound, 104, "method not found", false},
		{wire.ErrAlreadySubscribed, 105, "already subscribed", false},
		{wire.ErrLimitExceeded, 106, "limit exceeded", false},
		{wire.ErrBadRequest, 107, "bad request", false},
		{wire.ErrNotAvailable, 108, "not available", false},
		{wire.ErrTokenExpired, 109, "token expired", false},
		{wire.ErrExpired, 110, "expired", false},
		{wire.ErrTooManyRequests, 111, "too many requests", true},
		{wire.ErrUnrecoverablePosition, 112, "unrecoverable position", false},
		{wire.ErrorCode(400), 400, "error 400", false},
	} {
		if uint32(c.code) != c.number || c.code.Text() != c.text || c.code.Temporary() != c.temporary {
			t.Errorf("%v: %q, temporary %v; want %d, %q, %v", c.code, c.code.Text(), c.code.Temporary(), c.number, c.text, c.temporary)
		}
		want := &protocol.Reply{Id: 5, Error: &protocol.Error{Code: c.number, Message: c.text, Temporary: c.temporary}}
		if got := c.code.Reply(5); !proto.Equal(got, want) {
			t.Errorf("reply %v, want %v", got, want)
		}
	}
}

// outside is an error of another package that has a sentence for clients.
type outside struct{}

func (outside) Error() string    { return "for the log" }
func (outside) Sentence() string { return "for clients" }

// TestErrorReplyHasSentence checks that the sentence of an error from outside is told with ErrInternal
// only, and not instead of a code that says more.
func TestErrorReplyHasSentence(t *testing.T) {
	internal := &protocol.Error{Code: 100, Message: "for clients", Temporary: true}
	for name, c := range map[string]struct {
		err  error
		want *protocol.Error
	}{
		"alone":          {outside{}, internal},
		"wrapped":        {fmt.Errorf("reading: %w", outside{}), internal},
		"as internal":    {wire.Internal(outside{}), internal},
		"with a code":    {errors.Join(wire.ErrConflict, outside{}), &protocol.Error{Code: 113, Message: "conflict"}},
		"with sentences": {errors.Join(wire.Explain(wire.ErrConflict, "ours"), outside{}), &protocol.Error{Code: 113, Message: "ours"}},
		"without":        {errors.New("for the log"), &protocol.Error{Code: 100, Message: "internal server error", Temporary: true}},
	} {
		if got := wire.ErrorReply(5, c.err); !proto.Equal(got, &protocol.Reply{Id: 5, Error: c.want}) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestDisconnectCodes(t *testing.T) {
	for _, c := range []struct {
		code       wire.DisconnectCode
		number     uint16
		text       string
		reconnects bool
	}{
		{wire.DisconnectCode(3000), 3000, "disconnect 3000", true},
		{wire.DisconnectShutdown, 3001, "shutdown", true},
		{wire.DisconnectServerError, 3004, "internal server error", true},
		{wire.DisconnectExpired, 3005, "connection expired", true},
		{wire.DisconnectSlow, 3008, "slow", true},
		{wire.DisconnectInsufficientState, 3010, "insufficient state", true},
		{wire.DisconnectNoPong, 3012, "no pong", true},
		{wire.DisconnectInvalidToken, 3500, "invalid token", false},
		{wire.DisconnectBadRequest, 3501, "bad request", false},
		{wire.DisconnectStale, 3502, "stale", false},
		{wire.DisconnectForceNoReconnect, 3503, "force disconnect", false},
		{wire.DisconnectConnectionLimit, 3504, "connection limit", false},
		{wire.DisconnectChannelLimit, 3505, "channel limit", false},
		{wire.DisconnectInappropriateProtocol, 3506, "inappropriate protocol", false},
		{wire.DisconnectPermissionDenied, 3507, "permission denied", false},
		{wire.DisconnectNotAvailable, 3508, "not available", false},
		{wire.DisconnectTooManyErrors, 3509, "too many errors", false},
		{wire.DisconnectCode(3499), 3499, "disconnect 3499", true},
		{wire.DisconnectCode(3999), 3999, "disconnect 3999", false},
		{wire.DisconnectCode(4000), 4000, "disconnect 4000", true},
		{wire.DisconnectCode(4499), 4499, "disconnect 4499", true},
		{wire.DisconnectCode(4500), 4500, "disconnect 4500", false},
		{wire.DisconnectCode(4999), 4999, "disconnect 4999", false},
	} {
		if uint16(c.code) != c.number || c.code.Text() != c.text || c.code.Reconnects() != c.reconnects {
			t.Errorf("%v: %q, reconnects %v; want %d, %q, %v", c.code, c.code.Text(), c.code.Reconnects(), c.number, c.text, c.reconnects)
		}
		if len(c.code.Text()) > 123 {
			t.Errorf("%v: its reason does not fit into a Close frame", c.code)
		}
	}
}

func TestUnsubscribeCodes(t *testing.T) {
	for _, c := range []struct {
		code   wire.UnsubscribeCode
		number uint32
		text   string
		again  bool
	}{
		{wire.UnsubscribeServer, 2000, "server unsubscribe", false},
		{wire.UnsubscribeNoRight, 2001, "permission denied", false},
		{wire.UnsubscribeInsufficientState, 2500, "insufficient state", true},
		{wire.UnsubscribeExpired, 2501, "subscription expired", true},
		{wire.UnsubscribeCode(2499), 2499, "unsubscribe 2499", false},
	} {
		if uint32(c.code) != c.number || c.code.Text() != c.text || c.code.Resubscribes() != c.again {
			t.Errorf("%d: %q, resubscribes %v; want %d, %q, %v", c.code, c.code.Text(), c.code.Resubscribes(), c.number, c.text, c.again)
		}
		want := &protocol.Reply{Push: &protocol.Push{Channel: "a", Unsubscribe: &protocol.Unsubscribe{Code: c.number, Reason: c.text}}}
		if got := c.code.Push("a"); !proto.Equal(got, want) {
			t.Errorf("push %v, want %v", got, want)
		}
	}
}

// TestCodesAreErrors checks that a handler's error decides the client's reply, however it is
// wrapped.
func TestCodesAreErrors(t *testing.T) {
	var reply wire.ErrorCode
	var closing wire.DisconnectCode
	err := fmt.Errorf("room %q is full: %w", "a", wire.ErrLimitExceeded)
	if !errors.As(err, &reply) || reply != wire.ErrLimitExceeded || errors.As(err, &closing) {
		t.Errorf("%v is %v, %v", err, reply, closing)
	}
	err = fmt.Errorf("kicked: %w", wire.DisconnectForceNoReconnect)
	if !errors.As(err, &closing) || closing != wire.DisconnectForceNoReconnect || err.Error() != "kicked: 3503: force disconnect" {
		t.Errorf("%v is %v", err, closing)
	}
}
