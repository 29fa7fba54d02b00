package wire_test

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"webim/room/wire"
)

// perByte returns how many bytes f allocates for each byte of its input.
func perByte(message []byte, f func([]byte)) float64 {
	least := uint64(math.MaxUint64)
	for range 2 { // the runtime may allocate something by itself
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f(message)
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return float64(least) / float64(len(message))
}

// distinct returns n members of a JSON object with different names.
func distinct(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("\"%d\":{}", i))
	}
	return all
}

// TestBombs checks inputs that are made to cost much more than their length: they are refused, or
// need memory in proportion to their bytes, and no stack grows with the input.
func TestBombs(t *testing.T) {
	const mega = 1 << 20
	deep := func(n int, open, close string) string {
		return strings.Repeat(open, n/len(open)) + strings.Repeat(close, n/len(open))
	}
	nodes := func(n int) string {
		return `{"id":1,"subscribe":{"channel":"a","tf":{"nodes":[{}` + strings.Repeat(",{}", n/3) + `]}}}`
	}
	groups := func(n int) string {
		return "\x08\x01\x5a\x00" + strings.Repeat("\xa3\x06", n) + strings.Repeat("\xa4\x06", n)
	}
	tree := func(n int) string { // filters in filters, from the inside
		node := ""
		for range n {
			node = "\x32" + string(delimited(node))
		}
		return "\x08\x01\x2a" + string(delimited("\x0a\x01a\x6a"+string(delimited(node))))
	}
	for _, c := range []struct {
		name     string
		encoding wire.Encoding
		message  string
		err      error
		cost     float64 // bytes a byte, at most
	}{
		{"deep data", wire.JSON, `{"id":1,"publish":{"channel":"a","data":` + deep(mega, "[", "]") + `}}`, wire.ErrTooLong, 8},
		{"deep data, less long", wire.JSON, `{"id":1,"publish":{"channel":"a","data":` + deep(30_000, "[", "]") + `}}`, nil, 8},
		{"deep data, open", wire.JSON, `{"id":1,"publish":{"channel":"a","data":` + strings.Repeat("[", mega), wire.ErrTooLong, 8},
		{"deep and unknown", wire.JSON, `{"id":1,"ping":{},"x":` + deep(30_000, `{"a":`, "}") + `}`, wire.ErrMalformed, 8},
		{"long data", wire.JSON, `{"id":1,"publish":{"channel":"a","data":"` + strings.Repeat("x", mega) + `"}}`, nil, 3},
		{"long list as data", wire.JSON, `{"id":1,"rpc":{"data":[0` + strings.Repeat(",0", mega/2) + `]}}`, nil, 3},
		{"long and unknown", wire.JSON, `{"id":1,"ping":{},"x":"` + strings.Repeat("x", mega) + `"}`, wire.ErrTooLong, 1},
		{"filter", wire.JSON, nodes(mega), wire.ErrTooLong, 1},
		{"filter of 60 KB", wire.JSON, nodes(60_000), nil, 3},
		{"filter, escaped", wire.JSON, strings.NewReplacer("tf", `\u0074\u0066`, "sub", `s\u0075b`).Replace(nodes(60_000)), nil, 3},
		{"filter, cut off", wire.JSON, strings.TrimSuffix(nodes(60_000), "]}}}"), wire.ErrMalformed, 3},
		{"filter of a room of the server's", wire.JSON, `{"id":1,"connect":{"subs":{"a":` + nodes(60_000)[len(`{"id":1,"subscribe":`):] + `}}`, nil, 3},
		{"rooms of the server's", wire.JSON, `{"id":1,"connect":{"subs":{` + strings.Join(distinct(5000), ",") + `}}}`, nil, 60},
		{"filter beside data", wire.JSON, strings.TrimSuffix(nodes(mega), "}") + `,"publish":{"data":"` + strings.Repeat("x", mega) + `"}}`, wire.ErrTooLong, 1},
		{"filter in filter", wire.JSON, `{"id":1,"subscribe":{"tf":` + deep(40_000, `{"nodes":[`, "]}") + `}}`, nil, 30},
		{"keys", wire.JSON, `{"id":1,"connect":{"headers":{` + strings.Repeat(`"":"",`, mega/6) + `"":""}}}`, wire.ErrTooLong, 1},
		{"escapes", wire.JSON, `{"id":1,"rpc":{"data":"` + strings.Repeat(`\u0041`, mega/6) + `"}}`, nil, 3},
		{"digits", wire.JSON, `{"id":` + strings.Repeat("9", mega) + `}`, wire.ErrTooLong, 1},
		{"spaces", wire.JSON, strings.Repeat(" ", mega) + "{}" + strings.Repeat(" \r", mega), nil, 1},
		{"blank lines", wire.JSON, strings.Repeat("\n", mega) + "{}", nil, 1},
		{"commands", wire.JSON, strings.Repeat("{}\n", mega), wire.ErrTooMany, 1},

		{"deep data", wire.Protobuf, string(delimited("\x08\x01\x3a" + string(delimited("\x0a\x01a\x12"+string(delimited(strings.Repeat("[", mega))))))), nil, 3},
		{"commands", wire.Protobuf, strings.Repeat("\x00", mega), wire.ErrTooMany, 1},
		{"groups", wire.Protobuf, string(delimited(groups(9_000))), nil, 40},
		{"groups, deeper", wire.Protobuf, string(delimited(groups(11_000))), wire.ErrMalformed, 40},
		{"groups, too long", wire.Protobuf, string(delimited(groups(mega))), wire.ErrTooLong, 8},
		{"filter", wire.Protobuf, string(delimited("\x08\x01\x2a" + string(delimited("\x0a\x01a\x6a"+string(delimited(strings.Repeat("\x32\x00", mega))))))), wire.ErrTooLong, 1},
		{"filter of 60 KB", wire.Protobuf, string(delimited("\x08\x01\x2a" + string(delimited("\x0a\x01a\x6a"+string(delimited(strings.Repeat("\x32\x00", 30_000))))))), nil, 1},
		{"filter in filter", wire.Protobuf, string(delimited(tree(2000))), nil, 1},
		{"filter of a room of the server's", wire.Protobuf, string(delimited("\x08\x01\x22" + string(delimited("\x1a"+string(delimited("\x12"+string(delimited("\x6a"+string(delimited(strings.Repeat("\x32\x00", 30_000))))))))))), nil, 1},
		{"filter beside data", wire.Protobuf, string(delimited("\x3a" + string(delimited("\x12"+string(delimited(strings.Repeat("x", mega))))) +
			"\x2a" + string(delimited("\x6a"+string(delimited(strings.Repeat("\x32\x00", mega))))))), wire.ErrTooLong, 1},
		{"the same request over and over", wire.Protobuf, string(delimited("\x08\x01" + strings.Repeat("\x3a\x00", mega/2))), nil, 1},
		{"the same data over and over", wire.Protobuf, string(delimited("\x08\x01\x3a" + string(delimited(strings.Repeat("\x12\x02{}", mega/4))))), nil, 1},
	} {
		t.Run(c.encoding.String()+" "+c.name, func(t *testing.T) {
			var err error
			cost := perByte([]byte(c.message), func(message []byte) { _, err = takeAll(c.encoding, message, 100) })
			if !errors.Is(err, c.err) {
				t.Errorf("%v, want %v", err, c.err)
			}
			if cost > c.cost {
				t.Errorf("%d bytes made it allocate %.1f bytes each, at most %.0f were expected", len(c.message), cost, c.cost)
			}
			t.Logf("%d bytes: %.2f bytes each", len(c.message), cost)
		})
	}
}

// TestDataBombs checks that data that is checked and read again later costs no more.
func TestDataBombs(t *testing.T) {
	const mega = 1 << 20
	for _, data := range []string{
		strings.Repeat("[", mega),
		strings.Repeat("[]", mega/2),
		`{"a":` + strings.Repeat(`{"a":`, mega/5),
		`{"text":"` + strings.Repeat(`\u0041`, mega/6) + `"}`,
		`{` + strings.Repeat(`"a":0,`, mega/6) + `"text":1}`,
		`{"text":["` + strings.Repeat("x", mega) + `"]}`,
	} {
		cost := perByte([]byte(data), func(data []byte) {
			if line, err := wire.Data(false, data); err == nil {
				wire.DataText(line)
			}
		})
		if cost > 60 { // garbage: no more than the longest value is held

			t.Errorf("%.20s: %.1f bytes a byte", data, cost)
		}
		t.Logf("%.20s: %.2f bytes each", data, cost)
	}
}
