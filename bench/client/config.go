package client

import (
	"net/http"
	"net/url"
	"sync"
	"time"

	"webim/bench/option"
)

// Config says whom to measure and how. The zero value of every field but URL works.
type Config struct {
	URL       string        // ws:// or wss://; the path is the room
	PID       int           // the server's process, root of a tree; 0: no CPU and memory figures
	Header    http.Header   // more headers for the upgrade
	Origin    string        // the Origin header, which browsers send and servers may insist on
	Protocols []string      // subprotocols to offer; which one the server takes is in Report.Conditions
	Label     string        // what to call the server in reports
	Version   string        // of the program that measures; empty or dev: the commit that it was built from, if that is known
	Command   string        // that measures: a condition of the figures like others
	Dialect   string        // Plain or Centrifuge; empty: Plain
	Channel   string        // the room in the Centrifuge dialect; empty: lobby
	Members   int           // clients of a room, of rooms that the lab names; 0: all clients share the room of URL or Channel
	Token     string        // of all clients: in the connect command, or as ?token= in the plain dialect
	Compress  bool          // offer permessage-deflate; if the server takes it, messages are deflated and inflated
	Receivers int           // threads that read; 0: one, two in storms
	Processes int           // that hold the clients; 0: this one, or as many as their open files ask for
	Worker    []string      // command of such a process; empty: the program itself with "worker"
	Sources   int           // loopback addresses to dial from; 0: 16; below zero: leave it to the kernel
	InFlight  int           // handshakes under way at most; 0: 400, below the accept queue of 511 that many servers have
	Timeout   time.Duration // for a handshake, and for a message that does not come; 0: 10 s
	Settle    time.Duration // before memory is read; 0: 3 s
	Floor     []string      // command of the floor server; empty: the program itself with "floor --listen 127.0.0.1:0"

	// Progress, if set, is told what is going on and how far it is, about ten times a second, from one goroutine at a time.
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

// KeepShowing shows how far something is, now and then, until stop has returned.
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

// ShownURL is the URL for reports, without a password.
func (c Config) ShownURL() string {
	if u, err := url.Parse(c.URL); err == nil {
		return u.Redacted()
	}
	return c.URL
}
