package main_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"webim/netpoll/wstest"
)

// startTimeout is for the first line of a child.
var startTimeout = wstest.Patience

// The tests of this package share a program and a browser. The first test that needs one of them
// makes it, and TestMain ends it.
func TestMain(m *testing.M) {
	if dir := os.Getenv(fillFolder); dir != "" {
		fmt.Fprintln(os.Stderr, fillAndDie(dir))
		os.Exit(1)
	}
	if os.Getenv(betweenSocket) != "" {
		fmt.Fprintln(os.Stderr, becomeNew())
		os.Exit(1)
	}
	code := m.Run()
	if browser.stop != nil {
		browser.stop()
	}
	for i := range built {
		if dir := built[i].dir; dir != "" {
			_ = os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}

// built are the programs that the tests run, by whether they have the race detector.
var built [2]struct {
	once sync.Once
	dir  string
	err  error
}

// buildWebim returns the program, built with the race detector if the test itself has it.
func buildWebim(t *testing.T) (program string) {
	t.Helper()
	return build(t, underRace())
}

// buildForPages returns the program without the race detector. A browser takes the time of both processors by
// itself, so only the tests at full size have the detector look at what it makes the server do.
func buildForPages(t *testing.T) (program string) {
	t.Helper()
	return build(t, underRace() && wstest.Long())
}

func build(t *testing.T, race bool) (program string) {
	t.Helper()
	// Without the race detector it has no C, as make build makes it, so that the packages are compiled once for all tests.
	b, args, env := &built[0], []string{"build"}, append(os.Environ(), "CGO_ENABLED=0")
	if race {
		b, args, env = &built[1], []string{"build", "-race"}, os.Environ()
	}
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "webim-test"); b.err != nil {
			return
		}
		cmd := exec.Command("go", append(args, "-o", filepath.Join(b.dir, "webim"), ".")...)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			b.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return filepath.Join(b.dir, "webim")
}

func underRace() bool {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// A child is the real program in a process of its own, so that a test can kill it as a loss of power
// would.
type child struct {
	t    *testing.T
	url  string // of its page, as it printed it
	host string // host:port of url

	process *os.Process
	exited  chan struct{}
	code    int // of the exit, once exited is closed; set by launch
	output  wstest.Log
}

// startWebim runs `webim serve --dev` on the address, where port 0 means any free port, with more flags.
// It returns when the program has printed the address for the browser. The end of the test kills it.
func startWebim(t *testing.T, program, listen string, more ...string) *child {
	t.Helper()
	cmd := exec.Command(program, append([]string{"serve", "--dev", "--listen", listen}, more...)...)
	c := &child{t: t, exited: make(chan struct{})}
	cmd.Stderr = &c.output
	// The kernel kills the child if the test dies without its clean-up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.process = cmd.Process
	t.Cleanup(c.finish)

	opened := make(chan string, 1)
	go func() {
		defer close(c.exited)
		c.follow(stdout, opened)
		_ = cmd.Wait() // a killed child has an error, and means it
	}()
	select {
	case c.url = <-opened:
	case <-c.exited:
		t.Fatalf("webim ended instead of serving:\n%s", c.output.String())
	case <-time.After(startTimeout):
		t.Fatalf("webim did not say %q within %v, but:\n%s", openLine, startTimeout, c.output.String())
	}
	u, err := url.Parse(c.url)
	if err != nil {
		t.Fatal(err)
	}
	c.host = u.Host
	return c
}

// openLine matches the line that --dev prints on standard output when the listener is open.
var openLine = regexp.MustCompile(`^webim: open (http://\S+/) in a browser$`)

// follow copies the child's output to output and reports the page's address.
func (c *child) follow(stdout io.Reader, opened chan<- string) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		_, _ = c.output.Write([]byte(lines.Text() + "\n"))
		if m := openLine.FindStringSubmatch(lines.Text()); m != nil {
			select {
			case opened <- m[1]:
			default: // said twice; the first counts
			}
		}
	}
}

// signal sends sig to the child; a child that is gone already is no error.
func (c *child) signal(sig syscall.Signal) {
	c.t.Helper()
	if err := c.process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		c.t.Error(err)
	}
}

// kill ends the child without a word to its clients.
func (c *child) kill() {
	c.t.Helper()
	c.signal(syscall.SIGKILL)
	<-c.exited
}

func (c *child) finish() {
	c.kill()
	out := c.output.String()
	if strings.Contains(out, "DATA RACE") || strings.Contains(out, "panic") {
		c.t.Errorf("webim had a race or a panic")
	}
	if c.t.Failed() {
		c.t.Logf("webim on %s said:\n%s", c.host, out)
	}
}
