package netpoll

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"webim/netpoll/internal/refusal"
	"webim/netpoll/internal/sched"
	"webim/netpoll/internal/slab"
	"webim/netpoll/internal/tlsmem"
	"webim/netpoll/internal/waiting"
	"webim/netpoll/internal/wheel"

	"github.com/gobwas/ws"
)

// ID names a connection for as long as the server lives: the number of its record and the
// generation of the record. It is never 0 and never used twice, until one record has had 2^31
// connections.
type ID uint64

// record is everything that an idle connection keeps: 128 bytes without a pointer, so that the
// garbage collector has nothing to scan, in chunks that never move. State that only few connections
// have at a time lies in the server's tables, and the record has its number.
type record struct {
	// Set before the connection is parked, and valid until finish. ip and port are written once
	// more, on the turn and under mu, if a proxy names the client.
	index    uint32
	fd       int32
	ip       uint32 // in Server.addrs
	port     uint16 // of the peer; 0: only its proxy knows it
	listener uint8
	loop     uint8
	opened   uint32 // tick

	gen   slab.Generation // begins and ends under mu
	turn  sched.Turn      // survives the connection
	flags atomic.Uint32   // see below; set by any goroutine
	seen  atomic.Uint32   // tick of the last byte received
	sent  atomic.Uint32   // tick of the last byte taken by the socket, or of the first it refused since

	// Owned by the holder of the turn. The wheel and the loop read deadline.
	input     uint32        // in Server.inputs; 0: none
	deadline  atomic.Uint32 // tick: when open, of the last heartbeat; else of the end of the handshake or of the close
	controls  uint16        // control frames in the second of controlAt
	controlAt uint8
	stage     uint8

	// The write side, under mu. So are the three fields behind mu.
	w      uint8 // w… bits
	cause  Cause
	code   ws.StatusCode
	output uint32 // in Server.outputs; 0: nothing is queued
	extra  uint32 // in Server.extras; 0: none

	link wheel.Link // owned by the wheel's lock; link.Own, under mu, is the round trip of a ping in µs

	mu          sync.Mutex
	bytesOut    uint64
	messagesOut uint64
	tag         uint64

	// Written atomically by the holder of the turn, and read by Info.
	bytesIn    uint64
	messagesIn uint64
}

// This fails to compile if the record grows: that would cost every idle client.
const _ = uint(128 - unsafe.Sizeof(record{}))

// Bits of record.flags.
const (
	fReadable    uint32 = 1 << iota // an event said so, and no read since has found the socket empty
	fHangup                         // an event had RDHUP, HUP or ERR, so a short read does not mean that the socket is empty
	fWritable                       // output is to be flushed
	fTimer                          // the wheel says that a deadline may have come
	fPaused                         // Conn.Pause
	fHeld                           // Conn.Later or Again, and done was not called
	fAgain                          // Conn.Again: the message being delivered must be kept
	fProtected                      // Conn.Protect
	fBlocked                        // the socket refused output; written under mu
	fClosing                        // beginClose has begun the close
	fWatermark                      // a watermark was crossed
	fOpen                           // upgraded: Handler.Open is being called, or has been; set under mu
	fDeflate                        // permessage-deflate is on
	fSmallWindow                    // with a small window, as the client asked
	fTLS
	fFailed     // a write failed for good
	fPinged     // a heartbeat was sent, and no answer is known
	fFirst      // the first ping is still to come, whatever the traffic; it spreads the pings
	fUnfinished // a message is unfinished; its deadline, if there is one, is on the wheel
	fToldFull   // the handler knows that the queue is full
	fAbort      // closing: send nothing more
	fLast       // closing: once all is sent, shut down
	fArmed      // closing: the deadline is set
	fHeartbeat0 // see fHeartbeat
	fHeartbeat1
	fResting    // not read until extra.rest; owned by the turn
	fRestricted // Conn.Restrict
	fBackground // its turns wait for the turns of others
	fHeavy      // its turns wait for those of connections that need less time, see weigh
	fYield      // Conn.Yield: the turn ends with the message being delivered
	fTraced     // Conn.Trace

	// fHeartbeat holds the HeartbeatID.
	fHeartbeat     = fHeartbeat0 | fHeartbeat1
	heartbeatShift = 23
)

// heartbeatShift is the number of the bit fHeartbeat0; another number does not compile.
var _ = [1]struct{}{}[fHeartbeat0>>heartbeatShift-1]

// Stages of a connection, in order.
const (
	stageFree  uint8 = iota
	stageProxy       // waiting for a header of the PROXY protocol
	stageTLS         // collecting a ClientHello, then waiting for the handshake's goroutine
	stageHTTP        // collecting the head of a request
	stageOpen        // WebSocket
	stageDrain       // nothing more will be sent: reading to the end of the stream
)

// Bits of record.w.
const (
	wBit     uint8 = 1 << iota // a goroutine writes
	wAgain                     // a turn or a flush found the write bit taken: the holder wakes the turn
	wCork                      // the end of the turn will flush
	wClosing                   // nothing more may be queued
	wShut                      // nothing more can be written
	wDead                      // finish has the write bit for good, or net/http gets the socket
	wHigh                      // the queue was above HighWater, and not below LowWater since
)

// extra is the state that only few connections have. tls is set before the connection is parked.
// The rest is under the record's lock.
type extra struct {
	refuse refusal.Reason
	tls    *tlsState
	data   any
	reason string
	held   int    // calls of Later and Again whose done was not called
	rest   uint32 // with fResting: the tick at which the connection is read again
	high   uint32 // the most bytes that the socket has refused at a time; see noteHighLocked
	by     Party  // the party behind a close; 0: that of the cause
}

// tlsState is the TLS of a connection.
type tlsState struct {
	*tlsmem.Conn
	waits bool                     // for a slot; owned by the turn
	place waiting.Place[*tlsState] // among the slots
}
