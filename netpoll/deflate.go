package netpoll

import (
	"unicode/utf8"

	"github.com/gobwas/ws"

	"webim/netpoll/internal/frame"
)

// inflateEvent replaces the data of a compressed event by its inflated content, in the worker's
// memory. If small is set and the content is larger than largeMessage, it leaves the event as it
// is.
func (w *worker) inflateEvent(ev *frame.Event, max int, small bool) *frame.Error {
	most := max
	if small {
		most = min(max, largeMessage)
	}
	out, err := frame.Inflate(w.inflate[:0], ev.Data, most)
	w.cost.Inflated += len(out) // whatever the result
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
