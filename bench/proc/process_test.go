package proc

import (
	"os"
	"slices"
	"testing"
)

func TestProcess(t *testing.T) {
	p, err := Tree(os.Getpid())
	if err != nil || !slices.Contains(p.PIDs, os.Getpid()) || p.PSS() < 1<<20 || p.CPU() <= 0 || !p.Alive() {
		t.Errorf("%+v %v: %d bytes, %d ns", p, err, p.PSS(), p.CPU())
	}
	if p, _ := Tree(0); p.Known() || p.CPU() != 0 || p.PSS() != 0 {
		t.Error("no process has figures")
	}
	if _, err := Tree(1 << 22); err == nil {
		t.Error("a process that does not exist")
	}
}
