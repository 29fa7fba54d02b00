package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"testing"
)

// TestCompression checks that a client that accepts gzip gets the same bytes compressed, with
// another ETag.
func TestCompression(t *testing.T) {
	whole := get(t, "GET", "/chat.js", nil)
	want := body(t, whole)
	for accept, compressed := range map[string]bool{
		"gzip": true, "gzip, deflate, br": true, "GZIP;q=0.5": true, "*": true, "br;q=1, *;q=0.1": true, "gzip;q=0.5, identity;q=0.5": true,
		"": false, "br": false, "gzip;q=0": false, "*;q=0": false, "gzip;q=0, *": false, "identity, gzip;q=0.5": false, "gzip;q=x": false,
		"gzip;level=9": false, "gzip;q=2": false, "gzip;q=NaN": false, "x-gzip-not": false,
	} {
		r := get(t, "GET", "/chat.js", http.Header{"Accept-Encoding": {accept}})
		b := []byte(body(t, r))
		if (r.Header.Get("Content-Encoding") == "gzip") != compressed || r.Header.Get("Vary") != "Accept-Encoding" || r.StatusCode != 200 {
			t.Errorf("Accept-Encoding %q: %d %v", accept, r.StatusCode, r.Header)
			continue
		}
		if (r.Header.Get("ETag") != whole.Header.Get("ETag")) != compressed {
			t.Errorf("Accept-Encoding %q: ETag %s", accept, r.Header.Get("ETag"))
		}
		if compressed {
			z, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if len(b) > len(want)/2 {
				t.Errorf("%d bytes of %d", len(b), len(want))
			}
			if b, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		if string(b) != want {
			t.Errorf("Accept-Encoding %q: %d other bytes", accept, len(b))
		}
	}
	etag := get(t, "GET", "/chat.js", http.Header{"Accept-Encoding": {"gzip"}}).Header.Get("ETag")
	again := get(t, "GET", "/chat.js", http.Header{"Accept-Encoding": {"gzip"}, "If-None-Match": {etag}})
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("asked again: %d", again.StatusCode)
	}
	if got := get(t, "GET", "/chat.js", http.Header{"Accept-Encoding": {"gzip", "br;q=0.5"}}); got.Header.Get("Content-Encoding") != "gzip" {
		t.Error("a header of two lines is read as one of them")
	}
}

func TestRedirectOfPages(t *testing.T) {
	for path, want := range map[string]string{"/classic/": "../classic", "/classic/?room=a%26b": "../classic?room=a%26b"} {
		if r := get(t, "GET", path, nil); r.StatusCode != http.StatusTemporaryRedirect || r.Header.Get("Location") != want {
			t.Errorf("%s: %d %q", path, r.StatusCode, r.Header.Get("Location"))
		}
	}
}
