package netpoll

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"time"

	"webim/netpoll/internal/socket"

	"github.com/gobwas/ws"
)

// Config holds the settings of a Server. The zero value works. The comment of each field gives the
// unit and the meaning of zero. Negative numbers and durations mean "none" where the comment says
// so. New copies the Config.
//
// Server.Reconfigure changes the settings of a server that runs, except the fields that are fixed, as their comments
// say. The functions among the fields are called as they are at that time.
type Config struct {
	// Loops is how many epoll instances share the connections; 0: 1 for every
	// two processors. Fixed. Swoole's reactor_num.
	Loops int
	// Workers is how many goroutines run turns; 0: GOMAXPROCS. One suffices.
	// Fixed. Swoole's worker_num.
	Workers int
	// RunOnLoop lets the goroutine of a loop run the turns of its connections itself, so that a
	// message needs no second thread. The loop wakes workers only for more work than it can do
	// soon. Small messages then cost half as much. It is for handlers none of whose callbacks ever
	// takes more than a millisecond: while a callback runs there, the loop accepts no connection,
	// reads nothing and sends no ping. Fixed. Swoole's SWOOLE_BASE.
	RunOnLoop bool

	// MaxConns bounds the open connections, HTTP ones included. 0: the soft limit of file
	// descriptors, less a reserve of 64, of 4 for each loop, and of ReserveFDs. Above it, an idle
	// HTTP connection or the oldest unfinished handshake is ended for a new connection. If there is
	// none, the new connection gets 503 with Retry-After. If it becomes lower than the number of connections,
	// these stay. Swoole's max_conn.
	MaxConns int
	// MaxConnsPerIP bounds the connections of one address. 0: 1024; negative: none. Loopback, Unix
	// sockets and Exempt are exempt. Above it: 503. Here and below, the addresses of an IPv6 /64
	// count as one, because one client has them all.
	MaxConnsPerIP int
	// MaxHandshakesPerIP bounds the connections of one address that have not
	// finished their handshake; 0: 64; negative: none. Exempt as above.
	MaxHandshakesPerIP int
	// Exempt are addresses without a limit of their own: reverse proxies, which have many clients
	// behind them. A WebSocket from one of them counts for the last address in its X-Forwarded-For
	// that is not in Exempt, if there is one. From other addresses that header is not read. Connections
	// that are counted already stay so if Exempt changes. See also Listener.ProxyProtocol.
	Exempt []netip.Prefix
	// MaxTLSHandshakes bounds the TLS handshakes under way, each of which has a goroutine. 0: 256.
	// One address gets at most a quarter (loopback: all). Others wait, under their
	// HandshakeTimeout. While others wait, a handshake whose client has not answered for a second is
	// ended.
	MaxTLSHandshakes int
	// MaxHTTP bounds the connections that net/http has. 0: 1024. One address gets at most a quarter
	// (loopback: all). Above it, the connection that has been idle longest is ended. If none is
	// idle: 503.
	MaxHTTP int
	// MaxHead bounds the bytes of a request's head; 0: 16 KiB; more than 60 KiB is 60
	// KiB. Above it: 431. For a request that net/http reads, the value holds with which its listener began.
	MaxHead int
	// ExemptUnix treats clients of Unix sockets as reverse proxies, as Exempt does with addresses.
	ExemptUnix bool
	// Health, if it is not nil, answers GET and HEAD requests for the paths that it knows, such as
	// /health, with a status and a line of text or JSON, also when all slots are taken. The path has no
	// slash at its end. Status 0 means that it does not know the path. A worker calls it for each
	// request, and it must not block.
	Health func(path string) (status int, line string)
	// ReserveFDs is the number of descriptors that other parts of the process may need, besides the
	// server's own reserve. It lowers the default of MaxConns.
	ReserveFDs int

	// HandshakeTimeout is one deadline for TCP, TLS and HTTP head; 0: 10 s. For a request that net/http reads, the
	// value holds with which its listener began.
	HandshakeTimeout time.Duration
	// PingInterval: the server sends a ping after this time without traffic from the client. 0: 25
	// s; negative: never. Swoole's heartbeat_check_interval.
	PingInterval time.Duration
	// PongTimeout: a client that sends nothing for this time after a ping is closed as PongTimeout.
	// 0: 10 s. Swoole's heartbeat_idle_time is the sum.
	PongTimeout time.Duration
	// WriteTimeout: a connection is closed as Slow if its socket takes nothing for this time while
	// output waits. 0: 30 s; negative: never.
	WriteTimeout time.Duration
	// CloseTimeout bounds the closing handshake. After it the server waits for the end of the
	// client's stream, at most 1 s and at most CloseTimeout. 0: 5 s.
	CloseTimeout time.Duration
	// MessageTimeout bounds the time for which a message may be unfinished. 0: 2 min; negative:
	// only the heartbeat bounds it.
	MessageTimeout time.Duration

	// MaxMessage bounds the bytes of one incoming message, before and after
	// inflating; 0: 1 MiB. Above it: 1009. Swoole's package_max_length.
	MaxMessage int
	// MaxRestricted is MaxMessage for connections with Conn.Restrict. 0: 256 KiB.
	MaxRestricted int
	// MaxFragments bounds the frames of one message, empty ones too; 0: 16 and
	// one for every 64 bytes of MaxMessage. Above it: 1009.
	MaxFragments int
	// MaxUnfinished bounds the bytes of unfinished input of all connections together: heads of
	// requests, messages, TLS records. 0: 128 MiB. At 7/8 of it the connections that hold most are
	// closed as OutOfMemory. At the limit each connection that wants more is closed.
	MaxUnfinished int64
	// ControlRate bounds the ping and pong frames of one connection in a second. 0: 1000. Above it:
	// 1008. Negative: no limit.
	ControlRate int

	// MaxQueue bounds the bytes of one connection that its socket has refused. 0: 1 MiB. A frame
	// that is queued by itself counts as 160 bytes more. One message may exceed the limit if
	// nothing else is queued, and replies ([Conn.Reply]) may in any case. Above it the connection
	// is closed as Slow, without a Close frame if a frame is partly written, since nothing may
	// follow a part of a frame. The server never leaves out a message. Swoole's socket_buffer_size.
	MaxQueue int
	// MaxQueued bounds the bytes that all queues together hold, each shared frame counted once. 0:
	// 256 MiB. At the limit, the connection whose end frees most is closed first.
	MaxQueued int64
	// HighWater and LowWater are the queue lengths in bytes at which Fuller and Drainer are called.
	// 0: 1/8 of MaxQueue, and half of HighWater: a handler that waits while a connection is Crowded then
	// keeps little in memory for many clients that ask for much. LowWater is at most HighWater. Swoole's
	// buffer_high_watermark and buffer_low_watermark.
	HighWater, LowWater int
	// SendBuffer is SO_SNDBUF of each connection in bytes, the kernel's share of the queue. 0: 64
	// KiB; negative: the kernel's default, which grows to 4 MiB when a client does not read. Fixed.
	SendBuffer int

	// NoDeflate declines permessage-deflate. Otherwise it is negotiated, always without context
	// takeover, so that an idle connection keeps no window.
	NoDeflate bool
	// DeflateMin is the size in bytes from which an outgoing message is compressed. 0: 256.
	DeflateMin int

	// Subprotocols are the subprotocols that the server speaks, in no order: the client's
	// preference decides. If the client asks for none of them, none is chosen.
	Subprotocols []string
	// CheckOrigin decides about the Origin header of a browser. nil: SameOrigin. A panic refuses
	// with 500.
	CheckOrigin func(*Request) bool
	// NeverOpened, if it is not nil, is called when a connection has ended that was never open, except those
	// that net/http has got and those of Health: with the cause HandshakeTimeout, HandshakeFailed, Refused or
	// OutOfMemory. For Refused, Closed has the HTTP status and the text of the answer. A worker calls it, and it
	// must not block. Inside it, the Conn answers Info, and Data with the value of Request.SetData.
	NeverOpened func(c Conn, why Closed)
	// HTTP answers the requests that are no upgrades, through net/http. nil: 404. A listener keeps the handler with
	// which it began.
	HTTP http.Handler
	// Logger gets panics and errors of sockets. nil: slog.Default. Fixed.
	Logger *slog.Logger
}

// A Listener is one address that a Server listens on.
type Listener struct {
	// Network is "tcp" (also "tcp4", "tcp6") or "unix"; empty: tcp.
	Network string
	// Addr is host:port, or the path of a Unix socket.
	Addr string
	// TLS makes it wss and https; nil: ws and http. Versions below 1.2 are
	// refused whatever it says, and HTTP/2 is not offered. To change
	// certificates while serving, set GetCertificate. A panic of a callback
	// fails the one handshake.
	TLS *tls.Config
	// ProxyProtocol expects a header of the PROXY protocol, version 1 or 2, before everything else, also before
	// TLS, on each connection from a listed proxy (Config.Exempt, Config.ExemptUnix). The client that it names
	// counts in all limits. A header that names none, as for a health check, leaves the proxy's own address.
	// Others than listed proxies connect without a header. X-Forwarded-For is not read.
	ProxyProtocol bool
	// Handler is told of its connections; nil: the Server's.
	Handler Handler
	// HTTP answers its requests that are no upgrades; nil: Config.HTTP.
	HTTP http.Handler
	// FD, if it is not 0, is a listening socket for this address, which another process has made and which the
	// server owns from then on, also after an error of Listen.
	FD int
}

// A Heartbeat replaces the WebSocket pings of some connections by a message of an application's
// protocol, for clients that know no other. The server sends it every Interval whatever else flows,
// and anything that the client sends within Timeout answers it.
type Heartbeat struct {
	Frame    *Frame
	Interval time.Duration // at least 100 ms; may be shortened by 4 %, a second at most
	Timeout  time.Duration // for the answer, shorter than Interval; 0: nobody waits for one
	Code     ws.StatusCode // of the close when no answer comes
	Reason   string
}

// HeartbeatID names a heartbeat of a server; the zero value is the WebSocket
// ping.
type HeartbeatID uint8

// defaultMaxHead is the default of Config.MaxHead. It has room for a token of the largest size that is
// accepted, and for the cookies of other programs of a host.
const defaultMaxHead = 16 << 10

// largestMaxHead is the most that Config.MaxHead may be: a head has to fit into a worker's buffer, with a
// byte to spare.
const largestMaxHead = readSize - 4<<10

// fdReserve descriptors are kept for standard streams, listeners, logs and name lookups, and
// for connections that are being refused. Each loop takes loopFDs more: its epoll instance,
// easygo's eventfd, its timerfd and its own eventfd.
const (
	fdReserve = 64
	loopFDs   = 4
)

// withDefaults sets the fields that are zero.
func (c Config) withDefaults() Config {
	procs := runtime.GOMAXPROCS(0)
	c.Loops = min(cmp.Or(c.Loops, max(1, procs/2)), 255)
	c.Workers = cmp.Or(c.Workers, procs)
	c.MaxConns = cmp.Or(c.MaxConns, max(16, socket.Limit()-fdReserve-loopFDs*c.Loops-c.ReserveFDs))
	c.MaxConnsPerIP = cmp.Or(c.MaxConnsPerIP, 1024)
	c.MaxHandshakesPerIP = cmp.Or(c.MaxHandshakesPerIP, 64)
	c.MaxTLSHandshakes = cmp.Or(c.MaxTLSHandshakes, 256)
	c.MaxHTTP = cmp.Or(c.MaxHTTP, 1024)
	c.MaxHead = min(cmp.Or(c.MaxHead, defaultMaxHead), largestMaxHead)
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, 10*time.Second)
	c.PingInterval = cmp.Or(c.PingInterval, 25*time.Second)
	c.PongTimeout = cmp.Or(c.PongTimeout, 10*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 30*time.Second)
	c.CloseTimeout = cmp.Or(c.CloseTimeout, 5*time.Second)
	c.MessageTimeout = cmp.Or(c.MessageTimeout, 2*time.Minute)
	c.MaxMessage = cmp.Or(c.MaxMessage, 1<<20)
	c.MaxRestricted = cmp.Or(c.MaxRestricted, 256<<10)
	c.MaxFragments = cmp.Or(c.MaxFragments, 16+c.MaxMessage/64)
	c.MaxUnfinished = cmp.Or(c.MaxUnfinished, 128<<20)
	c.ControlRate = cmp.Or(c.ControlRate, 1000)
	c.MaxQueue = cmp.Or(c.MaxQueue, 1<<20)
	c.MaxQueued = cmp.Or(c.MaxQueued, 256<<20)
	c.HighWater = cmp.Or(c.HighWater, c.MaxQueue/8)
	c.LowWater = min(cmp.Or(c.LowWater, c.HighWater/2), c.HighWater)
	c.SendBuffer = cmp.Or(c.SendBuffer, 64<<10)
	c.DeflateMin = cmp.Or(c.DeflateMin, 256)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.CheckOrigin == nil {
		c.CheckOrigin = SameOrigin
	}
	if c.HTTP == nil {
		c.HTTP = http.NotFoundHandler()
	}
	return c
}
