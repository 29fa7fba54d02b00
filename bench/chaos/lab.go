package chaos

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"webim/bench/audit"
	"webim/bench/relay"
)

// lab is the system of one run: servers, nodes, the relays between them, and clients.
type lab struct {
	opts   Options
	dir    string
	key    string // of the server API
	secret string // of tokens
	tell   func(line string)
	http   *http.Client
	began  time.Time

	servers [servers]*server
	nodes   [nodes]*node
	links   [nodes][servers]*relay.Relay   // between a node and a server
	routes  [servers][servers]*relay.Relay // from a server to a server
	members []*member
	disks   []string

	background sync.WaitGroup // goroutines that end with their context
	load       atomic.Bool    // members send

	mu     sync.Mutex
	bans   []audit.Ban
	failed error // of the lab itself
}

// newLab starts the relays. The folder of the run exists.
func newLab(opts Options, dir string, tell func(string)) (*lab, error) {
	l := &lab{opts: opts, dir: dir, key: rand.Text(), secret: rand.Text() + rand.Text(), tell: tell, http: &http.Client{Transport: &http.Transport{}}, began: time.Now()}
	for i := range servers {
		for n := range nodes {
			if err := newRelay(&l.links[n][i], true); err != nil {
				return l, err
			}
		}
		for from := range servers {
			if err := newRelay(&l.routes[from][i], false); err != nil {
				return l, err
			}
		}
	}
	return l, nil
}

func newRelay(at **relay.Relay, nats bool) (err error) {
	*at, err = relay.New(nats)
	return err
}

// now returns the time since the run began.
func (l *lab) now() time.Duration { return time.Since(l.began) }

// say reports progress.
func (l *lab) say(format string, args ...any) {
	if l.tell != nil {
		l.tell(fmt.Sprintf("%6.1fs ", l.now().Seconds()) + fmt.Sprintf(format, args...))
	}
}

// fail notes an error of the lab itself, after which its verdict counts for nothing.
func (l *lab) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = err
	}
}

// sending reports whether members send.
func (l *lab) sending() bool { return l.load.Load() }

// newProcess makes a process with a log file.
func (l *lab) newProcess(name string, argv ...string) (*process, error) {
	f, err := os.Create(filepath.Join(l.dir, name+".log"))
	if err != nil {
		return nil, err
	}
	return &process{name: name, argv: argv, log: f, onLine: func([]byte) {}, onEnd: func() {}}, nil
}

// start starts all servers and nodes, and waits until they serve.
func (l *lab) start(ctx context.Context) error {
	for i := range servers {
		if err := l.startServer(ctx, i); err != nil {
			return err
		}
	}
	for i := range nodes {
		if err := l.startNode(ctx, i); err != nil {
			return err
		}
	}
	for i := range nodes {
		for ; ; time.Sleep(20 * time.Millisecond) {
			if addr, _ := l.nodes[i].where(); addr != "" {
				break
			}
			if ctx.Err() != nil || l.now() > startWithin {
				return fmt.Errorf("node %d does not start within %v: see %s", i, startWithin, l.dir)
			}
		}
	}
	return nil
}

// startWithin limits the start of all processes.
const startWithin = 2 * time.Minute

// makeMembers makes the clients. One in ten speaks the plain dialect.
func (l *lab) makeMembers() error {
	for i := range l.opts.Clients {
		user := fmt.Sprint("user", i)
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": user, "iat": time.Now().Unix()}).SignedString([]byte(l.secret))
		if err != nil {
			return err
		}
		m := &member{
			l: l, rng: mrand.New(mrand.NewPCG(l.opts.Seed, uint64(1000+i))), token: token, rate: l.opts.Rate / float64(l.opts.Clients),
			record: audit.Client{Name: fmt.Sprint("c", i), User: user, Plain: i%10 == 9}, at: map[string]position{}, in: map[string]bool{},
		}
		first := m.rng.IntN(l.opts.Rooms)
		m.rooms = []string{l.room(first), l.room((first + 1 + m.rng.IntN(l.opts.Rooms-1)) % l.opts.Rooms)}
		if m.record.Plain {
			m.rooms = m.rooms[:1]
		}
		l.members = append(l.members, m)
	}
	return nil
}

// room returns the name of a room. Rooms are in two logs in turns.
func (l *lab) room(i int) string { return [2]string{"ever-", "week-"}[i%2] + fmt.Sprint(i) }

// close ends all processes and relays.
func (l *lab) close() {
	for _, n := range l.nodes {
		if n != nil && n.process != nil {
			n.close()
		}
	}
	for _, s := range l.servers {
		if s != nil && s.process != nil {
			s.close()
		}
	}
	for i := range servers {
		for n := range nodes {
			closeRelay(l.links[n][i])
		}
		for from := range servers {
			closeRelay(l.routes[from][i])
		}
	}
	l.background.Wait()
	l.http.CloseIdleConnections()
	l.unmount()
}

func closeRelay(r *relay.Relay) {
	if r != nil {
		r.Close()
	}
}
