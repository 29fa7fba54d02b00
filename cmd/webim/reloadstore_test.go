package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestReloadRoomsInStore checks that a reload changes everything of rooms in a durable store but the ages of what is stored.
func TestReloadRoomsInStore(t *testing.T) {
	head := "open: true\ndata: " + t.TempDir() + "\n"
	r := startReloading(t, head, "--engine", "embedded")
	inside := connect(t, r.addr(), "/secret")
	inside.echo("everybody may be here")
	age := r.opened.Keep("secret").Age
	const secret = "rooms:\n  - match: secret\n    allow: {join: user}\n"
	for range 2 { // the second one has nothing new, and says what is still to be done
		r.says(r.reload(head+secret), "; these need webim upgrade: rooms (the ages of stored messages)")
	}
	inside.ExpectClose(3507)
	if keep := r.opened.Keep("secret"); keep.Messages != 0 || keep.Age != age || age != 30*24*time.Hour {
		t.Errorf("the room keeps %+v, and kept messages for %v", keep, age)
	}
	const said = "the settings are reloaded: rooms (changed secret) have changed"
	if got := r.reload(head + secret + "    history: 10\n"); got != said {
		t.Errorf("with the age that the room had, the reload says %q, want %q", got, said)
	}
}

// TestRoomWithoutHistoryInStore checks that the store does not keep what is said in a room without a history for longer than it needs it.
func TestRoomWithoutHistoryInStore(t *testing.T) {
	folder := t.TempDir()
	r := startReloading(t, "data: "+folder+"\nrooms:\n  - match: quiet\n    allow: {join: anonymous, read: anonymous, send: anonymous}\n", "--engine", "embedded")
	const text = "it is said and forgotten"
	connect(t, r.addr(), "/quiet").echo(text)
	r.close()
	var streams, with []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		_, below, _ := strings.Cut(path, "/streams/")
		stream, _, _ := strings.Cut(below, "/")
		if !strings.HasPrefix(stream, "ROOMS_") {
			return nil
		}
		streams = append(streams, stream)
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			with = append(with, stream)
		}
		return err
	})
	if err != nil || !slices.Equal(slices.Compact(with), []string{"ROOMS_300"}) || slices.Contains(streams, "ROOMS_ever") {
		t.Errorf("the text is in %q of the streams %q: %v", with, slices.Compact(streams), err)
	}
}
