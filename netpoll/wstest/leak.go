package wstest

import (
	"net"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// Main is the body of a package's TestMain: it runs the tests and then fails if one of them has
// left a goroutine behind.
func Main(m *testing.M, options ...goleak.Option) {
	// Go's own poller opens its descriptors with the first socket, and keeps them.
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
	}
	goleak.VerifyTestMain(m, options...)
}

// Descriptors returns the number of open file descriptors of this process.
func Descriptors(t testing.TB) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// NoDescriptorsLeft waits until the process has at most as many open descriptors as before.
func NoDescriptorsLeft(t testing.TB, before int) {
	t.Helper()
	Eventually(t, "all descriptors are closed", func() bool { return Descriptors(t) <= before })
}
