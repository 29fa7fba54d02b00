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

// tlsState is a connection's TLS, and the net.Conn that crypto/tls sees.
//
// conn is set once. Everything else but queued is under mu.
type tlsState struct {
	conn   *tls.Conn
	queued *list.Element // among those who wait for a place; under tlsPlaces.mu

	mu        sync.Mutex
	more      sync.Cond // in or ended has changed; the handshake waits for it
	own       Conn      // whose output this is
	in        []byte    // ciphertext that has arrived: whole records, then a part of one
	sliced    bool      // in is the tail of more
	record    int       // bytes of the record at in's head that crypto/tls has not got; 0: look
	strange   bool      // net/http had it: where in's head lies in a record is not known
	silent    int       // bytes of whole records since the last plaintext
	waste     int       // bytes of records that brought no plaintext, see spoke
	told      int       // the largest waste until now
	held      int       // bytes counted in Server.unfinished
	out       []byte    // ciphertext to write
	over      bool      // the connection has ended: nothing may be written any more
	shaking   bool      // a goroutine does the handshake: Read waits
	done      bool      // it has ended
	failed    error     // how, if badly
	waits     bool      // for a place
	ended     bool      // no more ciphertext will arrive
	full      bool      // the turn has stopped reading: a handshake is slower
	lent      net.Conn  // net/http has the socket
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

// errNoCiphertext is a temporary net.Error, which crypto/tls does not remember.
type errNoCiphertext struct{}

func (errNoCiphertext) Error() string   { return "no ciphertext yet" }
func (errNoCiphertext) Timeout() bool   { return true }
func (errNoCiphertext) Temporary() bool { return true }

// Read gives crypto/tls what has arrived, one whole record at a time: what is
// unfinished stays here, where it is counted, and not in its buffers.
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
		case t.lent != nil:
			lent := t.lent
			t.mu.Unlock()
			n, err := lent.Read(p)
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

// maxRecord is the payload of the largest record that TLS allows (RFC 5246,
// section 6.2.3). What claims to be larger is for crypto/tls to refuse.
const maxRecord = 16<<10 + 2048

// readable is how many bytes of in crypto/tls may have: those of one record
// that has wholly arrived.
func (t *tlsState) readable() int {
	if t.lent != nil || t.strange {
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

// hungry reports whether a handshake that had enough to read wants more; if
// not, Read wakes the turn when it does.
func (t *tlsState) hungry() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.full = len(t.in) > maxHello && t.readable() > 0
	return !t.full
}

// Write takes what crypto/tls sends; it never waits.
func (t *tlsState) Write(p []byte) (int, error) {
	t.mu.Lock()
	if lent := t.lent; lent != nil {
		t.mu.Unlock()
		return lent.Write(p)
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

// accountLocked counts the ciphertext that waits to be written.
func (t *tlsState) accountLocked() {
	t.own.s.hold(int64(len(t.out) - t.accounted))
	t.accounted = len(t.out)
}

// pending is how much ciphertext waits to be written.
func (t *tlsState) pending() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.out)
}

// The rest of net.Conn, for crypto/tls and, while it has the connection, for
// net/http.
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
	return t.lent
}

func addrOf(c net.Conn, f func(net.Conn) net.Addr) net.Addr {
	if c != nil {
		return f(c)
	}
	return &net.TCPAddr{}
}

// lend passes reads and writes on to a socket, until takeBack; first of all
// what waits to be written, which must be gone within the timeout.
func (t *tlsState) lend(c net.Conn, timeout time.Duration) error {
	t.mu.Lock()
	out := t.out
	t.lent, t.out = c, nil
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

func (t *tlsState) takeBack() {
	t.mu.Lock()
	t.lent, t.strange = nil, true
	t.mu.Unlock()
}

// feed adds ciphertext that has arrived.
func (t *tlsState) feed(b []byte) {
	t.mu.Lock()
	t.in = append(t.in, b...)
	t.mu.Unlock()
	t.more.Signal()
}

// count tells the server how much unfinished input there is; it reports
// whether that may be.
func (t *tlsState) count() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sliced || cap(t.in) > 2*len(t.in) {
		t.in, t.sliced = bytes.Clone(t.in), false // lets go of what was read
	}
	held := cap(t.in) + t.silent
	grown := held - t.held
	t.held = held
	return t.own.s.keepMore(grown)
}

func (t *tlsState) uncountLocked() {
	t.own.s.keepMore(-t.held)
	t.held = 0
}

// What a record is longer than its plaintext: its header, an IV, a MAC, padding.
const recordOverhead = 80

// A key update has 27 bytes and costs as much as a kilobyte to read: two new keys, and a
// record in answer. crypto/tls takes 16 of them before each byte of plaintext. So
// ciphertext that brings no plaintext, padding too, costs wasteCost times its bytes; and
// maxWaste is the most of it until a connection is open, and while net/http has it.
const (
	wasteCost = 32
	maxWaste  = 64 << 10
)

// spoke notes that n bytes of plaintext came out of what was fed. It returns how much more
// than ever before was fed beyond all plaintext: what crypto/tls has read ahead is not
// counted for long. ok is false if that is more than maxWaste.
func (t *tlsState) spoke(n int) (wasted int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waste = max(0, t.waste+t.silent-n-recordOverhead)
	t.silent = 0
	wasted = max(0, t.waste-t.told)
	t.told += wasted
	return wasted, t.waste <= maxWaste
}

// end tells crypto/tls that nothing more will come, and forgets what was to go.
// It reports whether the connection waited for a place.
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

// dropIn forgets what has arrived; nothing more will be read.
func (t *tlsState) dropIn() {
	t.mu.Lock()
	t.in, t.ended = nil, true
	t.uncountLocked()
	t.mu.Unlock()
	t.more.Broadcast()
}

// dropOut forgets ciphertext that will not be written.
func (t *tlsState) dropOut() {
	t.mu.Lock()
	t.out = nil
	t.accountLocked()
	t.mu.Unlock()
}
