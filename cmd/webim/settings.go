package main

import (
	"reflect"
	"strings"
	"time"

	"webim/room"
)

// settings are all that can be set. Each is one field, and its tags are the
// one place that knows it: name is the flag (--max-conns), from which come the
// environment variable (WEBIM_MAX_CONNS) and the key of the file (max_conns);
// type says how it is written, see parse; def is the default and dev the one
// of --dev; min and max bound it; words are words it may be instead of a
// number: auto (webim computes it) and none (no bound, never).
//
// A word is stored as 0 (auto) or -1 (none), which is what package netpoll and
// package room take for it.
type settings struct {
	Dev         bool     `name:"dev" type:"bool" def:"false" group:"serving" help:"For trying out: this machine only, any local page may connect, TLS with a certificate made at start."`
	Listen      []string `name:"listen" type:"list" def:":9501" dev:"localhost:9501" placeholder:"ADDR" group:"serving" help:"Serve http and ws on host:port or unix:/path; localhost is 127.0.0.1 and [::1]; repeatable. With it or --tls-listen given, nothing else is opened."`
	TLSListen   []string `name:"tls-listen" type:"list" def:"" dev:"localhost:9502" placeholder:"ADDR" group:"serving" help:"Serve https and wss there; repeatable. Default :9502 if a certificate is given."`
	TLSCert     string   `name:"tls-cert" type:"text" def:"" placeholder:"FILE" group:"serving" help:"Certificate chain in PEM; needs --tls-key."`
	TLSKey      string   `name:"tls-key" type:"text" def:"" placeholder:"FILE" group:"serving" help:"Private key in PEM; needs --tls-cert."`
	AllowOrigin []string `name:"allow-origin" type:"list" def:"" placeholder:"ORIGIN" group:"serving" help:"Pages of this origin may connect, besides those that webim itself serves; scheme://host[:port] or null; repeatable."`

	Internal     string   `name:"internal" type:"text" def:"" dev:"127.0.0.1:9500" placeholder:"ADDR" group:"api" help:"Serve the API, the live picture (/live) and /health there, on host:port or unix:/path, and nothing else: not for the world. Default none; with --dev 127.0.0.1:9500, unless --listen or --tls-listen is given."`
	API          bool     `name:"api" type:"bool" def:"false" negatable:"" group:"api" help:"Serve the API where clients connect, too."`
	APIKey       string   `name:"api-key" type:"secret" def:"" placeholder:"KEY" group:"api" help:"Opens the API; 16 bytes at least. Others on the machine see flags: better a variable, or --api-key-file. With --dev one is made at start."`
	APIKeyFile   []string `name:"api-key-file" type:"list" def:"" placeholder:"[NAME=]FILE" group:"api" help:"The same from a file, without its last line break; with NAME= the log says by=\"key NAME\"; repeatable: each opens it."`
	APIKeyRights []string `name:"api-key-rights" type:"list" def:"" placeholder:"NAME=METHOD[@ROOMS]" group:"api" help:"What the key of that name opens, as ci=publish@team-* or ci=history; * is every method; repeatable. A key that is not named here opens everything."`
	APIHost      []string `name:"api-host" type:"list" def:"" placeholder:"NAME" group:"api" help:"The API may be asked by this name, besides localhost and addresses; repeatable."`

	ShutdownSpread  time.Duration `name:"shutdown-spread" type:"time" def:"2s" dev:"200ms" min:"0s" max:"1h" group:"serving" help:"Clients are sent away over this time when webim stops, so that they do not all come back at once."`
	ShutdownTimeout time.Duration `name:"shutdown-timeout" type:"time" def:"10s" min:"1ms" max:"1h" group:"serving" help:"Who is still there after this time is cut."`
	LogFormat       string        `name:"log-format" type:"oneof" def:"text" oneof:"text,json" group:"serving" help:"How log lines on standard error are written: text or json."`
	LogLevel        string        `name:"log-level" type:"oneof" def:"info" oneof:"debug,info,warn,error" group:"serving" help:"Least level of log lines: debug, info, warn or error. Opens and closes are debug."`

	Loops              int      `name:"loops" type:"count" def:"auto" words:"auto" min:"1" max:"256" group:"limits" help:"Epoll instances; auto: one for every two processors."`
	Workers            int      `name:"workers" type:"count" def:"auto" words:"auto" min:"1" max:"4096" group:"limits" help:"Goroutines that read, decode and deliver; auto: one for every processor."`
	MaxConns           int      `name:"max-conns" type:"count" def:"auto" words:"auto" min:"1" max:"4194304" group:"limits" help:"Connections at a time; auto: the limit of open files less what the server itself needs, 64 and more with hooks and --internal. Above it: 503."`
	MaxConnsPerIP      int      `name:"max-conns-per-ip" type:"count" def:"1024" words:"none" min:"1" max:"4194304" group:"limits" help:"Connections of one address (of IPv6: of one /64) at a time; loopback has no bound. Above it: 503."`
	MaxHandshakesPerIP int      `name:"max-handshakes-per-ip" type:"count" def:"64" words:"none" min:"1" max:"4194304" group:"limits" help:"Unfinished handshakes of one address, as above; loopback has no bound. Above it: 503."`
	Proxy              []string `name:"proxy" type:"list" def:"" placeholder:"ADDRESS" group:"limits" help:"An address, or a network as 10.0.0.0/8, of a reverse proxy: it has no bound of its own, as loopback, and whom it names in X-Forwarded-For is believed to be the client; unix stands for all clients of Unix sockets; repeatable."`
	MaxHead            int      `name:"max-head" type:"size" def:"16KiB" min:"1KiB" max:"60KiB" group:"limits" help:"Bytes of a request's head, cookies and ?token= included. Above it: 431."`
	MaxTLSHandshakes   int      `name:"max-tls-handshakes" type:"count" def:"256" min:"1" max:"65536" group:"limits" help:"TLS handshakes at a time, one address at most a quarter; others wait."`
	MaxHTTP            int      `name:"max-http" type:"count" def:"1024" min:"1" max:"1048576" group:"limits" help:"Connections that ask for pages instead of WebSockets, one address at most a quarter. Above it the longest idle one is closed, and if none is: 503."`

	HandshakeTimeout time.Duration `name:"handshake-timeout" type:"time" def:"10s" min:"1ms" max:"24h" group:"limits" help:"For TCP, TLS and HTTP together."`
	PingInterval     time.Duration `name:"ping-interval" type:"time" def:"25s" words:"none" min:"1ms" max:"24h" group:"limits" help:"A client silent for so long is pinged."`
	PongTimeout      time.Duration `name:"pong-timeout" type:"time" def:"10s" min:"1ms" max:"24h" group:"limits" help:"A client silent for so long after a ping is closed."`
	WriteTimeout     time.Duration `name:"write-timeout" type:"time" def:"30s" words:"none" min:"1ms" max:"24h" group:"limits" help:"A client that takes nothing for so long while something waits for it is closed as slow."`
	CloseTimeout     time.Duration `name:"close-timeout" type:"time" def:"5s" min:"1ms" max:"24h" group:"limits" help:"For the closing handshake."`
	MessageTimeout   time.Duration `name:"message-timeout" type:"time" def:"2m" words:"none" min:"1ms" max:"24h" group:"limits" help:"For an incoming message to be complete."`

	MaxMessage    int `name:"max-message" type:"size" def:"1MiB" min:"1" max:"1GiB" group:"limits" help:"Bytes of an incoming message, compressed or not. Above it: close code 1009."`
	MaxFragments  int `name:"max-fragments" type:"count" def:"auto" words:"auto" min:"1" max:"1073741824" group:"limits" help:"Frames of an incoming message; auto: 16, and one for every 64 bytes of --max-message."`
	MaxUnfinished int `name:"max-unfinished" type:"size" def:"128MiB" min:"1" max:"1TiB" group:"limits" help:"Bytes of unfinished incoming messages of all connections together."`
	ControlRate   int `name:"control-rate" type:"count" def:"1000" words:"none" min:"1" max:"65535" group:"limits" help:"Pings and pongs of a connection a second. Above it: close code 1008."`

	MaxFirstMessage int `name:"max-first-message" type:"size" def:"256KiB" min:"1KiB" max:"1GiB" group:"limits" help:"As --max-message before the connect command: some 2 KiB for each room that a client comes back to. Not in the plain dialect."`

	MaxQueue   int  `name:"max-queue" type:"size" def:"1MiB" min:"1" max:"1GiB" group:"limits" help:"Bytes that may wait for a client that does not read. Above it the client is closed as slow."`
	MaxQueued  int  `name:"max-queued" type:"size" def:"256MiB" min:"1" max:"1TiB" group:"limits" help:"Bytes that may wait for all clients together, shared ones counted once; above it the slowest is closed."`
	HighWater  int  `name:"high-water" type:"size" def:"auto" words:"auto" min:"1" max:"1GiB" group:"limits" help:"Bytes waiting at which a connection counts as full; auto: 3/4 of --max-queue."`
	LowWater   int  `name:"low-water" type:"size" def:"auto" words:"auto" min:"1" max:"1GiB" group:"limits" help:"Bytes waiting below which it no longer does; auto: 1/4 of --max-queue."`
	SendBuffer int  `name:"send-buffer" type:"size" def:"64KiB" words:"none" min:"4KiB" max:"64MiB" group:"limits" help:"The kernel's share of what waits for a client (SO_SNDBUF); none: its default, which grows to 4 MiB."`
	Deflate    bool `name:"deflate" type:"bool" def:"true" negatable:"" group:"limits" help:"Compress for clients that ask for it."`
	DeflateMin int  `name:"deflate-min" type:"size" def:"256" min:"1" max:"1GiB" group:"limits" help:"Smaller messages are not compressed."`

	HistoryMessages int           `name:"history-messages" type:"count" def:"100" dev:"1000" words:"none" min:"1" max:"1000000" group:"rooms" help:"Messages that a room remembers."`
	HistoryBytes    int           `name:"history-bytes" type:"size" def:"1MiB" min:"1" max:"1GiB" group:"rooms" help:"Bytes of them; at least four times --max-publication."`
	MaxPublication  int           `name:"max-publication" type:"size" def:"auto" words:"auto" min:"1" max:"256MiB" group:"rooms" help:"Bytes of a message as it goes out to each member, with what is told of its author; auto: 256KiB, or a quarter of --max-queue if that is less. Above it: error 106; in the plain dialect it is lost."`
	HistoryAge      time.Duration `name:"history-age" type:"time" def:"5m" dev:"24h" min:"1s" max:"8760h" group:"rooms" help:"How long it remembers them, and how long an empty room is kept."`
	HistoryTotal    int           `name:"history-total" type:"size" def:"64MiB" min:"1" max:"1TiB" group:"rooms" help:"Bytes that all rooms remember together."`
	MaxRooms        int           `name:"max-rooms" type:"count" def:"100000" dev:"none" words:"none" min:"1" max:"4194304" group:"rooms" help:"Rooms with members at a time, users' own rooms not counted; one user or address makes a sixteenth of what is free at most. Above it: error 106, or 503."`
	MaxMembers      int           `name:"max-members" type:"count" def:"none" words:"none" min:"1" max:"4194304" group:"rooms" help:"Members of a room. Above it: 503."`
	MaxUnswept      int           `name:"max-unswept" type:"size" def:"1MiB" min:"1" max:"1GiB" group:"rooms" help:"Bytes of a room not yet offered to its members, at which its senders are no longer read."`
	MaxPause        time.Duration `name:"max-pause" type:"time" def:"25ms" words:"none" min:"1ms" max:"1s" group:"rooms" help:"How long a busy room gathers messages at most, to send them together; four times as long while thousands of clients a second connect."`

	Open            bool      `name:"open" type:"bool" def:"false" dev:"true" negatable:"" group:"rights" help:"Anybody, without a token too, may talk in the rooms that the file's section rooms does not name. Default false, with --dev true."`
	MaxConnsPerUser int       `name:"max-conns-per-user" type:"count" def:"128" dev:"none" words:"none" min:"1" max:"4194304" group:"rights" help:"Connections of one user at a time. Above it: close code 3504, or 429."`
	MaxRoomsPerConn int       `name:"max-rooms-per-conn" type:"count" def:"128" min:"1" max:"1048576" group:"rights" help:"Rooms that one connection is in. Above it: error 106."`
	MaxCommands     int       `name:"max-commands" type:"count" def:"256" min:"1" max:"1048576" group:"rights" help:"Commands in one message. Above it: close code 3501."`
	MaxPresence     int       `name:"max-presence" type:"count" def:"1000" min:"1" max:"1048576" group:"rights" help:"Members of a room above which presence only counts them: error 108."`
	MaxText         int       `name:"max-text" type:"size" def:"16KiB" dev:"none" words:"none" min:"1" max:"1GiB" group:"rights" help:"Bytes of a text that people send. Above it: error 445; in the plain dialect it is lost."`
	MaxGraphemes    int       `name:"max-graphemes" type:"count" def:"4000" dev:"none" words:"none" min:"1" max:"1073741824" group:"rights" help:"Characters of it, as people count them."`
	Personal        bool      `name:"personal" type:"bool" def:"true" negatable:"" group:"rights" help:"Each connection with a user is joined to the user's own room, where the server puts invitations and what is unread."`
	RateJoin        room.Rate `name:"rate-join" type:"rate" def:"256/1m" dev:"none" words:"none" group:"rights" help:"How often a connection may join a room: so many at once, and all of them again after that time. Above it: error 111."`
	RateSend        room.Rate `name:"rate-send" type:"rate" def:"50/10s" dev:"none" words:"none" group:"rights" help:"How often it may send."`
	RateTyping      room.Rate `name:"rate-typing" type:"rate" def:"30/10s" dev:"none" words:"none" group:"rights" help:"How often it may tell that it is about to."`
	RateRead        room.Rate `name:"rate-read" type:"rate" def:"256/1m" dev:"none" words:"none" group:"rights" help:"How often it may ask for history or presence."`
	RateRPC         room.Rate `name:"rate-rpc" type:"rate" def:"100/10s" dev:"none" words:"none" group:"rights" help:"How often it may call, or bring a new token."`
	UserRateJoin    room.Rate `name:"user-rate-join" type:"rate" def:"1024/1m" dev:"none" words:"none" group:"rights" help:"As --rate-join, for all connections of a user together; so the next four and --user-rate-other."`
	UserRateSend    room.Rate `name:"user-rate-send" type:"rate" def:"100/10s" dev:"none" words:"none" group:"rights" help:"See --rate-send."`
	UserRateTyping  room.Rate `name:"user-rate-typing" type:"rate" def:"60/10s" dev:"none" words:"none" group:"rights" help:"See --rate-typing."`
	UserRateRead    room.Rate `name:"user-rate-read" type:"rate" def:"1024/1m" dev:"none" words:"none" group:"rights" help:"See --rate-read."`
	UserRateRPC     room.Rate `name:"user-rate-rpc" type:"rate" def:"400/10s" dev:"none" words:"none" group:"rights" help:"See --rate-rpc."`
	MaxRefusals     room.Rate `name:"max-refusals" type:"rate" def:"256/1m" words:"none" group:"rights" help:"How often a connection may be too fast before it is cut with close code 3509, or 1008."`

	RateOther         room.Rate `name:"rate-other" type:"rate" def:"512/1m" dev:"none" words:"none" group:"rights" help:"How often it may do anything else: unsubscribe, ping, ask for what is not known, send a pong that answers no ping."`
	RateInput         room.Rate `name:"rate-input" type:"flow" def:"8MiB/10s" dev:"none" words:"none" group:"rights" help:"Bytes that are read from a connection, and that its compressed messages become; an eighth of it before the connect command. Above it: it is not read for a while."`
	RateFanout        room.Rate `name:"rate-fanout" type:"flow" def:"256MiB/10s" dev:"none" words:"none" group:"rights" help:"Bytes that go out because of it: the size of each message, with its author, times the members of its room; typing, joins and leaves too. Above it: error 111; in the plain dialect the message is lost."`
	RateRecovered     room.Rate `name:"rate-recovered" type:"flow" def:"64MiB/1m" dev:"none" words:"none" group:"rights" help:"Bytes that it recovers, or reads from histories. Above it: rooms are not recovered, and reading is error 111."`
	UserRateOther     room.Rate `name:"user-rate-other" type:"rate" def:"2048/1m" dev:"none" words:"none" group:"rights" help:"See --rate-other."`
	UserRateInput     room.Rate `name:"user-rate-input" type:"flow" def:"32MiB/10s" dev:"none" words:"none" group:"rights" help:"As --rate-input, for all connections of a user together; four times that for all clients of an address that have no token. So the next two."`
	UserRateFanout    room.Rate `name:"user-rate-fanout" type:"flow" def:"512MiB/10s" dev:"none" words:"none" group:"rights" help:"See --rate-fanout."`
	UserRateRecovered room.Rate `name:"user-rate-recovered" type:"flow" def:"256MiB/1m" dev:"none" words:"none" group:"rights" help:"See --rate-recovered."`
	MaxReply          int       `name:"max-reply" type:"size" def:"1MiB" min:"1KiB" max:"1GiB" group:"rights" help:"Bytes of messages in one reply: of all rooms that a connect command recovers, of one that is joined, of a history. Beyond it a room is not recovered, and a history is shorter."`
	MaxReplies        int       `name:"max-replies" type:"size" def:"64MiB" min:"1KiB" max:"1TiB" group:"rights" help:"Bytes that all replies which recover rooms take while they are made, three times their messages; a user or address a sixteenth of what is free."`

	HookConnect     string        `name:"hook-connect" type:"text" def:"" placeholder:"URL" group:"hooks" help:"Ask this address who a client without a token is; in the shape of Centrifugo's proxies, as the next four."`
	HookRefresh     string        `name:"hook-refresh" type:"text" def:"" placeholder:"URL" group:"hooks" help:"Ask this one whether a client that --hook-connect let in is still good, when its time has come."`
	HookSubscribe   string        `name:"hook-subscribe" type:"text" def:"" placeholder:"URL" group:"hooks" help:"Ask this one whether a client may join a room, in place of the file's section rooms."`
	HookPublish     string        `name:"hook-publish" type:"text" def:"" placeholder:"URL" group:"hooks" help:"Ask this one whether a client may say something, or what it says instead."`
	HookRPC         string        `name:"hook-rpc" type:"text" def:"" placeholder:"URL" group:"hooks" help:"Have this one answer calls that webim does not know."`
	HookDisconnect  string        `name:"hook-disconnect" type:"text" def:"" placeholder:"URL" group:"hooks" help:"Tell this one which clients have gone, and why."`
	HookRooms       []string      `name:"hook-rooms" type:"list" def:"" placeholder:"PATTERN" group:"hooks" help:"Ask --hook-subscribe and --hook-publish for these rooms only, as team-*; repeatable."`
	HookOpen        []string      `name:"hook-open" type:"list" def:"" placeholder:"HOOK" group:"hooks" help:"When connect, subscribe, publish or rpc is not answered, go on as if there were no such hook; else, and when it is busy, the client is told to try again. Repeatable."`
	HookTimeout     time.Duration `name:"hook-timeout" type:"time" def:"1s" min:"1ms" max:"1m" group:"hooks" help:"For an answer."`
	HookConcurrency int           `name:"hook-concurrency" type:"count" def:"256" min:"1" max:"65536" group:"hooks" help:"Requests of each hook under way. Four times as many wait, and users, or addresses without a token, take turns; above that the client is told to try again."`
	HookHeaders     []string      `name:"hook-headers" type:"list" def:"" placeholder:"NAME" group:"hooks" help:"Pass this header of the client's handshake on, as Cookie; repeatable."`
	HookSecret      string        `name:"hook-secret" type:"secret" def:"" placeholder:"SECRET" group:"hooks" help:"Sign what the hooks send with it (X-Webim-Signature); 32 bytes at least. Others on the machine see flags: better a variable, or --hook-secret-file."`
	HookSecretFile  string        `name:"hook-secret-file" type:"text" def:"" placeholder:"FILE" group:"hooks" help:"The same from a file, without its last line break."`

	TokenSecret      string        `name:"token-secret" type:"secret" def:"" placeholder:"SECRET" group:"tokens" help:"HMAC secret of tokens (HS256, HS384, HS512), 32 bytes at least. Others on the machine see flags: better a variable, or --token-secret-file."`
	TokenSecretFile  []string      `name:"token-secret-file" type:"list" def:"" placeholder:"[KID=]FILE" group:"tokens" help:"The same from a file, without its last line break; with KID= for the tokens of that kid; repeatable."`
	TokenPublicKey   []string      `name:"token-public-key" type:"list" def:"" placeholder:"[KID=]FILE" group:"tokens" help:"Public key or certificate in PEM: RSA (RS256), ECDSA P-256 (ES256) or Ed25519 (EdDSA); with KID= for the tokens of that kid; repeatable."`
	TokenJWKS        string        `name:"token-jwks" type:"text" def:"" placeholder:"URL" group:"tokens" help:"Where an identity provider publishes its keys (JSON Web Key Set); https."`
	TokenJWKSRefresh time.Duration `name:"token-jwks-refresh" type:"time" def:"10m" min:"1s" max:"24h" group:"tokens" help:"How often they are fetched; sooner, but at most every 10s, when a token names an unknown one."`
	TokenIssuer      string        `name:"token-issuer" type:"text" def:"" placeholder:"NAME" group:"tokens" help:"Tokens must be from there (iss)."`
	TokenAudience    []string      `name:"token-audience" type:"list" def:"" placeholder:"NAME" group:"tokens" help:"Tokens must be for one of these (aud); repeatable."`
	TokenLeeway      time.Duration `name:"token-leeway" type:"time" def:"10s" min:"0s" max:"10m" group:"tokens" help:"Clocks may differ by so much when a token's times (exp, nbf) are judged."`
	Insecure         bool          `name:"insecure" type:"bool" def:"false" dev:"true" negatable:"" group:"tokens" help:"Start with a secret under 32 bytes, or a JWKS without https, all the same. Default false, with --dev true."`
}

// A setting is one row of the table that the fields of settings are.
type setting struct {
	index    int    // of the field
	name     string // as a flag, without the dashes
	kind     string // see parse
	def, dev string
	min, max string
	words    []string
	oneOf    []string
	help     string
}

// key is the setting's name in the file.
func (s *setting) key() string { return strings.ReplaceAll(s.name, "-", "_") }

// env is the setting's name in the environment.
func (s *setting) env() string { return "WEBIM_" + strings.ToUpper(s.key()) }

// field is where a value of the setting is stored; in points to the struct that
// the table was made of.
func (s *setting) field(in any) reflect.Value { return reflect.ValueOf(in).Elem().Field(s.index) }

// table has the settings in their order.
var table = makeTable(reflect.TypeFor[settings]())

func makeTable(t reflect.Type) []*setting {
	var all []*setting
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		if tag == "" {
			continue // no setting
		}
		all = append(all, &setting{
			index: i, name: tag.Get("name"), kind: tag.Get("type"), help: tag.Get("help"),
			def: tag.Get("def"), dev: tag.Get("dev"), min: tag.Get("min"), max: tag.Get("max"),
			words: fields(tag.Get("words")), oneOf: fields(tag.Get("oneof")),
		})
	}
	return all
}

// lookup finds a setting by one of its names; nil if there is none.
func lookup(name string, nameOf func(*setting) string) *setting {
	return lookupIn(table, name, nameOf)
}

func lookupIn(table []*setting, name string, nameOf func(*setting) string) *setting {
	for _, s := range table {
		if nameOf(s) == name {
			return s
		}
	}
	return nil
}

// fields splits a list at its commas; "" is the empty list.
func fields(list string) []string {
	if list == "" {
		return nil
	}
	all := strings.Split(list, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}
