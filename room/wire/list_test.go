package wire

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"
)

func publications(n, size int) (all []*protocol.Publication) {
	for i := range n {
		all = append(all, &protocol.Publication{Offset: uint64(i + 1), Time: 1_700_000_000_000, Tags: map[string]string{"id": fmt.Sprint("a\n", i)},
			Data: protocol.Raw(fmt.Sprintf("{\"text\":%q,\n\"n\":%d}", strings.Repeat("x", size), i)),
			Info: &protocol.ClientInfo{User: "ann <&>", Client: "c", ConnInfo: protocol.Raw(`{"name":"Ann"}`)}})
	}
	return all
}

// TestListsAsTheLibraryWritesThem checks that a list of publications that is written without a copy
// has the same bytes as the library's encoder writes, as the first reply of a message and after
// others.
func TestListsAsTheLibraryWritesThem(t *testing.T) {
	for _, n := range []int{0, 1, 20} {
		for _, r := range []*protocol.Reply{
			{Id: 7, History: &protocol.HistoryResult{Publications: publications(n, 10), Epoch: "e\"", Offset: 9}},
			{Id: 7, Subscribe: &protocol.SubscribeResult{Publications: publications(n, 10), Epoch: "e", Data: protocol.Raw(`{"a":1}`), Recovered: true}},
		} {
			line, err := protocol.DefaultJsonReplyEncoder.Encode(r)
			if err != nil {
				t.Fatal(err)
			}
			for _, before := range []string{"", "{}"} {
				want := Join([]byte(before), JSON, line)
				if got, err := Append([]byte(before), JSON, r); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d publications behind %q: %v\n%s, want\n%s", n, before, err, got, want)
				}
			}
		}
	}
}

// TestListsHideNothing checks that no raw field of a reply, at any depth, can bring another reply
// into a message, whether the reply holds a list or not.
func TestListsHideNothing(t *testing.T) {
	const bad = "1}\n{\"id\":666"
	fields := 0
	for i := 0; ; i++ {
		r := &protocol.Reply{Id: 7}
		left := i
		if !spoil(reflect.ValueOf(r).Elem(), &left, bad, 0) {
			break
		}
		fields++
		for _, list := range [][]*protocol.Publication{nil, publications(2, 1)} {
			if len(list) > 0 && r.Subscribe != nil {
				r.Subscribe.Publications = append(r.Subscribe.Publications, list...)
			} else if len(list) > 0 && r.History != nil {
				r.History.Publications = append(r.History.Publications, list...)
			}
			if got, err := Append(nil, JSON, r); err == nil && bytes.Contains(got, []byte("666")) {
				t.Errorf("field %d: %s", i, got)
			}
		}
	}
	if fields < 20 {
		t.Errorf("only %d raw fields are tried", fields)
	}
}

// spoil sets the raw field to which left counts down, and creates the structures around it.
func spoil(v reflect.Value, left *int, bad string, depth int) bool {
	if v.Type() == reflect.TypeFor[protocol.Raw]() {
		*left--
		if *left < 0 {
			v.SetBytes([]byte(bad))
		}
		return *left < 0
	}
	switch v.Kind() {
	case reflect.Pointer:
		made := reflect.New(v.Type().Elem())
		if depth < 12 && spoil(made.Elem(), left, bad, depth+1) {
			v.Set(made)
			return true
		}
	case reflect.Slice:
		made := reflect.MakeSlice(v.Type(), 1, 1)
		if spoil(made.Index(0), left, bad, depth+1) {
			v.Set(made)
			return true
		}
	case reflect.Map:
		made := reflect.New(v.Type().Elem()).Elem()
		if spoil(made, left, bad, depth+1) {
			v.Set(reflect.MakeMap(v.Type()))
			v.SetMapIndex(reflect.ValueOf("k"), made)
			return true
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && spoil(v.Field(i), left, bad, depth+1) {
				return true
			}
		}
	}
	return false
}

// BenchmarkHistoryReply writes the history of a room: 100 messages of 4 KB.
func BenchmarkHistoryReply(b *testing.B) {
	r := &protocol.Reply{Id: 7, History: &protocol.HistoryResult{Publications: publications(100, 4000), Epoch: "e", Offset: 100}}
	b.ReportAllocs()
	for b.Loop() {
		out, err := Append(nil, JSON, r)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(out)))
	}
}
