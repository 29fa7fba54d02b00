package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"webim/bench/audit"
)

// Run runs the load and the faults, and checks the record. tell, if not nil, gets lines of progress. An error means that
// there is no verdict. Violations are in the report.
func Run(ctx context.Context, opts Options, tell func(line string)) (*Report, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	dir, err := makeDir(opts.Dir)
	if err != nil {
		return nil, err
	}
	r := &Report{Seed: opts.Seed, Dir: dir, Options: opts}
	if slices.Contains(opts.Only, disk) && !canMount(dir) {
		r.Notes = append(r.Notes, "no full disks: mounting a small one needs root")
		opts.Only = slices.DeleteFunc(slices.Clone(opts.Only), func(kind string) bool { return kind == disk })
		r.Options = opts
	}
	r.Faults = Plan(opts.Seed, opts.For, opts.Only)
	ctx, cancel := context.WithCancel(ctx)
	l, err := newLab(opts, dir, tell)
	defer func() {
		cancel()
		l.close()
		r.forget(opts.Dir != "")
	}()
	if err != nil {
		return nil, err
	}
	return r, l.run(ctx, r)
}

// makeDir makes the folder of a run.
func makeDir(asked string) (string, error) {
	if asked == "" {
		return os.MkdirTemp("", "webim-chaos-")
	}
	return asked, os.MkdirAll(asked, 0o700)
}

// run is Run with a lab.
func (l *lab) run(ctx context.Context, r *Report) error {
	if err := l.start(ctx); err != nil {
		return err
	}
	if err := l.makeMembers(); err != nil {
		return err
	}
	r.Started = l.now()
	l.began = time.Now()
	l.load.Store(true)
	clients, leave := context.WithCancel(ctx)
	var all sync.WaitGroup
	for _, m := range l.members {
		all.Go(func() { m.run(clients) })
	}
	all.Go(func() { l.impose(clients) })
	l.runFaults(ctx, r.Faults)
	l.waitUntil(ctx, l.opts.For)
	l.load.Store(false)
	l.mend()
	r.CaughtUp = l.catchUp(ctx)
	leave()
	all.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return l.verdict(ctx, r)
}

// mend makes sure that no fault lasts: that is the business of each fault, and an error in one of them must not spoil the
// verdict.
func (l *lab) mend() {
	l.say("all faults are over")
	for i := range nodes {
		for _, r := range l.links[i] {
			r.Cut(false)
			r.Stall(0, false)
			r.Stall(1, false)
			r.Drop(nil)
		}
		l.nodes[i].signal(syscall.SIGCONT)
		l.nodes[i].restart()
	}
	for i := range servers {
		l.servers[i].signal(syscall.SIGCONT)
		l.servers[i].restart()
	}
}

// bans is the number of users that are banned or whose tokens are revoked in a run, in turns.
const bans = 4

// impose bans users and revokes tokens, at random times of the first half.
func (l *lab) impose(ctx context.Context) {
	rng := rand.New(rand.NewPCG(l.opts.Seed, 2))
	for i, who := range rng.Perm(len(l.members))[:bans] {
		at := time.Duration((float64(i) + rng.Float64()) / bans / 2 * float64(l.opts.For))
		if !l.waitUntil(ctx, at) {
			return
		}
		user, method := l.members[who].record.User, []string{"ban", "revoke"}[i%2]
		node := rng.IntN(nodes)
		for l.call(ctx, node, method, map[string]string{"user": user}, nil) != nil {
			if node = (node + 1) % nodes; !l.waitUntil(ctx, l.now()+again) {
				return
			}
		}
		ban := audit.Ban{User: user, At: l.now()}
		l.say("%s of %s is confirmed by node %d", method, user, node)
		l.mu.Lock()
		l.bans = append(l.bans, ban)
		l.mu.Unlock()
	}
}

// catchUp waits until all nodes and clients have everything, and returns how long that took since the faults were over.
// Nothing is sent meanwhile, so a publication that was lost must be found without a later one.
func (l *lab) catchUp(ctx context.Context) time.Duration {
	from, why := l.now(), ""
	for l.waitUntil(ctx, l.now()+again) && l.now()-from < l.opts.CatchUp {
		if why = l.uneven(ctx); why == "" {
			break
		}
	}
	took := l.now() - from
	l.say("caught up after %v %s", took.Round(100*time.Millisecond), why)
	return took
}

// uneven names a node or a client that is behind the others; "": all nodes know the same end of each room, and all clients have seen
// it.
func (l *lab) uneven(ctx context.Context) string {
	for i := range l.opts.Rooms {
		room := l.room(i)
		first, err := l.end(ctx, 0, room)
		if err != nil {
			return fmt.Sprintf("(node 0: %v)", err)
		}
		for n := 1; n < nodes; n++ {
			if other, err := l.end(ctx, n, room); err != nil || other != first {
				return fmt.Sprintf("(room %s: node 0 has %v, and node %d %v: %v)", room, first, n, other, err)
			}
		}
		for _, m := range l.members {
			if !l.isBanned(m.record.User) && !m.has(room, first) {
				return fmt.Sprintf("(client %s has not seen %v of room %s)", m.record.Name, first, room)
			}
		}
	}
	return ""
}

// has reports whether the member has seen a room up to a position and is in it, or has nothing to do with it, and neither waits for
// the outcome of a message nor has one to send again.
func (m *member) has(room string, at position) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.record.Plain || !slices.Contains(m.rooms, room) {
		return true
	}
	for _, c := range m.waiting {
		if c.message != nil {
			return false
		}
	}
	return m.in[room] && m.at[room] == at && len(m.again) == 0
}

// isBanned reports whether a user was banned.
func (l *lab) isBanned(user string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.bans, func(b audit.Ban) bool { return b.User == user })
}
