package main

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/cmd/webim/internal/testcert"
	"webim/netpoll/wstest"
)

// A front is a proxy of Debian's, which runs with the file in deploy for it.
type front struct {
	name    string
	file    string
	command []string // FILE stands for the file
	socket  string   // what stands before the path of a Unix socket
	passed  bool     // it passes on TLS, too
}

var fronts = []front{
	{"nginx", "nginx.conf", []string{"nginx", "-c", "FILE", "-g", "daemon off;"}, "unix:", false},
	{"haproxy", "haproxy.cfg", []string{"haproxy", "-db", "-f", "FILE"}, "unix@", true},
	{"caddy", "Caddyfile", []string{"caddy", "run", "--config", "FILE", "--adapter", "caddyfile"}, "unix/", false},
}

// TestProxies starts the proxies that Debian has with the files in deploy, in which only addresses, ports and paths are
// replaced. Clients of both dialects go through them, with and without TLS, and webim knows their addresses.
func TestProxies(t *testing.T) {
	for _, f := range fronts {
		t.Run(f.name, func(t *testing.T) {
			testProxy(t, f, false)
		})
	}
}

// TestProxiesOverUnixSockets is TestProxies with webim behind Unix sockets.
func TestProxiesOverUnixSockets(t *testing.T) {
	for _, f := range fronts {
		t.Run(f.name, func(t *testing.T) {
			testProxy(t, f, true)
		})
	}
}

func testProxy(t *testing.T, f front, unix bool) {
	dir := shortDir(t)
	cert, key := testcert.New(t, -time.Hour, time.Hour, "chat.example.org")
	certFile, keyFile := write(t, "cert.pem", cert), write(t, "key.pem", key)
	plain, secure := wstest.FreeAddr(t).String(), wstest.FreeAddr(t).String()
	behind, behindTLS, proxy := plain, secure, "127.0.0.1"
	if unix {
		plain, secure, proxy = "unix:"+dir+"/plain", "unix:"+dir+"/tls", "unix"
		behind, behindTLS = f.socket+dir+"/plain", f.socket+dir+"/tls"
	}
	p := startProgram(t, "--open", "--listen", plain, "--tls-listen", secure, "--tls-cert", certFile, "--tls-key", keyFile,
		"--proxy", proxy, "--proxy-protocol", secure, "--shutdown-spread", "0s", "--ping-interval", "10m")
	if unix { // as a group that both are in would do it
		for _, name := range []string{"/plain", "/tls"} {
			if err := os.Chmod(dir+name, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	ws, wss, passed := wstest.FreeAddr(t).String(), wstest.FreeAddr(t).String(), wstest.FreeAddr(t).String()
	runProxy(t, f, dir, []string{
		"127.0.0.1:9501", behind, "127.0.0.1:9502", behindTLS,
		"/etc/webim/cert.pem", certFile, "/etc/webim/key.pem", keyFile, "/etc/webim/both.pem", write(t, "both.pem", cert+key),
		"/run/nginx.pid", dir + "/pid", "/var/log/nginx/error.log", dir + "/log", "/var/lib/caddy", dir + "/caddy",
		"    listen [::]:80;\n", "", "    listen [::]:443 ssl;\n", "", // the address of IPv4 is enough
		"listen 80;", "listen " + ws + ";", "listen 443 ssl;", "listen " + wss + " ssl;",
		"bind :80\n", "bind " + ws + "\n", "bind :443 ", "bind " + wss + " ", "bind :8443\n", "bind " + passed + "\n",
		"chat.example.org:443", "chat.example.org:" + port(wss), "chat.example.org:80", "chat.example.org:" + port(ws),
	})
	var ways []throughProxy
	for _, through := range []struct {
		addr        string
		tls, passed bool
	}{{ws, false, false}, {wss, true, false}, {passed, true, true}} {
		if !through.passed || f.passed {
			c := throughProxy{t, p, through.addr, through.tls, through.passed}
			c.plain()
			c.centrifuge()
			c.page()
			ways = append(ways, c)
		}
	}
	if wstest.Long() && !unix {
		idle(t, ways)
	}
}

// runProxy starts a proxy with its file, in which texts are replaced, and ends it with the test.
func runProxy(t *testing.T, f front, dir string, replace []string) {
	t.Helper()
	text, err := os.ReadFile("deploy/" + f.file)
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, f.file, strings.NewReplacer(replace...).Replace(string(text)))
	args := append([]string{}, f.command[1:]...)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "FILE", file)
	}
	program, err := exec.LookPath(f.command[0])
	if err != nil { // a user's PATH may be without the folder of daemons
		program, err = exec.LookPath("/usr/sbin/" + f.command[0])
	}
	if err != nil {
		t.Fatalf("%v: install Debian's package %s, or run make test, which does", err, f.command[0])
	}
	var out wstest.Log
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &out, append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // workers, too
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(dir + "/log")
			t.Logf("%s said:\n%s%s", f.name, out.String(), log)
		}
	})
}

// throughProxy is a way through a proxy.
type throughProxy struct {
	t      *testing.T
	p      *program
	addr   string
	tls    bool
	passed bool // with TLS to webim itself
}

// clientAddr is where the clients of these tests are: not where the proxy is.
var clientAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 77)}

// dial connects, once the proxy listens.
func (c throughProxy) dial() *wstest.Client {
	c.t.Helper()
	var conn net.Conn
	wstest.Eventually(c.t, "the proxy listens", func() (ok bool) {
		var err error
		conn, err = (&net.Dialer{LocalAddr: clientAddr}).Dial("tcp", c.addr)
		return err == nil
	})
	client := wstest.NewClient(c.t, conn)
	if c.tls {
		if err := client.StartTLS(conn, &tls.Config{ServerName: "chat.example.org", InsecureSkipVerify: true}); err != nil {
			c.t.Fatalf("%s: %v", c.addr, err)
		}
	}
	return client
}

// headers are those of a page that the proxy has served. The address that the client makes up counts nowhere.
func (c throughProxy) headers() []string {
	scheme := "http"
	if c.tls {
		scheme = "https"
	}
	_, port, _ := net.SplitHostPort(c.addr)
	host := "chat.example.org:" + port
	return []string{"Host: " + host, "Origin: " + scheme + "://" + host, "X-Forwarded-For: 198.51.100.1"}
}

// plain speaks the plain dialect.
func (c throughProxy) plain() {
	c.t.Helper()
	client := c.dial()
	if r, err := client.TryHandshake("/lobby", c.headers()...); err != nil || r.StatusCode != http.StatusSwitchingProtocols {
		c.t.Fatalf("%s: %v, %v", c.addr, r, err)
	}
	const text = "through a proxy"
	client.Send(0x81, text)
	client.Expect(0x81, text)
	var from []string
	for one := range c.p.server.Conns() {
		if info, ok := one.Info(); ok {
			from = append(from, info.Remote.Addr().String())
		}
	}
	if len(from) != 1 || from[0] != clientAddr.IP.String() {
		c.t.Errorf("%s: the connections are from %v, want %v", c.addr, from, clientAddr.IP)
	}
	client.Leave()
	client.Conn.Close()
	wstest.Eventually(c.t, "it has left", func() bool { return c.p.server.Stats().Open == 0 })
}

// centrifuge speaks the Centrifuge dialect, in both encodings.
func (c throughProxy) centrifuge() {
	c.t.Helper()
	for _, binary := range []bool{false, true} {
		p, err := c.dial().TryProtocol("/connection/websocket", binary, c.headers()...)
		if err != nil {
			c.t.Fatalf("%s: %v", c.addr, err)
		}
		p.Connect(&protocol.ConnectRequest{})
		p.Subscribe(&protocol.SubscribeRequest{Channel: "team"})
		p.Publish("team", `{"text":"hello"}`)
		p.Conn.Close()
	}
	wstest.Eventually(c.t, "they have left", func() bool { return c.p.server.Stats().Open == 0 })
}

// page asks for the page, which net/http serves.
func (c throughProxy) page() {
	c.t.Helper()
	client := c.dial()
	defer client.Conn.Close()
	client.SendBytes([]byte("GET /ready HTTP/1.1\r\n" + strings.Join(c.headers()[:1], "") + "\r\n\r\n"))
	if r := client.Response(); r.StatusCode != 200 {
		c.t.Errorf("%s: /ready: %s", c.addr, r.Status)
	}
}

// idleFor is longer than the time after which nginx closes a silent connection by itself, and than HAProxy's timeouts of
// requests.
const idleFor = 65 * time.Second

// idle leaves connections alone for longer than the proxies allow by themselves, without a ping of webim's.
func idle(t *testing.T, ways []throughProxy) {
	t.Helper()
	var waiting sync.WaitGroup
	for _, c := range ways {
		client := c.dial()
		defer client.Conn.Close()
		if _, err := client.TryHandshake("/lobby", c.headers()...); err != nil {
			t.Fatal(err)
		}
		client.Conn.SetDeadline(time.Now().Add(idleFor))
		waiting.Go(func() {
			if _, err := client.Reader.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: an idle connection: %v", c.addr, err)
			}
		})
	}
	waiting.Wait()
}

// shortDir is a folder whose path is short enough for a Unix socket, and which the proxies' users may enter.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "webim")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Clean(dir)
}

// port returns the port of an address.
func port(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}
