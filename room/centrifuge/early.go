package centrifuge

import (
	"sync"

	"webim/room/engine"
)

// early keeps the control messages for sessions whose connect command is not answered yet.
type early struct {
	mu  sync.Mutex
	all map[*session][]engine.ControlMessage
}

// keep keeps a message until the session has connected, or ends. It reports false if the session has connected.
func (e *early) keep(s *session, o engine.ControlMessage) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.Connected() {
		return false
	}
	if s.d.hub.Control().HasEnded(s) {
		return true
	}
	if e.all == nil {
		e.all = map[*session][]engine.ControlMessage{}
	}
	e.all[s] = append(e.all[s], o)
	return true
}

// connected says that the reply to the connect command was sent. A worker then applies the messages that were kept.
func (e *early) connected(s *session) {
	e.mu.Lock()
	s.SetConnected()
	kept := e.all[s]
	delete(e.all, s)
	e.mu.Unlock()
	for _, o := range kept {
		s.d.hub.Post(func() { s.Apply(o) })
	}
}

// ended forgets the messages for a session that was unregistered.
func (e *early) ended(s *session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.all, s)
}
