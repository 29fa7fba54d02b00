package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The dialects that the clients speak. Plain: what comes in goes out, and the path is the room. Centrifuge: the Centrifuge protocol, version 2, in
// JSON, where a channel is the room and a message is {"text": payload}. Publications become plain frames as they come in (see [session]), so that no
// scenario knows of the dialect.
const (
	Plain      = "plain"
	Centrifuge = "centrifuge"
)

// centrifugePath is where a Centrifuge server listens unless the URL names another path.
const centrifugePath = "/connection/websocket"

func (c Config) centrifuge() bool { return c.Dialect == Centrifuge }
func (c Config) channel() string  { return orDefault(c.Channel, "lobby") }

// room is what the clients join unless a scenario says otherwise, as a path: a channel is a path here too.
func (c Config) room(t target) string {
	if c.centrifuge() {
		return "/" + c.channel()
	}
	return t.path()
}

// endpoint is the path of the upgrade for a room.
func (c Config) endpoint(t target, room string) string {
	switch {
	case !c.centrifuge():
		return room
	case t.path() == "/":
		return centrifugePath
	}
	return t.path()
}

// checkDialect refuses what the dialect cannot do.
func (c Config) checkDialect(t target) error {
	switch {
	case c.Dialect != "" && c.Dialect != Plain && !c.centrifuge():
		return badOption("--dialect %q: take %s or %s", c.Dialect, Plain, Centrifuge)
	case !c.centrifuge() && c.Channel != "":
		return badOption("--channel %q is for --dialect %s: in the plain dialect the path of --url is the room", c.Channel, Centrifuge)
	case !c.centrifuge():
		return nil
	case c.Compress:
		return badOption("--dialect %s does not work with --compress: leave one of them out", Centrifuge)
	case slices.ContainsFunc(c.Protocols, func(p string) bool { return p != "centrifuge-json" }):
		return badOption("--subprotocol %s: --dialect %s speaks centrifuge-json only", strings.Join(c.Protocols, ", "), Centrifuge)
	}
	return nil
}

// The ids of a client's first two commands; those of messages follow.
const (
	connectID = iota + 1
	subscribeID
	firstMessageID
)

// joinCommands are what a client begins with: both commands in one message.
func joinCommands(room, token string) []byte {
	return fmt.Appendf(connectCommand(connectID, token), "\n{\"id\":%d,\"subscribe\":{\"channel\":%s}}", subscribeID, quotedChannel(room))
}

// connectCommand is the connect command; an empty token is left out.
func connectCommand(id int, token string) []byte {
	quoted, _ := json.Marshal(token) // no error for a string
	if token == "" {
		return fmt.Appendf(nil, `{"id":%d,"connect":{"name":"webim-bench"}}`, id)
	}
	return fmt.Appendf(nil, `{"id":%d,"connect":{"name":"webim-bench","token":%s}}`, id, quoted)
}

// withToken adds the token to a room's path in the plain dialect, where it is the query's parameter "token".
func (c Config) withToken(room string) string {
	if c.Token == "" || c.centrifuge() {
		return room
	}
	mark := "?"
	if strings.Contains(room, "?") {
		mark = "&"
	}
	return room + mark + "token=" + url.QueryEscape(c.Token)
}

// quotedChannel is a room's channel in JSON.
func quotedChannel(room string) string {
	b, _ := json.Marshal(strings.TrimPrefix(room, "/")) // no error for a string
	return string(b)
}

// appendPublish appends the command that publishes message seq. Its text must be what may stand between a JSON string's quotes.
func appendPublish(b []byte, quoted string, seq uint32, text []byte) []byte {
	b = append(b, `{"id":`...)
	b = strconv.AppendUint(b, uint64(seq)+firstMessageID, 10)
	b = append(b, `,"publish":{"channel":`...)
	b = append(b, quoted...)
	b = append(b, `,"data":{"text":"`...)
	b = append(b, text...)
	return append(b, `"}}}`...)
}

// session is a client's side of the Centrifuge protocol once the upgrade is done.
//
//	connect, subscribe ──► replies ──► joined ──► publications, replies to messages, pings
type session struct {
	dec    Decoder
	joined bool // subscribed
	pong   bool // the server wants its pings answered
	pings  int64

	// before is what a publication of the room begins with, up to its text, as the first one showed. A server encodes alike what is alike, so
	// those that follow need no JSON decoder: the same bytes before it put a parser into the same state.
	before []byte

	// done is the first reply that said that a message was published, in two parts: up to its id, and behind it. A reply that differs in the id only
	// says the same, and needs no JSON decoder, which would cost this side more than all else that it does for a message.
	done [2][]byte

	refused []string // why messages were refused; whoever reads it empties it
}

func newSession() *session { return &session{dec: Decoder{keep: true}} }

// reply is what a server sends, as far as it matters here. An empty one is a ping.
type reply struct {
	ID    uint32 `json:"id"`
	Error *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	Connect *struct {
		Ping int  `json:"ping"` // seconds
		Pong bool `json:"pong"`
	} `json:"connect"`
	Subscribe *struct{} `json:"subscribe"`
	Publish   *struct{} `json:"publish"`
	Push      *struct {
		Pub *struct {
			Data json.RawMessage `json:"data"`
		} `json:"pub"`
		Unsubscribe *struct {
			Code   int    `json:"code"`
			Reason string `json:"reason"`
		} `json:"unsubscribe"`
	} `json:"push"`
}

// take reads bytes of the server, whole frames or not, and appends to out what they mean in the plain dialect: a text frame for each publication, and
// control frames as they are. answer, if not empty, is the text of a message for the server. With an error, out holds what came before it.
func (s *session) take(out, b []byte) (plain, answer []byte, err error) {
	for len(b) > 0 {
		text, n := s.whole(b)
		if n == 0 {
			var ev Event
			var ok bool
			if ev, n, ok, err = s.dec.Next(b); err != nil {
				return out, answer, err
			}
			if ok && ev.Op >= opClose {
				out = appendFrame(out, ev.Op, ev.Payload, nil)
			} else if ok {
				text = ev.Payload
			}
		}
		b = b[n:]
		for line := range bytes.SplitSeq(text, []byte{'\n'}) {
			if out, answer, err = s.line(out, answer, line); err != nil {
				return out, answer, err
			}
		}
		s.dec.forget()
	}
	return out, answer, nil
}

// whole returns the payload of the text frame that b begins with, and the frame's length: 0 if it is something else, or cut. Most are whole, and need no copy.
func (s *session) whole(b []byte) (text []byte, n int) {
	if !s.dec.idle() || b[0] != 0x80|opText || len(b) < headerSize(b) {
		return nil, 0
	}
	h, err := parseHeader(b)
	if n = h.size + h.length; err != nil || h.masked || len(b) < n {
		return nil, 0
	}
	return b[h.size:n], n
}

// line reads one reply or push.
func (s *session) line(out, answer, line []byte) ([]byte, []byte, error) {
	if len(line) == 0 {
		return out, answer, nil
	}
	if text, ok := s.known(line); ok {
		return appendFrame(out, opText, text, nil), answer, nil
	}
	if s.isDone(line) {
		return out, answer, nil
	}
	var r reply
	if err := json.Unmarshal(line, &r); err != nil {
		return out, answer, fmt.Errorf("the server sent %.80q, which is not the Centrifuge protocol: %w", line, err)
	}
	switch {
	case r.Push != nil && r.Push.Unsubscribe != nil:
		return out, answer, fmt.Errorf("unsubscribed by the server: %d %s", r.Push.Unsubscribe.Code, r.Push.Unsubscribe.Reason)
	case r.Push != nil && r.Push.Pub != nil:
		text := textOf(r.Push.Pub.Data)
		s.learn(line, text)
		out = appendFrame(out, opText, []byte(text), nil)
	case r.Push != nil: // somebody joined or left
	case r.ID == 0:
		s.pings++
		if s.pong {
			answer = append(answer, "{}\n"...)
		}
	case r.Error != nil && !s.joined:
		return out, answer, fmt.Errorf("the server refused to let a client in: %d %s", r.Error.Code, r.Error.Message)
	case r.Error != nil:
		s.refused = append(s.refused, fmt.Sprintf("%d %s", r.Error.Code, r.Error.Message))
	case r.Connect != nil:
		s.pong = r.Connect.Pong
	case r.Subscribe != nil:
		s.joined = true
	case r.Publish != nil:
		s.learnDone(line, r.ID)
	}
	return out, answer, nil
}

// textOf is the text of a publication: {"text": ...}, or a string. What is neither is somebody else's, and no scenario takes it for its own.
func textOf(data json.RawMessage) string {
	var text string
	if json.Unmarshal(data, &text) == nil {
		return text
	}
	var o struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(data, &o) == nil && o.Text != "" {
		return o.Text
	}
	return string(data)
}

// learn remembers what stands before the text in a publication. It learns nothing where the text had to be escaped, or is too short to be found.
func (s *session) learn(line []byte, text string) {
	if at := bytes.Index(line, []byte(`"`+text+`"`)); len(text) >= MinSize && at >= 0 {
		s.before = bytes.Clone(line[:at+1])
	}
}

// known returns the text of a publication that begins as the first one did, if nothing in it is escaped.
func (s *session) known(line []byte) (text []byte, ok bool) {
	if s.before == nil || !bytes.HasPrefix(line, s.before) {
		return nil, false
	}
	text, _, ok = bytes.Cut(line[len(s.before):], []byte{'"'})
	return text, ok && bytes.IndexByte(text, '\\') < 0
}

// learnDone remembers a reply that says that a message was published. It learns nothing if the id could be another number of the reply.
func (s *session) learnDone(line []byte, id uint32) {
	digits := strconv.AppendUint(nil, uint64(id), 10)
	if before, after, ok := bytes.Cut(line, digits); ok && bytes.Equal(before, []byte(`{"id":`)) {
		s.done = [2][]byte{bytes.Clone(before), bytes.Clone(after)}
	}
}

// isDone reports whether a reply differs from the remembered one by its id at most.
func (s *session) isDone(line []byte) bool {
	before, after := s.done[0], s.done[1]
	if len(before) == 0 || len(line) <= len(before)+len(after) || !bytes.HasPrefix(line, before) || !bytes.HasSuffix(line, after) {
		return false
	}
	for _, c := range line[len(before) : len(line)-len(after)] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
