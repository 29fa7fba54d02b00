package config

import (
	"reflect"
	"time"

	"webim/cmd/webim/internal/setting"
	"webim/room/budget"
)

// Settings holds all settings. Each setting is one field, and its tags define it: name is the
// flag (--max-conns), from which the environment variable (WEBIM_MAX_CONNS) and the key of the
// file (max_conns) follow; type is its kind, see setting.Parse; def is the default, dev the default
// with --dev, and durable the default if messages outlive the process; min and max are its bounds; words are words that may replace a number: auto
// (webim computes the value) and none (no limit, or never);
// change says how a running server takes over a new value: by a reload, an upgrade or a restart. See exceptions.
//
// A word is stored as 0 (auto) or -1 (none), the values with that meaning in packages netpoll
// and room.
type Settings struct {
	Dev           bool     `name:"dev" change:"restart" type:"bool" def:"false" group:"serving" help:"For trials: listen on this machine only, accept any local page, and serve TLS with a certificate made at start."`
	Listen        []string `name:"listen" change:"upgrade" type:"list" def:":9501" dev:"localhost:9501" placeholder:"ADDR" group:"serving" help:"Serve http and ws on host:port or unix:/path; localhost means 127.0.0.1 and [::1]; repeatable. If --listen or --tls-listen is given, webim opens no default address."`
	TLSListen     []string `name:"tls-listen" change:"upgrade" type:"list" def:"" dev:"localhost:9502" placeholder:"ADDR" group:"serving" help:"Serve https and wss on host:port or unix:/path; repeatable. Default :9502 if a certificate is given."`
	TLSCert       string   `name:"tls-cert" change:"reload" type:"text" def:"" placeholder:"FILE" group:"serving" help:"Certificate chain in PEM; needs --tls-key."`
	TLSKey        string   `name:"tls-key" change:"reload" type:"text" def:"" placeholder:"FILE" group:"serving" help:"Private key in PEM; needs --tls-cert."`
	ACME          []string `name:"acme" change:"upgrade" type:"list" def:"" placeholder:"HOST" group:"serving" help:"Get the certificate for this host from an ACME server (Let's Encrypt), and renew it, instead of --tls-cert. The ACME server connects to port 443 or 80 of the host. Needs --acme-dir; repeatable."`
	ACMEDir       string   `name:"acme-dir" change:"upgrade" type:"text" def:"" placeholder:"DIR" group:"serving" help:"Folder where the certificates of --acme and the key of the account are kept; made if it does not exist."`
	ACMEEmail     string   `name:"acme-email" change:"upgrade" type:"text" def:"" placeholder:"ADDRESS" group:"serving" help:"Where the ACME server writes to if something is wrong with a certificate. By --acme you accept its terms."`
	ACMEDirectory string   `name:"acme-directory" change:"upgrade" type:"text" def:"https://acme-v02.api.letsencrypt.org/directory" placeholder:"URL" group:"serving" help:"Address of the ACME server."`
	ACMECA        string   `name:"acme-ca" change:"upgrade" type:"text" def:"" placeholder:"FILE" group:"serving" help:"Certificates in PEM by which the ACME server is verified; default: those of the system."`
	ProxyProtocol []string `name:"proxy-protocol" change:"upgrade" type:"list" def:"" placeholder:"ADDR" group:"serving" help:"One of the addresses of --listen and --tls-listen, where the proxies of --proxy begin each connection with a header of the PROXY protocol, version 1 or 2, instead of sending X-Forwarded-For; repeatable."`
	AllowOrigin   []string `name:"allow-origin" change:"reload" type:"list" def:"" placeholder:"ORIGIN" group:"serving" help:"Origin of pages that may connect, besides the pages that webim serves; scheme://host[:port] or null; repeatable."`

	Internal     string   `name:"internal" change:"upgrade" type:"text" def:"" dev:"127.0.0.1:9500" placeholder:"ADDR" group:"api" help:"Serve only the API, the live picture (/live), /metrics, profiles, /health and /ready on host:port or unix:/path; keep this address private. Default none; with --dev 127.0.0.1:9500, unless --listen or --tls-listen is given."`
	API          bool     `name:"api" change:"reload" type:"bool" def:"false" negatable:"" group:"api" help:"Serve the API on the clients' addresses, too."`
	APIKey       string   `name:"api-key" change:"reload" type:"secret" def:"" placeholder:"KEY" group:"api" help:"Key that opens the API, at least 16 bytes. Other users of the machine can see flags: prefer the variable or --api-key-file. With --dev, webim makes a key at start."`
	APIKeyFile   []string `name:"api-key-file" change:"reload" type:"list" def:"" placeholder:"[NAME=]FILE" group:"api" help:"Like --api-key, read from a file without its last line break; with NAME= the log says by=\"key NAME\"; repeatable: each key opens the API."`
	APIKeyRights []string `name:"api-key-rights" change:"reload" type:"list" def:"" placeholder:"NAME=METHOD[@ROOMS]" group:"api" help:"Rights of the key with that name, as ci=publish@team-* or ci=history; * means every method, metrics the address /metrics, pprof the profiles, why the records of connections, reload and upgrade the commands of that name; repeatable. A key without rights here opens everything."`
	APIHost      []string `name:"api-host" change:"reload" type:"list" def:"" placeholder:"NAME" group:"api" help:"Host name by which clients may call the API, besides localhost and IP addresses; repeatable."`
	MetricsOpen  bool     `name:"metrics-open" change:"reload" type:"bool" def:"false" negatable:"" group:"api" help:"Serve /metrics on the address --internal without a key."`

	DrainDelay      time.Duration `name:"drain-delay" change:"reload" type:"time" def:"5s" dev:"0s" min:"0s" max:"1h" group:"serving" help:"After SIGTERM, webim serves for this time as before, while /ready and /health answer 503, so that load balancers send new clients elsewhere. Then it disconnects the clients."`
	ShutdownSpread  time.Duration `name:"shutdown-spread" change:"reload" type:"time" def:"2s" dev:"200ms" min:"0s" max:"1h" group:"serving" help:"When webim stops, it disconnects the clients over this time, so that they do not all reconnect at once."`
	ShutdownTimeout time.Duration `name:"shutdown-timeout" change:"reload" type:"time" def:"10s" min:"1ms" max:"1h" group:"serving" help:"Clients that are still connected after this time are cut off."`
	UpgradeBy       string        `name:"upgrade-by" change:"reload" type:"oneof" def:"auto" oneof:"auto,spawn,exec" group:"serving" help:"How webim upgrade and SIGUSR2 replace the running server: spawn (a new process takes over), exec (the same process gets the new program, for containers and supervisors that do not expect another process). auto: exec if webim is the process 1, otherwise spawn."`
	LogFormat       string        `name:"log-format" change:"upgrade" type:"oneof" def:"text" oneof:"text,json" group:"serving" help:"Format of log lines on standard error: text or json."`
	LogLevel        string        `name:"log-level" change:"reload" type:"oneof" def:"info" oneof:"debug,info,warn,error" group:"serving" help:"Minimum level of log lines: debug, info, warn or error. Connections that open or close are logged at debug."`

	Engine       string        `name:"engine" change:"restart" type:"oneof" def:"auto" oneof:"auto,memory,embedded,nats" group:"store" help:"Where messages, members of rooms, bans and the rest are stored: memory (lost when webim ends), embedded (in the folder --data), nats (a NATS cluster). auto: nats with --nats, else embedded with --data; with --dev otherwise memory."`
	Data         string        `name:"data" change:"restart" type:"text" def:"" placeholder:"DIR" group:"store" help:"Folder of the embedded store, for one webim at a time; made if it does not exist. Default: the variable STATE_DIRECTORY, which systemd sets."`
	MaxStore     int           `name:"max-store" change:"upgrade" type:"size" def:"10GiB" min:"8MiB" max:"1024TiB" group:"store" help:"Maximum size of the embedded store. Above it messages are refused with a temporary error until older ones have expired; nothing is removed before its time. Bans, deletions and the rest may take 512 MiB more."`
	MaxKeys      int           `name:"max-keys" change:"upgrade" type:"count" def:"65536" min:"1" max:"100000000" group:"store" help:"Maximum number of messages with an idempotency key in the last minute that each node knows, and the store by it: a message that is sent again within that time is stored once. Above it the oldest key of the sender with the most is forgotten; in a store a message with a key more is known only on its node, until that ends."`
	Sync         time.Duration `name:"sync" change:"upgrade" type:"time" def:"1s" words:"always" min:"1ms" max:"1h" group:"store" help:"Write the embedded store to the disk this often, so that a power cut costs at most this time; always: before a message is acknowledged. The end of the process alone never costs anything."`
	NATS         []string      `name:"nats" change:"restart" type:"list" def:"" placeholder:"URL" group:"store" help:"Server of a NATS cluster with JetStream, 2.12 or newer, as nats://host:4222 or tls://host:4222; repeatable."`
	NATSCreds    string        `name:"nats-creds" change:"upgrade" type:"text" def:"" placeholder:"FILE" group:"store" help:"Credentials for NATS (a .creds file)."`
	NATSCA       string        `name:"nats-ca" change:"upgrade" type:"text" def:"" placeholder:"FILE" group:"store" help:"Certificates in PEM by which the NATS servers are verified; default: those of the system."`
	NATSCert     string        `name:"nats-cert" change:"upgrade" type:"text" def:"" placeholder:"FILE" group:"store" help:"Certificate in PEM with which webim identifies itself to NATS; needs --nats-key."`
	NATSKey      string        `name:"nats-key" change:"upgrade" type:"text" def:"" placeholder:"FILE" group:"store" help:"Private key of --nats-cert in PEM."`
	NATSReplicas int           `name:"nats-replicas" change:"upgrade" type:"count" def:"1" min:"1" max:"5" group:"store" help:"Number of NATS servers that hold each message. With 3, one of them may fail."`

	Loops              int      `name:"loops" change:"upgrade" type:"count" def:"auto" words:"auto" min:"1" max:"256" group:"limits" help:"Number of epoll instances; auto: one for every two processors."`
	Workers            int      `name:"workers" change:"upgrade" type:"count" def:"auto" words:"auto" min:"1" max:"4096" group:"limits" help:"Number of goroutines that read, decode and deliver; auto: one for every processor."`
	MaxConns           int      `name:"max-conns" change:"reload" type:"count" def:"auto" words:"auto" min:"1" max:"4194304" group:"limits" help:"Maximum number of connections; auto: the limit of open files minus the files that the server itself needs, which are 64, and more with hooks and --internal. Above it: 503."`
	MaxConnsPerIP      int      `name:"max-conns-per-ip" change:"reload" type:"count" def:"1024" words:"none" min:"1" max:"4194304" group:"limits" help:"Maximum number of connections from one address (IPv6: one /64); loopback is unlimited. Above it: 503."`
	MaxHandshakesPerIP int      `name:"max-handshakes-per-ip" change:"reload" type:"count" def:"64" words:"none" min:"1" max:"4194304" group:"limits" help:"Maximum number of unfinished handshakes from one address (IPv6: one /64); loopback is unlimited. Above it: 503."`
	Proxy              []string `name:"proxy" change:"reload" type:"list" def:"" placeholder:"ADDRESS" group:"limits" help:"Address or network (10.0.0.0/8) of a reverse proxy. It is unlimited, like loopback, and webim takes the address of the client from its X-Forwarded-For; unix means all clients of Unix sockets; repeatable."`
	MaxHead            int      `name:"max-head" change:"reload" type:"size" def:"16KiB" min:"1KiB" max:"60KiB" group:"limits" help:"Maximum size of a request's head, including cookies and ?token=. Above it: 431."`
	MaxTLSHandshakes   int      `name:"max-tls-handshakes" change:"reload" type:"count" def:"256" min:"1" max:"65536" group:"limits" help:"Maximum number of concurrent TLS handshakes, at most a quarter of them from one address; others wait. While others wait, a handshake whose client has not answered for a second is ended."`
	MaxHTTP            int      `name:"max-http" change:"reload" type:"count" def:"1024" min:"1" max:"1048576" group:"limits" help:"Maximum number of HTTP connections that are not WebSockets, at most a quarter of them from one address. Above it the longest idle one is closed; if none is idle: 503."`

	HandshakeTimeout time.Duration `name:"handshake-timeout" change:"reload" type:"time" def:"10s" min:"1ms" max:"24h" group:"limits" help:"Time limit for the handshakes of TCP, TLS and HTTP together."`
	PingInterval     time.Duration `name:"ping-interval" change:"upgrade" type:"time" def:"25s" words:"none" min:"1ms" max:"24h" group:"limits" help:"Ping a client that has been silent for this time. In the Centrifuge dialect: the time between two pings of the protocol, at least 100ms."`
	PongTimeout      time.Duration `name:"pong-timeout" change:"upgrade" type:"time" def:"10s" min:"1ms" max:"24h" group:"limits" help:"Close a client that stays silent for this time after a ping. In the Centrifuge dialect: at most four fifths of --ping-interval."`
	WriteTimeout     time.Duration `name:"write-timeout" change:"reload" type:"time" def:"30s" words:"none" min:"1ms" max:"24h" group:"limits" help:"Close a client as slow if it takes no data for this time while data is queued for it."`
	CloseTimeout     time.Duration `name:"close-timeout" change:"reload" type:"time" def:"5s" min:"1ms" max:"24h" group:"limits" help:"Time limit for the closing handshake."`
	MessageTimeout   time.Duration `name:"message-timeout" change:"reload" type:"time" def:"2m" words:"none" min:"1ms" max:"24h" group:"limits" help:"Time limit for an incoming message to be complete."`

	MaxMessage    int `name:"max-message" change:"reload" type:"size" def:"1MiB" min:"1" max:"1GiB" group:"limits" help:"Maximum size of an incoming message, compressed or not. Above it: close code 1009."`
	MaxFragments  int `name:"max-fragments" change:"reload" type:"count" def:"auto" words:"auto" min:"1" max:"1073741824" group:"limits" help:"Maximum number of frames of an incoming message; auto: 16, and one for every 64 bytes of --max-message."`
	MaxUnfinished int `name:"max-unfinished" change:"reload" type:"size" def:"128MiB" min:"1" max:"1TiB" group:"limits" help:"Maximum size of the unfinished incoming messages of all connections together."`
	ControlRate   int `name:"control-rate" change:"reload" type:"count" def:"1000" words:"none" min:"1" max:"65535" group:"limits" help:"Maximum number of pings and pongs from a connection per second. Above it: close code 1008."`

	MaxFirstMessage int `name:"max-first-message" change:"reload" type:"size" def:"256KiB" min:"1KiB" max:"1GiB" group:"limits" help:"Like --max-message, but before the connect command; allow some 2 KiB for each room that a client recovers. Not used in the plain dialect."`

	MaxQueue   int  `name:"max-queue" change:"reload" type:"size" def:"1MiB" min:"1" max:"1GiB" group:"limits" help:"Maximum number of bytes queued for a client that does not read. Above it the client is closed as slow."`
	MaxQueued  int  `name:"max-queued" change:"reload" type:"size" def:"256MiB" min:"1" max:"1TiB" group:"limits" help:"Maximum number of bytes queued for all clients together, shared bytes counted once; above it webim closes the client that holds the most."`
	HighWater  int  `name:"high-water" change:"reload" type:"size" def:"auto" words:"auto" min:"1" max:"1GiB" group:"limits" help:"Number of queued bytes at which a connection counts as full; auto: 1/8 of --max-queue."`
	LowWater   int  `name:"low-water" change:"reload" type:"size" def:"auto" words:"auto" min:"1" max:"1GiB" group:"limits" help:"Number of queued bytes below which a full connection no longer counts as full, at most --high-water; auto: half of that."`
	SendBuffer int  `name:"send-buffer" change:"upgrade" type:"size" def:"64KiB" words:"none" min:"4KiB" max:"64MiB" group:"limits" help:"Size of the kernel's send buffer of a client (SO_SNDBUF); none: the kernel's default, which grows to 4 MiB."`
	Deflate    bool `name:"deflate" change:"reload" type:"bool" def:"true" negatable:"" group:"limits" help:"Compress messages for clients that connect to it."`
	DeflateMin int  `name:"deflate-min" change:"reload" type:"size" def:"256" min:"1" max:"1GiB" group:"limits" help:"Minimum size of a message to compress."`

	HistoryMessages int           `name:"history-messages" change:"reload" type:"count" def:"100" dev:"1000" durable:"10000" words:"none" min:"1" max:"1000000" group:"rooms" help:"Maximum number of messages in a room's history."`
	HistoryBytes    int           `name:"history-bytes" change:"reload" type:"size" def:"1MiB" min:"1" max:"1GiB" group:"rooms" help:"Maximum size of a room's history; at least four times --max-publication."`
	MaxPublication  int           `name:"max-publication" change:"reload" type:"size" def:"auto" words:"auto" min:"1" max:"256MiB" group:"rooms" help:"Maximum size of a message as each member receives it, with the information about its author; auto: 256KiB, or a quarter of --max-queue if that is less. Above it: error 106; in the plain dialect the message is lost."`
	HistoryAge      time.Duration `name:"history-age" change:"reload" type:"time" def:"5m" dev:"24h" durable:"720h" words:"none" min:"1s" max:"87600h" group:"rooms" help:"How long a room keeps messages; none: for ever. With --engine memory also how long an empty room is kept."`
	HistoryTotal    int           `name:"history-total" change:"reload" type:"size" def:"64MiB" min:"1" max:"1TiB" group:"rooms" help:"Maximum size of the histories of all rooms together."`
	MaxRooms        int           `name:"max-rooms" change:"reload" type:"count" def:"100000" dev:"none" words:"none" min:"1" max:"4194304" group:"rooms" help:"Maximum number of rooms with members, not counting users' own rooms; one user or address may make at most a sixteenth of the free ones. Above it: error 106, or 503."`
	MaxMembers      int           `name:"max-members" change:"reload" type:"count" def:"none" words:"none" min:"1" max:"4194304" group:"rooms" help:"Maximum number of members of a room. Above it: 503."`
	MaxUnswept      int           `name:"max-unswept" change:"reload" type:"size" def:"1MiB" min:"1" max:"1GiB" group:"rooms" help:"Maximum size of a room's messages that are not yet offered to its members; above it webim stops reading from the room's senders."`
	MaxPause        time.Duration `name:"max-pause" change:"reload" type:"time" def:"25ms" words:"none" min:"1ms" max:"1s" group:"rooms" help:"Maximum time for which a busy room collects messages to send them together; four times as long while thousands of clients a second connect."`

	Open            bool        `name:"open" change:"reload" type:"bool" def:"false" dev:"true" negatable:"" group:"rights" help:"Anybody, even without a token, may talk in the rooms that the file's section rooms does not name. Default false, with --dev true."`
	MaxConnsPerUser int         `name:"max-conns-per-user" change:"reload" type:"count" def:"128" dev:"none" words:"none" min:"1" max:"4194304" group:"rights" help:"Maximum number of connections of one user. Above it: close code 3504, or 429."`
	MaxRoomsPerConn int         `name:"max-rooms-per-conn" change:"reload" type:"count" def:"128" min:"1" max:"1048576" group:"rights" help:"Maximum number of rooms that one connection may join. Above it: error 106."`
	MaxCommands     int         `name:"max-commands" change:"reload" type:"count" def:"256" min:"1" max:"1048576" group:"rights" help:"Maximum number of commands in one message. Above it: close code 3501."`
	MaxCalls        int         `name:"max-calls" change:"reload" type:"count" def:"auto" words:"auto" min:"1" max:"65536" group:"rights" help:"Maximum number of chat calls that run at a time if they may have to wait for a store or for the hook publish, without those that wait for a hook or for the notices of their messages; auto: eight for every processor. As many calls may send notices at a time. Four times as many calls wait for their turn. Above it: error 111. Otherwise calls never wait, so this has no effect."`
	MaxPresence     int         `name:"max-presence" change:"reload" type:"count" def:"1000" min:"1" max:"1048576" group:"rights" help:"Maximum number of members for which the presence of a room can be listed. Above it presence only counts members: error 108."`
	MaxText         int         `name:"max-text" change:"reload" type:"size" def:"16KiB" dev:"none" words:"none" min:"1" max:"1GiB" group:"rights" help:"Maximum size of a text that users send. Above it: error 445; in the plain dialect the message is lost."`
	MaxGraphemes    int         `name:"max-graphemes" change:"reload" type:"count" def:"4000" dev:"none" words:"none" min:"1" max:"1073741824" group:"rights" help:"Maximum number of characters of such a text, as people count them."`
	Personal        bool        `name:"personal" change:"reload" type:"bool" def:"true" negatable:"" group:"rights" help:"Join each connection of a user to the user's own room, where the server publishes invitations and news about unread messages."`
	RateJoin        budget.Rate `name:"rate-join" change:"reload" type:"rate" def:"256/1m" dev:"none" words:"none" group:"rights" help:"How often a connection may join a room: 256/1m means 256 times at once, and then 256 times a minute. Above it: error 111."`
	RateSend        budget.Rate `name:"rate-send" change:"reload" type:"rate" def:"50/10s" dev:"none" words:"none" group:"rights" help:"How often a connection may send a message."`
	RateTyping      budget.Rate `name:"rate-typing" change:"reload" type:"rate" def:"30/10s" dev:"none" words:"none" group:"rights" help:"How often a connection may send a typing notice."`
	RateRead        budget.Rate `name:"rate-read" change:"reload" type:"rate" def:"256/1m" dev:"none" words:"none" group:"rights" help:"How often a connection may read history or presence."`
	RateRPC         budget.Rate `name:"rate-rpc" change:"reload" type:"rate" def:"100/10s" dev:"none" words:"none" group:"rights" help:"How often a connection may make a call or present a new token."`
	UserRateJoin    budget.Rate `name:"user-rate-join" change:"reload" type:"rate" def:"1024/1m" dev:"none" words:"none" group:"rights" help:"Like --rate-join, for all connections of a user together."`
	UserRateSend    budget.Rate `name:"user-rate-send" change:"reload" type:"rate" def:"100/10s" dev:"none" words:"none" group:"rights" help:"Like --rate-send, for all connections of a user together."`
	UserRateTyping  budget.Rate `name:"user-rate-typing" change:"reload" type:"rate" def:"60/10s" dev:"none" words:"none" group:"rights" help:"Like --rate-typing, for all connections of a user together."`
	UserRateRead    budget.Rate `name:"user-rate-read" change:"reload" type:"rate" def:"1024/1m" dev:"none" words:"none" group:"rights" help:"Like --rate-read, for all connections of a user together."`
	UserRateRPC     budget.Rate `name:"user-rate-rpc" change:"reload" type:"rate" def:"400/10s" dev:"none" words:"none" group:"rights" help:"Like --rate-rpc, for all connections of a user together."`
	MaxRefusals     budget.Rate `name:"max-refusals" change:"reload" type:"rate" def:"256/1m" words:"none" group:"rights" help:"How often a connection may exceed its rates before it is closed with code 3509, or 1008."`

	RateOther         budget.Rate `name:"rate-other" change:"reload" type:"rate" def:"512/1m" dev:"none" words:"none" group:"rights" help:"How often a connection may do anything else: unsubscribe, ping, send an unknown command, send a pong that answers no ping."`
	RateInput         budget.Rate `name:"rate-input" change:"reload" type:"flow" def:"8MiB/10s" dev:"none" words:"none" group:"rights" help:"Bytes that webim reads from a connection, counted compressed and again decompressed; before the connect command an eighth of this. Above it webim does not read from the connection for a while."`
	RateFanout        budget.Rate `name:"rate-fanout" change:"reload" type:"flow" def:"256MiB/10s" dev:"none" words:"none" group:"rights" help:"Bytes that webim sends because of a connection: the size of each message, with its author, times the members of its room; typing notices, joins and leaves count, too. Above it: error 111; in the plain dialect the message is lost."`
	RateRecovered     budget.Rate `name:"rate-recovered" change:"reload" type:"flow" def:"64MiB/1m" dev:"none" words:"none" group:"rights" help:"Bytes that a connection recovers or reads from histories. Above it rooms are not recovered, and reading is refused with error 111."`
	UserRateOther     budget.Rate `name:"user-rate-other" change:"reload" type:"rate" def:"2048/1m" dev:"none" words:"none" group:"rights" help:"Like --rate-other, for all connections of a user together."`
	UserRateInput     budget.Rate `name:"user-rate-input" change:"reload" type:"flow" def:"32MiB/10s" dev:"none" words:"none" group:"rights" help:"Like --rate-input, for all connections of a user together; all clients without a token at one address share four times this rate."`
	UserRateFanout    budget.Rate `name:"user-rate-fanout" change:"reload" type:"flow" def:"512MiB/10s" dev:"none" words:"none" group:"rights" help:"Like --rate-fanout, shared like --user-rate-input."`
	UserRateRecovered budget.Rate `name:"user-rate-recovered" change:"reload" type:"flow" def:"256MiB/1m" dev:"none" words:"none" group:"rights" help:"Like --rate-recovered, shared like --user-rate-input."`
	MaxReply          int         `name:"max-reply" change:"reload" type:"size" def:"1MiB" min:"1KiB" max:"1GiB" group:"rights" help:"Maximum size of the messages in one reply: of all rooms that a connect command recovers, of one room that is joined, or of a history. Above it a room is not recovered, and a history is cut short."`
	MaxReplies        int         `name:"max-replies" change:"reload" type:"size" def:"64MiB" min:"1KiB" max:"1TiB" group:"rights" help:"Maximum memory of all replies that recover rooms while they are made, which is three times the size of their messages; one user or address may use at most a sixteenth of the free part."`

	HookConnect     string        `name:"hook-connect" change:"reload" type:"text" def:"" placeholder:"URL" group:"hooks" help:"Ask this URL to identify a client without a token; the format is that of Centrifugo's proxies, as for the next four hooks."`
	HookRefresh     string        `name:"hook-refresh" change:"reload" type:"text" def:"" placeholder:"URL" group:"hooks" help:"Ask this URL whether a client that --hook-connect accepted may stay, when its time is over."`
	HookSubscribe   string        `name:"hook-subscribe" change:"reload" type:"text" def:"" placeholder:"URL" group:"hooks" help:"Ask this URL whether a client may join a room, instead of the file's section rooms."`
	HookPublish     string        `name:"hook-publish" change:"reload" type:"text" def:"" placeholder:"URL" group:"hooks" help:"Ask this URL whether a client may publish a message, or with which other data."`
	HookRPC         string        `name:"hook-rpc" change:"reload" type:"text" def:"" placeholder:"URL" group:"hooks" help:"Let this URL answer calls that webim does not know."`
	HookDisconnect  string        `name:"hook-disconnect" change:"reload" type:"text" def:"" placeholder:"URL" group:"hooks" help:"Tell this URL which clients have disconnected, and why."`
	HookRooms       []string      `name:"hook-rooms" change:"reload" type:"list" def:"" placeholder:"PATTERN" group:"hooks" help:"Ask --hook-subscribe and --hook-publish only about rooms that match, as team-*; repeatable."`
	HookOpen        []string      `name:"hook-open" change:"reload" type:"list" def:"" placeholder:"HOOK" group:"hooks" help:"If the hook connect, subscribe, publish or rpc does not answer, go on as if it were not configured; otherwise, or if the hook is busy, the client is told to try again. Repeatable."`
	HookTimeout     time.Duration `name:"hook-timeout" change:"reload" type:"time" def:"1s" min:"1ms" max:"1m" group:"hooks" help:"Time limit for an answer."`
	HookConcurrency int           `name:"hook-concurrency" change:"reload" type:"count" def:"256" min:"1" max:"65536" group:"hooks" help:"Maximum number of concurrent requests of each hook. Four times as many wait, and users, or addresses without a token, take turns; above that the client is told to try again."`
	HookHeaders     []string      `name:"hook-headers" change:"reload" type:"list" def:"" placeholder:"NAME" group:"hooks" help:"Pass on this header of the client's handshake, as Cookie; repeatable."`
	HookSecret      string        `name:"hook-secret" change:"reload" type:"secret" def:"" placeholder:"SECRET" group:"hooks" help:"Secret that signs the hooks' requests (X-Webim-Signature), at least 32 bytes. Other users of the machine can see flags: prefer the variable or --hook-secret-file."`
	HookSecretFile  string        `name:"hook-secret-file" change:"reload" type:"text" def:"" placeholder:"FILE" group:"hooks" help:"Like --hook-secret, read from a file without its last line break."`

	TokenSecret      string        `name:"token-secret" change:"reload" type:"secret" def:"" placeholder:"SECRET" group:"tokens" help:"HMAC secret of tokens (HS256, HS384, HS512), at least 32 bytes. Other users of the machine can see flags: prefer the variable or --token-secret-file."`
	TokenSecretFile  []string      `name:"token-secret-file" change:"reload" type:"list" def:"" placeholder:"[KID=]FILE" group:"tokens" help:"Like --token-secret, read from a file without its last line break; with KID= for tokens with that kid; repeatable."`
	TokenPublicKey   []string      `name:"token-public-key" change:"reload" type:"list" def:"" placeholder:"[KID=]FILE" group:"tokens" help:"Public key or certificate in PEM: RSA (RS256), ECDSA P-256 (ES256) or Ed25519 (EdDSA); with KID= for tokens with that kid; repeatable."`
	TokenJWKS        string        `name:"token-jwks" change:"reload" type:"text" def:"" placeholder:"URL" group:"tokens" help:"URL at which an identity provider publishes its keys (JSON Web Key Set); https."`
	TokenJWKSRefresh time.Duration `name:"token-jwks-refresh" change:"reload" type:"time" def:"10m" min:"1s" max:"24h" group:"tokens" help:"Time between fetches of the JWKS; sooner, but at most every 10s, if a token names an unknown key."`
	TokenIssuer      string        `name:"token-issuer" change:"reload" type:"text" def:"" placeholder:"NAME" group:"tokens" help:"Required issuer of tokens (iss)."`
	TokenAudience    []string      `name:"token-audience" change:"reload" type:"list" def:"" placeholder:"NAME" group:"tokens" help:"Tokens must be for one of these audiences (aud); repeatable."`
	TokenLeeway      time.Duration `name:"token-leeway" change:"reload" type:"time" def:"10s" min:"0s" max:"10m" group:"tokens" help:"Tolerance for the times of a token (exp, nbf), because clocks differ."`
	Insecure         bool          `name:"insecure" change:"reload" type:"bool" def:"false" dev:"true" negatable:"" group:"tokens" help:"Accept secrets and keys that are too short, and http for the JWKS and the hooks. Default false, with --dev true."`
}

// Table describes the fields of Settings, in their order.
var Table = setting.MakeTable(reflect.TypeFor[Settings]())

// Lookup finds the setting for which nameOf returns name; nil if there is none.
func Lookup(name string, nameOf func(*setting.Setting) string) *setting.Setting {
	return setting.Lookup(Table, name, nameOf)
}
