package acks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine/jetstream/internal/codes"
)

// A Refusal is an error that the server has answered with. The message is not stored.
type Refusal struct {
	Code        int                 `json:"code"`     // as in HTTP
	ErrCode     jetstream.ErrorCode `json:"err_code"` // the exact error: see package codes
	Description string              `json:"description"`
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("acks: the server refused the message: %s (%d)", r.Description, r.ErrCode)
}

// IsWrongSequence reports whether the message named another last sequence than the stream or the subject
// has.
func (r *Refusal) IsWrongSequence() bool { return codes.IsWrongSequence(r.ErrCode) }

// IsRollup reports whether the message asked for a rollup that the stream does not do.
func (r *Refusal) IsRollup() bool { return codes.IsRollup(r.ErrCode) }

// IsFull reports whether there is no space for the message.
func (r *Refusal) IsFull() bool { return codes.IsFull(r.ErrCode) }

// An Ack says where a message is stored.
type Ack struct {
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"` // the id was known: Seq is the place of the first message
}

// parse reads an answer.
func parse(m *nats.Msg) (Ack, error) {
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return Ack{}, ErrNoStream
	}
	if seq, ok := plainAck(m.Data); ok {
		return Ack{Seq: seq}, nil
	}
	var a struct {
		Ack
		Error *Refusal `json:"error"`
	}
	switch err := json.Unmarshal(m.Data, &a); {
	case err != nil:
		return Ack{}, fmt.Errorf("%w: the answer cannot be read: %w", ErrUnknown, err)
	case a.Error != nil:
		return Ack{}, a.Error
	case a.Seq == 0:
		return Ack{}, fmt.Errorf("%w: the answer has no sequence", ErrUnknown)
	}
	return a.Ack, nil
}

// plainAck reads the answer to a message that was stored, as the server writes it: {"stream":"NAME","seq":5}. ok is
// false for every other answer. encoding/json takes a microsecond for it.
func plainAck(data []byte) (seq uint64, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"stream":"`))
	if !ok {
		return 0, false
	}
	name, rest, ok := bytes.Cut(rest, []byte(`","seq":`))
	if !ok || bytes.ContainsFunc(name, isUnusual) {
		return 0, false
	}
	digits, ok := bytes.CutSuffix(rest, []byte("}"))
	if !ok || len(digits) == 0 || digits[0] < '1' || digits[0] > '9' {
		return 0, false
	}
	seq, err := strconv.ParseUint(string(digits), 10, 64)
	return seq, err == nil
}

// isUnusual reports whether a character is never in the name of one of webim's streams.
func isUnusual(c rune) bool {
	return c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
}
