package logread

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"webim/room/engine/jetstream/internal/subject"
	"webim/room/engine/jetstream/natstest"
)

// fake is a stream F whose server answers as the test says. Its subjects begin with "f.".
type fake struct {
	t *testing.T

	mu      sync.Mutex
	denies  bool     // that there are messages
	markers []string // the subjects of those that were stored
	deleted []uint64 // the sequences of those that were deleted
}

// startFake returns a fake and a Leader of it.
func startFake(t *testing.T) (*fake, Leader) {
	t.Helper()
	f := &fake{t: t}
	server := natstest.Start(t, t.TempDir())
	nc := natstest.Connect(t, server)
	var err error
	for subject, answer := range map[string]func(*nats.Msg) string{"f.*": f.mark, "fake.STREAM.MSG.GET.F": f.get, "fake.STREAM.MSG.DELETE.F": f.delete} {
		_, failed := nc.Subscribe(subject, func(m *nats.Msg) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if err := m.Respond([]byte(answer(m))); err != nil {
				t.Error(err)
			}
		})
		err = errors.Join(err, failed)
	}
	client, failed := nats.Connect("", nats.InProcessServer(diverted{server}))
	if err = errors.Join(err, failed, nc.Flush()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return f, New(client, Config{}).Leader()
}

func (f *fake) delete(m *nats.Msg) string {
	f.deleted = append(f.deleted, f.seqIn(m))
	return `{"success":true}`
}

// seqIn returns the sequence in a request.
func (f *fake) seqIn(m *nats.Msg) uint64 {
	var q struct{ Seq uint64 }
	if err := json.Unmarshal(m.Data, &q); err != nil || q.Seq == 0 || q.Seq > uint64(len(f.markers)) {
		f.t.Errorf("a request for %s: %v", m.Data, err)
		return 1
	}
	return q.Seq
}

func (f *fake) mark(m *nats.Msg) string {
	f.markers = append(f.markers, m.Subject)
	return fmt.Sprintf(`{"stream":"F","seq":%d}`, len(f.markers))
}

func (f *fake) get(m *nats.Msg) string {
	if f.denies {
		return `{"error":{"code":404,"err_code":10037}}`
	}
	seq := f.seqIn(m)
	return fmt.Sprintf(`{"message":{"seq":%d,"subject":%q}}`, seq, f.markers[seq-1])
}

// set changes how the server answers.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// diverted connects to the server, and sends requests of the API to the fake.
type diverted struct{ nats.InProcessConnProvider }

func (d diverted) InProcessConn() (net.Conn, error) {
	c, err := d.InProcessConnProvider.InProcessConn()
	return divertedConn{c}, err
}

type divertedConn struct{ net.Conn }

func (c divertedConn) Write(b []byte) (int, error) {
	if _, err := c.Conn.Write(bytes.ReplaceAll(b, []byte("PUB $JS.API."), []byte("PUB fake."))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// TestNewMarkerAfterAFailedProof makes a proof that fails, as if another node had a marker with the same subject. Where that can
// be, the next proof has another subject, which stays as long as proofs succeed. The marker that has failed is deleted.
func TestNewMarkerAfterAFailedProof(t *testing.T) {
	f, l := startFake(t)
	of := subject.Markers{Prefix: "f.", Few: true}
	f.set(func() { f.denies = true })
	if err := l.Prove(t.Context(), "F", of); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "does not have the marker") {
		t.Errorf("without the marker: %v", err)
	}
	f.set(func() { f.denies = false })
	for range 2 {
		if err := l.Prove(t.Context(), "F", of); err != nil {
			t.Error(err)
		}
	}
	f.set(func() {
		if m := f.markers; len(m) != 3 || m[0] == m[1] || m[1] != m[2] || !slices.Equal(f.deleted, []uint64{2, 1, 3}) {
			t.Errorf("the markers %q, of which %d were deleted", m, f.deleted)
		}
	})
}

// TestStraysAreBounded makes many proofs that fail: a node remembers only the last of the markers that may be left.
func TestStraysAreBounded(t *testing.T) {
	f, l := startFake(t)
	f.set(func() { f.denies = true })
	for range maxStrays + 10 {
		if err := l.Prove(t.Context(), "F", subject.Markers{Prefix: "f.", Few: true}); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
	}
	l.r.mu.Lock()
	v := l.r.provers["F"]
	l.r.mu.Unlock()
	if n := len(v.strays); n != maxStrays || v.strays[n-1] != maxStrays+10 {
		t.Errorf("%d markers are remembered, the last of them %d", n, v.strays[n-1])
	}
}
