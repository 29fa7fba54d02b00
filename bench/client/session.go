package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"webim/bench/stamp"
	"webim/bench/ws"
)

// Session is a client's side of the Centrifuge protocol once the upgrade is done.
//
//	connect, subscribe ──► replies ──► joined ──► publications, replies to messages, pings
type Session struct {
	dec    ws.Decoder
	Joined bool // subscribed
	pong   bool // the server wants its pings answered
	pings  int64

	// before is what a publication of the room begins with, up to its text, as the first one showed. A server encodes alike what is alike, so
	// those that follow need no JSON decoder: the same bytes before it put a parser into the same state.
	prefix []byte

	// published is the first reply that said that a message was published, in two parts: the bytes before its id, and the bytes behind it. A reply that
	// differs in the id only says the same and needs no JSON decoder, which would cost the client more than everything else that it does for a message.
	published [2][]byte

	refused []string // why messages were refused; whoever reads it empties it
}

func NewSession() *Session { return &Session{dec: ws.Decoder{Keep: true}} }

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

// Translate reads bytes of the server, whole frames or not, and appends to out what they mean in the plain dialect: a text frame for each publication, and
// control frames as they are. answer, if not empty, is the text of a message for the server. With an error, out holds what came before it.
func (s *Session) Translate(out, b []byte) (plain, answer []byte, err error) {
	for len(b) > 0 {
		text, n := s.wholeFrame(b)
		if n == 0 {
			var ev ws.Event
			var ok bool
			if ev, n, ok, err = s.dec.Next(b); err != nil {
				return out, answer, err
			}
			if ok && ev.Op >= ws.Close {
				out = ws.AppendFrame(out, ev.Op, ev.Payload, nil)
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
		s.dec.Forget()
	}
	return out, answer, nil
}

// wholeFrame returns the payload of the text frame that b begins with, and the frame's length: 0 if it is something else, or cut. Most are whole, and need no copy.
func (s *Session) wholeFrame(b []byte) (text []byte, n int) {
	if !s.dec.Idle() || b[0] != 0x80|ws.Text || len(b) < ws.HeaderSize(b) {
		return nil, 0
	}
	h, err := ws.ParseHeader(b)
	if n = h.Size + h.Length; err != nil || h.Masked || len(b) < n {
		return nil, 0
	}
	return b[h.Size:n], n
}

// line reads one reply or push.
func (s *Session) line(out, answer, line []byte) ([]byte, []byte, error) {
	if len(line) == 0 {
		return out, answer, nil
	}
	if text, ok := s.fromPrefix(line); ok {
		return ws.AppendFrame(out, ws.Text, text, nil), answer, nil
	}
	if s.isPublished(line) {
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
		s.learnPrefix(line, text)
		out = ws.AppendFrame(out, ws.Text, []byte(text), nil)
	case r.Push != nil: // somebody joined or left
	case r.ID == 0:
		s.pings++
		if s.pong {
			answer = append(answer, "{}\n"...)
		}
	case r.Error != nil && !s.Joined:
		return out, answer, fmt.Errorf("the server refused to let a client in: %d %s", r.Error.Code, r.Error.Message)
	case r.Error != nil:
		s.refused = append(s.refused, fmt.Sprintf("%d %s", r.Error.Code, r.Error.Message))
	case r.Connect != nil:
		s.pong = r.Connect.Pong
	case r.Subscribe != nil:
		s.Joined = true
	case r.Publish != nil:
		s.learnPublished(line, r.ID)
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

// learnPrefix remembers what stands before the text in a publication. It learns nothing where the text had to be escaped, or is too short to be found.
func (s *Session) learnPrefix(line []byte, text string) {
	if at := bytes.Index(line, []byte(`"`+text+`"`)); len(text) >= stamp.Size && at >= 0 {
		s.prefix = bytes.Clone(line[:at+1])
	}
}

// fromPrefix returns the text of a publication that begins as the first one did, if nothing in it is escaped.
func (s *Session) fromPrefix(line []byte) (text []byte, ok bool) {
	if s.prefix == nil || !bytes.HasPrefix(line, s.prefix) {
		return nil, false
	}
	text, _, ok = bytes.Cut(line[len(s.prefix):], []byte{'"'})
	return text, ok && bytes.IndexByte(text, '\\') < 0
}

// learnPublished remembers a reply that says that a message was published. It learns nothing if the id could be another number of the reply.
func (s *Session) learnPublished(line []byte, id uint32) {
	digits := strconv.AppendUint(nil, uint64(id), 10)
	if before, after, ok := bytes.Cut(line, digits); ok && bytes.Equal(before, []byte(`{"id":`)) {
		s.published = [2][]byte{bytes.Clone(before), bytes.Clone(after)}
	}
}

// isPublished reports whether a reply differs from the remembered one by its id at most.
func (s *Session) isPublished(line []byte) bool {
	before, after := s.published[0], s.published[1]
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
