package moving

import (
	"net/netip"

	"github.com/gobwas/ws"

	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/output"
	"webim/netpoll/internal/unfinished"
)

// Stage says what a connection is about. It is written down, so its numbers do not change.
type Stage uint8

// The stages.
const (
	Head Stage = iota + 1
	Open
	Drain
)

// Flags are written down, so their numbers do not change.
type Flags uint64

// The flags of a connection.
const (
	Opened      Flags = 1 << iota // the handler knows the connection
	Deflate                       // permessage-deflate is negotiated
	SmallWindow                   // with a small window
	Paused                        // by Conn.Pause
	Protected                     // by Conn.Protect
	Restricted                    // by Conn.Restrict
	Background                    // its turns wait for those of others
	Resting                       // it is not read until Rest
	Pinged                        // a heartbeat was sent, and no answer is known
	First                         // its first ping is still to come
	Blocked                       // its socket has refused output
	ToldFull                      // the handler knows that the queue is full
	High                          // the queue is above the high watermark
	Failed                        // a write has failed
	Closing                       // its close has begun
	Last                          // once all is sent, shut down
	Abort                         // send nothing more
	Armed                         // the deadline of the close is set
	Shut                          // nothing more can be written
	Ready                         // the unread bytes may hold a whole frame
	Given                         // the handler has had the kept message
	Lent                          // its descriptor has come before
)

// A Conn is a connection between two processes.
type Conn struct {
	ID        uint64
	Listener  int // of those of the process that wrote it
	Addr      netip.AddrPort
	Stage     Stage
	Flags     Flags
	Heartbeat uint8

	// In ms.
	Begun, Seen, Sent, Deadline, Due, Rest, Since int64

	BytesIn, BytesOut, MessagesIn, MessagesOut uint64

	RoundTrip uint64 // of the last answered ping, in µs; 0: not known
	HighWater int    // the most bytes that its socket has refused at a time

	// Of a connection that closes.
	Cause  string
	Code   ws.StatusCode
	Reason string

	Unread         []byte
	Scanned, Lines int // of a head
	Message        frame.State
	Kept           frame.Event // Op 0: none

	Output output.State
	Data   []byte // of the handler
}

// SetInput sets the unfinished input, except for Since. The Conn uses its memory.
func (c *Conn) SetInput(in *unfinished.Input) {
	c.Unread, c.Scanned, c.Lines, c.Message, c.Kept = in.Rest, in.Scanned, in.Lines, in.Dec.State(), in.Again.Event
	if in.Ready {
		c.Flags |= Ready
	}
	if in.Again.Given {
		c.Flags |= Given
	}
}

// Part returns the state of the decoding, except for Since, of a Conn that Parse has returned. It uses the memory of the
// Conn.
func (c *Conn) Part() unfinished.Part {
	dec, _ := c.Message.Decoder() // Parse has checked it
	kept := unfinished.Kept{Event: c.Kept, Given: c.Flags&Given != 0}
	kept.Own = true
	return unfinished.Part{Dec: dec, Ready: c.Flags&Ready != 0, Again: kept}
}
