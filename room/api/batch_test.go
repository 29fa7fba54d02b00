package api

import (
	"strings"
	"testing"
)

// TestBatch checks that a batch answers each command in its position, whatever the results of the
// others.
func TestBatch(t *testing.T) {
	n := start(t, nil)
	c := n.chat("ann", "")
	c.subscribe("r")
	const commands = `
		{"id":7,"publish":{"channel":"r","data":1}},
		{"publish":{"channel":"r"}},
		{"nothing":{}},
		{"batch":{"commands":[]}},
		{},
		{"publish":{"channel":"r","data":2},"info":{}},
		{"id":"x","info":{}},
		{"presence_stats":{"channel":"r"}},
		{"id":9,"publish":{"channel":"r","data":3}},
		{"send":{"user":"ann","data":"end"}}`
	for _, parallel := range []string{"false", "true"} {
		body := n.call("batch", `{"commands":[%s],"parallel":%s}`, commands, parallel)
		for _, part := range []string{
			`{"replies":[{"id":7,"publish":{"offset":`,
			`"}},{"error":{"code":107,"message":"bad request: data is missing"}},` +
				`{"error":{"code":104,"message":"method not found: there is no method \"nothing\""}},` +
				`{"error":{"code":104,"message":"method not found: there is no method \"batch\""}},` +
				`{"error":{"code":107,"message":"bad request: a command has one field besides its id: the method"}},` +
				`{"error":{"code":107,"message":"bad request: a command has one field besides its id: the method"}},` +
				`{"error":{"code":107,"message":"bad request: the id is not a number from 0 to 4294967295"}},` +
				`{"presence_stats":{"num_clients":1,"num_users":1}},{"id":9,"publish":{"offset":`,
			`"}},{"send":{}}]}`,
		} {
			if !strings.Contains(body, part) {
				t.Errorf("parallel %s: not there: %s\nin %s", parallel, part, body)
			}
		}
		got, messages := "", 0
		for range 3 { // a parallel batch pushes in any order
			if r := c.next(); r.Push.Message != nil {
				messages++
			} else {
				got += string(r.Push.Pub.Data)
			}
		}
		if messages != 1 || got != "13" && (parallel == "false" || got != "31") {
			t.Errorf("parallel %s: got %s and %d", parallel, got, messages)
		}
	}
	if got := n.call("batch", `{}`); got != `{"replies":[]}` {
		t.Error(got)
	}
}
