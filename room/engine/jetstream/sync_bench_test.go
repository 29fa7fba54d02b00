package jetstream

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/embedded"
	"webim/room/engine/jetstream/natstest"
)

// BenchmarkSync compares the ways to force messages to the disk, on the disk of the temporary folder (TMPDIR).
// In "bare" a loop writes a message of 128 bytes to a file and syncs it, one after the other: that is what the
// disk can do. In the others, the engine stores such messages in 100 rooms with members: "flood" has 2,000
// of them under way, and "alone" one. "slow" is a disk of which each sync takes at least 1 ms. Run it with
//
//	go test ./room/engine/jetstream -run '^$' -bench Sync -benchtime 3s
func BenchmarkSync(b *testing.B) {
	for _, one := range []struct {
		name   string
		always bool
		least  time.Duration // that a sync takes
	}{{"interval", false, 0}, {"always", true, 0}, {"slow", true, time.Millisecond}} {
		if one.always {
			b.Run(one.name+"/bare", func(b *testing.B) { benchmarkBare(b, one.least) })
		}
		b.Run(one.name+"/flood", func(b *testing.B) { benchmarkFlood(b, openSynced(b, one.always, one.least)) })
		b.Run(one.name+"/alone", func(b *testing.B) { benchmarkAlone(b, openSynced(b, one.always, one.least)) })
	}
}

// benchmarkBare writes and syncs messages, one after the other.
func benchmarkBare(b *testing.B, least time.Duration) {
	f, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	data, took := make([]byte, 128), []time.Duration(nil)
	for b.Loop() {
		began := time.Now()
		if _, err := f.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
		time.Sleep(least - time.Since(began))
		took = append(took, time.Since(began))
	}
	reportTimes(b, took)
}

// slowDisk makes each commit of a store take at least some time. As in the store, the next one is for all callers
// that have come meanwhile.
type slowDisk struct {
	commit func(stream string, done func(error))
	least  time.Duration

	mu      sync.Mutex
	busy    bool
	waiting map[string][]func(error)
}

func (d *slowDisk) Commit(stream string, done func(error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting[stream] = append(d.waiting[stream], done)
	if !d.busy {
		d.busy = true
		go d.work()
	}
}

func (d *slowDisk) work() {
	for {
		d.mu.Lock()
		all := d.waiting
		d.waiting = map[string][]func(error){}
		d.busy = len(all) > 0
		d.mu.Unlock()
		if len(all) == 0 {
			return
		}
		for stream, dones := range all {
			began, ended := time.Now(), make(chan error, 1)
			d.commit(stream, func(err error) { ended <- err })
			err := <-ended
			time.Sleep(d.least - time.Since(began))
			for _, done := range dones {
				done(err)
			}
		}
	}
}

// reportTimes reports quantiles of how long single messages took.
func reportTimes(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for name, q := range map[string]float64{"p50-ms": 0.5, "p99-ms": 0.99} {
		b.ReportMetric(float64(took[int(float64(len(took)-1)*q)])/1e6, name)
	}
}

// openSynced starts an engine on an embedded store.
func openSynced(b *testing.B, always bool, least time.Duration) *Engine {
	b.Helper()
	s := natstest.StartWith(b, embedded.Config{Dir: b.TempDir(), Always: always})
	cfg := Config{Connect: s.Connect, Keep: func(string) engine.Retention { return engine.Retention{Messages: 1 << 30, Bytes: 1 << 40} }}
	if always {
		d := &slowDisk{commit: s.Commit, least: least, waiting: map[string][]func(error){}}
		cfg.Commit = d.Commit
	}
	return openWith(b, cfg)
}

var benchMessage = engine.Message{Op: ws.OpText, Data: make([]byte, 128), From: &engine.Author{User: "anna", Client: "0123456789abcdef"}}

func benchmarkFlood(b *testing.B, e *Engine) {
	var c counter
	var rooms [100]string
	for i := range rooms {
		rooms[i] = strconv.Itoa(i)
		e.Subscribe(rooms[i], budget.Owner{}, &c)
	}
	slots := make(chan struct{}, 2000)
	done := func(_ engine.Position, err error) {
		if err != nil {
			b.Error(err)
		}
		<-slots
	}
	for i := 0; b.Loop(); i++ {
		slots <- struct{}{}
		e.Publish(rooms[i%len(rooms)], benchMessage, done)
	}
	for range cap(slots) {
		slots <- struct{}{}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}

func benchmarkAlone(b *testing.B, e *Engine) {
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		if got := publish(b, e, "r", benchMessage); got.err != nil {
			b.Fatal(got.err)
		}
		took = append(took, time.Since(began))
	}
	reportTimes(b, took)
}
