package config

import (
	"fmt"
	"os"
	"regexp"
	"strconv"

	"webim/cmd/webim/internal/setting"
)

var residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)

// Room reports whether a second process as large as this one fits into the available memory: in a live upgrade, both are there for a
// moment. The error says by how much it does not.
func (m *MemoryTable) Room() error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil // not known
	}
	match := residentLine.FindSubmatch(status)
	if match == nil {
		return nil
	}
	kib, _ := strconv.ParseInt(string(match[1]), 10, 64)
	return m.roomFor(kib << 10)
}

func (m *MemoryTable) roomFor(bytes int64) error {
	if m.limit == 0 || 2*bytes <= m.limit {
		return nil
	}
	return fmt.Errorf("the process has %s of memory, and a second one like it would exceed %s, which is %s", setting.RoughSize(bytes), m.whose, setting.RoughSize(m.limit))
}
