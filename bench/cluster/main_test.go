package cluster

import (
	"os"
	"testing"

	"webim/bench/benchtest"
)

func TestMain(m *testing.M) {
	benchtest.Main(m, map[string]func(string) error{
		benchtest.WorkerProgram: func(string) error { return ServeWorker(os.Stdin, os.Stdout) },
	})
}
