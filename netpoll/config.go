package netpoll

import (
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"time"
)

// Config holds the settings of a Server. The zero value works; each comment
// gives the unit and what zero means. Negative numbers and durations mean
// "none" where the comment says so. A Config is copied by New.
type Config struct {
	// Loops is how many epoll instances share the connections; 0: 1 for every
	// two processors. Swoole's reactor_num.
	Loops int
	// Workers is how many goroutines run turns; 0: GOMAXPROCS. One suffices.
	// Swoole's worker_num.
	Workers int
	// RunOnLoop lets the goroutine of a loop run the turns of its connections itself,
	// so that a message needs no second thread; workers are woken only for more than
	// it can take soon. Small messages cost half as much then. It is for handlers none
	// of whose callbacks takes more than a millisecond, ever: while one runs there, the
	// loop accepts nobody, reads nothing and sends no ping. Swoole's SWOOLE_BASE.
	RunOnLoop bool

	// MaxConns bounds open connections, HTTP ones included; 0: the soft limit
	// of file descriptors less a reserve of 64, of 4 for each loop, and of ReserveFDs.
	// Above it an HTTP connection that is idle, or the oldest of the unfinished
	// handshakes, ends for the one that comes; if there is none, that gets 503 with
	// Retry-After. Swoole's max_conn.
	MaxConns int
	// MaxConnsPerIP bounds the connections of one address; 0: 1024; negative:
	// none. Loopback, Unix sockets and Exempt are exempt. Above it: 503. Here
	// and below, the addresses of an IPv6 /64 count as one: one client has them
	// all.
	MaxConnsPerIP int
	// MaxHandshakesPerIP bounds the connections of one address that have not
	// finished their handshake; 0: 64; negative: none. Exempt as above.
	MaxHandshakesPerIP int
	// Exempt are addresses that have no bound of their own: reverse proxies,
	// behind which many clients are. A WebSocket that comes from one counts for
	// the last address in its X-Forwarded-For that is not Exempt itself, if there
	// is one; of others that header is not read.
	Exempt []netip.Prefix
	// MaxTLSHandshakes bounds the TLS handshakes under way, each of which has
	// a goroutine; 0: 256. One address gets at most a quarter (loopback: all).
	// Others wait, under their HandshakeTimeout.
	MaxTLSHandshakes int
	// MaxHTTP bounds the connections that net/http has; 0: 1024. One address
	// gets at most a quarter (loopback: all). Above it the connection that has been
	// idle longest gives its place, and if none is idle: 503.
	MaxHTTP int
	// MaxHead bounds the bytes of a request's head; 0: 16 KiB; more than 60 KiB is 60
	// KiB. Above it: 431.
	MaxHead int
	// ExemptUnix makes clients of Unix sockets reverse proxies, as Exempt does with
	// addresses.
	ExemptUnix bool
	// Health, if it is not nil, answers GET and HEAD requests for /health with a
	// status and a line of text, also when all places are taken. It is called by a
	// worker and must not block.
	Health func() (status int, text string)
	// ReserveFDs are the descriptors that other parts of the process may need, beside
	// the server's own reserve; they lower the default of MaxConns.
	ReserveFDs int

	// HandshakeTimeout is one deadline for TCP, TLS and HTTP head; 0: 10 s.
	HandshakeTimeout time.Duration
	// PingInterval: after so long without traffic from the client a ping is
	// sent; 0: 25 s; negative: never. Swoole's heartbeat_check_interval.
	PingInterval time.Duration
	// PongTimeout: a client that sends nothing for so long after a ping is
	// closed as PongTimeout; 0: 10 s. Swoole's heartbeat_idle_time is the sum.
	PongTimeout time.Duration
	// WriteTimeout: a socket that takes nothing for so long while output waits
	// is closed as Slow; 0: 30 s; negative: never.
	WriteTimeout time.Duration
	// CloseTimeout bounds the closing handshake, 1 s of it the wait for the
	// client's end of stream after that; 0: 5 s.
	CloseTimeout time.Duration
	// MessageTimeout bounds how long a message may stay unfinished; 0: 2 min;
	// negative: no bound but the heartbeat.
	MessageTimeout time.Duration

	// MaxMessage bounds the bytes of one incoming message, before and after
	// inflating; 0: 1 MiB. Above it: 1009. Swoole's package_max_length.
	MaxMessage int
	// MaxRestricted is MaxMessage for connections that Conn.Restrict was called for;
	// 0: 256 KiB.
	MaxRestricted int
	// MaxFragments bounds the frames of one message, empty ones too; 0: 16 and
	// one for every 64 bytes of MaxMessage. Above it: 1009.
	MaxFragments int
	// MaxUnfinished bounds the bytes of unfinished input of all connections
	// together: heads of requests, messages, TLS records; 0: 128 MiB. At 7/8
	// of it who holds most is closed as OutOfMemory, at all of it who wants
	// more.
	MaxUnfinished int64
	// ControlRate bounds ping and pong frames of one connection a second; 0:
	// 1000. Above it: 1008. Negative: no bound.
	ControlRate int

	// MaxQueue bounds the bytes of one connection that its socket has refused;
	// 0: 1 MiB. A frame that is queued by itself counts as 160 bytes more. One
	// message may exceed it if nothing else is queued, and replies
	// ([Conn.Reply]) may in any case. Above it the connection is closed as Slow, without
	// a Close frame if a frame has been cut, since nothing may follow half a frame.
	// No message is ever left out of what a client gets. Swoole's socket_buffer_size.
	MaxQueue int
	// MaxQueued bounds the bytes held for all queues together, each shared
	// frame counted once; 0: 256 MiB. At the bound goes first whose end frees
	// most.
	MaxQueued int64
	// HighWater and LowWater are the queue lengths in bytes at which
	// Fuller and Drainer are called; 0: 3/4 and 1/4 of MaxQueue.
	// Swoole's buffer_high_watermark and buffer_low_watermark.
	HighWater, LowWater int
	// SendBuffer is SO_SNDBUF of each connection in bytes, the kernel's share
	// of the queue; 0: 64 KiB; negative: the kernel's default, which grows to
	// 4 MiB when a peer stalls.
	SendBuffer int

	// NoDeflate declines permessage-deflate. It is negotiated otherwise, never
	// with context takeover, so that an idle connection keeps no window.
	NoDeflate bool
	// DeflateMin is the least size in bytes of an outgoing message that is
	// compressed; 0: 256.
	DeflateMin int

	// Subprotocols are those that the server speaks, in no order: the client's
	// preference decides. None of them asked for: none is chosen.
	Subprotocols []string
	// CheckOrigin judges the Origin header of a browser; nil: SameOrigin. A
	// panic refuses with 500.
	CheckOrigin func(*Request) bool
	// HTTP answers what is not an upgrade, through net/http; nil: 404.
	HTTP http.Handler
	// Logger is told of panics and of trouble with sockets; nil: slog.Default.
	Logger *slog.Logger
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	dur := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	procs := runtime.GOMAXPROCS(0)
	def(&c.Loops, max(1, procs/2))
	c.Loops = min(c.Loops, 255)
	def(&c.Workers, procs)
	def(&c.MaxConns, max(16, fdLimit()-fdReserve-loopFDs*c.Loops-c.ReserveFDs))
	def(&c.MaxConnsPerIP, 1024)
	def(&c.MaxHandshakesPerIP, 64)
	def(&c.MaxTLSHandshakes, 256)
	def(&c.MaxHTTP, 1024)
	def(&c.MaxHead, maxHead)
	c.MaxHead = min(c.MaxHead, mostHead)
	dur(&c.HandshakeTimeout, 10*time.Second)
	dur(&c.PingInterval, 25*time.Second)
	dur(&c.PongTimeout, 10*time.Second)
	dur(&c.WriteTimeout, 30*time.Second)
	dur(&c.CloseTimeout, 5*time.Second)
	dur(&c.MessageTimeout, 2*time.Minute)
	def(&c.MaxMessage, 1<<20)
	def(&c.MaxRestricted, 256<<10)
	def(&c.MaxFragments, 16+c.MaxMessage/64)
	def(&c.ControlRate, 1000)
	def(&c.MaxQueue, 1<<20)
	def(&c.HighWater, c.MaxQueue/4*3)
	def(&c.LowWater, c.MaxQueue/4)
	def(&c.SendBuffer, 64<<10)
	def(&c.DeflateMin, 256)
	if c.MaxUnfinished == 0 {
		c.MaxUnfinished = 128 << 20
	}
	if c.MaxQueued == 0 {
		c.MaxQueued = 256 << 20
	}
	if c.CheckOrigin == nil {
		c.CheckOrigin = SameOrigin
	}
	if c.HTTP == nil {
		c.HTTP = http.NotFoundHandler()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}
