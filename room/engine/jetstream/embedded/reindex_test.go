package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
)

// folderOf is the folder of the stream LOG in a store.
func folderOf(dir string) string {
	return filepath.Join(dir, storeName, "$G", "streams", "LOG", "msgs")
}

const (
	anew   = "its index was made anew"        // this package says so
	byNATS = "Recovering stream state from"   // nats-server says so
	left   = "the index of a stream is left " // this package says so
)

// TestIndexAfterKill compares the index that webim writes after a kill with the one that nats-server makes: after
// publishing, deleting, erasing and purging at random, with and without an old index.
func TestIndexAfterKill(t *testing.T) {
	rounds, steps := 3, 100
	if wstest.Long() {
		rounds, steps = 20, 600
	}
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 14))
			dir := t.TempDir()
			for round := range rounds {
				s := start(t, Config{Dir: dir, Interval: time.Hour, smallStore: 1})
				c := connect(t, s)
				addSmallBlocks(t, c, round == 0)
				for range steps {
					change(t, c, r)
				}
				killed := copyOf(t, dir)
				c.Close()
				stop(t, s)
				t.Run(fmt.Sprint(round), func(t *testing.T) { wantSame(t, copyOf(t, killed), copyOf(t, killed)) })
				if r.IntN(2) == 0 {
					dir = killed // otherwise, the index is complete
				}
			}
		})
	}
}

// addSmallBlocks makes the stream, whose blocks are small until the server stops: their size depends on the size
// of the stream.
func addSmallBlocks(t *testing.T, c client, isNew bool) {
	t.Helper()
	cfg := stream("LOG")
	cfg.Discard = nats.DiscardOld
	if isNew {
		cfg.MaxBytes = 100_000
		if _, err := c.AddStream(cfg); err != nil {
			t.Fatal(err)
		}
		cfg.MaxBytes = -1
	}
	if _, err := c.UpdateStream(cfg); err != nil {
		t.Fatal(err)
	}
}

// change changes the stream at random.
func change(t *testing.T, c client, r *rand.Rand) {
	t.Helper()
	info, err := c.StreamInfo("LOG")
	if err != nil {
		t.Fatal(err)
	}
	subject := fmt.Sprintf("log.%d", r.IntN(20))
	seq := info.State.FirstSeq + r.Uint64N(max(1, info.State.LastSeq+1-info.State.FirstSeq))
	switch n := r.IntN(100); {
	case n < 88:
		m := &nats.Msg{Subject: subject, Data: make([]byte, r.IntN(2000))}
		if n < 20 {
			m.Header = nats.Header{"Some": {"header"}}
		}
		_, err = c.JetStreamContext.PublishMsg(m)
	case n < 94:
		err = c.DeleteMsg("LOG", seq)
	case n < 98:
		err = c.SecureDeleteMsg("LOG", seq)
	case n < 99:
		err = c.PurgeStream("LOG", &nats.StreamPurgeRequest{Subject: subject, Sequence: seq})
	default:
		err = c.PurgeStream("LOG", &nats.StreamPurgeRequest{Subject: subject, Keep: uint64(r.IntN(3))})
	}
	if err != nil && !strings.Contains(err.Error(), "found") { // it was deleted before
		t.Fatal(err)
	}
}

// TestIndexAfterCompaction is TestIndexAfterKill for a block that nats-server has written again, without its
// deleted messages.
func TestIndexAfterCompaction(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Config{Dir: dir, Interval: 200 * time.Millisecond}) // less, and the first sync could come while the server begins
	c := connect(t, s)
	addSmallBlocks(t, c, true)
	for range 20 { // the first block has 15 of them
		publish(t, c, strings.Repeat("x", 2000))
	}
	for _, seq := range []uint64{3, 4, 5, 6, 8, 9, 10, 11, 12} {
		if err := c.DeleteMsg("LOG", seq); err != nil {
			t.Fatal(err)
		}
	}
	wstest.Eventually(t, "a smaller block", func() bool {
		info, err := os.Stat(filepath.Join(folderOf(dir), "1.blk"))
		return err == nil && info.Size() < 16_000
	})
	killed := copyOf(t, dir)
	wantSame(t, killed, copyOf(t, killed))
}

// copyOf copies the folder of a server that has nothing to do: a process that is killed leaves it so.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	err := os.CopyFS(filepath.Join(to, storeName), os.DirFS(filepath.Join(dir, storeName)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, recordName)) // without the lock and the socket
	if err == nil {
		err = os.WriteFile(filepath.Join(to, recordName), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// wantSame starts servers on two copies of a folder. One has the index that webim writes, and the other makes its
// own. Both must have the same stream.
func wantSame(t *testing.T, killed, same string) {
	t.Helper()
	if err := os.Remove(filepath.Join(folderOf(same), "index.db")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var log, other wstest.Log
	a := start(t, Config{Dir: killed, Interval: time.Hour, Log: logTo(&log), smallStore: 1})
	b := start(t, Config{Dir: same, Interval: time.Hour, Log: logTo(&other), smallStore: 1 << 40})
	if text := log.String(); strings.Contains(text, left) == strings.Contains(text, anew) || strings.Contains(text, anew) && strings.Contains(text, byNATS) {
		t.Errorf("it logs %s", text)
	}
	if text := other.String(); strings.Contains(text, anew) {
		t.Errorf("the other server logs %s", text)
	}
	got, want := contentOf(t, connect(t, a)), contentOf(t, connect(t, b))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the stream is\n%+v\nwant\n%+v", got.state, want.state)
	}
	publish(t, connect(t, a), "more")
}

// content is everything that clients can see of the stream.
type content struct {
	state nats.StreamState
	texts map[uint64]string
	lasts map[string]uint64
}

func contentOf(t *testing.T, c client) (all content) {
	t.Helper()
	info, err := c.StreamInfo("LOG", &nats.StreamInfoRequest{DeletedDetails: true, SubjectsFilter: ">"})
	if err != nil {
		t.Fatal(err)
	}
	all = content{info.State, map[uint64]string{}, map[string]uint64{}}
	for seq := all.state.FirstSeq; seq <= all.state.LastSeq; seq++ {
		if m, err := c.GetMsg("LOG", seq, nats.DirectGet()); err == nil {
			all.texts[seq] = fmt.Sprint(m.Subject, m.Time, m.Header, len(m.Data))
		}
	}
	for i := range 20 {
		subject := fmt.Sprintf("log.%d", i)
		if m, err := c.GetLastMsg("LOG", subject, nats.DirectGet()); err == nil {
			all.lasts[subject] = m.Sequence
		}
	}
	if uint64(len(all.texts)) != all.state.Msgs {
		t.Errorf("%d messages can be read, and the server counts %d", len(all.texts), all.state.Msgs)
	}
	return all
}

// TestCutRecord checks that nats-server repairs a block that ends in the middle of a record, and that webim
// leaves it alone. Several lengths are missing.
func TestCutRecord(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Config{Dir: dir, Interval: time.Hour})
	c := connect(t, s)
	addStream(t, c, "LOG")
	publish(t, c, "first")
	publish(t, c, "second")
	for _, missing := range []int64{1, 8, 9, 20, 30} {
		killed := copyOf(t, dir)
		block := filepath.Join(folderOf(killed), "1.blk")
		info, err := os.Stat(block)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(block, info.Size()-missing); err != nil {
			t.Fatal(err)
		}
		var log wstest.Log
		after := start(t, Config{Dir: killed, Interval: time.Hour, Log: logTo(&log), smallStore: 1})
		if text := log.String(); !strings.Contains(text, left) || strings.Contains(text, anew) {
			t.Errorf("%d bytes are missing, and it logs %s", missing, text)
		}
		again := connect(t, after)
		wantMessage(t, again, 1, "first")
		if seq := publish(t, again, "third"); seq != 2 {
			t.Errorf("%d bytes are missing, and the next message has the sequence %d", missing, seq)
		}
	}
}

// TestWrongChecksum checks that webim does not put a damaged end of the last block into the index.
func TestWrongChecksum(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Config{Dir: dir, Interval: time.Hour})
	c := connect(t, s)
	addStream(t, c, "LOG")
	publish(t, c, "first")
	publish(t, c, "second")
	killed := copyOf(t, dir)
	block := filepath.Join(folderOf(killed), "1.blk")
	text, err := os.ReadFile(block)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)-10]++ // in the data of the last message
	if err := os.WriteFile(block, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var log wstest.Log
	start(t, Config{Dir: killed, Interval: time.Hour, Log: logTo(&log), smallStore: 1})
	if text := log.String(); !strings.Contains(text, left) || strings.Contains(text, anew) {
		t.Errorf("it logs %s", text)
	}
}

// TestIndexIsLeft checks that webim writes no index for a store that was closed, that is small, or that
// was open when the machine ended.
func TestIndexIsLeft(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Config{Dir: dir, Interval: time.Hour})
	c := connect(t, s)
	addStream(t, c, "LOG")
	publish(t, c, "first")
	killed := copyOf(t, dir)
	c.Close()
	stop(t, s)
	for name, cfg := range map[string]Config{
		"closed":  {Dir: copyOf(t, dir), smallStore: 1},
		"small":   {Dir: copyOf(t, killed)},
		"machine": {Dir: copyOf(t, killed), smallStore: 1, bootID: func() (string, error) { return "another", nil }},
	} {
		var log wstest.Log
		cfg.Log = logTo(&log)
		wantMessage(t, connect(t, start(t, cfg)), 1, "first")
		if text := log.String(); strings.Contains(text, anew) || strings.Contains(text, left) {
			t.Errorf("%s: it logs %s", name, text)
		}
	}
}
