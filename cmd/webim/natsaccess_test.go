package main_test

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"webim/cmd/webim/internal/testcert"
)

// startNATS starts a NATS server with JetStream in a folder, and returns its address.
func startNATS(t *testing.T, o *server.Options) (addr string) {
	t.Helper()
	o.JetStream, o.StoreDir = true, t.TempDir()
	addr, _ = serveNATS(t, o)
	return addr
}

// serveNATS starts a NATS server, and returns its address and a function that stops it before the end of the test.
// Port 0 means a free port.
func serveNATS(t *testing.T, o *server.Options) (addr string, stop func()) {
	t.Helper()
	o.Host, o.Port, o.NoSigs, o.NoLog = "127.0.0.1", cmp.Or(o.Port, server.RANDOM_PORT), true, true
	o.JetStreamMaxStore, o.MaxPayload = 1<<30, cmp.Or(o.MaxPayload, 8<<20)
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	stop = func() { s.Shutdown(); s.WaitForShutdown() }
	t.Cleanup(stop)
	if !s.ReadyForConnections(startTimeout) {
		t.Fatal("the NATS server does not start")
	}
	return s.Addr().String(), stop
}

// identity is an nkey with its public half.
type identity struct {
	nkeys.KeyPair
	public string
}

func newIdentity(t *testing.T, make func() (nkeys.KeyPair, error)) identity {
	t.Helper()
	k, err := make()
	if err != nil {
		t.Fatal(err)
	}
	public, err := k.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return identity{k, public}
}

// restrict makes a server's options admit only the user whose credentials are returned: one of an account that
// may use JetStream.
func restrict(t *testing.T, o *server.Options) (creds []byte) {
	t.Helper()
	operator, account, user, system := newIdentity(t, nkeys.CreateOperator), newIdentity(t, nkeys.CreateAccount), newIdentity(t, nkeys.CreateUser), newIdentity(t, nkeys.CreateAccount)
	resolver := &server.MemAccResolver{}
	for _, a := range []identity{account, system} {
		claims := jwt.NewAccountClaims(a.public)
		if a.public == account.public {
			claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
		}
		text, err := claims.Encode(operator)
		if err == nil {
			err = resolver.Store(a.public, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	o.TrustedKeys, o.AccountResolver, o.SystemAccount = []string{operator.public}, resolver, system.public
	token, err := jwt.NewUserClaims(user.public).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if creds, err = jwt.FormatUserConfig(token, seed); err != nil {
		t.Fatal(err)
	}
	return creds
}

// testNATSAccess checks that the settings of the connection are used: the server asks for TLS, a client's
// certificate and credentials, and without any of them webim ends with one sentence.
func testNATSAccess(t *testing.T, program string) {
	serverCert, serverKey := testcert.New(t, -time.Hour, time.Hour, "127.0.0.1")
	clientCert, clientKey := testcert.New(t, -time.Hour, time.Hour, "webim")
	pair, err := tls.X509KeyPair([]byte(serverCert), []byte(serverKey))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM([]byte(clientCert))
	o := &server.Options{TLS: true, TLSVerify: true, TLSTimeout: startTimeout.Seconds(), AuthTimeout: startTimeout.Seconds(),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert}}
	creds := restrict(t, o)
	addr := startNATS(t, o)

	flags := map[string]string{"--nats-ca": tempFile(t, "ca.pem", serverCert), "--nats-cert": tempFile(t, "cert.pem", clientCert),
		"--nats-key": tempFile(t, "key.pem", clientKey), "--nats-creds": tempFile(t, "webim.creds", string(creds))}
	args := func(without ...string) []string {
		all := []string{"--open", "--listen", "127.0.0.1:0", "--api", "--api-key", storeKey, "--nats", "tls://" + addr}
		for flag, file := range flags {
			if !strings.Contains(strings.Join(without, " "), flag) {
				all = append(all, flag, file)
			}
		}
		return all
	}
	r := launch(t, program, nil, args()...)
	r.call("publish", `{"channel":"r","data":{"text":"stored"}}`)
	if got := r.call("history", `{"channel":"r","limit":10}`); !strings.Contains(got, "stored") {
		t.Errorf("the message is not in the history: %s", got)
	}
	for name, c := range map[string]struct {
		without []string
		says    string
	}{
		"no credentials": {[]string{"--nats-creds"}, "Authorization Violation"},
		"no CA":          {[]string{"--nats-ca"}, "certificate"},
		"no certificate": {[]string{"--nats-cert", "--nats-key"}, "tls"},
	} {
		e := runExactly(t, program, nil, append([]string{"serve", "--log-level", "error"}, args(c.without...)...)...)
		if e.code != 1 || !strings.Contains(e.errs, c.says) || !isOneSentence(e.errs) {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// isOneSentence reports whether text is one line that begins with the program's name.
func isOneSentence(text string) bool {
	return strings.HasPrefix(text, "webim: ") && strings.HasSuffix(text, ".\n") && strings.Count(text, "\n") == 1
}

// pretend listens as a NATS server of a version, which answers pings and nothing else.
func pretend(t *testing.T, version string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprintf(c, "INFO {\"server_id\":\"x\",\"version\":%q,\"max_payload\":8388608,\"proto\":1,\"headers\":true}\r\n", version)
				for lines := bufio.NewScanner(c); lines.Scan(); {
					if strings.HasPrefix(lines.Text(), "PING") {
						_, _ = io.WriteString(c, "PONG\r\n")
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// testWrongNATS checks that a NATS server with which webim cannot work is refused with one sentence.
func testWrongNATS(t *testing.T, program string) {
	small := startNATS(t, &server.Options{MaxPayload: 1 << 20})
	single := startNATS(t, &server.Options{})
	noJetStream, _ := serveNATS(t, &server.Options{})
	for name, c := range map[string]struct {
		addr string
		more []string
		says []string
	}{
		"nobody there":     {"127.0.0.1:1", nil, []string{"no NATS server can be reached at nats://127.0.0.1:1"}},
		"too old":          {pretend(t, "2.11.9"), nil, []string{"2.11.9", "2.12.0 or newer"}},
		"small messages":   {small, nil, []string{"max_payload"}},
		"no JetStream":     {noJetStream, nil, []string{"has no JetStream"}},
		"too few replicas": {single, []string{"--nats-replicas", "3"}, []string{"replicas"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := runExactly(t, program, nil, append([]string{"serve", "--log-level", "error", "--open", "--listen", "127.0.0.1:0", "--nats", "nats://" + c.addr}, c.more...)...)
			if e.code != 1 || !isOneSentence(e.errs) {
				t.Errorf("%+v", e)
			}
			for _, word := range c.says {
				if !strings.Contains(e.errs, word) {
					t.Errorf("no %q in: %s", word, e.errs)
				}
			}
		})
	}
}
