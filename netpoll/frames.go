package netpoll

import (
	"unicode/utf8"

	"webim/netpoll/internal/encode"

	"github.com/gobwas/ws"
)

// Variant names one of the encodings that a frame goes out in. A broadcast is
// made once per variant in use, never once per client.
type Variant uint8

const (
	// Plain is not compressed.
	Plain Variant = iota
	// Deflate is compressed with a window of 32 KiB.
	Deflate
	// DeflateSmall is compressed with a window of 256 bytes, for the rare
	// client that asked for server_max_window_bits below 15.
	DeflateSmall
	// NumVariants is their number.
	NumVariants
)

// Frame is a text or binary message, encoded once for any number of
// receivers. It is safe for concurrent use and needs no release.
type Frame struct{ frame encode.Frame }

// NewFrame copies data into a frame. op is ws.OpText, then data must be UTF-8,
// or ws.OpBinary; else ErrBadFrame.
func NewFrame(op ws.OpCode, data []byte) (*Frame, error) {
	if op != ws.OpBinary && (op != ws.OpText || !utf8.Valid(data)) {
		return nil, ErrBadFrame
	}
	f := &Frame{}
	f.frame.Init(op, data)
	return f, nil
}

// Log is a stream of encoded frames that many connections get: a room's side of a broadcast. A
// sweep takes all pending frames as one contiguous Cut and offers it to each member with one write.
// A member with a full socket keeps a reference, not a copy.
//
// A position is a count of bytes since the log's beginning, and always lies between two frames. A
// Log is not safe for concurrent use: its owner, a room, guards it. Cuts are safe, and outlive the
// log.
//
// The memory of a log is reused by any log: see Forget.
type Log struct {
	s   *Server
	log *encode.Log
}

// MaxCut is the most bytes of one Cut, 64 KiB, unless a single frame is larger. One sweep writes a
// Cut to each member.
const MaxCut = encode.MaxCut

// NewLog makes an empty log for the connections of one variant.
func (s *Server) NewLog(v Variant) *Log {
	return &Log{s, encode.NewLog(encode.Variant(v))}
}

// Append encodes a message, once for all receivers. op is ws.OpText (data must be UTF-8; it is not
// checked again) or ws.OpBinary. data may be reused.
func (l *Log) Append(op ws.OpCode, data []byte) { l.log.Append(op, data, l.s.cfg().DeflateMin) }

// End is the position behind the last frame.
func (l *Log) End() uint64 { return l.log.End() }

// Next returns the frames from a position on, as many as lie together in about
// MaxCut bytes. The cut is empty if nothing is pending.
func (l *Log) Next(from uint64) Cut { return Cut{l.log.Next(from)} }

// Forget frees the memory of the frames that lie before a position, which all cursors have passed. It
// frees all of it once nothing is pending, so that a quiet log holds only the memory that slow
// connections refer to. The memory is reused, so a cut that ends before the position must be
// neither offered nor read any more.
func (l *Log) Forget(before uint64) { l.log.Forget(before) }

// A Cut is a stretch of whole frames of a log, contiguous in memory. It stays
// good until its log is told to forget it (Log.Forget), and where a connection has
// queued it until that has written it.
type Cut struct{ cut encode.Cut }

// Len is how many bytes the cut has; 0: nothing was pending.
func (c Cut) Len() int { return len(c.cut.Bytes) }

// Messages is how many frames the cut has.
func (c Cut) Messages() int { return c.cut.Messages }

// End is the position behind the cut.
func (c Cut) End() uint64 { return c.cut.End() }

// After returns the part of the cut that lies behind a position, which must be
// between two frames: all of it, some, or nothing.
func (c Cut) After(pos uint64) Cut { return Cut{c.cut.After(pos)} }
