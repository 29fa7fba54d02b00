package web

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
)

// compressed returns body compressed by gzip, or nil if that saves less than a tenth. It panics
// if writing to memory fails, which cannot happen.
func compressed(body []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err)
	}
	if b.Len() > len(body)*9/10 {
		return nil
	}
	return b.Bytes()
}

// acceptsGzip reports whether the client accepts gzip and does not prefer an uncompressed body:
// RFC 9110, section 12.5.3.
func acceptsGzip(r *http.Request) bool {
	quality := map[string]float64{}
	for _, line := range r.Header.Values("Accept-Encoding") {
		for one := range strings.SplitSeq(line, ",") {
			coding, params, _ := strings.Cut(one, ";")
			quality[strings.ToLower(strings.TrimSpace(coding))] = qualityOf(params)
		}
	}
	gzip, named := quality["gzip"]
	if !named {
		gzip = quality["*"]
	}
	return gzip > 0 && gzip >= quality["identity"]
}

// qualityOf parses the weight of a coding. A malformed weight counts as 0, so that the client
// gets the uncompressed body.
func qualityOf(params string) float64 {
	if strings.TrimSpace(params) == "" {
		return 1
	}
	name, value, _ := strings.Cut(params, "=")
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if !strings.EqualFold(strings.TrimSpace(name), "q") || err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}
