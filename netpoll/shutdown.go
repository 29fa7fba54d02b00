package netpoll

import (
	"context"
	"time"

	"github.com/gobwas/ws"
)

// Shutdown stops accepting and closes every connection with 1001, spread
// evenly over a time, then waits for what is queued to drain and for clients
// to answer. When ctx ends, it closes the rest as they are and returns its
// error. Swoole's shutdown.
func (s *Server) Shutdown(ctx context.Context, spread time.Duration) error {
	s.mu.Lock()
	if s.state != serving {
		first := s.state == idle
		if first {
			s.state = stopped
			close(s.ended)
		}
		s.mu.Unlock()
		if !first {
			<-s.ended
		}
		return nil
	}
	s.state = stopping
	timers := s.timers
	s.timers = nil
	s.mu.Unlock()
	for t := range timers {
		t.t.Stop()
	}
	s.stopping.Store(true)
	s.stopListening()
	for _, ln := range s.listeners() {
		go ln.http.srv.Shutdown(ctx)
	}
	err := s.sayGoodbye(ctx, spread)
	if err == nil {
		err = s.awaitConns(ctx)
	}
	if err != nil {
		s.killAll()
		s.awaitConns(context.Background())
	}
	s.halt()
	return err
}

// Close ends the server at once: sockets are closed as they are.
func (s *Server) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Shutdown(ctx, 0)
	return nil
}

// sayGoodbye closes all connections, a few each millisecond.
func (s *Server) sayGoodbye(ctx context.Context, spread time.Duration) error {
	var all []Conn
	for c := range s.all() {
		all = append(all, c)
	}
	steps := max(1, min(len(all), int(spread/(5*time.Millisecond))))
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for i := range steps {
		for _, c := range all[len(all)*i/steps : len(all)*(i+1)/steps] {
			s.dismiss(c)
		}
		if i == steps-1 {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
	return ctx.Err()
}

// dismiss says goodbye to one connection: 1001 if it is open, 503 if it is to
// be and that can be said.
func (s *Server) dismiss(c Conn) {
	s.beginClose(c.r, c.gen, closing{cause: Shutdown, code: ws.StatusGoingAway, reason: errStopping.text, frame: true, early: errStopping})
}

// awaitConns waits until no client has a descriptor.
func (s *Server) awaitConns(ctx context.Context) error {
	t := time.NewTicker(2 * time.Millisecond)
	defer t.Stop()
	for s.open.Load() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
	return nil
}

// killAll closes what is left, without a word.
func (s *Server) killAll() {
	for _, ln := range s.listeners() {
		ln.http.close()
	}
	for c := range s.all() {
		s.beginClose(c.r, c.gen, closing{cause: Shutdown})
		c.r.flags.Or(fAbort)
		s.wake(c.r)
	}
}

// halt ends the goroutines, in the order of the line.
func (s *Server) halt() {
	for _, ln := range s.listeners() {
		ln.http.close()
	}
	close(s.stop)
	s.closeLoops()
	s.pool.close()
	s.running.Wait()
	s.mu.Lock()
	s.state = stopped
	s.mu.Unlock()
	close(s.ended)
}
