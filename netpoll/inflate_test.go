package netpoll_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// walk inflates (RFC 1951) and reports the largest distance that a reference
// goes back, which is the window that the data needs. No library says that.
// It is plain and slow: canonical codes are read a bit at a time.
func walk(data []byte) (out []byte, reach int, err error) {
	defer func() {
		if e := recover(); e != nil {
			err = errors.New("deflate: cut short or damaged")
		}
	}()
	r := &bitReader{data: data}
	for final := false; !final && r.at < 8*len(data); {
		final = r.bits(1) == 1
		switch r.bits(2) {
		case 0:
			r.at = (r.at + 7) &^ 7
			n := r.bits(16)
			if r.bits(16) != n^0xffff {
				return out, reach, errors.New("deflate: stored length")
			}
			at := r.at / 8
			out = append(out, data[at:at+n]...)
			r.at += 8 * n
		case 1:
			out, reach = r.block(out, reach, fixedLiterals, fixedDistances)
		case 2:
			lit, dist := r.dynamic()
			out, reach = r.block(out, reach, lit, dist)
		default:
			return out, reach, errors.New("deflate: block type 3")
		}
	}
	return out, reach, nil
}

type bitReader struct {
	data []byte
	at   int
}

// bits reads n bits, the first the lowest; it panics at the end.
//
//go:norace
func (r *bitReader) bits(n int) (v int) {
	for i := range n {
		v |= int(r.data[r.at/8]>>(r.at%8)&1) << i
		r.at++
	}
	return v
}

// code is a canonical Huffman code: how many symbols have each length, and
// the symbols in order.
type code struct {
	count   [16]int
	symbols []int
}

//go:norace
func newCode(lengths []int) (c code) {
	for l := 1; l <= 15; l++ {
		for sym, n := range lengths {
			if n == l {
				c.count[l]++
				c.symbols = append(c.symbols, sym)
			}
		}
	}
	return c
}

//go:norace
func (r *bitReader) symbol(c code) int {
	v, first, index := 0, 0, 0
	for l := 1; l <= 15; l++ {
		v = v<<1 | r.bits(1)
		if v-first < c.count[l] {
			return c.symbols[index+v-first]
		}
		index += c.count[l]
		first = (first + c.count[l]) << 1
	}
	panic("no such code")
}

var fixedLiterals, fixedDistances = func() (code, code) {
	var l [288]int
	for i := range l {
		switch {
		case i < 144:
			l[i] = 8
		case i < 256:
			l[i] = 9
		case i < 280:
			l[i] = 7
		default:
			l[i] = 8
		}
	}
	return newCode(l[:]), newCode([]int{5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5})
}()

func (r *bitReader) dynamic() (lit, dist code) {
	nlit, ndist, ncode := r.bits(5)+257, r.bits(5)+1, r.bits(4)+4
	var lengths [19]int
	for _, i := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:ncode] {
		lengths[i] = r.bits(3)
	}
	lens := newCode(lengths[:])
	var all []int
	for len(all) < nlit+ndist {
		sym, n := r.symbol(lens), 1
		v := sym
		switch sym {
		case 16:
			v, n = all[len(all)-1], 3+r.bits(2)
		case 17:
			v, n = 0, 3+r.bits(3)
		case 18:
			v, n = 0, 11+r.bits(7)
		}
		for range n {
			all = append(all, v)
		}
	}
	return newCode(all[:nlit]), newCode(all[nlit:])
}

//go:norace
func (r *bitReader) block(out []byte, reach int, lit, dist code) ([]byte, int) {
	for {
		sym := r.symbol(lit)
		if sym < 256 {
			out = append(out, byte(sym))
			continue
		}
		if sym == 256 {
			return out, reach
		}
		n := 258
		if i := sym - 257; i < 8 {
			n = 3 + i
		} else if i < 28 {
			n = 3 + (4+i&3)<<(i/4-1) + r.bits(i/4-1)
		}
		d := r.symbol(dist)
		if d >= 4 {
			d = (2+d&1)<<(d/2-1) + r.bits(d/2-1)
		}
		d++
		reach = max(reach, d)
		for range n {
			out = append(out, out[len(out)-d])
		}
	}
}

var deflaters [12]sync.Pool // by level, from flate.HuffmanOnly

// deflated compresses a message as RFC 7692, section 7.2.1, says.
func deflated(t interface{ Fatal(...any) }, level int, message string) string {
	var b bytes.Buffer
	w, _ := deflaters[level+2].Get().(*flate.Writer) // 1 MB each to make
	if w == nil {
		w, _ = flate.NewWriter(nil, level)
	}
	defer deflaters[level+2].Put(w)
	w.Reset(&b)
	_, err := io.WriteString(w, message)
	if err == nil {
		err = w.Flush()
	}
	s, ok := strings.CutSuffix(b.String(), "\x00\x00\xff\xff")
	if err != nil || !ok {
		t.Fatal("compressing:", err)
	}
	return s
}

// inflated is the reverse, with an empty dictionary.
func inflated(payload []byte) (string, error) {
	r := flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
	b, err := io.ReadAll(r)
	return string(b), err
}

// The walker agrees with the standard library, at every level, and knows a
// reference when it sees one.
func TestWalk(t *testing.T) {
	piece := rapid.OneOf(rapid.StringN(0, 30, -1), rapid.SampledFrom([]string{strings.Repeat("abc", 200), "abcdef", "the same again ", pattern(3000)}))
	rapid.Check(t, func(t *rapid.T) {
		m := strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces"), "")
		level := rapid.IntRange(flate.HuffmanOnly, flate.BestCompression).Draw(t, "level")
		z := deflated(t, level, m)
		out, reach, err := walk([]byte(z + "\x00\x00\xff\xff"))
		if err != nil || string(out) != m || level <= 0 && level != -1 && reach != 0 || reach > len(m) {
			t.Fatalf("level %d: %q became %q, reaching %d, %v", level, m, out, reach, err)
		}
		if back, err := inflated([]byte(z)); err != nil || back != m {
			t.Fatalf("level %d: %q became %q, %v", level, m, back, err)
		}
	})
	far := "a needle in a haystack" + strings.Repeat("-", 5000) + "a needle in a haystack"
	if _, reach, err := walk([]byte(deflated(t, 9, far) + "\x00\x00\xff\xff")); reach != 5022 || err != nil {
		t.Errorf("the needle is seen to lie %d back, %v; want 5022", reach, err)
	}
}
