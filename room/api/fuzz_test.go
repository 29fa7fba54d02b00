package api

import (
	"slices"
	"testing"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/apikey"
	"webim/room/engine/memory"
	"webim/room/token"
)

// FuzzCall checks that the response to any body is JSON, and that openapi.json describes its error.
func FuzzCall(f *testing.F) {
	for _, c := range errorCases() {
		f.Add(c.method, []byte(c.body))
	}
	f.Add("batch", []byte(`{"commands":[{"id":1,"publish":{"channel":"r","data":{}}},{"info":{}}],"parallel":true}`))
	hub := room.NewHub(room.Config{Engine: memory.New(memory.Limits{}), Options: rooms.Options, Revoked: &token.Revoked{Max: 10}})
	h, err := New(Config{Hub: hub, Guard: guardOf(f, apikey.Key{Name: "test", Secret: key}), MaxCommands: 5, MaxChannels: 5})
	if err != nil {
		f.Fatal(err)
	}
	codes := []uint32{104, 106, 107, 108, 111, 112, 113}
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		m := methods[name]
		if m == nil || name != "batch" && m.note { // such calls are logged, each time
			return
		}
		for _, how := range []json.Options{strict, lenient} {
			result, failed := h.call(t.Context(), m, body, how)
			if failed != nil && !slices.Contains(codes, failed.Code) {
				t.Fatalf("%v", failed)
			}
			if _, err := json.Marshal(result); err != nil {
				t.Fatalf("%v: %+v", err, result)
			}
		}
	})
}
