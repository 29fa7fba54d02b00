package jetstream

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/netpoll/wstest"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/subject"
)

// TestProofWithoutSpace proves in a cluster that the leader of a full stream has everything. The proof costs the stream nothing. A leader
// that is cut off from the other servers still answers reads for a while, and makes no proof.
func TestProofWithoutSpace(t *testing.T) {
	servers := startCluster(t)
	const name = "F"
	connect := func(s *server.Server) (*nats.Conn, jetstream.JetStream) {
		t.Helper()
		nc, err := nats.Connect(s.ClientURL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		return nc, js
	}
	_, js := connect(servers[0])
	full := jetstream.StreamConfig{Name: name, Subjects: []string{"f.>"}, Replicas: 3, MaxMsgs: 2, Discard: jetstream.DiscardNew}
	eventually(t, func() error {
		_, err := js.CreateOrUpdateStream(t.Context(), full)
		return err
	})
	var nc *nats.Conn
	var others []*server.Server
	wstest.Eventually(t, "a server leads the stream", func() bool {
		others = nil
		for _, s := range servers {
			if !s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, name) {
				others = append(others, s)
			} else if nc == nil {
				nc, js = connect(s)
			}
		}
		return len(others) == 2
	})
	for range 2 {
		if _, err := js.Publish(t.Context(), "f.x", nil); err != nil {
			t.Fatal(err)
		}
	}
	state := func() (is jetstream.StreamState) {
		t.Helper()
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().State
	}
	before := state()
	leader, markers := logread.New(nc, logread.Config{Timeout: 2 * time.Second}).Leader(), subject.Markers{Prefix: "f."}
	if err := leader.Reach(t.Context(), name, markers); err != nil {
		t.Errorf("in a full stream: %v", err)
	}
	if last, err := leader.End(t.Context(), name, markers); last != 2 || err != nil {
		t.Errorf("the end is %d, %v", last, err)
	}
	if after := state(); after.LastSeq != before.LastSeq || after.Bytes != before.Bytes || after.Msgs != before.Msgs || after.NumDeleted != 0 {
		t.Errorf("the stream has %+v, and had %+v", after, before)
	}
	for _, s := range others {
		s.Shutdown()
		s.WaitForShutdown()
	}
	if one, err := leader.At(t.Context(), name, 2); err != nil || one.Subject != "f.x" {
		t.Errorf("the leader that is cut off reads %+v, %v: the test proves nothing", one, err)
	}
	if err := leader.Applied(t.Context(), name); err == nil {
		t.Error("the leader that is cut off makes a proof")
	}
}
