package certs

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"webim/cmd/webim/internal/testcert"
)

// watched holds certificates in files, and the log lines about them.
type watched struct {
	t         *testing.T
	dir       string
	cert, key string // the files
	c         *Certificates
	log       bytes.Buffer
}

func watchFiles(t *testing.T) *watched {
	w := &watched{t: t, dir: t.TempDir()}
	w.cert, w.key = filepath.Join(w.dir, "tls.crt"), filepath.Join(w.dir, "tls.key")
	return w
}

// load begins with the present content of the files.
func (w *watched) load() {
	w.t.Helper()
	var err error
	if w.c, err = New(w.cert, w.key); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) put(path, text string) {
	w.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// look reads the files. It returns the name in the certificate in use, and the number of lines that were
// logged since the last look.
func (w *watched) look() (name string, lines int) {
	w.log.Reset()
	w.c.Look(slog.New(slog.NewTextHandler(&w.log, nil)))
	return names(w.c.current.Load()), strings.Count(w.log.String(), "\n")
}

func (w *watched) expect(name string, lines int) {
	w.t.Helper()
	if got, n := w.look(); got != name || n != lines {
		w.t.Errorf("the certificate in use is %s, want %s; %d lines, want %d:\n%s", got, name, n, lines, w.log.String())
	}
}

func TestCertificateRenewal(t *testing.T) {
	cert, key := testcert.New(t, 0, time.Hour, "old.example")
	cert2, key2 := testcert.New(t, 0, time.Hour, "new.example")
	rename := func(w *watched, path, text string) {
		w.put(path+".new", text)
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	swap := func(w *watched, version, cert, key string) { // as Kubernetes updates a secret
		folder := filepath.Join(w.dir, version)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		w.put(filepath.Join(folder, "tls.crt"), cert)
		w.put(filepath.Join(folder, "tls.key"), key)
		if err := os.Symlink(version, filepath.Join(w.dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(w.dir, "..data_tmp"), filepath.Join(w.dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		begin func(w *watched)
		steps []func(w *watched) // all but the last leave the old one in force
	}{
		{"writes", nil, []func(w *watched){func(w *watched) { w.put(w.cert, cert2); w.put(w.key, key2) }}},
		{"renames", nil, []func(w *watched){func(w *watched) { rename(w, w.cert, cert2); rename(w, w.key, key2) }}},
		{"certificate first", nil, []func(w *watched){
			func(w *watched) { rename(w, w.cert, cert2) }, func(w *watched) { rename(w, w.key, key2) }}},
		{"key first, byte by byte", nil, []func(w *watched){
			func(w *watched) { w.put(w.key, key2[:40]) }, func(w *watched) { w.put(w.key, key2) },
			func(w *watched) { w.put(w.cert, "") }, func(w *watched) { w.put(w.cert, cert2[:len(cert2)-20]) }, func(w *watched) { w.put(w.cert, cert2) }}},
		{"removed and made again", nil, []func(w *watched){
			func(w *watched) { os.Remove(w.cert); os.Remove(w.key) }, func(w *watched) { w.put(w.key, key2) }, func(w *watched) { w.put(w.cert, cert2) }}},
		{"symbolic link", func(w *watched) {
			swap(w, "..1", cert, key)
			for _, name := range []string{"tls.crt", "tls.key"} {
				if err := os.Symlink("..data/"+name, filepath.Join(w.dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}, []func(w *watched){func(w *watched) { swap(w, "..2", cert2, key2) }}},
		{"the same size and time", nil, []func(w *watched){func(w *watched) {
			at := time.Unix(1_000_000, 0)
			w.put(w.cert, cert2)
			w.put(w.key, key2)
			os.Chtimes(w.cert, at, at)
			os.Chtimes(w.key, at, at)
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := watchFiles(t)
			if c.begin != nil {
				c.begin(w)
			} else {
				w.put(w.cert, cert)
				w.put(w.key, key)
			}
			w.load()
			w.expect("old.example", 0)
			for i, step := range c.steps {
				step(w)
				if i < len(c.steps)-1 {
					w.expect("old.example", 0) // half a renewal is no news
				}
			}
			w.expect("new.example", 1)
			w.expect("new.example", 0)
		})
	}
}

// TestBadCertificateIsToldOnce checks that a pair that cannot be used leaves the old one in use. webim
// logs it once, however often it reads the files again.
func TestBadCertificateIsToldOnce(t *testing.T) {
	cert, key := testcert.New(t, 0, time.Hour, "old.example")
	cert2, key2 := testcert.New(t, 0, time.Hour, "new.example")
	for name, spoil := range map[string]func(w *watched){
		"another's key":    func(w *watched) { w.put(w.key, key2) },
		"garbage":          func(w *watched) { w.put(w.cert, "garbage") },
		"empty":            func(w *watched) { w.put(w.key, "") },
		"too large":        func(w *watched) { w.put(w.cert, cert+strings.Repeat("\n", maxFile)) },
		"missing":          func(w *watched) { os.Remove(w.key) },
		"swapped":          func(w *watched) { w.put(w.key, cert); w.put(w.cert, key) },
		"a truncated pair": func(w *watched) { w.put(w.cert, cert2[:len(cert2)/2]); w.put(w.key, key2) },
	} {
		t.Run(name, func(t *testing.T) {
			w := watchFiles(t)
			w.put(w.cert, cert)
			w.put(w.key, key)
			w.load()
			spoil(w)
			w.expect("old.example", 0)
			w.expect("old.example", 1)
			if !strings.Contains(w.log.String(), "the old one stays in force") || strings.Contains(w.log.String(), "PRIVATE") {
				t.Errorf("it says: %s", w.log.String())
			}
			for range 3 {
				w.expect("old.example", 0)
			}
			w.put(w.cert, cert2)
			w.put(w.key, key2)
			w.expect("new.example", 1)
		})
	}
}

// webim reads files that are pipes at start only, and does not wait for them later.
func TestCertificateFromPipe(t *testing.T) {
	cert, key := testcert.New(t, 0, time.Hour, "old.example")
	w := watchFiles(t)
	w.put(w.cert, cert)
	w.put(w.key, key)
	w.load()
	os.Remove(w.key)
	if err := syscall.Mkfifo(w.key, 0o600); err != nil {
		t.Fatal(err)
	}
	w.expect("old.example", 0)
}

// An expired certificate is logged once while it is in use.
func TestCertificateExpiresInUse(t *testing.T) {
	cert, key := testcert.New(t, -time.Hour, -time.Minute, "old.example")
	w := watchFiles(t)
	w.put(w.cert, cert)
	w.put(w.key, key)
	w.load()
	w.expect("old.example", 1)
	w.expect("old.example", 0)
}

// TestSame: a certificate with another chain is another one, although its own part is the same.
func TestSame(t *testing.T) {
	cert, key := testcert.New(t, 0, time.Hour, "a.example")
	above, _ := testcert.New(t, 0, time.Hour, "above.example")
	one, same, chain := watchFiles(t), watchFiles(t), watchFiles(t)
	for w, text := range map[*watched]string{one: cert, same: cert, chain: cert + above} {
		w.put(w.cert, text)
		w.put(w.key, key)
		w.load()
	}
	if !one.c.Same(same.c) || one.c.Same(chain.c) {
		t.Error("the chain does not count, or the files do")
	}
}
