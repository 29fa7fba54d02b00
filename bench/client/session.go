package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"webim/bench/stamp"
	"webim/bench/stat"
	"webim/bench/ws"
)

// Session is a client's side of the Centrifuge protocol after the upgrade. It belongs to one goroutine.
//
//	connect, subscribe ──► replies ──► joined ──► publications, replies to messages, pings
type Session struct {
	dec    ws.Decoder
	Joined bool // the subscription succeeded
	pong   bool // the server requires pongs
	pings  int64

	// prefix is the beginning of the first publication, up to its text. A server encodes all publications of a room alike. A
	// line that begins with the same bytes would put a JSON parser into the same state, so its text is found without a parser.
	prefix []byte

	// published is the first reply to a publish command, in two parts: the bytes before its id, and those after it. A reply
	// that differs only in the id has the same meaning. So it needs no JSON decoder, which would take more time than
	// everything else that the client does for a message.
	published [2][]byte

	recovery *Recovery // nil: nobody asks for it

	refused []string // why messages were refused; the caller empties it
}

func NewSession() *Session { return &Session{dec: ws.Decoder{Keep: true}} }

// reply has the parts of a server's message that the lab needs. An empty reply is a ping.
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
	Subscribe *subscribed `json:"subscribe"`
	Publish   *struct{}   `json:"publish"`
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

// Translate reads bytes from the server, whole frames or not, and appends their meaning in the plain dialect to out: a
// text frame for each publication, and control frames unchanged. If answer is not empty, send it to the server as a text
// message. If there is an error, out has the frames before it.
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

// wholeFrame returns the payload and the length of the text frame at the beginning of b. The length is 0 if b begins with
// something else, or with a part of a frame. Most frames are whole, so they need no copy.
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
	case r.Push != nil: // a member joined or left
	case r.ID == 0:
		s.pings++
		if s.pong {
			answer = append(answer, "{}\n"...)
		}
	case r.Error != nil && !s.Joined:
		return out, answer, fmt.Errorf("the server refused to connect or subscribe a client: %d %s", r.Error.Code, r.Error.Message)
	case r.Error != nil:
		s.refused = append(s.refused, fmt.Sprintf("%d %s", r.Error.Code, r.Error.Message))
	case r.Connect != nil:
		s.pong = r.Connect.Pong
	case r.Subscribe != nil:
		s.Joined = true
		if s.recovery != nil {
			s.recovery.joined(r.Subscribe, stat.Now())
		}
	case r.Publish != nil:
		s.learnPublished(line, r.ID)
	}
	return out, answer, nil
}

// textOf returns the text of a publication: the value of {"text": ...}, or a string. Other data is returned as it is; no
// scenario takes it for its own message.
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

// learnPrefix stores the beginning of a publication, up to its text. It stores nothing if the text has escapes, or is too
// short to be found for sure.
func (s *Session) learnPrefix(line []byte, text string) {
	if at := bytes.Index(line, []byte(`"`+text+`"`)); len(text) >= stamp.Size && at >= 0 {
		s.prefix = bytes.Clone(line[:at+1])
	}
}

// fromPrefix returns the text of a publication that begins with prefix, if the text has no escapes.
func (s *Session) fromPrefix(line []byte) (text []byte, ok bool) {
	if s.prefix == nil || !bytes.HasPrefix(line, s.prefix) {
		return nil, false
	}
	text, _, ok = bytes.Cut(line[len(s.prefix):], []byte{'"'})
	return text, ok && bytes.IndexByte(text, '\\') < 0
}

// learnPublished stores a reply to a publish command. It stores nothing if the id may be another number in the reply.
func (s *Session) learnPublished(line []byte, id uint32) {
	digits := strconv.AppendUint(nil, uint64(id), 10)
	if before, after, ok := bytes.Cut(line, digits); ok && bytes.Equal(before, []byte(`{"id":`)) {
		s.published = [2][]byte{bytes.Clone(before), bytes.Clone(after)}
	}
}

// isPublished reports whether a reply equals the stored one, except for its id.
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
