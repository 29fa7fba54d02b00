package tlsmem

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

// Owner is the connection that a Conn belongs to. Its methods must not call the Conn, except Flush.
type Owner interface {
	// CountInput adds n bytes to the unfinished input of all connections, or takes bytes away if n
	// is negative. It reports whether all of it is within the limit.
	CountInput(n int) bool
	// CountOutput adds n bytes to the queued output of all connections; n may be negative.
	CountOutput(n int)
	// Wake says that the Conn wants more input.
	Wake()
	// Flush says that the handshake has made output.
	Flush()
}

// Conn is the TLS of one connection. All methods are safe for concurrent use, but only one goroutine
// may read plaintext at a time, and only one may write it.
type Conn struct {
	// TLS reads and writes plaintext. It is set once.
	TLS *tls.Conn

	mu          sync.Mutex
	more        sync.Cond // signals that in or ended has changed; the handshake waits for it
	owner       Owner
	in          []byte   // input: whole records, then a part of one
	sliced      bool     // in is the tail of more
	record      int      // bytes of the record at the start of in that crypto/tls has not read; 0: not known
	unaligned   bool     // net/http had it: the start of in may lie within a record
	silent      int      // bytes of whole records since the last plaintext
	waste       int      // bytes of records that brought no plaintext, see CountText
	reported    int      // the largest waste until now
	inCounted   int      // bytes counted by Owner.CountInput
	out         []byte   // output
	over        bool     // the connection has ended: nothing may be written any more
	handshaking bool     // a goroutine does the handshake: reading waits
	waits       bool     // the goroutine waits for input
	done        bool     // the handshake has ended
	failed      error    // the error of the handshake
	ended       bool     // no more input will arrive
	full        bool     // the caller has stopped reading: the handshake is slower
	direct      net.Conn // net/http has this socket: reads and writes go straight to it
	outCounted  int      // bytes counted by Owner.CountOutput
}

// New makes the server's side of a TLS connection. SetOwner must be called before anything else.
func New(cfg *tls.Config) *Conn {
	c := &Conn{}
	c.more.L = &c.mu
	c.TLS = tls.Server((*transport)(c), cfg)
	return c
}

// SetOwner sets the connection that the Conn belongs to from now on.
func (c *Conn) SetOwner(o Owner) {
	c.mu.Lock()
	c.owner = o
	c.mu.Unlock()
}

// Owner returns the connection that the Conn belongs to, and the bytes of input that are counted
// for it.
func (c *Conn) Owner() (o Owner, input int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.owner, c.inCounted
}

// ErrNoInput is returned by Read if no whole record has arrived.
var ErrNoInput = errors.New("tlsmem: no whole record has arrived")

// Read reads plaintext. It never waits, and returns ErrNoInput if more input is needed. Another
// error means that nothing more will come: the client has ended TLS, or broken it beyond repair.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.TLS.Read(b)
	var none noInput
	if n > 0 {
		return n, nil
	}
	if errors.As(err, &none) {
		err = ErrNoInput
	}
	return 0, err
}

// Feed appends input that has arrived.
func (c *Conn) Feed(b []byte) {
	c.mu.Lock()
	c.in = append(c.in, b...)
	c.mu.Unlock()
	c.more.Signal()
}

// EndInput notes that no more input will arrive.
func (c *Conn) EndInput() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.more.Broadcast()
}

// DropInput drops the input. Nothing more will be read.
func (c *Conn) DropInput() {
	c.mu.Lock()
	c.in, c.ended = nil, true
	c.uncountLocked()
	c.mu.Unlock()
	c.more.Broadcast()
}

// CountInput counts the input at the owner. It reports whether it is within the limit.
func (c *Conn) CountInput() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sliced || cap(c.in) > 2*len(c.in) {
		c.in, c.sliced = bytes.Clone(c.in), false // frees the memory of the bytes that were read
	}
	held := cap(c.in) + c.silent
	grown := held - c.inCounted
	c.inCounted = held
	return c.owner.CountInput(grown)
}

func (c *Conn) uncountLocked() {
	c.owner.CountInput(-c.inCounted)
	c.inCounted = 0
}

// recordOverhead is the number of bytes by which a record is longer than its plaintext: header, IV,
// MAC, padding.
const recordOverhead = 80

// maxWaste is the number of bytes of waste that a client may send while nobody pays for it.
const maxWaste = 64 << 10

// CountText notes that n bytes of plaintext came out of the input. It returns by how much the waste
// has grown beyond its largest amount before: input that crypto/tls has read ahead counts for a
// short time only. ok is false if there is more than maxWaste.
func (c *Conn) CountText(n int) (wasted int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waste = max(0, c.waste+c.silent-n-recordOverhead)
	c.silent = 0
	wasted = max(0, c.waste-c.reported)
	c.reported += wasted
	return wasted, c.waste <= maxWaste
}

// Output returns the output, which stays valid until Wrote or DropOutput. ready reports whether
// plaintext may be written to make more.
func (c *Conn) Output() (out []byte, ready bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out, c.readyLocked() && c.direct == nil
}

// Pending returns the number of bytes of output.
func (c *Conn) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.out)
}

// Wrote takes n written bytes off the output.
func (c *Conn) Wrote(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out = c.out[min(n, len(c.out)):]; len(c.out) == 0 {
		c.out = nil
	}
	c.countOutputLocked()
}

// WriteRaw appends bytes to the output that are not encrypted, for a client that does not speak TLS.
func (c *Conn) WriteRaw(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out, b...)
	c.countOutputLocked()
}

// DropOutput drops the output.
func (c *Conn) DropOutput() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = nil
	c.countOutputLocked()
}

// countOutputLocked counts the output at the owner.
func (c *Conn) countOutputLocked() {
	c.owner.CountOutput(len(c.out) - c.outCounted)
	c.outCounted = len(c.out)
}
