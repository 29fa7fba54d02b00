package netpoll

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"webim/netpoll/internal/frame"
)

// inflateEvent replaces a compressed event's data by what it inflates to, in
// the worker's memory. With small it leaves the event as it is if that is more than
// largeMessage.
func (w *worker) inflateEvent(ev *frame.Event, max int, small bool) *frame.Error {
	most := max
	if small {
		most = min(max, largeMessage)
	}
	out, err := frame.Inflate(w.inflate[:0], ev.Data, most)
	w.cost.Inflated += len(out) // whatever comes of it
	if err == frame.ErrTooBig && most < max {
		return nil
	}
	if err != nil {
		return err
	}
	ev.Data, ev.Compressed = out, false
	// A large message's memory is not kept: idle workers are idle memory too.
	if w.inflate = out; cap(out) > readSize {
		w.inflate = nil
	}
	ev.Own = w.inflate == nil
	if ev.Op == ws.OpText && !utf8.Valid(out) {
		return frame.ErrUTF8
	}
	return nil
}

// negotiation is what becomes of the client's offers of extensions, which take gets
// one by one, in the client's order of preference: the first permessage-deflate that
// we can do is accepted. wsflate.Extension would fail the handshake at an offer with
// an unknown parameter; RFC 7692 (section 7) wants that offer declined, and the next
// looked at.
type negotiation struct {
	accepted bool
	small    bool
	bits     wsflate.WindowBits // of the window that the client asked for; 0: it did not
}

func (n *negotiation) take(o httphead.Option) {
	var p wsflate.Parameters
	if n.accepted || string(o.Name) != wsflate.ExtensionName || irregular(&o) || p.Parse(o) != nil {
		return
	}
	n.accepted, n.bits = true, p.ServerMaxWindowBits
	n.small = n.bits.Defined() && n.bits < 15
}

// appendAnswer appends what is accepted. What we answer we keep; what is not in the
// offer must not be answered, except the two "no context takeover", which a server may
// always ask for.
func (n *negotiation) appendAnswer(b []byte) []byte {
	b = append(b, wsflate.ExtensionName+";server_no_context_takeover;client_no_context_takeover"...)
	if n.bits.Defined() {
		b = strconv.AppendInt(append(b, ";server_max_window_bits="...), int64(n.bits), 10)
	}
	return b
}

// irregular finds what wsflate's parser overlooks: two parameters of one name, of
// which it keeps the last, and numbers with a leading zero.
func irregular(o *httphead.Option) (bad bool) {
	const most = 4 // parameters that there are
	var seen [most][]byte
	n := 0
	o.Parameters.ForEach(func(k, v []byte) bool {
		bad = n == most || len(v) > 0 && v[0] == '0' ||
			slices.ContainsFunc(seen[:n], func(s []byte) bool { return bytes.Equal(s, k) })
		if !bad {
			seen[n] = k
			n++
		}
		return !bad
	})
	return bad
}
