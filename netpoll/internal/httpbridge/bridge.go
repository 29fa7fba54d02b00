package httpbridge

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"webim/netpoll/internal/addrs"
	"webim/netpoll/internal/head"
	"webim/netpoll/internal/refusal"
	"webim/netpoll/internal/tlsmem"
)

// Config is the part of the event loop that a Bridge needs.
type Config struct {
	Addr     net.Addr          // of the listener
	Handler  http.Handler      // answers its requests that are no upgrades
	Conns    *Conns            // of the server
	Refusals *refusal.Reporter // of the server
	Running  *sync.WaitGroup   // counts the goroutines
	Logger   *slog.Logger
	MaxHead  int           // the most bytes of a request's head
	Timeout  time.Duration // for the head of a request, and for output of TLS that still waits

	ProxyProtocol bool // names the clients, so X-Forwarded-For is not read

	// Back takes a connection back. It owns the descriptor and the TLS then. head is the request with
	// the bytes behind it. The connection is still counted among those of the server, but not in its
	// address. It keeps its slot until Back calls left, once: when the loop has the connection, and
	// before it goes on with it.
	Back func(fd int, addr netip.AddrPort, head []byte, tls *tlsmem.Conn, left func())
}

// Bridge is the http.Server of a listener.
type Bridge struct {
	Config
	srv   *http.Server
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	held  atomic.Pointer[hold] // nil: requests are answered

	arriving  atomic.Int64 // connections whose first request is on its way to serve
	returning atomic.Int64 // connections that may be on their way back to the loop
	frozen    atomic.Bool  // none goes back
}

// A hold is the time from Hold to Release.
type hold struct{ ended chan struct{} }

// New makes a Bridge. It has a goroutine until Close.
func New(cfg Config) *Bridge {
	b := &Bridge{Config: cfg, conns: make(chan net.Conn), done: make(chan struct{})}
	b.srv = &http.Server{
		Handler:           http.HandlerFunc(b.serve),
		ReadHeaderTimeout: cfg.Timeout,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    cfg.MaxHead,
		ConnState:         b.state,

		DisableGeneralOptionsHandler: true, // every request comes to serve
		ErrorLog:                     slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
	b.Running.Add(1)
	go func() {
		defer b.Running.Done()
		b.srv.Serve((*listener)(b))
	}()
	return b
}

// Shutdown waits until net/http has answered its requests, or until ctx ends.
func (b *Bridge) Shutdown(ctx context.Context) { b.srv.Shutdown(ctx) }

// Close ends the Bridge and its connections, except those that a handler has hijacked.
func (b *Bridge) Close() { b.srv.Close() }

// listener is the net.Listener of the http.Server. It accepts the connections that the loop gives away.
type listener Bridge

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *listener) Addr() net.Addr { return l.Config.Addr }

// state notes which connections are idle.
func (b *Bridge) state(conn net.Conn, state http.ConnState) {
	if c, ok := conn.(*Conn); ok {
		b.Conns.setIdle(c, state == http.StateIdle)
	}
}

type connKey struct{}

// serve answers a request. An upgrade on a connection that was kept alive, as proxies do, goes back to
// the loop instead.
func (b *Bridge) serve(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(connKey{}).(*Conn)
	if c.tls != nil {
		state := c.tls.TLS.ConnectionState()
		r.TLS = &state
	}
	upgrade := slices.ContainsFunc(r.Header["Upgrade"], func(v string) bool { return head.ListHas([]byte(v), "websocket") })
	for {
		held := b.held.Load()
		if held == nil && !upgrade {
			c.arrived()
			b.answer(w, r, c)
			return
		}
		if held == nil || c.tls == nil {
			err := b.giveBack(w, r, c)
			if err != nil && err != errFrozen {
				http.Error(w, "this is not possible on this connection", http.StatusInternalServerError)
			}
			if err != errFrozen {
				c.arrived()
				return
			}
		}
		c.arrived()
		if held = b.held.Load(); held != nil {
			<-held.ended
		}
	}
}

// Hold makes the requests that come from now on wait until Release: a plain one goes back to the loop, as an upgrade
// does, and another process may answer it. One over TLS waits here. Requests under way go on.
func (b *Bridge) Hold() {
	b.held.CompareAndSwap(nil, &hold{ended: make(chan struct{})})
}

// arrivalTime limits the time for which Freeze waits for requests, after the loop has read their heads. net/http could still wait for
// more, if it did not agree with the loop about where a head ends.
const arrivalTime = 20 * time.Millisecond

// Freeze lets the requests that the loop has given away come back, after Hold. Then it makes all others wait here, and returns when no
// connection is on its way. When ctx ends, it returns the error of ctx.
func (b *Bridge) Freeze(ctx context.Context) error {
	arrivals, cancel := context.WithTimeout(ctx, arrivalTime)
	defer cancel()
	_ = untilZero(arrivals, &b.arriving) // the others wait here
	b.frozen.Store(true)
	return untilZero(ctx, &b.returning)
}

// untilZero waits until a count is 0, which takes a few system calls. When ctx ends, it returns the error of ctx.
func untilZero(ctx context.Context, count *atomic.Int64) error {
	for count.Load() > 0 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(10 * time.Microsecond)
	}
	return nil
}

// Release ends Hold and Freeze.
func (b *Bridge) Release() {
	b.frozen.Store(false)
	if held := b.held.Swap(nil); held != nil {
		close(held.ended)
	}
}

// Postpone gives a request that a handler has not answered back to the loop of its server, if that is held, not frozen, and the
// connection is plain. It reports whether it did.
func Postpone(w http.ResponseWriter, r *http.Request) bool {
	c, _ := r.Context().Value(connKey{}).(*Conn)
	return c != nil && c.tls == nil && c.b.held.Load() != nil && c.b.giveBack(w, r, c) == nil
}

var errFrozen = errors.New("netpoll: the server is frozen")

// giveBack gives the connection of a request back to the loop, with the request.
func (b *Bridge) giveBack(w http.ResponseWriter, r *http.Request, c *Conn) error {
	b.returning.Add(1)
	defer b.returning.Add(-1)
	if b.frozen.Load() {
		return errFrozen
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	var head bytes.Buffer
	writeHead(&head, r)
	behind, _ := rw.Reader.Peek(rw.Reader.Buffered())
	head.Write(behind)
	head.Write(c.head) // bytes that net/http has not read yet
	conn.SetDeadline(time.Time{})
	c.giveBack(head.Bytes())
	return nil
}

// answer calls the listener's handler for a request. Of the requests that come through a listed
// proxy, a client may have the same share under way as a client that comes directly.
func (b *Bridge) answer(w http.ResponseWriter, r *http.Request, c *Conn) {
	if len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
		// Content-Length may have stood beside Transfer-Encoding, and HTTP/1.0 has no
		// Transfer-Encoding. net/http reports neither. RFC 9112, section 6.1: such a connection is
		// not to be trusted with a second request.
		w.Header().Set("Connection", "close")
	}
	c.handling.Store(true)
	defer c.handling.Store(false)
	table := b.Conns.Addrs
	if client, ok := table.Client(c.addr.Addr(), r.Header.Values("X-Forwarded-For")); ok && !b.ProxyProtocol {
		ip, ok := table.TakeSlotOf(client, addrs.SlotHTTP, b.Conns.Max())
		if !ok {
			b.Refusals.Count(refusal.HTTPFull)
			b.Refusals.Log(refusal.HTTPFull, netip.AddrPortFrom(client, 0), "")
			w.Header().Set("Retry-After", "5")
			http.Error(w, refusal.AtLimit(refusal.HTTPFull).Text, http.StatusServiceUnavailable)
			return
		}
		defer table.GiveSlotBack(ip, addrs.SlotHTTP)
	}
	b.Handler.ServeHTTP(w, r)
}

// writeHead writes the head of a request as it may have arrived.
func writeHead(head *bytes.Buffer, r *http.Request) {
	head.WriteString(r.Method + " " + r.RequestURI + " " + r.Proto + "\r\nHost: " + r.Host + "\r\n")
	r.Header.Write(head)
	if len(r.TransferEncoding) > 0 {
		head.WriteString("Transfer-Encoding: chunked\r\n") // net/http has taken it out
	}
	head.WriteString("\r\n")
}
