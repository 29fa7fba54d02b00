package client

import (
	"net/http"
	"net/url"
	"sync"
	"time"

	"webim/bench/option"
)

// Config names the server and sets how to measure it. All fields except URL may be zero.
type Config struct {
	URL       string        // ws:// or wss://; in the plain dialect the path is the room
	PID       int           // the server's process, root of a tree; 0 means no figures of CPU and memory
	Header    http.Header   // additional headers of the upgrade request
	Origin    string        // the Origin header, which browsers send and a server may require
	Protocols []string      // subprotocols to offer; the report's conditions have the one that the server accepts
	Label     string        // name of the server in reports
	Version   string        // version of the measuring program; empty or dev means the commit of its build, if that is known
	Command   string        // command line of the measuring program, for the conditions
	Dialect   string        // Plain or Centrifuge; empty means Plain
	Channel   string        // the room in the Centrifuge dialect; empty means lobby
	Members   int           // clients per room, in rooms that the lab names; 0 means that all clients share the room of URL or Channel
	Token     string        // token of all clients: in the connect command, or as ?token= in the plain dialect
	Compress  bool          // offer permessage-deflate; if the server accepts it, messages are compressed
	Receivers int           // number of threads that read; 0 means one, and two for storm
	Processes int           // number of client processes; 0 means this process, or as many as the limit of open files requires
	Worker    []string      // command of a worker process; empty means this program with "worker"
	Sources   int           // number of loopback addresses to dial from; 0 means 16, a negative number lets the kernel choose
	InFlight  int           // maximum number of concurrent handshakes; 0 means 400, below the accept queue of 511 that many servers have
	Timeout   time.Duration // limit for a handshake and for a missing message; 0 means 10 s
	Settle    time.Duration // pause before memory is read; 0 means 3 s
	Floor     []string      // command of the floor server; empty means this program with "floor --listen 127.0.0.1:0"

	// Progress, if set, is called about ten times a second with the current step and its progress, by one goroutine at a time.
	Progress func(what string, done, total int)
}

func (c Config) MaxHandshakes() int { return option.OrDefault(c.InFlight, 400) }

func (c Config) SourceAddresses() int { return option.OrDefault(c.Sources, 16) }

func (c Config) ReplyTimeout() time.Duration {
	return option.OrDefault(c.Timeout, 10*time.Second)
}

func (c Config) SettleTime() time.Duration { return option.OrDefault(c.Settle, 3*time.Second) }

func (c Config) ShowProgress(what string, done, total int) {
	if c.Progress != nil {
		c.Progress(what, done, total)
	}
}

// KeepShowing calls show every 200 ms, on its own goroutine, until stop has returned.
func KeepShowing(show func()) (stop func()) {
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond):
				show()
			}
		}
	})
	return func() {
		close(done)
		watching.Wait()
	}
}

// ShownURL returns the URL for reports, without a password.
func (c Config) ShownURL() string {
	if u, err := url.Parse(c.URL); err == nil {
		return u.Redacted()
	}
	return c.URL
}
