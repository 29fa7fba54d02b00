package api

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// TestDataThatReadersRefuse checks that every method refuses invalid data, as JSON and in base64,
// with error 107, and that the room's history stays readable.
func TestDataThatReadersRefuse(t *testing.T) {
	n := start(t, nil)
	n.call("publish", `{"channel":"r","data":{"text":"good"}}`)
	n.chat("ann", "")
	for _, data := range []string{`{"text":"a","text":"b"}`, `{"text":"x\ud83d"}`, `{"a":[{"b":{"c":1,"c":2}}]}`, `{"\ude00":1}`, `{"text":"a","\u0074ext":"b"}`} {
		b64 := base64.StdEncoding.EncodeToString([]byte(data))
		for _, request := range [][2]string{
			{"publish", `{"channel":"r","data":%s}`}, {"publish", `{"channel":"r","b64data":"%[2]s"}`}, {"broadcast", `{"channels":["r","q"],"data":%s}`}, {"broadcast", `{"channels":["r","q"],"b64data":"%[2]s"}`},
			{"send", `{"user":"ann","data":%s}`}, {"subscribe", `{"channel":"r","user":"ann","data":%s}`}, {"subscribe", `{"channel":"r","user":"ann","b64info":"%[2]s"}`}, {"refresh", `{"user":"ann","info":%s}`},
		} {
			body := fmt.Sprintf(strings.ReplaceAll(request[1], "%s", "%[1]s"), data, b64)
			if _, got := n.ask("POST", Prefix+request[0], body, nil); !strings.Contains(got, `"code":107`) {
				t.Errorf("%s %s: %s", request[0], body, got)
			}
		}
	}
	if got := must[historyResult](n, "history", `{"channel":"r","limit":-1}`); len(got.Publications) != 1 {
		t.Errorf("history: %+v", got)
	}
}

// TestNamesHaveOneSpelling checks that all spellings of a room's name reach the same room, and that
// names that look like others are refused.
func TestNamesHaveOneSpelling(t *testing.T) {
	n := start(t, nil)
	n.call("publish", `{"channel":"cafe\u0301","data":{"text":"x"}}`)
	n.call("broadcast", `{"channels":["cafe\u0301"],"data":{"text":"y"}}`)
	if got := must[historyResult](n, "history", `{"channel":"café","limit":-1}`); len(got.Publications) != 2 {
		t.Errorf("history: %+v", got)
	}
	n.ok("ban", `{"channel":"cafe\u0301","user":"bob"}`)
	if got := must[sanctionsResult](n, "sanctions", `{"channel":"café"}`); len(got.Bans) != 1 {
		t.Errorf("sanctions: %+v", got)
	}
	for _, name := range []string{"r\u200b", "r ", "\ufeffr", "r\u202e"} {
		for method, rest := range map[string]string{"publish": `"data":1`, "history": `"limit":1`, "presence": ``, "ban": `"user":"u"`, "subscribe": `"user":"u"`, "unsubscribe": `"user":"u"`} {
			body := fmt.Sprintf(`{"channel":%q,%s}`, name, rest)
			body = strings.ReplaceAll(strings.ReplaceAll(body, ",}", "}"), `\ufeff`, "\ufeff")
			if _, got := n.ask("POST", Prefix+method, body, nil); !strings.Contains(got, `"code":107`) {
				t.Errorf("%s %+q: %s", method, name, got)
			}
		}
	}
}
