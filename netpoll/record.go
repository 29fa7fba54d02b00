package netpoll

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"webim/netpoll/internal/slab"
	"webim/netpoll/internal/wheel"

	"github.com/gobwas/ws"
)

// ID names a connection for as long as the server lives: the place of its
// record below, that place's generation above. It is never used twice (until
// 2^32 connections have had one place), and never zero.
type ID uint64

// record is all that an idle connection keeps: 128 bytes without a pointer, so
// that the collector has nothing to look at, in chunks that never move. What
// only few connections have at a time lies in the server's side tables, and
// the record has the number.
type record struct {
	// Set before the connection is parked, good until finish; ip and port are
	// written once more, on the turn and under mu, if a proxy names the client.
	index    uint32
	fd       int32
	ip       uint32 // in Server.addrs
	port     uint16 // of the peer; 0: only its proxy knows
	listener uint8
	loop     uint8
	opened   uint32 // tick

	gen   slab.Generation // begins and ends under mu
	turn  atomic.Uint32   // see turn.go; survives the connection
	flags atomic.Uint32   // hints and states, set by anybody
	seen  atomic.Uint32   // tick of the last byte received
	sent  atomic.Uint32   // tick of the last byte taken by the socket, or of the first it refused since

	// Owned by who holds the turn; the wheel reads deadline.
	input     uint32        // in Server.inputs; 0: none
	deadline  atomic.Uint32 // tick: end of the handshake or the close; when open, of the ping that has no answer
	controls  uint16        // control frames in the second of controlAt
	controlAt uint8
	stage     uint8

	// The write side, under mu; so are the three behind it.
	w      uint8 // w… bits
	cause  Cause
	code   ws.StatusCode
	output uint32 // in Server.outputs; 0: nothing is queued
	extra  uint32 // in Server.extras; 0: none

	link wheel.Link // owned by the wheel's lock

	mu          sync.Mutex
	bytesOut    uint64
	messagesOut uint64
	tag         uint64

	// Written atomically by the turn's holder, read by Info.
	bytesIn    uint64
	messagesIn uint64
}

// A record that grows costs every idle client: this fails to compile then.
const _ = uint(128 - unsafe.Sizeof(record{}))

// Bits of record.flags.
const (
	fReadable    uint32 = 1 << iota // an event said so, and no read has said otherwise
	fHangup                         // an event said RDHUP, HUP or ERR: a short read is not the end
	fWritable                       // output is to be flushed
	fTimer                          // the wheel says that a deadline may have come
	fPaused                         // Conn.Pause
	fHeld                           // Conn.Later or Again, done not yet called
	fAgain                          // Conn.Again: the message being delivered is to be kept
	fProtected                      // Conn.Protect
	fBlocked                        // the socket refused output; written under mu
	fClosing                        // beginClose has been here
	fWater                          // a watermark was crossed
	fOpen                           // upgraded: Handler.Open is being called, or has been; set under mu
	fDeflate                        // permessage-deflate is on
	fSmallWindow                    // and the client asked for a small window
	fTLS
	fFailed     // a write failed for good
	fPinged     // a ping is out
	fFirst      // the first heartbeat, which spreads the rest
	fUnfinished // a message is, and its deadline is on the wheel
	fToldFull   // the handler knows that the queue is full
	fAbort      // closing: send nothing more
	fLast       // closing: once all is sent, shut down
	fArmed      // closing: the deadline is set
	fBeat0      // see fBeat
	fBeat1
	fResting    // it is not read until extra.rest; owned by the turn
	fRestricted // Conn.Restrict
	fBackground // its turns wait for those of others
	fHeavy      // its turns wait for those of connections that need less time, see weigh
	fYield      // Conn.Yield: the turn ends with the message being delivered

	// fBeat is the HeartbeatID.
	fBeat     = fBeat0 | fBeat1
	beatShift = 23
)

// Compile-time check of beatShift.
var _ = [1]struct{}{}[fBeat0>>beatShift-1]

// Stages of a connection, in order.
const (
	stageFree  uint8 = iota
	stageTLS         // collecting a ClientHello, then waiting for the handshake's goroutine
	stageHTTP        // collecting the head of a request
	stageOpen        // WebSocket
	stageDrain       // nothing more will be sent: read to the end of stream
)

// Bits of record.w.
const (
	wBit     uint8 = 1 << iota // somebody writes
	wAgain                     // somebody else wanted to
	wCork                      // the turn's end will flush
	wClosing                   // nothing more may be queued
	wShut                      // nothing more can be written
	wDead                      // finish has the write bit for good
	wHigh                      // the queue went over HighWater
)
