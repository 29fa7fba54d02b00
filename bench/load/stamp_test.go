package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/stamp"
	"webim/bench/ws"
)

// A publish command of any size is valid JSON with the payload.
func TestPublishCommand(t *testing.T) {
	f := client.Format{Mask: [4]byte{1, 2, 3, 4}, Channel: client.QuotedChannel(`/we"ird`)}
	for _, size := range []string{"16", "128", "16-300", "70000"} {
		s, err := option.ParseSize(size)
		if err != nil {
			t.Fatal(err)
		}
		tag := stamp.NewTag()
		tm := NewTemplate(s, tag, f)
		for seq := range uint32(50) {
			frame := tm.Number(seq)
			h, err := ws.ParseHeader(frame)
			if err != nil || h.Size+h.Length != len(frame) {
				t.Fatal(err, h)
			}
			payload := bytes.Clone(frame[h.Size:])
			ws.Mask(payload, h.Mask, 0)
			var m struct {
				ID      uint32
				Publish struct {
					Channel string
					Data    struct{ Text string }
				}
			}
			if err := json.Unmarshal(payload, &m); err != nil || m.ID != seq+3 || m.Publish.Channel != `we"ird` || len(m.Publish.Data.Text) != s.Of(seq) {
				t.Fatalf("%v %+v", err, m)
			}
			if got, its := stamp.Read((*[ws.HeadBytes]byte)([]byte(m.Publish.Data.Text))); got != seq || its != tag {
				t.Fatalf("%d instead of %d", got, seq)
			}
		}
	}
}

func TestTemplate(t *testing.T) {
	mask, tag := [4]byte{0xde, 0xad, 0xbe, 0xef}, stamp.NewTag()
	for _, size := range []int{16, 125, 126, 70000} {
		tmpl := NewTemplate(option.FixedSize(size), tag, client.Format{Mask: mask})
		for _, seq := range []uint32{0, 1, 1 << 31} {
			b := slices.Clone(tmpl.Number(seq))
			h, err := ws.ParseHeader(b)
			if err != nil || h.Length != size || !h.Masked || h.Mask != mask || len(b) != h.Size+size {
				t.Fatalf("size %d: %+v %v", size, h, err)
			}
			body := b[h.Size:]
			ws.Mask(body, mask, 0)
			if got, gotTag := stamp.Read((*[ws.HeadBytes]byte)(body)); got != seq || gotTag != tag {
				t.Fatalf("size %d: %d %x", size, got, gotTag)
			}
			for _, c := range body {
				if c < 'a' || c > 'z' {
					t.Fatalf("size %d: byte %q", size, c)
				}
			}
		}
	}
}

// A template makes messages of the requested length and number, compressed or not.
func TestTemplateOfAllSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.IntRange(16, 300).Draw(t, "from")
		size, err := option.ParseSize(fmt.Sprintf("%d-%d", from, from+rapid.IntRange(0, 70000).Draw(t, "more")))
		if err != nil {
			t.Fatal(err)
		}
		f := client.Format{Mask: [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "mask")), Compressed: rapid.Bool().Draw(t, "packed")}
		tag := stamp.NewTag()
		tmpl := NewTemplate(size, tag, f)
		d := ws.Decoder{Inflater: ws.NewInflater()}
		for _, seq := range []uint32{0, 7, 1 << 31} {
			b := slices.Clone(tmpl.Number(seq))
			h, err := ws.ParseHeader(b)
			if err != nil || !h.Masked || h.Compressed != f.Compressed || h.Size+h.Length != len(b) {
				t.Fatalf("%+v %v", h, err)
			}
			ws.Mask(b[h.Size:], h.Mask, 0)
			plain := ws.AppendHeader(nil, b[0]&0x4f, h.Length, nil)
			ev, _, ok, err := d.Next(append(plain, b[h.Size:]...))
			if got, gotTag := stamp.Read(&ev.Head); err != nil || !ok || got != seq || gotTag != tag || ev.Len != size.Of(seq) {
				t.Fatalf("message %d: %v %v, %+v", seq, ok, err, ev)
			}
		}
	})
}
