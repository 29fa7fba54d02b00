package netpoll

import (
	"cmp"
	"context"
	"slices"
	"time"

	"webim/netpoll/internal/caller"
	"webim/netpoll/internal/pace"
)

// Shutdown closes every open connection with 1001, or as its handler chooses (see Coder and
// Settler), spread evenly over a time. Then it waits until queued output is written and clients
// have answered, until net/http has answered its requests, and until the connections that an
// http.Handler has hijacked are closed. When ctx ends, it closes the remaining connections at once
// and returns ctx's error. Swoole's shutdown.
//
// Meanwhile the listeners stay open, and each new request, on a new connection or an old one, is
// answered with 503 and Retry-After. Timers and deadlines go on until the last client is gone.
//
// It may be called again meanwhile, for example by Close. All calls wait for the same end, and the
// first ctx that ends hurries it. The calls with another ctx then return ErrServerClosed.
//
// A callback of a connection, a Turn or a tls.Config runs on a goroutine that the end waits for.
// Called from such a callback, Shutdown returns nil at once. ctx's deadline still holds. Its
// cancellation does not, because callers cancel a context on return. Serve returns at the end.
func (s *Server) Shutdown(ctx context.Context, spread time.Duration) error {
	s.beginShutdown(spread)
	if inCallback() {
		if at, ok := ctx.Deadline(); ok {
			time.AfterFunc(time.Until(at), s.endDrain)
		}
		return nil
	}
	stop := context.AfterFunc(ctx, s.endDrain)
	<-s.ended
	stop()
	if s.cut {
		return cmp.Or(ctx.Err(), ErrServerClosed)
	}
	return nil
}

// Close ends the server at once: it closes all sockets without a Close frame, also while Shutdown
// is under way. It returns when everything has ended; called from a callback, see Shutdown, at
// once.
func (s *Server) Close() error {
	s.endDrain()
	s.beginShutdown(0)
	if !inCallback() {
		<-s.ended
	}
	return nil
}

// inCallback reports whether the caller runs on a goroutine that the end of a server waits for.
func inCallback() bool { return caller.IsIn(workerFunc, loopFunc, handshakeFunc) }

// The functions that such goroutines run.
var workerFunc, loopFunc, handshakeFunc = caller.Name((*worker).serve), caller.Name((*loop).runBatch), caller.Name((*Server).handshake)

// beginShutdown begins the end, once.
func (s *Server) beginShutdown(spread time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case idle:
		s.timers.End()
		s.state = stopped
		close(s.ended)
	case serving:
		s.state = stopping
		s.stopping.Store(true)
		go s.end(spread)
	}
}

// end is the shutdown itself, on a goroutine of its own.
func (s *Server) end(spread time.Duration) {
	for _, ln := range s.listeners() {
		go ln.http.Shutdown(s.drainCtx)
	}
	s.closeAll(spread)
	pace.UntilZero(s.drainCtx.Done(), s.clients)
	s.stopListening()
	pace.UntilZero(s.drainCtx.Done(), s.open.Load)
	if s.open.Load() > 0 {
		s.cut = true
		s.abortAll()
		pace.UntilZero(nil, s.open.Load)
	}
	s.stopGoroutines()
}

// closeAll closes all connections, spread evenly over a time. It returns early when all clients have left, or when
// draining must end.
func (s *Server) closeAll(spread time.Duration) {
	all := slices.Collect(s.all())
	pace.Spread(len(all), spread, s.drainCtx.Done(), func(from, to int) (more bool) {
		s.settle(all[from:to])
		for _, c := range all[from:to] {
			s.closeForShutdown(c)
		}
		return s.clients() > 0
	})
}

// settle lets the handlers push the output that they hold back for open connections.
func (s *Server) settle(conns []Conn) {
	for _, ln := range s.listeners() {
		h, ok := ln.Handler.(Settler)
		if !ok {
			continue
		}
		var own []Conn
		for _, c := range conns {
			if int(c.r.listener) == ln.index && c.Exists() {
				own = append(own, c)
			}
		}
		if len(own) > 0 {
			s.guard("Settle", func() { h.Settle(s.drainCtx, own) })
		}
	}
}

// abortAll closes the remaining connections without a word.
func (s *Server) abortAll() {
	for c := range s.all() {
		s.beginClose(c.r, c.gen, closing{cause: Shutdown})
		c.r.flags.Or(fAbort)
		s.wake(c.r)
	}
	// Last, because the connections before could still become such.
	s.httpConns.AbortAll()
	for _, ln := range s.listeners() {
		ln.http.Close()
	}
}

// stopGoroutines ends the goroutines, in the order of the path.
func (s *Server) stopGoroutines() {
	for _, ln := range s.listeners() {
		ln.http.Close()
	}
	s.endDrain() // net/http's Shutdown looks round rarely
	s.closeLoops()
	s.ready.Close()
	s.running.Wait()
	s.timers.End()
	s.mu.Lock()
	s.state = stopped
	s.mu.Unlock()
	close(s.ended)
}
