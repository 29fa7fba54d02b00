package flight

import (
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/engine"
)

// maxFound is the number of records that a node, or all nodes together, answer with.
const maxFound = 100

// lossy replaces invalid UTF-8 in names instead of failing.
var lossy = jsontext.AllowInvalidUTF8(true)

// Answer returns the records of a user, an address or a connection for another node: see
// engine.Question.Ended.
func (r *Recorder) Answer(who string) []byte {
	b, err := json.Marshal(r.Find(who, maxFound), lossy)
	if err != nil {
		return nil // a Record can always be encoded
	}
	return b
}

// Found is the answer of all nodes.
type Found struct {
	Who     string   `json:"who"`
	Ended   []Record `json:"ended"`   // the latest first; at most 100
	Missing bool     `json:"missing"` // not all nodes have answered: these are the records of this node
}

// Collect asks all nodes for their records of a user, an IP address, or the connection with a client id. If
// a node does not answer, the records are those of this node. Any goroutine may call done.
func (r *Recorder) Collect(h *room.Hub, who string, done func(Found)) {
	h.Collect(engine.Question{Ended: who}, func(all []engine.NodeInfo, err error) {
		f := Found{Who: who, Ended: []Record{}, Missing: err != nil}
		if err != nil {
			all = []engine.NodeInfo{{Node: h.Node(), Ended: r.Answer(who)}}
		}
		for _, n := range all {
			f.add(n)
		}
		slices.SortStableFunc(f.Ended, func(a, b Record) int { return int(b.Closed - a.Closed) })
		f.Ended = f.Ended[:min(len(f.Ended), maxFound)]
		done(f)
	})
}

// add adds the records of a node.
func (f *Found) add(n engine.NodeInfo) {
	var some []Record
	if len(n.Ended) == 0 {
		return
	}
	if json.Unmarshal(n.Ended, &some) != nil {
		f.Missing = true
		return
	}
	for _, one := range some {
		one.Node = n.Node
		f.Ended = append(f.Ended, one)
	}
}
