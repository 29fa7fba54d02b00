package main

import (
	"io"
	"testing"
	"time"

	"webim/cmd/webim/internal/config"
	"webim/room/engine"
	"webim/room/policy"
)

// Package room gets the rooms of the file in the file's order, followed by the pattern of --open.
func TestRoomsOfTheFile(t *testing.T) {
	file := write(t, "webim.yaml", `rooms:
  - match: "team-*"
    history: 1000
    history_bytes: 64KiB
    max_publication: 16KiB
    history_age: 1h
    recover: true
    presence: true
    join_leave: true
    force_join_leave: true
    allow:
      join: user
      read: [user]
      send: [member, moderator]
      edit_own: nobody
  - match: blobs
    binary: true
`)
	team := policy.Options{
		History:     engine.Retention{Messages: 1000, Bytes: 64 << 10, Age: time.Hour},
		Recoverable: true, Recover: true, Presence: true, Notices: true, ForceNotices: true, MaxPublication: 16 << 10,
		Rights: policy.Rights{policy.ActJoin: policy.RoleUser, policy.ActRead: policy.RoleUser, policy.ActSend: policy.RoleMember | policy.RoleModerator, policy.ActEditOwn: policy.RoleNobody},
	}
	for _, c := range []struct {
		flags     []string
		anonymous bool
		elsewhere policy.Options
	}{
		{nil, false, policy.Options{}},
		{[]string{"--open"}, true, policy.Options{History: engine.Retention{Messages: 100, Bytes: 1 << 20, Age: 5 * time.Minute}, Rights: policy.OpenRights()}},
		{[]string{"--dev"}, true, policy.Options{
			History:     engine.Retention{Messages: 1000, Bytes: 1 << 20, Age: 24 * time.Hour},
			Recoverable: true, Recover: true, Presence: true, Notices: true, Rights: policy.OpenRights(),
		}},
		{[]string{"--dev", "--no-open"}, false, policy.Options{}},
	} {
		command, given := parseFlags(t, c.flags...)
		cfg, err := config.Load(&command.Settings, given, nil, file)
		if err != nil {
			t.Fatal(err)
		}
		rc := cfg.RoomConfig()
		if rc.Anonymous != c.anonymous {
			t.Errorf("%q: anonymous %v, want %v", c.flags, rc.Anonymous, c.anonymous)
		}
		for name, want := range map[string]policy.Options{"team-a": team, "blobs": {Binary: true}, "lobby": c.elsewhere} {
			got := rc.Options(name)
			if got == nil {
				got = &policy.Options{}
			}
			if *got != want {
				t.Errorf("%q: room %s has\n%+v, want\n%+v", c.flags, name, *got, want)
			}
		}
	}
}

// The server admits an anonymous client if the file permits it anything.
func TestAnonymousByTheFile(t *testing.T) {
	for text, want := range map[string]bool{
		"allow: {join: anonymous}":         true,
		"allow: {history: [anonymous]}":    true,
		"allow: {join: [user, moderator]}": false,
		"allow: {join: nobody}":            false,
		"presence: true":                   false,
	} {
		c, err := config.Load(&config.Settings{}, nil, nil, write(t, "webim.yaml", "rooms:\n  - match: a\n    "+text+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.RoomConfig().Anonymous; got != want {
			t.Errorf("%s: anonymous %v, want %v", text, got, want)
		}
	}
}

// The program applies the rights of the file to the lobby.
func TestProgramKeepsToTheFile(t *testing.T) {
	for allow, want := range map[string]int{
		"- {match: lobby, allow: {join: anonymous, read: anonymous}}":                                                101,
		"- {match: lobby, allow: {join: anonymous}}":                                                                 403, // without read
		"- {match: lobb, allow: {join: anonymous, read: anonymous}}":                                                 403,
		"- {match: lobby, allow: {join: user, read: user}}":                                                          401, // nobody comes without a token
		"- {match: lobby, allow: {join: nobody}}\n  - {match: \"*\", allow: {join: anonymous, read: anonymous}}":     403, // the first decides
		"- {match: \"l*y\", allow: {join: [anonymous], read: [member, anonymous]}}\n  - {match: \"*\", allow: {}}\n": 101,
	} {
		cfg, err := config.Load(&config.Settings{Listen: []string{"127.0.0.1:0"}, Engine: config.EngineMemory}, map[string]bool{"listen": true, "engine": true}, nil, write(t, "webim.yaml", "rooms:\n  "+allow+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		cfg.ShutdownSpread = 0
		p := newProgram(cfg, io.Discard)
		if err := p.start(); err != nil {
			t.Fatal(err)
		}
		c, got := dial(t, "tcp", p.plain[0].String(), "", nil)
		if got != want {
			t.Errorf("%s: %d, want %d", allow, got, want)
		}
		if c != nil {
			_ = c.Conn.Close()
		}
		p.stop()
	}
}
