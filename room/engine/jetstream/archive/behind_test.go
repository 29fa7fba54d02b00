package archive_test

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
	"webim/room/engine/jetstream/archive"
)

// diverting is a server whose requests for a snapshot of a stream go to another subject.
type diverting struct {
	nats.InProcessConnProvider
	stream string
}

func (d *diverting) InProcessConn() (net.Conn, error) {
	c, err := d.InProcessConnProvider.InProcessConn()
	return divertingConn{c, "PUB $JS.API.STREAM.SNAPSHOT." + d.stream + " "}, err
}

type divertingConn struct {
	net.Conn
	request string
}

func (c divertingConn) Write(b []byte) (int, error) {
	if _, err := c.Conn.Write(bytes.ReplaceAll(b, []byte(c.request), []byte("PUB snapshot "))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// TestBackupOfAServerBehind makes a backup while the server that makes the snapshot of a stream lacks its newest message: the backup fails.
func TestBackupOfAServerBehind(t *testing.T) {
	s := openStore(t, t.TempDir())
	s.say("r", "ann", "x")
	nc, err := s.server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, stream := range []string{"STATE", "ROOMS_ever"} {
		sub, err := nc.Subscribe("snapshot", func(m *nats.Msg) {
			answer, err := nc.Request("$JS.API.STREAM.SNAPSHOT."+stream, m.Data, wstest.Patience)
			if err != nil {
				t.Error(err)
				return
			}
			var d map[string]any
			if err := json.Unmarshal(answer.Data, &d); err != nil {
				t.Error(err)
			}
			state := d["state"].(map[string]any)
			state["last_seq"] = state["last_seq"].(float64) - 2 // the marker, and the message before it
			data, err := json.Marshal(d)
			if err == nil {
				err = m.Respond(data)
			}
			if err != nil {
				t.Error(err)
			}
		})
		if err == nil {
			err = nc.Flush()
		}
		if err != nil {
			t.Fatal(err)
		}
		behind, err := nats.Connect("", nats.InProcessServer(&diverting{s.server, stream}))
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "backup")
		err = archive.Backup(t.Context(), archive.Config{Conn: behind, Version: "test"}, dir)
		behind.Close()
		if err == nil || !strings.Contains(err.Error(), "lacks the newest messages") {
			t.Errorf("%s: %v", stream, err)
		}
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s: a backup is left: %v", stream, err)
		}
		if err := sub.Unsubscribe(); err != nil {
			t.Error(err)
		}
	}
	if err := s.backup(filepath.Join(t.TempDir(), "backup"), ""); err != nil {
		t.Error(err)
	}
}
