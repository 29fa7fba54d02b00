package frames

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"webim/room/engine"
)

// The body of the answer to Hello: the ids of nodes, as strings with 2 bytes of length.

// AppendIDs appends the ids of nodes to dst.
func AppendIDs(dst []byte, ids []string) []byte {
	for _, id := range ids {
		dst = appendShort(dst, id)
	}
	return dst
}

// DecodeIDs decodes the ids of nodes.
func DecodeIDs(body []byte) (ids []string, err error) {
	r := reader{rest: body}
	for len(r.rest) > 0 && !r.bad {
		ids = append(ids, r.short())
	}
	return ids, r.end("a list of nodes")
}

// The body of Count and Members: a limit in 8 bytes, which is 0 for Count, and the name of the room.

// AppendRoom appends a question about a room. The limit is not negative.
func AppendRoom(dst []byte, room string, limit int) []byte {
	return append(appendNumber(dst, limit), room...)
}

// DecodeRoom decodes a question about a room.
func DecodeRoom(body []byte) (room string, limit int, err error) {
	r := reader{rest: body}
	limit = r.number()
	room, r.rest = string(r.rest), nil
	return room, limit, r.end("a question about a room")
}

// Counted is the answer to Count.
type Counted struct {
	Clients, Users int
	Named          []byte // the users, in a form that can be merged: see package cluster
}

// AppendCounted appends the answer to Count: two numbers of 8 bytes, and Named as the rest.
func AppendCounted(dst []byte, c Counted) []byte {
	return append(appendNumber(appendNumber(dst, c.Clients), c.Users), c.Named...)
}

// DecodeCounted decodes the answer to Count. Named is a part of body.
func DecodeCounted(body []byte) (c Counted, err error) {
	r := reader{rest: body}
	c.Clients, c.Users = r.number(), r.number()
	c.Named, r.rest = r.rest, nil
	return c, r.end("a count")
}

// Listed is the answer to Members.
type Listed struct {
	Clients int
	Whole   bool // All lists them; otherwise they are too many
	All     []engine.Author
}

// AppendListed appends the answer to Members: a number of 8 bytes, a flag, and the authors.
func AppendListed(dst []byte, l *Listed) []byte {
	dst = append(appendNumber(dst, l.Clients), flag(l.Whole))
	for i := range l.All {
		dst = appendAuthor(dst, &l.All[i])
	}
	return dst
}

// DecodeListed decodes the answer to Members. The infos of authors are parts of body.
func DecodeListed(body []byte) (l Listed, err error) {
	r := reader{rest: body}
	l.Clients, l.Whole = r.number(), r.flag()
	for len(r.rest) > 0 && !r.bad {
		l.All = append(l.All, r.author())
	}
	r.ok(l.Whole || len(l.All) == 0)
	return l, r.end("a list of members")
}

// Change says that an entry of the State has changed. Package state defines the bytes of the entry.
type Change struct {
	Incarnation string // of the stream
	Sequence    uint64 // of the message in it; not above the maximum of an int64
	Subject     string // of the message
	Data        []byte // of the message
}

// AppendChange appends the body of Changed: a number of 8 bytes, two strings with 2 bytes of length, and the data as the rest.
func AppendChange(dst []byte, c *Change) []byte {
	dst = appendShort(appendShort(appendNumber(dst, int(c.Sequence)), c.Incarnation), c.Subject)
	return append(dst, c.Data...)
}

// DecodeChange decodes the body of Changed. Data is a part of body.
func DecodeChange(body []byte) (c Change, err error) {
	r := reader{rest: body}
	c.Sequence, c.Incarnation, c.Subject = uint64(r.number()), r.short(), r.short()
	c.Data, r.rest = r.rest, nil
	return c, r.end("a change of the state")
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

func (r *reader) flag() bool {
	n := r.byte()
	r.ok(n <= 1)
	return n == 1
}

// An author is User, Client, ConnInfo and ChanInfo, each a string with 3 bytes of length.

func appendAuthor(dst []byte, a *engine.Author) []byte {
	return appendLong(appendLong(appendLong(appendLong(dst, a.User), a.Client), a.ConnInfo), a.ChanInfo)
}

func (r *reader) author() engine.Author {
	return engine.Author{User: string(r.long()), Client: string(r.long()), ConnInfo: r.long(), ChanInfo: r.long()}
}

// The flags of a notice.
const (
	flagLeft = 1 << iota
	flagTyping

	allFlags = 1<<iota - 1
)

// Notice is a notice and the id of the node that tells it.
type Notice struct {
	From string
	engine.Notice
}

// AppendNotice appends a notice: the version, the flags, the id and the author. It is not the body of a frame, because
// it takes the way of the room's publications.
func AppendNotice(dst []byte, n *Notice) []byte {
	dst = append(dst, Version, flag(n.Left)*flagLeft|flag(n.Typing)*flagTyping)
	return appendAuthor(appendShort(dst, n.From), &n.Who)
}

// DecodeNotice decodes a notice. The infos of the author are parts of b.
func DecodeNotice(b []byte) (n Notice, err error) {
	r := reader{rest: b}
	version := r.byte()
	if version > Version {
		return n, fmt.Errorf("%w: version %d, and this node reads up to %d", ErrVersion, version, Version)
	}
	flags := r.byte()
	r.ok(version > 0 && flags&^allFlags == 0)
	n = Notice{r.short(), engine.Notice{Left: flags&flagLeft != 0, Typing: flags&flagTyping != 0, Who: r.author()}}
	return n, r.end("a notice")
}

// options make JSON strict, and keep nil apart from empty.
var options = json.JoinOptions(json.RejectUnknownMembers(true), json.FormatNilSliceAsNull(true))

// AppendControl appends a control message. The error says that a text in it is not valid UTF-8, or that
// a time has no notation.
func AppendControl(dst []byte, m *engine.ControlMessage) ([]byte, error) {
	b, err := json.Marshal(m, options)
	if err != nil {
		return dst, fmt.Errorf("frames: the control message cannot be sent: %w", err)
	}
	return append(dst, b...), nil
}

// DecodeControl decodes a control message.
func DecodeControl(body []byte) (m engine.ControlMessage, err error) {
	if err := json.Unmarshal(body, &m, options); err != nil {
		return engine.ControlMessage{}, fmt.Errorf("%w: a control message: %w", ErrMalformed, err)
	}
	return m, nil
}

// report is the form of engine.NodeInfo.
type report struct {
	Node, Version                     string
	Uptime                            int64 // nanoseconds
	Clients, Users, Channels, Members int
	Rooms                             map[string]int
	Ended                             jsontext.Value `json:",omitzero"`
}

// AppendInfos appends the reports of the hubs of a node.
func AppendInfos(dst []byte, all []engine.NodeInfo) ([]byte, error) {
	reports := make([]report, len(all))
	for i, n := range all {
		reports[i] = report{n.Node, n.Version, int64(n.Uptime), n.Clients, n.Users, n.Channels, n.Members, n.Rooms, n.Ended}
	}
	b, err := json.Marshal(reports, options)
	if err != nil {
		return dst, fmt.Errorf("frames: the report cannot be sent: %w", err)
	}
	return append(dst, b...), nil
}

// DecodeInfos decodes the reports of the hubs of a node.
func DecodeInfos(body []byte) ([]engine.NodeInfo, error) {
	var reports []report
	if err := json.Unmarshal(body, &reports, options); err != nil {
		return nil, fmt.Errorf("%w: a report: %w", ErrMalformed, err)
	}
	all := make([]engine.NodeInfo, len(reports))
	for i, r := range reports {
		all[i] = engine.NodeInfo{Node: r.Node, Version: r.Version, Uptime: time.Duration(r.Uptime), Clients: r.Clients, Users: r.Users,
			Channels: r.Channels, Members: r.Members, Rooms: r.Rooms, Ended: r.Ended}
	}
	return all, nil
}
