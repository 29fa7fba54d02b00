package hooks

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"webim/room/backend"
)

// notice tells the backend that a connection is closed.
type notice struct {
	Client    string   `json:"client"`
	Transport string   `json:"transport"`
	User      string   `json:"user"`
	Channels  []string `json:"channels"` // the rooms that it was in at the end
	Code      uint32   `json:"code"`     // of the Close frame; 1006 if there was none
	Reason    string   `json:"reason"`
	At        int64    `json:"at"` // milliseconds since 1970
}

// noticePauses are the pauses before each retry of a notice. Notices are sent one at a time, so
// that the backend gets them in order.
var noticePauses = []time.Duration{100 * time.Millisecond, time.Second, 5 * time.Second}

// Disconnected implements backend.Backend.
func (h *Hooks) Disconnected(d backend.DisconnectEvent) {
	if h.notices == nil {
		return
	}
	select {
	case h.notices <- d:
	default:
		if n := h.dropped.Add(1); n&(n-1) == 0 {
			h.cfg.Logger.Warn("notices of disconnects are dropped: the backend takes them too slowly", "dropped", n)
		}
	}
}

// passNotices gives the notices that wait to next, if that has a disconnect hook.
func (h *Hooks) passNotices(next *Hooks) {
	if next.notices == nil {
		return
	}
	for {
		select {
		case d := <-h.notices:
			next.Disconnected(d)
		default:
			return
		}
	}
}

// Dropped returns how many notices were dropped.
func (h *Hooks) Dropped() int64 { return h.dropped.Load() }

// deliver sends notices until Close. Then it sends the notices that still wait, until the context
// of Close ends.
func (h *Hooks) deliver() {
	defer func() {
		if n := len(h.notices); n > 0 {
			h.dropped.Add(int64(n))
			h.cfg.Logger.Warn("notices of disconnects are dropped: the backend did not take them before the end", "dropped", n)
		}
	}()
	for {
		select {
		case d := <-h.notices:
			h.notify(d)
		case <-h.ctx.Done():
			return
		case <-h.closing:
			for len(h.notices) > 0 && h.ctx.Err() == nil {
				h.notify(<-h.notices)
			}
			return
		}
	}
}

func (h *Hooks) notify(d backend.DisconnectEvent) {
	rooms := d.Rooms
	if rooms == nil {
		rooms = []string{}
	}
	body, err := json.Marshal(notice{d.Client, "websocket", d.User, rooms, d.Code, d.Reason, d.At.UnixMilli()})
	for try := 0; err == nil; try++ {
		ctx, cancel := context.WithTimeout(h.ctx, h.cfg.Timeout)
		_, failed := h.post(ctx, backend.HookDisconnect, nil, body)
		cancel()
		if failed == nil {
			h.count(backend.HookDisconnect, Accepted)
			return
		}
		h.count(backend.HookDisconnect, Failed)
		if try == len(noticePauses) {
			err = failed
			break
		}
		pause := time.NewTimer(noticePauses[try])
		select {
		case <-pause.C:
		case <-h.ctx.Done():
			pause.Stop()
			err = failed
		}
	}
	h.dropped.Add(1)
	h.cfg.Logger.Warn("a notice of a disconnect is dropped", "client", d.Client, "err", err)
}
