package netpoll

import (
	"bytes"
	"container/list"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// tlsState is a connection's TLS, and the net.Conn that crypto/tls uses.
//
// conn is set once, queued is under tlsSlots.mu, and everything else is under mu.
type tlsState struct {
	conn   *tls.Conn
	queued *list.Element // in the list of those that wait for a slot; under tlsSlots.mu

	mu        sync.Mutex
	more      sync.Cond // signals that in or ended has changed; the handshake waits for it
	own       Conn      // the connection
	in        []byte    // ciphertext that has arrived: whole records, then a part of one
	sliced    bool      // in is the tail of more
	record    int       // bytes of the record at the start of in that crypto/tls has not read; 0: not known
	unaligned bool      // net/http had it: the start of in may lie within a record
	silent    int       // bytes of whole records since the last plaintext
	waste     int       // bytes of records that brought no plaintext, see spoke
	reported  int       // the largest waste until now
	held      int       // bytes counted in Server.unfinished
	out       []byte    // ciphertext to write
	over      bool      // the connection has ended: nothing may be written any more
	shaking   bool      // a goroutine does the handshake: Read waits
	done      bool      // the handshake has ended
	failed    error     // the error of the handshake
	waits     bool      // for a slot
	ended     bool      // no more ciphertext will arrive
	full      bool      // the turn has stopped reading: a handshake is slower
	direct    net.Conn  // net/http has this socket: reads and writes go straight to it
	accounted int       // bytes of out counted in Server.queued
}

func newTLSState(ln *listener) *tlsState {
	t := &tlsState{}
	t.more.L = &t.mu
	t.conn = tls.Server(t, ln.tls)
	return t
}

func (t *tlsState) owner(c Conn) {
	t.mu.Lock()
	t.own = c
	t.mu.Unlock()
}

// errNoCiphertext is a temporary net.Error, which crypto/tls forgets.
type errNoCiphertext struct{}

func (errNoCiphertext) Error() string   { return "no ciphertext yet" }
func (errNoCiphertext) Timeout() bool   { return true }
func (errNoCiphertext) Temporary() bool { return true }

// Read gives crypto/tls the ciphertext that has arrived, one whole record at a time. Unfinished
// records stay here, where they are counted, and do not get into its buffers.
func (t *tlsState) Read(p []byte) (int, error) {
	t.mu.Lock()
	for {
		switch n := t.readable(); {
		case n > 0:
			n = copy(p, t.in[:n])
			t.record = max(0, t.record-n)
			t.silent += n
			t.in, t.sliced = t.in[n:], true
			if len(t.in) == 0 {
				t.in, t.sliced = nil, false
			}
			t.mu.Unlock()
			return n, nil
		case t.direct != nil:
			direct := t.direct
			t.mu.Unlock()
			n, err := direct.Read(p)
			t.mu.Lock()
			t.silent += n
			t.mu.Unlock()
			return n, err
		case t.ended:
			t.mu.Unlock()
			return 0, io.EOF
		case !t.shaking:
			t.mu.Unlock()
			return 0, errNoCiphertext{}
		}
		if t.full {
			t.full = false
			t.own.s.wake(t.own.r)
		}
		t.more.Wait()
	}
}

// maxRecord is the payload of the largest record that TLS allows (RFC 5246, section 6.2.3).
// crypto/tls refuses records that claim to be larger.
const maxRecord = 16<<10 + 2048

// readable returns the number of bytes of in that crypto/tls may read: those of one record that has
// arrived completely.
func (t *tlsState) readable() int {
	if t.direct != nil || t.unaligned {
		return len(t.in)
	}
	if t.record == 0 {
		if len(t.in) < 5 {
			return 0
		}
		size := int(t.in[3])<<8 | int(t.in[4])
		if size > maxRecord {
			return len(t.in)
		}
		if len(t.in) < 5+size {
			return 0
		}
		t.record = 5 + size
	}
	return t.record
}

// wantsInput reports whether a handshake that had enough input wants more. If not, Read wakes the
// turn when it does.
func (t *tlsState) wantsInput() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.full = len(t.in) > maxHello && t.readable() > 0
	return !t.full
}

// Write queues the ciphertext that crypto/tls sends. It never waits.
func (t *tlsState) Write(p []byte) (int, error) {
	t.mu.Lock()
	if direct := t.direct; direct != nil {
		t.mu.Unlock()
		return direct.Write(p)
	}
	if t.over {
		t.mu.Unlock()
		return 0, net.ErrClosed
	}
	t.out = append(t.out, p...)
	own, shaking := t.own, t.shaking
	t.accountLocked()
	t.mu.Unlock()
	if shaking {
		own.s.flush(own.r, own.gen)
	}
	return len(p), nil
}

// accountLocked counts the ciphertext that waits to be written in Server.queued.
func (t *tlsState) accountLocked() {
	t.own.s.hold(int64(len(t.out) - t.accounted))
	t.accounted = len(t.out)
}

// pending returns the number of bytes of ciphertext that wait to be written.
func (t *tlsState) pending() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.out)
}

// The rest of net.Conn, for crypto/tls and, while it has the connection, for net/http.
func (t *tlsState) Close() error {
	if c := t.socket(); c != nil {
		return c.Close()
	}
	return nil
}
func (t *tlsState) LocalAddr() net.Addr  { return addrOf(t.socket(), net.Conn.LocalAddr) }
func (t *tlsState) RemoteAddr() net.Addr { return addrOf(t.socket(), net.Conn.RemoteAddr) }
func (t *tlsState) SetDeadline(d time.Time) error {
	return errors.Join(t.SetReadDeadline(d), t.SetWriteDeadline(d))
}
func (t *tlsState) SetReadDeadline(d time.Time) error {
	if c := t.socket(); c != nil {
		return c.SetReadDeadline(d)
	}
	return nil
}
func (t *tlsState) SetWriteDeadline(d time.Time) error {
	if c := t.socket(); c != nil {
		return c.SetWriteDeadline(d)
	}
	return nil
}

func (t *tlsState) socket() net.Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.direct
}

func addrOf(c net.Conn, f func(net.Conn) net.Addr) net.Addr {
	if c != nil {
		return f(c)
	}
	return &net.TCPAddr{}
}

// goDirect passes reads and writes on to a socket until endDirect. First it writes the ciphertext
// that waits, which must be done within the timeout.
func (t *tlsState) goDirect(c net.Conn, timeout time.Duration) error {
	t.mu.Lock()
	out := t.out
	t.direct, t.out = c, nil
	t.accountLocked()
	t.uncountLocked()
	t.mu.Unlock()
	if len(out) == 0 {
		return nil
	}
	c.SetWriteDeadline(time.Now().Add(timeout))
	_, err := c.Write(out)
	return errors.Join(err, c.SetWriteDeadline(time.Time{}))
}

func (t *tlsState) endDirect() {
	t.mu.Lock()
	t.direct, t.unaligned = nil, true
	t.mu.Unlock()
}

// feed appends ciphertext that has arrived.
func (t *tlsState) feed(b []byte) {
	t.mu.Lock()
	t.in = append(t.in, b...)
	t.mu.Unlock()
	t.more.Signal()
}

// count updates the bytes of unfinished input in Server.unfinished. It reports whether they are
// within the limit.
func (t *tlsState) count() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sliced || cap(t.in) > 2*len(t.in) {
		t.in, t.sliced = bytes.Clone(t.in), false // frees the memory of the bytes that were read
	}
	held := cap(t.in) + t.silent
	grown := held - t.held
	t.held = held
	return t.own.s.reserveInput(grown)
}

func (t *tlsState) uncountLocked() {
	t.own.s.reserveInput(-t.held)
	t.held = 0
}

// recordOverhead is the number of bytes by which a record is longer than its plaintext: header, IV,
// MAC, padding.
const recordOverhead = 80

// A key update has 27 bytes and costs as much as reading a kilobyte: two new keys, and a record in
// answer. crypto/tls accepts 16 of them before each byte of plaintext. So ciphertext that brings no
// plaintext, padding included, costs wasteCost times its bytes. Until a connection is open, and
// while net/http has it, at most maxWaste bytes of it are accepted.
const (
	wasteCost = 32
	maxWaste  = 64 << 10
)

// accountText notes that n bytes of plaintext came out of the ciphertext. It returns by how much
// the ciphertext without plaintext has grown beyond its largest amount before: ciphertext that
// crypto/tls has read ahead counts for a short time only. ok is false if there is more than
// maxWaste.
func (t *tlsState) accountText(n int) (wasted int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waste = max(0, t.waste+t.silent-n-recordOverhead)
	t.silent = 0
	wasted = max(0, t.waste-t.reported)
	t.reported += wasted
	return wasted, t.waste <= maxWaste
}

// end tells crypto/tls that nothing more will come, and drops the output. It reports whether the
// connection waited for a slot.
func (t *tlsState) end() (waited bool) {
	t.mu.Lock()
	t.ended, t.over = true, true
	t.out = nil
	t.accountLocked()
	t.uncountLocked()
	waited = t.waits
	t.mu.Unlock()
	t.more.Broadcast()
	return waited
}

// dropIn drops the input. Nothing more will be read.
func (t *tlsState) dropIn() {
	t.mu.Lock()
	t.in, t.ended = nil, true
	t.uncountLocked()
	t.mu.Unlock()
	t.more.Broadcast()
}

// dropOut drops the ciphertext that waits to be written.
func (t *tlsState) dropOut() {
	t.mu.Lock()
	t.out = nil
	t.accountLocked()
	t.mu.Unlock()
}
