package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// roomsSettings returns a file with the settings of the manual's chapter Rooms and rights.
func roomsSettings(t *testing.T) (file string) {
	t.Helper()
	b, err := os.ReadFile(manualFolder + "rooms.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), "```yaml\n")
	text, _, ok := strings.Cut(after, "```")
	if !ok || !strings.Contains(text, "rooms:") {
		t.Fatal("rooms.md has no section rooms")
	}
	return write(t, "webim.yaml", strings.Replace(text, "/etc/webim/secret", write(t, "secret", longSecret), 1))
}

// A person is a client that speaks JSON of the Centrifuge protocol.
type person struct {
	*client
	id int
}

// connectAs connects a user with a token; without a name it connects anonymously.
func connectAs(t *testing.T, addr, user string) *person {
	t.Helper()
	p := &person{client: connect(t, addr, "/connection/websocket")}
	command := `"connect":{}`
	if user != "" {
		_, token, _ := webim("", []string{"WEBIM_TOKEN_SECRET=" + longSecret}, "token", "make", "--user", user)
		command = `"connect":{"token":"` + strings.TrimSpace(token) + `"}`
	}
	p.ask(command, `"client":`)
	return p
}

// ask sends a command and returns the reply, which must contain want.
func (p *person) ask(command, want string) (reply string) {
	p.t.Helper()
	p.id++
	p.say(fmt.Sprintf(`{"id":%d,%s}`, p.id, command))
	return p.await(fmt.Sprintf(`"id":%d,`, p.id), want)
}

// await reads lines to the first one with a mark, which must contain want.
func (p *person) await(mark, want string) (line string) {
	p.t.Helper()
	for {
		for line := range strings.Lines(p.text()) {
			if !strings.Contains(line, mark) {
				continue
			}
			if !strings.Contains(line, want) {
				p.t.Errorf("got %s, want %s", line, want)
			}
			return line
		}
	}
}

// With the manual's section rooms, users can use the page: they talk in the lobby, in direct
// rooms and in private rooms. Nobody else gets into these.
func TestRoomsOfTheManual(t *testing.T) {
	file := roomsSettings(t)
	if code, out, errs := webim("", nil, "check", "--config", file); code != 0 || strings.Contains(out, "# warning") {
		t.Errorf("check says %d, %s\n%s", code, errs, out)
	}
	p := startProgramOf(t, file, "--listen", "127.0.0.1:0", "--shutdown-spread", "0s")
	addr := p.plain[0].String()
	anna, bob, eve := connectAs(t, addr, "anna"), connectAs(t, addr, "bob"), connectAs(t, addr, "eve")
	for _, who := range []*person{anna, bob} {
		who.ask(`"subscribe":{"channel":"lobby"}`, `"subscribe":`)
		who.ask(`"rpc":{"method":"rooms","data":{}}`, `"rooms":[`)
	}
	anna.ask(`"rpc":{"method":"send","data":{"room":"lobby","data":{"text":"hello"}}}`, `"rpc":`)
	bob.await(`"channel":"lobby"`, `hello`)
	bob.ask(`"rpc":{"method":"messages","data":{"room":"lobby"}}`, `hello`)

	anna.ask(`"rpc":{"method":"room.direct","data":{"user":"bob"}}`, `#anna,bob`)
	anna.ask(`"subscribe":{"channel":"#anna,bob"}`, `"recoverable":true`)
	anna.ask(`"rpc":{"method":"send","data":{"room":"#anna,bob","data":{"text":"psst"}}}`, `"rpc":`)
	bob.await(`#anna,bob`, `message`) // in the room of his own
	bob.ask(`"subscribe":{"channel":"#anna,bob"}`, `"subscribe":`)
	bob.ask(`"history":{"channel":"#anna,bob","limit":10}`, `psst`)

	reply := anna.ask(`"rpc":{"method":"room.create","data":{"title":"Ours","users":["bob"]}}`, `"room":"$`)
	_, after, _ := strings.Cut(reply, `"room":"`)
	room, _, _ := strings.Cut(after, `"`)
	bob.ask(`"rpc":{"method":"room.join","data":{"room":"`+room+`"}}`, `"rpc":`)
	bob.ask(`"subscribe":{"channel":"`+room+`"}`, `"subscribe":`)
	bob.ask(`"publish":{"channel":"`+room+`","data":{"text":"here"}}`, `"publish":`)
	bob.ask(`"presence":{"channel":"`+room+`"}`, `"presence":`)

	for _, secret := range []string{"#anna,bob", "#anna", room} {
		eve.ask(`"subscribe":{"channel":"`+secret+`"}`, `"code":103`)
		eve.ask(`"publish":{"channel":"`+secret+`","data":{"text":"me too"}}`, `"code":103`)
		eve.ask(`"history":{"channel":"`+secret+`","limit":10}`, `"code":103`)
	}
	somebody := connectAs(t, addr, "")
	somebody.ask(`"subscribe":{"channel":"news"}`, `"subscribe":`)
	somebody.ask(`"subscribe":{"channel":"#anna"}`, `"code":103`)
}

func TestPageWarnings(t *testing.T) {
	const good = "{match: lobby, history: 1, allow: {join: user, read: user, history: member, send: user}}"
	for _, c := range []struct {
		rooms, flags string
		want         []string
	}{
		{"- " + good, "", nil},
		{"- {match: \"l*\", history: 1, allow: {join: anonymous, read: anonymous, history: anonymous}}", "", nil},
		{"- {match: news, allow: {join: user, read: user}}", "", []string{"no entry of rooms is for the room lobby"}},
		{"- {match: news, allow: {join: user, read: user}}", "--open", nil},
		{"- {match: news, allow: {join: user, read: user}}", "--hook-subscribe http://127.0.0.1/", nil},
		{"- {match: lobby, allow: {join: user}}", "", []string{`the entry "lobby" of rooms does not allow joining and reading the room lobby`}},
		{"- {match: lobby, allow: {join: member, read: user}}", "--open", []string{`the entry "lobby" of rooms does not allow joining and reading the room lobby`}},
		{"- {match: lobby, allow: {join: moderator, read: moderator}}", "", []string{`the entry "lobby" of rooms does not allow joining and reading the room lobby`}},
		{"- {match: \"lobb*\", binary: true, allow: {join: user, read: user}}", "", []string{`the entry "lobb*" of rooms makes the room lobby binary`}},
		{"- {match: lobby, allow: {join: user, read: user}}", "", []string{`the entry "lobby" of rooms does not allow reading the history of the room lobby`}},
		{"- " + good + "\n  - {match: \"*\", allow: {join: user, read: user}}", "",
			[]string{`the entry "*" of rooms decides for direct rooms (#USER,USER), too`, `the entry "*" of rooms decides for private rooms ($…), too`}},
		{"- " + good + "\n  - {match: \"#*\", allow: {}}", "",
			[]string{`the entry "#*" of rooms decides for a user's own room (#USER), too`, `the entry "#*" of rooms decides for direct rooms (#USER,USER), too`}},
		{"- {match: \"*\", history: 1, allow: {join: user, read: user, history: user, send: member}}", "", nil},
	} {
		file := write(t, "webim.yaml", "rooms:\n  "+c.rooms+"\n")
		code, out, errs := webim("", []string{"WEBIM_TOKEN_SECRET=" + longSecret}, append([]string{"check", "--config", file}, strings.Fields(c.flags)...)...)
		if code != 0 {
			t.Fatalf("%s: %s", c.rooms, errs)
		}
		var got []string
		for line := range strings.Lines(out) {
			if text, ok := strings.CutPrefix(line, "# warning: "); ok && strings.Contains(text, "of rooms") {
				got = append(got, text)
			}
		}
		for i, want := range c.want {
			if i >= len(got) || !strings.HasPrefix(got[i], want) {
				t.Errorf("%s %s: %q, want %q", c.rooms, c.flags, got, want)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s %s: %q, want %d", c.rooms, c.flags, got, len(c.want))
		}
	}
}
