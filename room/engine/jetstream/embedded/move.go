package embedded

// A store moves to another process in two steps: this process suspends its Server, and then the other one starts a Server with
// a copy of the lock (Config.Lock). Nobody else can take the folder in between.

// Suspend stops the nats-server in order, and keeps the lock. Connections of clients are lost, and come back after Resume. If it
// fails, Resume makes sure that the nats-server runs. Only Resume or Close may follow: after a Close, the folder is
// left as it is, because another process may use it.
func (s *Server) Suspend() error {
	return s.call(func() error {
		s.mu.Lock()
		n, err := s.nats, s.err
		if err == nil {
			s.nats, s.suspended = nil, true
		}
		s.mu.Unlock()
		if err != nil || n == nil {
			return err
		}
		s.closeSocket()
		stopNATS(n)
		return nil
	})
}

// Resume starts the nats-server again after Suspend, when no other process uses the folder any more: one with a copy of the lock
// has ended. If it fails, the supervisor goes on trying, as after a failure of the store.
func (s *Server) Resume() error {
	return s.call(func() error {
		if !s.suspended {
			return nil
		}
		writePID(s.lock)
		killed, err := s.record.open(s.cfg.bootID) // the other process may have written the record
		if err == nil {
			if killed {
				s.reindex() // it may have used the store, and was killed
			}
			err = s.resumeNATS()
		}
		s.suspended = false
		s.openSocket()
		if err != nil {
			s.fail(err)
		}
		return err
	})
}

func (s *Server) resumeNATS() error {
	n, err := s.startNATS()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nats = n
	return err
}

// call runs f on the goroutine of the supervisor.
func (s *Server) call(f func() error) error {
	done := make(chan error, 1)
	select {
	case s.calls <- func() { done <- f() }:
		return <-done
	case <-s.done:
		return ErrStopped
	}
}

// openSocket opens the socket in the folder. Without it, the server works.
func (s *Server) openSocket() {
	var err error
	if s.socket, err = openSocket(s.cfg.Dir, s.log.to, s.InProcessConn); err != nil {
		s.log.to.Warn("commands such as webim backup cannot work on the store while this process uses it", "err", err)
	}
}

func (s *Server) closeSocket() {
	if s.socket != nil {
		s.socket.close(s.cfg.Dir)
		s.socket = nil
	}
}
