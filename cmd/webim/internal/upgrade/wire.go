package upgrade

import (
	"fmt"

	"webim/netpoll/snapshot"
)

// The messages. Each begins with its kind.
const (
	msgHello  = 'h' // new: Hello
	msgLent   = 'l' // old: ids of connections, with their descriptors; without ids: those are all
	msgKept   = 'k' // new: it has registered them
	msgFile   = 'f' // old: the name of a file, with its descriptor
	msgPart   = 'p' // old: the end of a part in the file of the state, with the descriptors of its connections
	msgReady  = 'r' // new: it has everything
	msgGo     = 'g' // old: from now on the new process owns the sockets; with the time at which everything stood still
	msgStop   = 'e' // stand-in: it goes on, and the process that would not take over ends
	msgDone   = 'd' // new: it serves
	msgFailed = 'x' // new: why it ends
)

// The variables that tell a process that it takes over.
const (
	envName    = "WEBIM_UPGRADE"          // the descriptor of the pair
	envStandIn = "WEBIM_UPGRADE_STAND_IN" // of a stand-in: the nanoseconds until the other process must be back
	envReturn  = "WEBIM_UPGRADE_RETURN"   // in place: the pids of the process and of the stand-in, and the nanoseconds of the stall before
	envGuard   = "WEBIM_UPGRADE_GUARD"    // the pid of a process for whose end this one only waits
	envGuarded = "WEBIM_UPGRADE_GUARDED"  // of one that was a stand-in: the pid of the process that waits for its end; 0: there is none
)

// stateFile is the name of the file that has the state.
const stateFile = "state"

// Hello is the report of the new process about itself.
type Hello struct {
	Oldest, Newest uint64 // versions of the state that it reads
	Files          uint64 // its limit of open files
	Version        string // of the program
	Inner          bool   // it takes over connections of the internal server
	Borrows        bool   // it takes descriptors of connections before everything stands still
	Tells          bool   // it tells how much of the state it has restored, see patient
	StandsIn       bool   // it can be a stand-in
	Shares         bool   // it reads output that connections share
}

func (h *Hello) append(e *snapshot.Encoder) {
	e.Uint(1, h.Oldest)
	e.Uint(2, h.Newest)
	e.Uint(3, h.Files)
	e.String(4, h.Version)
	e.Bool(6, h.Inner)
	e.Bool(7, h.Borrows)
	e.Bool(8, h.Tells)
	e.Bool(9, h.StandsIn) // 5 was for another way to upgrade in place
	e.Bool(10, h.Shares)
}

func parseHello(b []byte) (h Hello, err error) {
	d := snapshot.Decode(b)
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			h.Oldest = d.Uint()
		case 2:
			h.Newest = d.Uint()
		case 3:
			h.Files = d.Uint()
		case 4:
			h.Version = d.String()
		case 6:
			h.Inner = d.Bool()
		case 7:
			h.Borrows = d.Bool()
		case 8:
			h.Tells = d.Bool()
		case 9:
			h.StandsIn = d.Bool()
		case 10:
			h.Shares = d.Bool()
		}
	}
	return h, d.Err()
}

// link carries messages from one process to the other: a *fdpass.Conn, or a *patient.
type link interface {
	Send(msg []byte, fds ...int) error
	Receive() (msg []byte, fds []int, err error)
}

// send sends a message of a kind.
func send(c link, kind byte, payload []byte, fds ...int) error {
	return c.Send(append([]byte{kind}, payload...), fds...)
}

// failure is the reason that a new process has given.
type failure struct{ why string }

func (f failure) Error() string { return f.why }

// expect waits for a message of a kind.
func expect(c link, kind byte) (payload []byte, err error) {
	msg, _, err := c.Receive() // the new process sends no descriptors
	switch {
	case err != nil:
		return nil, err
	case msg[0] == msgFailed:
		return nil, failure{string(msg[1:])}
	case msg[0] != kind:
		return nil, fmt.Errorf("upgrade: the message %q came in place of %q", msg[0], kind)
	}
	return msg[1:], nil
}
